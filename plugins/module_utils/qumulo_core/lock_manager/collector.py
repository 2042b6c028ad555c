# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps Python's cycle collector out of the way while a large list is built.

A list of 100,000 handles is some million new objects, none of them garbage and none in a cycle. The
collector looks through all of them again and again as they come, which takes as long as the list
itself. Reference counts go on freeing what is not used any more.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class Collector:
    """The collector of this process, switched off while anybody wishes so; thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._wishes = 0
        self._was_on = False

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Let the collector rest for the time of a block."""
        with self._lock:
            if not self._wishes:
                self._was_on = gc.isenabled()
                gc.disable()
            self._wishes += 1
        try:
            yield
        finally:
            with self._lock:
                self._wishes -= 1
                if not self._wishes and self._was_on:
                    gc.enable()
