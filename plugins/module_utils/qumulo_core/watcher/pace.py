# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether whoever reads a stream has read all that there was."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

#: Seconds of nothing but reading after which a reader has read all that there was.
LULL = 0.1


class Pace:
    """Whether a reader keeps up: if it has waited for more, it has read all that there was.

    A stream that is read more slowly than it is written lags behind, unseen, in the buffers
    between here and the cluster. Then what was told last is not what happened last.

    :param lull: seconds of nothing but reading after which it has read all that there was.
    """

    def __init__(
        self, monotonic: Callable[[], float] = time.monotonic, *, lull: float = LULL
    ) -> None:
        self._monotonic = monotonic
        self._lull = lull
        self._lock = threading.Lock()
        self._reading_since: float | None = None
        self._kept_up = float("-inf")

    def reading(self) -> None:
        """The reader reads from now on."""
        with self._lock:
            self._reading_since = self._monotonic()

    def handing_over(self) -> None:
        """The reader has read something, and does not read until it has handed it over."""
        with self._lock:
            self._look()
            self._reading_since = None

    def kept_up_since(self, moment: float) -> bool:
        """Tell whether it had read all that there was at some time after ``moment``."""
        with self._lock:
            self._look()
            return self._kept_up >= moment

    def _look(self) -> None:
        now = self._monotonic()
        if self._reading_since is not None and now - self._reading_since >= self._lull:
            # What came after the lull began may still be on its way; what came before is read.
            self._kept_up = now - self._lull
