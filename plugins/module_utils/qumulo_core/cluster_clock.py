# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The clock of the cluster, as seen from here."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone


class ClusterClock:
    """The clock of the cluster, as an offset to this host's.

    Retention times are counted on the cluster's clock; a host that runs ahead must not shorten
    them. The offset is measured once and carried on by the monotonic clock, so that a step of
    the host's clock in between changes nothing.

    :param cluster: the cluster's time at this moment.
    :param host: this host's time at the same moment.
    :param uncertainty: seconds, plus or minus.
    """

    def __init__(self, cluster: datetime, host: datetime, uncertainty: float) -> None:
        self._cluster = cluster
        self._mark = time.monotonic()
        self.skew = cluster - host
        self.uncertainty = uncertainty

    def now(self) -> datetime:
        """Return the present time of the cluster, aware, in UTC."""
        return self._cluster + timedelta(seconds=time.monotonic() - self._mark)

    def surely(self) -> datetime:
        """Return a time that the cluster's clock has certainly reached."""
        return self.now() - timedelta(seconds=self.uncertainty)


class Bounds:
    """Between which bounds the cluster's clock is, by times that are cut to whole seconds.

    One such time leaves a second of doubt. When the second is seen to change from one answer to
    the next, what is left is the time between the two.
    """

    def __init__(self) -> None:
        # Of the cluster's time less the monotonic clock, in seconds.
        self._low, self._high = float("-inf"), float("inf")

    def note(self, sent: float, received: float, cluster: datetime) -> None:
        """Take in what a cluster said between two moments (``time.monotonic()``)."""
        second = cluster.timestamp()
        low, high = second - received, second + 1 - sent
        if low > self._high or high < self._low:  # the clock was set meanwhile
            self._low, self._high = low, high
        else:
            self._low, self._high = max(self._low, low), min(self._high, high)

    @property
    def uncertainty(self) -> float:
        """Seconds, plus or minus, that are left."""
        return (self._high - self._low) / 2

    def clock(self) -> ClusterClock:
        """Return the clock in the middle of the bounds."""
        host = datetime.now(timezone.utc)
        seconds = time.monotonic() + (self._low + self._high) / 2
        return ClusterClock(datetime.fromtimestamp(seconds, timezone.utc), host, self.uncertainty)
