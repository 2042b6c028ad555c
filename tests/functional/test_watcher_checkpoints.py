# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where catching up begins, what it takes for new, and what it leaves behind."""

from __future__ import annotations

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
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
