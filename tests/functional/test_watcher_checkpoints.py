# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where catching up begins, what it takes for new, and what it leaves behind."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.follower import (
    Follower,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.rules import Root
from tests.simulator.harness import Simulator
from tests.tools.services import wait_for

from .watched import Make, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]


def test_catching_up_that_fails_again_and_again_leaves_no_snapshots(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    watcher = watched()
    with watcher.running() as process:
        simulator.control("faults/add", route="changes-since", kind="500")
        simulator.control("streams/drop")
        wait_for(lambda: process.output().count("has failed") > 4)
        # The checkpoint, and the one of a try that may be under way.
        assert len(client.get("/v2/snapshots/")["entries"]) <= 2
        put(simulator, "/w/a.pdf")
        simulator.control("faults/clear")
        watcher.wait_recorded("/w/a.pdf")
        watcher.wait_idle(process)


def test_checkpoints_that_cannot_be_deleted_do_not_stop_it(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    def present() -> list[int]:
        return [entry["id"] for entry in client.get("/v2/snapshots/")["entries"]]

    watcher = watched()
    with watcher.running() as process:
        wait_for(lambda: "caught up" in process.output())
        (first,) = present()
        client.rest.snapshot.lock_snapshot(first, "key")
        for turn in range(3):
            caught_up = process.output().count("caught up")
            put(simulator, f"/w/{turn}.pdf")
            watcher.wait_recorded(f"/w/{turn}.pdf")
            simulator.control("streams/drop")
            wait_for(lambda before=caught_up: process.output().count("caught up") > before)
        wait_for(lambda: len(present()) == 2 and first in present())
        watcher.wait_idle(process)
        assert "has failed" not in process.output()


@pytest.mark.parametrize("first", [True, False])
def test_it_goes_on_where_it_was_when_it_begins_or_ceases_to_use_snapshots(
    watched: Make, simulator: Simulator, first: bool
) -> None:
    watcher = watched(snapshots=first)
    with watcher.running():
        pass
    put(simulator, "/w/meanwhile.pdf")
    watcher.settings["snapshots"] = not first
    watcher.write()
    with watcher.running():
        watcher.wait_recorded("/w/meanwhile.pdf")


def test_what_was_not_written_is_not_locked_when_it_is_caught_up(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    names = [f"{number:02}.pdf" for number in range(30)]
    for name in [*names, "same-time.pdf", "set-back.pdf", "grown.pdf"]:
        put(simulator, f"/w/{name}")
    set_attributes = client.rest.fs.set_file_attr
    for name in ("same-time.pdf", "set-back.pdf", "grown.pdf"):
        set_attributes(path=f"/w/{name}", modification_time="2020-01-01T00:00:00Z")
    watcher = watched()
    with watcher.running() as process:
        wait_for(lambda: "caught up" in process.output())
    for name in names:  # as the syncer of access times does, or a change of owner
        set_attributes(path=f"/w/{name}", access_time="2026-01-01T00:00:00Z")
    for name, content in (("same-time", "y"), ("set-back", "x"), ("grown", "longer")):
        put(simulator, f"/w/{name}.pdf", content)
    for name in ("same-time.pdf", "grown.pdf"):
        set_attributes(path=f"/w/{name}", modification_time="2020-01-01T00:00:00Z")
    set_attributes(path="/w/set-back.pdf", modification_time="2019-01-01T00:00:00Z")
    with watcher.running() as process:
        watcher.wait_recorded("/w/same-time.pdf", "/w/set-back.pdf", "/w/grown.pdf")
        watcher.wait_idle(process)
    assert watcher.unlocked("/w") == {f"/w/{name}" for name in names}


def test_a_write_that_a_rule_does_not_count_does_not_when_it_is_caught_up(
    watched: Make, simulator: Simulator
) -> None:
    put(simulator, "/w/log.txt")
    watcher = watched({"path": "/w", "events": ["added", "moved"]})
    with watcher.running():
        pass
    put(simulator, "/w/log.txt", "another line")
    put(simulator, "/w/new.txt")
    with watcher.running() as process:
        watcher.wait_recorded("/w/new.txt")
        watcher.wait_idle(process)
    assert watcher.unlocked("/w") == {"/w/log.txt"}


@pytest.mark.parametrize("use_snapshots", [True, False])
def test_a_retention_that_is_over_is_not_begun_again(
    watched: Make, simulator: Simulator, use_snapshots: bool
) -> None:
    watcher = watched({"path": "/w", "retention": "1d"}, snapshots=use_snapshots)
    with watcher.running():
        put(simulator, "/w/d/a.pdf")
        put(simulator, "/w/d/changed.pdf")
        watcher.wait_recorded("/w/d/a.pdf", "/w/d/changed.pdf")
    simulator.control("clock/advance", seconds=3 * 86400)
    try:
        put(simulator, "/w/d/b.pdf")
        put(simulator, "/w/d/changed.pdf", "after its time")
        with watcher.running() as process:
            wait_for(lambda: watcher.unlocked("/w") == {"/w/d/a.pdf"})
            watcher.wait_idle(process)
        assert watcher.unlocked("/w") == {"/w/d/a.pdf"}
    finally:
        simulator.control("clock/skew", seconds=0)


class Checkpoints:
    """Catches up with nothing, and notes what becomes of checkpoints."""

    def __init__(self) -> None:
        self.taken = 0
        self.settled = 0

    def run(self) -> int:
        return 0

    def take(self) -> int:
        self.taken += 1
        return self.taken

    def settle(self, snapshot_id: int) -> None:
        self.settled = snapshot_id

    def cancel(self) -> None:
        pass


def test_nothing_becomes_a_checkpoint_while_what_was_before_it_is_not_read(
    simulator: Simulator, client: Client
) -> None:
    client.rest.fs.create_directory(name="w", dir_path="/")
    simulator.control("streams", keepalive=0.2)
    checkpoints, blocked, go_on = Checkpoints(), threading.Event(), threading.Event()

    def take(root: Root, events: list[Any]) -> bool:
        blocked.set()
        return go_on.wait(60)

    follower = Follower(
        client,
        Root(client.rest.fs.get_file_attr(path="/w")["id"], "/w"),
        recursive=True,
        types=frozenset(["child_file_added"]),
        catch_up=checkpoints,
        take=take,
        caught_up=lambda count, seconds: None,
        rotate=3.0,
        poll=False,
        poll_every=60.0,
        silence=1.0,
    )
    follower.start()
    try:
        wait_for(lambda: follower.settled)
        put(simulator, "/w/a")
        assert blocked.wait(60)
        put(simulator, "/w/b")  # waits to be read
        before = checkpoints.taken
        wait_for(lambda: checkpoints.taken > before or checkpoints.taken == 1)
        time.sleep(2.5)  # more than the silence
        assert checkpoints.settled < max(before, 1)
        go_on.set()
        wait_for(lambda: checkpoints.settled > 0)
    finally:
        go_on.set()
        follower.stop()
        follower.join(time.monotonic() + 60)
