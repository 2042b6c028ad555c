# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that are renamed, moved in and deleted while a watcher looks at them."""

from __future__ import annotations

import signal

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from tests.simulator.harness import Simulator
from tests.tools.services import wait_for

from .watched import Make, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]


def test_a_directory_that_is_named_by_its_id_is_followed_when_it_is_renamed(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    rename = client.rest.fs.rename
    watcher = watched({"file_id": client.rest.fs.get_file_attr(path="/w")["id"]})
    put(simulator, "/elsewhere/x")
    with watcher.running() as process:
        rename(name="v", source="/w", dir_path="/elsewhere")
        put(simulator, "/elsewhere/v/at-once.pdf")
        watcher.wait_recorded("/elsewhere/v/at-once.pdf")
        # Later, too, when the rules go by the new name.
        since = simulator.control("state")["requests"]

        def looked_at_twice() -> bool:
            asked = simulator.control("requests", since=since)["requests"]
            return [r["uri"] for r in asked].count("/v1/file-system/settings/notify") > 1

        wait_for(looked_at_twice)
        put(simulator, "/elsewhere/v/later.pdf")
        watcher.wait_recorded("/elsewhere/v/later.pdf")
        watcher.wait_idle(process)
        process.signal(signal.SIGKILL)
        process.wait()
    rename(name="u", source="/elsewhere/v", dir_path="/")
    put(simulator, "/u/while-away.pdf")
    with watcher.running():
        watcher.wait_recorded("/u/while-away.pdf")


def test_of_a_directory_that_was_moved_in_all_is_locked_that_is_not_deleted_meanwhile(
    watched: Make, simulator: Simulator, client: Client
) -> None:
    for number in range(40):
        put(simulator, f"/out/tree/{number:02}/in.pdf")
    watcher = watched()
    with watcher.running() as process:
        simulator.control("latency", seconds=0.4)
        client.rest.fs.rename(name="tree", source="/out/tree", dir_path="/w")
        # The last that is listed goes while others are.
        client.rest.fs.delete(path="/w/tree/00/in.pdf")
        client.rest.fs.delete(path="/w/tree/00")
        simulator.control("latency", seconds=0)
        watcher.wait_recorded(*(f"/w/tree/{number:02}/in.pdf" for number in range(1, 40)))
        watcher.wait_idle(process)
    assert watcher.unlocked("/w") == set()
