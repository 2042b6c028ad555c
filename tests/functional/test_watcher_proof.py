# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``verify --cluster`` and ``audit`` say of locks that are not as they should be."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import file_locks
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common import hash_chain
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.file_locks import (
    LockRequest,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.times import (
    format_rfc3339,
)
from tests.simulator.harness import Simulator
from tests.tools.services import free_port, wait_for

from .watched import Make, Watched, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]

DAY = 86_400
PROVEN, DISPROVED, UNCHECKED = 0, 1, 4


@pytest.fixture(autouse=True)
def clock(simulator: Simulator) -> Iterator[None]:
    """The cluster's clock, set right afterwards."""
    yield
    simulator.control("clock/skew", seconds=0)


def lock(watcher: Watched, *paths: str) -> None:
    """Let the watcher lock files that come in."""
    with watcher.running() as process:
        for path in paths:
            put(watcher.simulator, path)
        watcher.wait_recorded(*paths)
        watcher.wait_idle(process)


def change(watcher: Watched, rule: dict[str, Any] | None = None, **options: Any) -> None:
    """Change the configuration."""
    watcher.settings.update(options)
    watcher.settings["rules"][0].update(rule or {})
    watcher.write()


def release(client: Client, path: str) -> None:
    file = file_locks.read_target(client, by_path(path))
    assert file_locks.ensure(client, file, LockRequest(None, hold=False), check_mode=False).changed


def delete(client: Client, path: str) -> None:
    client.rest.fs.delete(path)


def verified(watcher: Watched, code: int, *texts: str) -> None:
    done = watcher.command("verify", "--cluster")
    assert done.returncode == code, done.stdout + done.stderr
    for text in texts:
        assert text in done.stdout, done.stdout
    assert ("All as recorded." in done.stdout) == (code == PROVEN and "released" not in done.stdout)


def audited(watcher: Watched, code: int, *texts: str) -> None:
    done = watcher.command("audit")
    assert done.returncode == code, done.stdout + done.stderr
    for text in texts:
        assert text in done.stdout, done.stdout
    done = watcher.command("audit", "--json")
    assert done.returncode == code
    *found, totals = [json.loads(line) for line in done.stdout.splitlines()]
    for each in found:
        assert totals[each["why"]] >= 1


def forge(watcher: Watched, **changes: Any) -> None:
    """Append a record to the evidence, as somebody with root can."""
    text = watcher.evidence.read_bytes()
    last = text.splitlines()[-1]
    record = {**json.loads(last), **changes}
    data, _last = hash_chain.append([record], hash_chain.digest(last))
    watcher.evidence.write_bytes(text + data)


def later(seconds: float) -> str:
    return format_rfc3339(datetime.now(timezone.utc) + timedelta(seconds=seconds))


def test_released_hold_differs_from_a_missing_one(
    watched: Make, client: Client, simulator: Simulator
) -> None:
    watcher = watched({"path": "/w", "retention": None, "legal_hold": True})
    lock(watcher, "/w/a.pdf", "/w/b.pdf")
    verified(watcher, PROVEN)
    audited(watcher, PROVEN, "2 locked")
    release(client, "/w/a.pdf")
    verified(watcher, PROVEN, "released: /w/a.pdf: not locked: its legal hold was released")
    audited(watcher, PROVEN, "released: /w/a.pdf (not locked: its legal hold was released)")
    # A hold that was never set leaves the file as it was when it was recorded.
    put(simulator, "/w/never.pdf")
    info = file_locks.read_target(client, by_path("/w/never.pdf"))
    forge(
        watcher,
        file_id=info.id,
        path="/w/never.pdf",
        size=info.size,
        modification_time=info.modification_time,
        change_time=info.change_time,
        data_revision=info.data_revision,
    )
    verified(watcher, DISPROVED, "not as recorded: /w/never.pdf: not locked, and the recorded")
    audited(watcher, DISPROVED, "missed: /w/never.pdf")


@pytest.mark.parametrize("retention", [None, "10d"])
def test_released_hold_of_a_file_that_was_deleted(
    watched: Make, client: Client, simulator: Simulator, retention: str | None
) -> None:
    watcher = watched({"path": "/w", "retention": retention, "legal_hold": True})
    lock(watcher, "/w/a.pdf")
    simulator.control("clock/advance", seconds=20 * DAY)
    release(client, "/w/a.pdf")
    delete(client, "/w/a.pdf")
    text = "Its legal hold was released before it was deleted, or the file never existed"
    verified(watcher, UNCHECKED, "could not be checked: /w/a.pdf: it is gone", text)
    audited(watcher, UNCHECKED, "unproven: file ", text)


@pytest.mark.parametrize("corrected", [True, False])
def test_lock_destroyed_by_a_clock_that_was_set_ahead(
    watched: Make, client: Client, simulator: Simulator, corrected: bool
) -> None:
    watcher = watched()
    lock(watcher, "/w/gone.pdf", "/w/changed.pdf", "/w/kept.pdf")
    change(watcher, max_clock_skew="5min")
    simulator.control("clock/advance", seconds=40 * DAY)
    delete(client, "/w/gone.pdf")
    put(simulator, "/w/changed.pdf", "other")
    if corrected:
        simulator.control("clock/skew", seconds=0)
    verified(
        watcher,
        DISPROVED,
        "not as recorded: /w/gone.pdf: it is gone, though it was retained until",
        "not as recorded: /w/changed.pdf: its data changed while it was retained until",
        "1 as recorded, 0 released, 2 not as recorded",
    )
    audited(watcher, DISPROVED, "it is gone, though", "lost: /w/changed.pdf (its data changed")
    done = watcher.command("verify", "--cluster")
    assert (" ahead of this host's, more than" in done.stderr) != corrected


