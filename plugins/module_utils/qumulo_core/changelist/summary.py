# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed, summed up: by directory, by type, by owner, and the biggest files."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from .entries import CREATE, DELETE, MODIFY, Entry

#: Groups that are counted by themselves; of more, the smallest become one.
GROUPS = 2000
OTHERS = "(others)"
NO_SUFFIX = "(none)"
TOP = 20


class Tally:
    """Entries and bytes by group, in bounded memory."""

    def __init__(self, limit: int = GROUPS) -> None:
        self._limit = limit
        self._groups: dict[str, list[int]] = {}

    def add(self, group: str, size: int) -> None:
        """Count an entry."""
        counted = self._groups.get(group)
        if counted is None:
            if len(self._groups) >= self._limit:
                self._gather()
            counted = self._groups.setdefault(group, [0, 0])
        counted[0] += 1
        counted[1] += size

    def _gather(self) -> None:
        """Make one group of the smaller half."""
        others = self._groups.pop(OTHERS, [0, 0])
        ordered = sorted(self._groups.items(), key=lambda item: item[1][::-1])
        for name, (count, size) in ordered[: max(1, len(ordered) // 2)]:
            del self._groups[name]
            others[0] += count
            others[1] += size
        self._groups[OTHERS] = others

    def top(self, count: int = TOP) -> list[tuple[str, int, int]]:
        """Return group, entries and bytes of the largest groups, the rest as the last one."""
        others = list(self._groups.get(OTHERS, (0, 0)))
        ordered = sorted(
            ((name, c[0], c[1]) for name, c in self._groups.items() if name != OTHERS),
            key=lambda row: (-row[2], -row[1], row[0]),
        )
        for _name, entries, size in ordered[count:]:
            others[0] += entries
            others[1] += size
        rows = ordered[:count]
        return rows + ([(OTHERS, others[0], others[1])] if others[0] else [])


@dataclass
class Interval:
    """What changed between two snapshots: entries by operation, and bytes of what is there."""

    since: datetime
    until: datetime
    created: int = 0
    modified: int = 0
    deleted: int = 0
    bytes: int = 0


def suffix_of(path: str) -> str:
    """Return the ending of a name, in lower case: what people take for its type."""
    name = path.rpartition("/")[2]
    stem, dot, ending = name.rpartition(".")
    return f".{ending.lower()}" if dot and stem and 0 < len(ending) <= 12 else NO_SUFFIX


@dataclass
class Summary:
    """All that a report shows.

    :param path: of the directory.
    :param intervals: oldest first.
    """

    path: str
    intervals: list[Interval] = field(default_factory=list)
    by_directory: Tally = field(default_factory=Tally)
    by_type: Tally = field(default_factory=Tally)
    by_owner: Tally = field(default_factory=Tally)
    _biggest: list[tuple[int, str]] = field(default_factory=list)

    def take_in(self, interval: Interval, found: Iterable[Entry]) -> None:
        """Add what changed in one interval."""
        self.intervals.append(interval)
        start = len(self.path.rstrip("/")) + 1
        for entry in found:
            path = entry.path[start:]
            if not path:
                continue
            if entry.operation == DELETE:
                interval.deleted += 1
                continue
            if entry.operation == CREATE:
                interval.created += 1
            elif entry.operation == MODIFY:
                interval.modified += 1
            known = entry.attributes
            if entry.is_directory or known is None:
                continue
            interval.bytes += known.size
            above, slash, _name = path.partition("/")
            self.by_directory.add(above if slash else ".", known.size)
            self.by_type.add(suffix_of(path), known.size)
            self.by_owner.add(known.owner, known.size)
            self._keep((known.size, path))

    def _keep(self, file: tuple[int, str]) -> None:
        if file in self._biggest:
            return  # in several intervals
        if len(self._biggest) < TOP:
            heapq.heappush(self._biggest, file)
        elif file > self._biggest[0]:
            heapq.heapreplace(self._biggest, file)

    @property
    def biggest(self) -> list[tuple[str, int]]:
        """Path and size of the biggest files, biggest first."""
        return [(path, size) for size, path in sorted(self._biggest, reverse=True)]
