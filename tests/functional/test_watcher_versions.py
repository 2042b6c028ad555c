# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is over is never locked again, and what was released is never held again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import (
    file_locks,
    files,
    snapshots,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.file_locks import (
    LockRequest,
    LockState,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.times import (
    format_rfc3339,
)
from tests.simulator.harness import Simulator

from .watched import Make, Watched, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]

DAY = 86_400


@pytest.fixture(autouse=True)
def clock(simulator: Simulator) -> Iterator[None]:
    """The cluster's clock, set right afterwards."""
    yield
    simulator.control("clock/skew", seconds=0)


def lose(watcher: Watched, *, evidence: bool) -> None:
    """Another host takes the place of this one."""
    for name in ("spool.db", "spool.db-wal", "spool.db-shm"):
        (watcher.place / name).unlink(missing_ok=True)
    if evidence:
        watcher.evidence.unlink()


def until(client: Client, path: str) -> datetime | None:
    return LockState.of(files.get(client, by_path(path), lock=True)).until


def is_held(client: Client, path: str) -> bool:
    return LockState.of(files.get(client, by_path(path), lock=True)).hold


def release(client: Client, path: str) -> None:
    file = file_locks.read_target(client, by_path(path))
    assert file_locks.ensure(client, file, LockRequest(None, hold=False), check_mode=False).changed


def delete_checkpoints(client: Client) -> None:
    for snapshot in snapshots.list_all(client):
        snapshots.delete(client, snapshot)


def settle(watcher: Watched, simulator: Simulator, *, number: int = 1) -> None:
    """Run the watcher until it has looked at everything that there is."""
    marker = f"/w/marker-{number}.pdf"
    with watcher.running() as process:
        put(simulator, marker)
        watcher.wait_recorded(marker)
        watcher.wait_idle(process)


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("existing", True),
        ("existing", False),
        ("no_checkpoint", True),
        ("walk", True),
        ("chmod", False),
        ("hold", True),
        ("move", True),
        ("move", False),
    ],
)
def test_expired_data_is_not_locked_again_by_any_path(
    watched: Make, simulator: Simulator, client: Client, path: str, known: bool
) -> None:
    watcher = watched(
        {"path": "/w", "legal_hold": path == "hold"},
        snapshots=path != "walk",
        first_start="existing" if path == "existing" else "new",
    )
    with watcher.running() as process:
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")
        watcher.wait_idle(process)
    simulator.control("clock/advance", seconds=40 * DAY)
    ended, name = until(client, "/w/a.pdf"), "/w/a.pdf"
    since = simulator.control("state")["requests"]
    fs = client.rest.fs
    if path == "no_checkpoint":
        delete_checkpoints(client)
    if path in ("chmod", "walk"):
        fs.set_file_attr(path=name, mode="0600")
    if path == "hold":
        release(client, name)
        since = simulator.control("state")["requests"]
    if path == "move" and not known:
        fs.rename(name="b.pdf", source=name, dir_path="/w")
        name = "/w/b.pdf"
    if not known:
        lose(watcher, evidence=True)
    with watcher.running() as process:
        if path == "move" and known:
            fs.rename(name="b.pdf", source=name, dir_path="/w")
            name = "/w/b.pdf"
        put(simulator, "/w/marker.pdf")
        watcher.wait_recorded("/w/marker.pdf")
        watcher.wait_idle(process)
    assert until(client, name) == ended
    assert not watcher.is_locked(name)
    assert len(watcher.lock_requests(since)) == 1
    # Its data are written again: that is a new version.
    put(simulator, name, "new data")
    settle(watcher, simulator)
    again = until(client, name)
    assert again is not None and ended is not None and again > ended
    assert watcher.is_locked(name)


