# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever happens to the cluster's clock, no lock is too long, and none is missed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.times import (
    parse_rfc3339,
)
from tests.simulator.harness import Simulator
from tests.tools.services import wait_for

from .watched import Make, Watched, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]


@pytest.fixture(autouse=True)
def clock(simulator: Simulator) -> Iterator[None]:
    """The cluster's clock, set right before and afterwards."""
    simulator.control("clock/skew", seconds=0)
    yield
    simulator.control("clock/skew", seconds=0)


def assert_lengths(watcher: Watched) -> None:
    """Each period is as long as the rule says, by the cluster's own time of the lock."""
    for record in watcher.records():
        length = parse_rfc3339(record["retention_until"]) - parse_rfc3339(record["change_time"])
        assert abs(length - timedelta(days=30)) < timedelta(seconds=60), record


@pytest.mark.parametrize("seconds", [-7200, 7200, 40 * 86_400])
def test_a_clock_that_is_corrected_between_two_measurements(
    watched: Make, simulator: Simulator, seconds: int
) -> None:
    watcher = watched()
    with watcher.running() as process:
        put(simulator, "/w/before.pdf")
        watcher.wait_recorded("/w/before.pdf")
        simulator.control("clock/advance", seconds=seconds)
        put(simulator, "/w/after.pdf")
        watcher.wait_recorded("/w/after.pdf")
        assert "measuring it again" in process.output()
    assert_lengths(watcher)


def test_nothing_is_locked_by_a_clock_that_is_wrong(watched: Make, simulator: Simulator) -> None:
    watcher = watched(max_clock_skew="5min")
    with watcher.running() as process:
        put(simulator, "/w/before.pdf")
        watcher.wait_recorded("/w/before.pdf")
        since = simulator.control("state")["requests"]
        simulator.control("clock/skew", seconds=86_400)
        put(simulator, "/w/after.pdf")
        wait_for(lambda: "nothing is locked until" in process.status)
        assert watcher.lock_requests(since) == {}
        simulator.control("clock/skew", seconds=0)
        watcher.wait_recorded("/w/after.pdf")
    assert_lengths(watcher)


def test_what_waits_is_due_when_the_clock_was_set_back(watched: Make, simulator: Simulator) -> None:
    simulator.control("clock/skew", seconds=30 * 86_400)
    watcher = watched({"path": "/w", "quiet": "1h"})
    with watcher.running() as process:
        put(simulator, "/w/a.pdf")
        wait_for(lambda: " 1 pending" in process.status)
        simulator.control("clock/skew", seconds=0)
        watcher.wait_recorded("/w/a.pdf")
    assert_lengths(watcher)
