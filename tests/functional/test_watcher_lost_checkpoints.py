# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A checkpoint that is gone: what has changed since it was taken counts, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import snapshots
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from tests.simulator.harness import Simulator
from tests.tools.services import wait_for

from .watched import Make, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]

DAY = 86_400
OLD = {"/w/old.pdf", "/w/d/old.pdf", "/w/d/e/old.pdf"}


def lose_checkpoints(client: Client) -> None:
    """As somebody who deletes snapshots by hand."""
    for snapshot in snapshots.list_all(client):
        snapshots.delete(client, snapshot)


def expire_checkpoints(simulator: Simulator, client: Client) -> None:
    """As time does while the service is off."""
    simulator.control("clock/advance", seconds=61 * DAY)
    wait_for(lambda: not snapshots.list_all(client))


def lose_state(place: Path) -> None:
    for name in ("spool.db", "spool.db-wal", "spool.db-shm"):
        (place / name).unlink(missing_ok=True)


@pytest.fixture(autouse=True)
def clock(simulator: Simulator) -> object:
    yield
    simulator.control("clock/skew", seconds=0)


@pytest.mark.parametrize("first", ["new", "existing"])
@pytest.mark.parametrize("expired", [False, True])
def test_only_changes_since_the_checkpoint_count(
    watched: Make, simulator: Simulator, client: Client, first: str, expired: bool
) -> None:
    rename, set_attributes = client.rest.fs.rename, client.rest.fs.set_file_attr
    for path in OLD:
        put(simulator, path)
    for path in ("/out/one.pdf", "/out/tree/a/in.pdf", "/out/tree/in.pdf", "/w/d/written.pdf"):
        put(simulator, path)
    set_attributes(path="/w/d/written.pdf", modification_time="2020-01-01T00:00:00Z")
    watcher = watched()
    with watcher.running():
        pass
    watcher.settings["first_start"] = first
    watcher.write()
    if expired:
        expire_checkpoints(simulator, client)
    else:
        lose_checkpoints(client)
    put(simulator, "/w/d/new.pdf")
    put(simulator, "/w/made/new.pdf")
    rename(name="in.pdf", source="/out/one.pdf", dir_path="/w/d")
    rename(name="tree", source="/out/tree", dir_path="/w/d")
    put(simulator, "/w/d/written.pdf", "in place, and with the time of the original")
    set_attributes(path="/w/d/written.pdf", modification_time="2020-01-01T00:00:00Z")
    with watcher.running() as process:
        new = ("d/new", "made/new", "d/in", "d/tree/in", "d/tree/a/in", "d/written")
        watcher.wait_recorded(*(f"/w/{name}.pdf" for name in new))
        watcher.wait_idle(process)
        assert process.output().count("the checkpoint of /w is gone") == 1
    assert watcher.unlocked("/w") == OLD


