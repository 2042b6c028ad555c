# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the page counts, for whoever exports it."""

from __future__ import annotations

import threading
from collections import Counter


class Counters:
    """The numbers of :data:`NAMES`, which only grow; thread-safe."""

    NAMES = (
        "logins",
        "logins_refused",
        "logins_throttled",
        "requests",
        "requests_refused",
        "connections_refused",
        "connections_dropped",
        "refreshes",
        "refreshes_failed",
        "refresh_seconds",
        "closings",
        "handles_closed",
        "handles_failed",
        "handles_reopened",
    )

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: Counter[str] = Counter(dict.fromkeys(self.NAMES, 0))

    def add(self, name: str, amount: float = 1) -> None:
        """Let a number grow.

        :raises KeyError: there is no such number.
        """
        if name not in self.NAMES:
            raise KeyError(name)
        with self._lock:
            self._values[name] += amount  # type: ignore[assignment]

    def read(self) -> dict[str, float]:
        """Return all numbers."""
        with self._lock:
            return dict(self._values)
