# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often somebody may try to log in."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Limit:
    """So many tries in so many seconds."""

    tries: int
    seconds: float


#: One client's tries for one account: slower than any lockout policy of a directory.
PER_ACCOUNT = Limit(5, 300.0)
#: One client's failures in all. Who gets in does not count: an office can be behind one address.
PER_CLIENT = Limit(30, 300.0)
_TRACKED = 10_000


class Throttle:
    """Counts tries in sliding windows; thread-safe, and of bounded size.

    Tries are counted before the cluster is asked, so that a hundred at once are not all let
    through before the first has failed.

    :param monotonic: seconds, of a clock that never goes back.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._tries: OrderedDict[Hashable, list[float]] = OrderedDict()

    def take(self, limits: Iterable[tuple[Hashable, Limit]]) -> float:
        """Count a try under each key; if one is used up, count none.

        :returns: 0, or the seconds to wait before the next try.
        """
        now = self._monotonic()
        with self._lock:
            recent = []
            for key, limit in limits:
                tries = [at for at in self._tries.get(key, ()) if at > now - limit.seconds]
                if len(tries) >= limit.tries:
                    return tries[-limit.tries] + limit.seconds - now
                recent.append((key, [*tries, now]))
            for key, tries in recent:
                self._tries[key] = tries
                self._tries.move_to_end(key)
            while len(self._tries) > _TRACKED:
                self._tries.popitem(last=False)
        return 0.0

    def give_back(self, key: Hashable) -> None:
        """Count one try less under a key: it was no guess, and others may share the key."""
        with self._lock:
            tries = self._tries.get(key)
            if tries:
                tries.pop()

    def forgive(self, key: Hashable) -> None:
        """Forget the tries under a key: the last one was right."""
        with self._lock:
            self._tries.pop(key, None)
