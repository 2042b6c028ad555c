# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster's clock, which tests set and skew."""

from __future__ import annotations

import time
from collections.abc import Callable


class Clock:
    """Nanoseconds since 1970, UTC, of a cluster whose time tests decide.

    It runs with the host's clock plus ``offset_ns``, or stands still while frozen.

    :param source: the host's clock, in nanoseconds since 1970
    """

    __slots__ = ("_frozen_ns", "_source", "offset_ns")

    def __init__(self, source: Callable[[], int] = time.time_ns) -> None:
        self._source = source
        self._frozen_ns: int | None = None
        self.offset_ns = 0

    def now_ns(self) -> int:
        """The cluster's time, nanoseconds since 1970."""
        if self._frozen_ns is not None:
            return self._frozen_ns
        return self._source() + self.offset_ns

    def set(self, now_ns: int) -> None:
        """Make it ``now_ns``; from there it runs on (or stands still, if it is frozen)."""
        if self._frozen_ns is not None:
            self._frozen_ns = now_ns
        self.offset_ns = now_ns - self._source()

    def advance(self, delta_ns: int) -> None:
        """Move it by ``delta_ns`` (which may be negative)."""
        if self._frozen_ns is not None:
            self._frozen_ns += delta_ns
        self.offset_ns += delta_ns

    def freeze(self) -> None:
        """Let it stand still."""
        self._frozen_ns = self.now_ns()

    def run(self) -> None:
        """Let a frozen clock run on from where it stands."""
        if self._frozen_ns is not None:
            self.offset_ns = self._frozen_ns - self._source()
            self._frozen_ns = None

    def skew(self, offset_ns: int) -> None:
        """Make it differ from the host's clock by exactly ``offset_ns``; it runs."""
        self._frozen_ns = None
        self.offset_ns = offset_ns
