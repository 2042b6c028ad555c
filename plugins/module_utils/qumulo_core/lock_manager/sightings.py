# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Since when each handle is known: the cluster does not say when it was opened."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Sighting:
    """When a handle was first listed.

    :param at_least: nobody was looking just before, so it may be open for longer.
    """

    since: datetime
    at_least: bool


class Sightings:
    """First sightings of all open handles, shared by all accounts; thread-safe.

    Only times are shared: a location is shown to those alone who have listed it themselves.

    :param gap: longest time between two listings in which nothing counts as overlooked.
    """

    def __init__(self, gap: timedelta) -> None:
        self._gap = gap
        self._lock = threading.Lock()
        self._first: dict[str, Sighting] = {}
        self._last: datetime | None = None

    def note(self, locations: Sequence[str], began: datetime, ended: datetime) -> list[Sighting]:
        """Take note of a complete listing; return the first sighting of each location.

        :param began: when the listing began; what is in it was open then or soon after.
        """
        with self._lock:
            at_least = self._last is None or began - self._last > self._gap
            fresh = Sighting(began, at_least)
            known = self._first
            found = {location: known.get(location, fresh) for location in locations}
            if self._last is None or ended >= self._last:
                # What is not listed any more is closed, and its location never used again.
                self._first = found
                self._last = ended
            return [found[location] for location in locations]
