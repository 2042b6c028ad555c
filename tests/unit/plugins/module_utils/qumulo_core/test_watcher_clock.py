# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.cluster_clock import (
    ClusterClock,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import (
    ProtocolError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.spool import (
    Entry,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.sqlite import (
    SqliteSpool,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.clock import (
    Clock,
    ClockError,
)

HOUR = timedelta(hours=1)


class Cluster:
    """A client of a cluster whose clock is ahead of the host's."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def measure_clock(self, *, uncertainty: float) -> ClusterClock:
        host = datetime.now(timezone.utc)
        return ClusterClock(host + self.ahead, host, uncertainty)

    def date(self) -> datetime:
        return (datetime.now(timezone.utc) + self.ahead).replace(microsecond=0)


def measured(limit: timedelta) -> tuple[Clock, Any, list[str]]:
    cluster: Any = Cluster()
    calls: list[str] = []
    clock = Clock(lambda: limit, lambda: calls.append("jumped"))
    assert clock.is_due and not clock.known
    with pytest.raises(ProtocolError, match="not known yet"):
        clock.now()
    clock.measure(cluster)
    assert clock.known and not clock.is_due
    return clock, cluster, calls


def test_answers_that_fit_are_fine() -> None:
    clock, cluster, calls = measured(HOUR)
    for second in (-1, 0, 1):
        clock.check(clock.now(), cluster.date() + timedelta(seconds=second))
    clock.check(clock.now() - timedelta(seconds=60), cluster.date())  # it took a minute
    clock.check(clock.now() - timedelta(seconds=60), cluster.date() - timedelta(seconds=60))
    clock.check(clock.now(), None)
    assert calls == []


@pytest.mark.parametrize("jump", [-HOUR, timedelta(seconds=-30), timedelta(seconds=30), HOUR])
def test_a_clock_that_jumped_is_measured_again_before_it_is_used(jump: timedelta) -> None:
    clock, cluster, calls = measured(2 * HOUR)
    cluster.ahead = jump
    for _answer in range(3):
        with pytest.raises(ClockError, match="jumped"):
            clock.check(clock.now(), cluster.date())
    assert calls == ["jumped"]
    assert clock.is_due
    clock.measure(cluster)
    assert not clock.is_due
    clock.check(clock.now(), cluster.date())
    assert abs(clock.skew() - jump) < timedelta(seconds=5)


def test_nothing_is_locked_while_the_clocks_differ_too_much() -> None:
    clock, cluster, _calls = measured(HOUR)
    assert clock.wrong() == ""
    cluster.ahead = 2 * HOUR
    clock.measure(cluster)
    assert "2:00:00 ahead of this host's, more than max_clock_skew (1:00:00)" in clock.wrong()
    with pytest.raises(ClockError, match="nothing is locked"):
        clock.check(clock.now(), cluster.date())
    cluster.ahead = timedelta(0)
    clock.measure(cluster)
    assert clock.wrong() == ""


def test_what_waits_too_long_is_brought_forward() -> None:
    spool = SqliteSpool(":memory:", postpone=True)
    spool.put([Entry(key, "", 0, due) for key, due in (("a", 50.0), ("b", 500.0), ("c", 9e9))])
    assert spool.bring_forward(600.0, 10.0) == 1
    assert [item.key for item in spool.due(20.0, 9)] == ["c"]
    assert spool.counts().waiting == 3


@pytest.mark.parametrize("seconds", [-4, -1, 1, 4])
def test_a_small_step_is_not_noticed(seconds: int) -> None:
    clock, cluster, calls = measured(HOUR)
    cluster.ahead = timedelta(seconds=seconds)
    clock.check(clock.now(), cluster.date())
    assert calls == []
    assert not clock.is_due
