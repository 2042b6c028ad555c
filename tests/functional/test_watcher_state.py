# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A watcher whose state is deleted, replaced or damaged while it runs."""

from __future__ import annotations

from tests.simulator.harness import Simulator

from .watched import Make, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]


def test_a_deleted_record_ends_the_service(watched: Make, simulator: Simulator) -> None:
    watcher = watched()
    with watcher.running() as process:
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")
        watcher.evidence.unlink()
        put(simulator, "/w/b.pdf")
        assert process.wait() == 1
        assert "was deleted or replaced while the service was running" in process.output()
    assert watcher.records() == []
    with watcher.running():
        watcher.wait_recorded("/w/b.pdf")  # it is recorded by the next start
