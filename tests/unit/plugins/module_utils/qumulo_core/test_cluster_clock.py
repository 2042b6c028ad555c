# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's clock is where the bounds say, however answers were delayed."""

from __future__ import annotations

import math
import time
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.cluster_clock import (
    Bounds,
    ClusterClock,
)

EPOCH = 1_700_000_000
SPANS = st.integers(0, 3000).map(lambda ms: ms / 1000)


def told(offset: float, moment: float) -> datetime:
    """What a cluster says at a moment of the monotonic clock."""
    return datetime.fromtimestamp(math.floor(moment + offset), timezone.utc)


@given(
    st.floats(0, 10).map(lambda fraction: EPOCH + fraction),
    st.lists(st.tuples(SPANS, SPANS, SPANS), min_size=1, max_size=20),
)
def test_the_clock_is_never_outside_of_the_bounds(
    offset: float, samples: list[tuple[float, float, float]]
) -> None:
    bounds = Bounds()
    now, before = time.monotonic(), float("inf")
    for pause, there, back in samples:
        now += pause
        bounds.note(now, now + there + back, told(offset, now + there))
        now += there + back
        assert bounds.uncertainty <= before
        before = bounds.uncertainty
    clock = bounds.clock()
    error = clock.now().timestamp() - (time.monotonic() + offset)
    assert abs(error) <= clock.uncertainty + 0.001


def test_a_second_that_changes_leaves_only_the_time_between_two_answers() -> None:
    bounds = Bounds()
    bounds.note(10.98, 10.99, datetime.fromtimestamp(EPOCH, timezone.utc))
    assert bounds.uncertainty == pytest.approx(0.505)
    bounds.note(11.00, 11.01, datetime.fromtimestamp(EPOCH + 1, timezone.utc))
    assert bounds.uncertainty == pytest.approx(0.015)


def test_a_clock_that_was_set_is_measured_from_the_beginning() -> None:
    bounds = Bounds()
    bounds.note(10.0, 10.0, datetime.fromtimestamp(EPOCH, timezone.utc))
    now = time.monotonic()
    bounds.note(now, now, datetime.fromtimestamp(EPOCH - 3600, timezone.utc))
    assert bounds.uncertainty == pytest.approx(0.5)
    expected = EPOCH - 3600 + 0.5
    assert bounds.clock().now().timestamp() == pytest.approx(expected, abs=60)


def test_what_is_certain_is_the_lower_bound() -> None:
    now = datetime.now(timezone.utc)
    clock = ClusterClock(now, now, 0.25)
    before = clock.now()
    surely = clock.surely()
    assert before - timedelta(seconds=0.25) <= surely <= clock.now() - timedelta(seconds=0.25)