def test_clocks_that_disagree_prove_nothing(watched: Make, simulator: Simulator) -> None:
    watcher = watched()
    lock(watcher, "/w/a.pdf")
    change(watcher, max_clock_skew="5min")
    simulator.control("clock/advance", seconds=3600)
    for command in (["verify", "--cluster"], ["audit"]):
        done = watcher.command(*command)
        assert done.returncode == UNCHECKED
        assert " ahead of this host's, more than max_clock_skew" in done.stderr


def test_forged_record_of_a_file_that_never_existed(watched: Make) -> None:
    watcher = watched()
    lock(watcher, "/w/a.pdf")
    forge(watcher, file_id="987654321", path="/w/x.pdf", retention_until=later(-DAY))
    verified(watcher, UNCHECKED, "could not be checked: /w/x.pdf: it is gone", "never existed")
    # A forged record that ends earlier does not hide one that ends later.
    forge(watcher, file_id="987654321", path="/w/x.pdf", retention_until=later(DAY))
    forge(watcher, file_id="987654321", path="/w/x.pdf", retention_until=later(-DAY))
    verified(watcher, DISPROVED, "not as recorded: /w/x.pdf: it is gone", "never existed")


def test_forged_record_of_another_lock(watched: Make) -> None:
    watcher = watched()
    lock(watcher, "/w/a.pdf")
    whole = watcher.evidence.read_bytes()
    for changes, text in (
        ({"retention_until": later(99 * DAY)}, "though it was retained until"),
        ({"data_revision": "99999"}, "its data changed while it was"),
        ({"size": 4711}, "it has 1 bytes, and 4711 were recorded"),
        ({"file_id": "2"}, "it is a directory"),
    ):
        forge(watcher, **changes)
        verified(watcher, DISPROVED, text)
        watcher.evidence.write_bytes(whole)


def test_lock_shorter_than_its_rule_requires(
    watched: Make, client: Client, simulator: Simulator
) -> None:
    watcher = watched({"path": "/w", "retention": "5d"})
    lock(watcher, "/w/a.pdf")
    change(watcher, {"retention": "30d", "name": "month"})
    text = "and rule 'month' requires retention until"
    verified(watcher, DISPROVED, "not as recorded: /w/a.pdf: retained until", text)
    audited(watcher, DISPROVED, "missed: /w/a.pdf (retained until", text)
    # Somebody else's lock is too short, too.
    change(watcher, {"retention": "5d"})
    audited(watcher, PROVEN)
    put(simulator, "/w/b.pdf")
    request = LockRequest(client.clock().now() + timedelta(hours=1), None)
    file = file_locks.read_target(client, by_path("/w/b.pdf"))
    assert file_locks.ensure(client, file, request, check_mode=False).changed
    audited(watcher, DISPROVED, "missed: /w/b.pdf (retained until", text)


def test_missing_directory_is_not_audited(watched: Make, client: Client) -> None:
    watcher = watched({"path": "/w"}, {"name": "other", "path": "/not/there"})
    lock(watcher, "/w/a.pdf")
    audited(watcher, UNCHECKED, "no_directory: /not/there (the directory of rule 'other'")


@pytest.mark.parametrize("narrowed", [{"include": ["*.pdf"]}, {"path": "/w/new"}])
def test_files_that_a_narrowed_rule_no_longer_covers(
    watched: Make, client: Client, simulator: Simulator, narrowed: dict[str, Any]
) -> None:
    client.rest.fs.create_directory(name="new", dir_path="/w")
    watcher = watched()
    lock(watcher, "/w/new/a.pdf", "/w/b.xml")
    change(watcher, {"quiet": "1h"})
    with watcher.running():
        put(simulator, "/w/waits.xml")
        wait_for(lambda: "/w/waits.xml" in watcher.command("pending").stdout)
    audited(watcher, PROVEN, "pending: /w/waits.xml")
    change(watcher, narrowed)
    verified(watcher, PROVEN, "as recorded: /w/b.xml: no rule covers it any more")
    audited(
        watcher,
        DISPROVED,
        "locked: /w/b.xml (no rule covers it any more",
        "uncovered: /w/waits.xml (it waits, and will not be locked",
    )
    # It was locked, and new data are not.
    simulator.control("clock/advance", seconds=40 * DAY)
    put(simulator, "/w/b.xml", "new")
    audited(watcher, DISPROVED, "uncovered: /w/b.xml")


def test_cluster_that_cannot_be_asked_proves_nothing(watched: Make, simulator: Simulator) -> None:
    watcher = watched()
    lock(watcher, "/w/a.pdf")
    file_id = watcher.records()[0]["file_id"]
    simulator.control("faults/add", route=f"files/{file_id}/info/attributes", kind="500")
    verified(watcher, UNCHECKED, "could not be checked: /w/a.pdf")
    simulator.control("faults/clear")
    watcher.settings["cluster"]["port"] = free_port()
    watcher.write()
    for command in (["verify", "--cluster"], ["audit"], ["audit", "--json"]):
        done = watcher.command(*command)
        assert done.returncode == UNCHECKED, done.stderr
        assert "{" not in done.stdout