def test_what_is_written_with_an_old_time_is_a_new_version(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    watcher = watched()
    with watcher.running() as process:
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")
        watcher.wait_idle(process)
    old = files.get(client, by_path("/w/a.pdf")).modification_time
    simulator.control("clock/advance", seconds=40 * DAY)
    put(simulator, "/w/a.pdf", "other data")
    client.rest.fs.set_file_attr(path="/w/a.pdf", modification_time=old)
    settle(watcher, simulator)
    assert watcher.is_locked("/w/a.pdf")


def test_a_time_that_is_set_does_not_make_data_new(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    watcher = watched()
    with watcher.running() as process:
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")
        watcher.wait_idle(process)
    simulator.control("clock/advance", seconds=40 * DAY)
    ended = until(client, "/w/a.pdf")
    later = format_rfc3339(client.measure_clock().now())
    with watcher.running() as process:
        client.rest.fs.set_file_attr(path="/w/a.pdf", modification_time=later)
        put(simulator, "/w/marker.pdf")
        watcher.wait_recorded("/w/marker.pdf")
        watcher.wait_idle(process)
    assert until(client, "/w/a.pdf") == ended


def test_a_second_look_does_not_extend_a_retention_period(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    watcher = watched(snapshots=False)
    with watcher.running() as process:
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")
        watcher.wait_idle(process)
    first = until(client, "/w/a.pdf")
    for number, days in enumerate((5, 10, 14)):
        simulator.control("clock/advance", seconds=days * DAY)
        if number == 1:
            lose(watcher, evidence=True)
            watcher.settings["first_start"] = "existing"
            watcher.write()
        settle(watcher, simulator, number=number)
        assert until(client, "/w/a.pdf") == first


@pytest.mark.parametrize("path", ["catch_up", "walk", "chmod", "move", "no_checkpoint", "evidence"])
def test_a_released_hold_is_not_set_again(
    watched: Make, simulator: Simulator, client: Client, path: str
) -> None:
    watcher = watched(
        {"path": "/w", "retention": None, "legal_hold": True}, snapshots=path != "walk"
    )
    name = "/w/a.pdf"
    with watcher.running() as process:
        put(simulator, name)
        watcher.wait_recorded(name)
        watcher.wait_idle(process)
        if path in ("chmod", "move"):
            release(client, name)
    if path not in ("chmod", "move"):
        release(client, name)
    if path == "no_checkpoint":
        delete_checkpoints(client)
    if path == "evidence":  # the evidence was kept, all else is lost
        lose(watcher, evidence=False)
        watcher.settings["first_start"] = "existing"
        watcher.write()
    since = simulator.control("state")["requests"]
    with watcher.running() as process:
        if path == "chmod":
            client.rest.fs.set_file_attr(path=name, mode="0600")
        if path == "move":
            client.rest.fs.rename(name="b.pdf", source=name, dir_path="/w")
            name = "/w/b.pdf"
        put(simulator, "/w/marker.pdf")
        watcher.wait_recorded("/w/marker.pdf")
        watcher.wait_idle(process)
    assert not is_held(client, name)
    assert len(watcher.lock_requests(since)) == 1
    # The audit knows the difference between a hold that was released and one that is missing.
    put(simulator, "/w/missing.pdf")
    done = watcher.command("audit")
    assert done.returncode == 1
    assert f"released: {name} (not locked: its legal hold was released)" in done.stdout
    assert "missed: /w/missing.pdf" in done.stdout
    assert "1 released, 1 missed" in done.stdout
    # New data are a new version, and get a hold of their own.
    put(simulator, name, "new data")
    settle(watcher, simulator)
    assert is_held(client, name)


def test_an_audit_finds_a_missing_hold_behind_a_retention_period(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    watcher = watched({"path": "/w", "legal_hold": True})
    with watcher.running() as process:
        put(simulator, "/w/held.pdf")
        watcher.wait_recorded("/w/held.pdf")
        watcher.wait_idle(process)
    release(client, "/w/held.pdf")
    put(simulator, "/w/retained.pdf")
    file = file_locks.read_target(client, by_path("/w/retained.pdf"))
    far = until(client, "/w/held.pdf")
    file_locks.ensure(client, file, LockRequest(far, hold=None), check_mode=False)
    done = watcher.command("audit")
    assert done.returncode == 1
    assert "released: /w/held.pdf (retained until" in done.stdout
    missed = next(line for line in done.stdout.splitlines() if line.startswith("missed:"))
    assert missed.startswith("missed: /w/retained.pdf (retained until ")
    assert missed.endswith(", and rule 'rule 1' requires a legal hold)")
