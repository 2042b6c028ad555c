# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's clock as the watcher uses it: measured, watched, and not trusted when it is wrong.

A lock cannot be taken back. So nothing is locked by a clock that jumped since it was measured, or
that differs from the host's by more than is allowed: one of the two is wrong, and nobody can tell
which.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

from ..client import Client
from ..cluster_clock import ClusterClock
from ..errors import ProtocolError, QumuloError
from .requests import CLOCK_ERROR

_LOG = logging.getLogger("lockstep.watcher")
#: Seconds between measurements of the cluster's clock, and how well it has to be known: by as much
#: files are locked later than they could be, for none must be locked earlier.
AGAIN, WITHIN = 3600.0, 0.025


class ClockError(QumuloError):
    """The time is not known well enough to lock anything by it."""


class Clock:
    """The cluster's clock. All methods are for any thread, but one thread measures.

    :param max_skew: gives the greatest difference to the host's clock that is allowed.
    :param jumped: is called when the clock has to be measured again.
    """

    def __init__(self, max_skew: Callable[[], timedelta], jumped: Callable[[], None]) -> None:
        self._max_skew = max_skew
        self._jumped = jumped
        self._clock: ClusterClock | None = None
        self._measured = 0.0
        self._lock = threading.Lock()
        #: Whether something has shown that the clock is not what was measured.
        self._doubtful = False
        self._reported = ""

    @property
    def known(self) -> bool:
        """True once it was measured."""
        return self._clock is not None

    @property
    def is_due(self) -> bool:
        """True if it has to be measured."""
        old = time.monotonic() - self._measured > AGAIN
        return self._clock is None or self._doubtful or old

    def now(self) -> datetime:
        """Return the cluster's time.

        :raises ProtocolError: it is not known yet.
        """
        return self._known().now()

    def surely(self) -> datetime:
        """Return a time that the cluster's clock has certainly reached."""
        return self._known().surely()

    def _known(self) -> ClusterClock:
        if self._clock is None:
            raise ProtocolError("The cluster's time is not known yet.")
        return self._clock

    def skew(self) -> timedelta:
        """Return how far the cluster's clock is ahead of the host's at present."""
        if self._clock is None:
            return timedelta(0)
        return self._clock.now() - datetime.now(timezone.utc)

    def measure(self, client: Client) -> None:
        """Measure the clock."""
        with self._lock:
            self._doubtful = False  # what shows up while it is measured counts again
        fresh = client.measure_clock(uncertainty=WITHIN)
        with self._lock:
            self._clock = fresh
            self._measured = time.monotonic()

    def wrong(self) -> str:
        """Return why nothing can be locked by this clock, or an empty text; log each change."""
        skew = self.skew()
        text = ""
        if abs(skew) > self._max_skew():
            whole = timedelta(seconds=round(abs(skew).total_seconds()))
            ahead = "ahead of" if skew > timedelta(0) else "behind"
            text = (
                f"The cluster's clock is {whole} {ahead} this host's, more than max_clock_skew "
                f"({self._max_skew()}): nothing is locked until the clock that is wrong is set."
            )
        with self._lock:
            change = bool(text) != bool(self._reported)
            self._reported = text
        if change and text:
            _LOG.error("%s", text)
        elif change:
            _LOG.info("the clocks of cluster and host agree again")
        return text

    def check(self, sent: datetime, answered: datetime | None) -> None:
        """Compare the clock with an answer of the cluster.

        :param sent: by this clock, when the request was sent.
        :param answered: what the cluster said (``Date``, cut to whole seconds), if anything.
        :raises ClockError: nothing must be locked at present.
        """
        if answered is not None:
            early = sent - timedelta(seconds=1) - CLOCK_ERROR
            if self._doubtful or not early <= answered <= self.now() + CLOCK_ERROR:
                self._doubt(answered)
                raise ClockError(
                    f"The cluster's clock jumped to {answered:%Y-%m-%d %H:%M:%S}: it is measured "
                    "again first."
                )
        wrong = self.wrong()
        if wrong:
            raise ClockError(wrong)

    def watch(self, sent: datetime, answered: datetime | None) -> None:
        """Compare the clock with an answer as :meth:`check` does, where nothing is to be locked.

        While nothing is locked, nothing else would show that the clock was set right.
        """
        try:
            self.check(sent, answered)
        except ClockError as exc:
            _LOG.debug("%s", exc)

    def _doubt(self, answered: datetime) -> None:
        with self._lock:
            first, self._doubtful = not self._doubtful, True
        if first:
            _LOG.warning(
                "the cluster's clock jumped to %s: measuring it again", answered.isoformat()
            )
            self._jumped()