def test_a_write_that_does_not_count_does_not_by_time(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    put(simulator, "/w/log.txt")
    put(simulator, "/out/copy.txt")
    watcher = watched({"path": "/w", "events": ["added", "moved"]})
    with watcher.running():
        pass
    lose_checkpoints(client)
    put(simulator, "/w/log.txt", "another line")
    put(simulator, "/w/new.txt")
    client.rest.fs.rename(name="moved.txt", source="/out/copy.txt", dir_path="/w")
    with watcher.running() as process:
        watcher.wait_recorded("/w/new.txt", "/w/moved.txt")
        watcher.wait_idle(process)
    assert watcher.unlocked("/w") == {"/w/log.txt"}


def test_a_lost_checkpoint_is_replaced(watched: Make, simulator: Simulator, client: Client) -> None:
    put(simulator, "/w/old.pdf")
    watcher = watched()
    with watcher.running() as process:
        lose_checkpoints(client)
        simulator.control("streams/drop")
        wait_for(lambda: "the checkpoint of /w is gone" in process.output())
        wait_for(lambda: snapshots.list_all(client))
        watcher.wait_idle(process)
        simulator.control("streams/drop")
        put(simulator, "/w/new.pdf")
        watcher.wait_recorded("/w/new.pdf")
        watcher.wait_idle(process)
        assert process.output().count("is gone") == 1
    assert watcher.unlocked("/w") == {"/w/old.pdf"}


def test_a_directory_in_doubt_is_named_and_not_locked(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    for path in ("/w/d/e/old.pdf", "/out/tree/old.pdf"):
        put(simulator, path)
    watcher = watched()
    with watcher.running():
        pass
    lose_checkpoints(client)
    client.rest.fs.rename(name="tree", source="/out/tree", dir_path="/w/d")
    put(simulator, "/w/d/tree/new.pdf")  # hides that the directory was moved in
    with watcher.running() as process:
        watcher.wait_recorded("/w/d/tree/new.pdf")
        watcher.wait_idle(process)
        assert "/w/d/tree. Files that have not changed" in process.output()
    assert watcher.unlocked("/w") == {"/w/d/e/old.pdf", "/w/d/tree/old.pdf"}


def test_a_restored_spool_continues_by_time(
    watched: Make, simulator: Simulator, tmp_path: Path
) -> None:
    put(simulator, "/w/old.pdf")
    watcher = watched()
    with watcher.running():
        pass
    backup = (tmp_path / "spool.db").read_bytes()
    for number in range(2):
        with watcher.running() as process:
            put(simulator, f"/w/{number}.pdf")
            watcher.wait_recorded(f"/w/{number}.pdf")
            watcher.wait_idle(process)
    lose_state(tmp_path)
    (tmp_path / "spool.db").write_bytes(backup)
    put(simulator, "/w/meanwhile.pdf")
    with watcher.running() as process:
        watcher.wait_recorded("/w/meanwhile.pdf")
        watcher.wait_idle(process)
        assert "the checkpoint of /w is gone" in process.output()
    assert watcher.unlocked("/w") == {"/w/old.pdf"}
    outcomes = {(each["path"], each["outcome"]) for each in watcher.records()}
    assert {("/w/0.pdf", "already locked"), ("/w/1.pdf", "already locked")} <= outcomes


@pytest.mark.parametrize("first", ["new", "existing"])
def test_without_any_state_first_start_decides_and_says_so(
    watched: Make, simulator: Simulator, client: Client, tmp_path: Path, first: str
) -> None:
    put(simulator, "/w/old.pdf")
    watcher = watched()
    with watcher.running():
        pass
    lose_checkpoints(client)
    lose_state(tmp_path)
    watcher.settings["first_start"] = first
    watcher.write()
    put(simulator, "/w/meanwhile.pdf")
    with watcher.running() as process:
        put(simulator, "/w/after.pdf")
        watcher.wait_recorded("/w/after.pdf")
        watcher.wait_idle(process)
        assert "/w has no checkpoint yet: " in process.output()
    left = {"/w/old.pdf", "/w/meanwhile.pdf"} if first == "new" else set()
    assert watcher.unlocked("/w") == left


@pytest.mark.parametrize("snapshots_before", [False, True])
def test_without_snapshots_old_files_are_not_taken(
    watched: Make, simulator: Simulator, client: Client, snapshots_before: bool
) -> None:
    for path in (*OLD, "/out/tree/a/in.pdf"):
        put(simulator, path)
    watcher = watched(snapshots=snapshots_before)
    with watcher.running():
        pass
    watcher.settings["snapshots"] = False
    watcher.write()
    if snapshots_before:
        with watcher.running():  # which learns where directories are
            pass
    client.rest.fs.rename(name="tree", source="/out/tree", dir_path="/w/d")
    client.rest.fs.rename(name="f", source="/w/d/e", dir_path="/w/d")
    put(simulator, "/w/d/tree/new.pdf")
    put(simulator, "/w/d/new.pdf")
    client.rest.fs.set_file_attr(path="/w/d", mode="0750")
    with watcher.running() as process:
        names = ("tree/new", "new", "tree/a/in", "f/old")
        watcher.wait_recorded(*(f"/w/d/{name}.pdf" for name in names))
        watcher.wait_idle(process)
    assert watcher.unlocked("/w") == {"/w/old.pdf", "/w/d/old.pdf"}


def test_the_time_of_the_checkpoint_outlives_a_lost_state(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    """The state is lost first, and the checkpoint before the catch-up is complete."""
    put(simulator, "/w/old.pdf")
    watcher = watched({"path": "/w", "quiet": "1s"})
    with watcher.running():
        pass
    put(simulator, "/w/closed/in.pdf")
    closed = client.rest.fs.get_file_attr(path="/w/closed")["id"]
    refused = f"GET /v1/files/({closed}|%2Fw%2Fclosed)/entries/"
    simulator.control("faults/add", route=refused, kind="403")
    lose_state(watcher.place)
    with watcher.running():
        pass
    lose_checkpoints(client)
    simulator.control("faults/clear")
    with watcher.running() as process:
        watcher.wait_recorded("/w/closed/in.pdf")
        watcher.wait_idle(process)
    assert watcher.unlocked("/w") == {"/w/old.pdf"}
