# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A cluster's clock that is set back while the watcher is off."""

from __future__ import annotations

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import snapshots
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from tests.simulator.harness import Simulator

from .watched import Make, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]


@pytest.mark.parametrize("use_snapshots", [True, False])
def test_files_that_change_after_the_step_are_locked(
    watched: Make, simulator: Simulator, client: Client, use_snapshots: bool
) -> None:
    watcher = watched({"path": "/w", "quiet": "1s"}, snapshots=use_snapshots)
    try:
        with watcher.running():
            put(simulator, "/w/a.pdf")
            watcher.wait_recorded("/w/a.pdf")
        for snapshot in snapshots.list_all(client):
            snapshots.delete(client, snapshot)
        simulator.control("clock/skew", seconds=-200)
        put(simulator, "/w/off.pdf")
        with watcher.running() as process:
            watcher.wait_recorded("/w/off.pdf")
            assert "the cluster's clock was set back by 0:03:" in process.output()
        put(simulator, "/w/again.pdf")  # the time of this catch-up is by the new clock
        for snapshot in snapshots.list_all(client):
            snapshots.delete(client, snapshot)
        with watcher.running() as process:
            watcher.wait_recorded("/w/again.pdf")
            assert "was set back" not in process.output()
    finally:
        simulator.control("clock/skew", seconds=0)
