# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was open at one moment, ready to be searched, sorted, grouped and paged."""

from __future__ import annotations

import threading
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from ..common.addresses import parse_address
from ..smb_locks.handles import Handle
from ..smb_locks.words import describe_access
from .search import Query, fold, search_key, terms
from .sightings import Sighting

PAGE = 50
#: Handles of one file that are shown when it is opened out; there are files with thousands.
SHOWN_OF_FILE = 100
_KEPT_RESULTS = 16


@dataclass(frozen=True)
class Entry:
    """A handle, and since when it is known."""

    handle: Handle
    sighting: Sighting


@dataclass(frozen=True)
class Group:
    """The handles of one file that were found.

    :param entries: in the order of the list.
    :param total: handles of the file in all, found or not.
    """

    file_id: str
    entries: Sequence[Entry]
    total: int

    @property
    def path(self) -> str:
        """Path of the file; empty if it was deleted while open."""
        return self.entries[0].handle.path


@dataclass(frozen=True)
class Found:
    """What a query found.

    :param order: indices of handles, grouped by file.
    """

    groups: Sequence[tuple[str, Sequence[int]]]
    handles: int

    @property
    def files(self) -> int:
        """How many files."""
        return len(self.groups)

    @property
    def pages(self) -> int:
        """How many pages; one even if there is nothing."""
        return max(1, -(-len(self.groups) // PAGE))


class Board:
    """Open handles, which never change, with indices for all that the page asks of it.

    Thread-safe. Orders are worked out the first time that somebody sorts by a column.

    :param entries: in the order that decides between equal ones.
    :param taken: when the cluster was asked.
    :ivar generation: larger than that of each board before, from when it is shown to people.
    """

    generation = 0

    def __init__(self, entries: Sequence[Entry], *, taken: datetime) -> None:
        self.entries = entries
        self.taken = taken
        self._keys = [search_key(entry.handle) for entry in entries]
        self._by_file: dict[str, list[int]] = defaultdict(list)
        self._by_location: dict[str, int] = {}
        for at, entry in enumerate(entries):
            self._by_file[entry.handle.file_id].append(at)
            self._by_location[entry.handle.location] = at
        self._lock = threading.Lock()
        self._orders: dict[tuple[str, bool], Sequence[int]] = {}
        self._results: OrderedDict[Query, Found] = OrderedDict()

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def files(self) -> int:
        """How many files are open."""
        return len(self._by_file)

    def without(self, locations: Collection[str]) -> Board:
        """Return the board without some handles, which have been closed since."""
        kept = [entry for entry in self.entries if entry.handle.location not in locations]
        return Board(kept, taken=self.taken)

    # -- single things -------------------------------------------------------------------------

    def at(self, location: str) -> Handle | None:
        """Return the handle at a location, if it is open."""
        index = self._by_location.get(location)
        return None if index is None else self.entries[index].handle

    def of_file(self, file_id: str) -> list[Handle]:
        """Return all handles of a file."""
        return [self.entries[at].handle for at in self._by_file.get(file_id, ())]

    # -- queries -------------------------------------------------------------------------------

    def find(self, query: Query) -> Found:
        """Return what a query finds. Paging through a result does not search again."""
        query = replace(query, page=1, opened=frozenset())
        with self._lock:
            known = self._results.get(query)
            if known is not None:
                self._results.move_to_end(query)
                return known
        found = self._find(query)
        with self._lock:
            self._results[query] = found
            while len(self._results) > _KEPT_RESULTS:
                self._results.popitem(last=False)
        return found

    @property
    def recent(self) -> list[Query]:
        """What has been looked for lately."""
        with self._lock:
            return list(self._results)

    def _find(self, query: Query) -> Found:
        wanted = query.handle_filter()
        order: Sequence[int] = self.order(query.sort, query.descending)
        keys, entries = self._keys, self.entries
        for spellings in terms(query.text):
            if len(spellings) == 1:
                (term,) = spellings
                order = [at for at in order if term in keys[at]]
            else:
                order = [at for at in order if any(term in keys[at] for term in spellings)]
        if query.path or query.user or query.client or query.file:
            order = [
                at
                for at in order
                if wanted.matches_open(handle := entries[at].handle)
                and wanted.matches_holder(handle.holder)
                and wanted.matches_client(handle)
            ]
        groups: dict[str, list[int]] = {}
        for at in order:  # a group stands where the first of its handles does
            file_id = entries[at].handle.file_id
            group = groups.get(file_id)
            if group is None:
                groups[file_id] = [at]
            else:
                group.append(at)
        return Found(list(groups.items()), len(order))

    def page(self, found: Found, number: int) -> list[Group]:
        """Return the groups of a page, counted from 1; beyond the last, none."""
        return [
            self._group(file_id, indices)
            for file_id, indices in found.groups[(number - 1) * PAGE : number * PAGE]
        ]

    def _group(self, file_id: str, indices: Sequence[int]) -> Group:
        entries = [self.entries[at] for at in indices]
        return Group(file_id, entries, len(self._by_file[file_id]))

    def handles(self, found: Found) -> list[Entry]:
        """Return all that was found, grouped by file."""
        return [self.entries[at] for _file_id, indices in found.groups for at in indices]

    # -- order ---------------------------------------------------------------------------------

    def order(self, column: str, descending: bool) -> Sequence[int]:
        """Return the indices of all handles in an order; equal ones stay as they were."""
        with self._lock:
            known = self._orders.get((column, descending))
        if known is not None:
            return known
        key = _KEYS[column]()
        entries = self.entries
        order = sorted(range(len(entries)), key=lambda at: key(entries[at]), reverse=descending)
        with self._lock:
            self._orders[column, descending] = order
        return order


# -- keys: each is made for one sort, so that what it remembers goes with it --------------------

_Key = Callable[[Entry], Any]


def _by_path() -> _Key:
    return lambda entry: fold(entry.handle.path)


def _by_user() -> _Key:
    return lambda entry: fold(entry.handle.holder.label)


def _by_client() -> _Key:
    ranks = _Addresses()
    return lambda entry: ranks.of(entry.handle.addresses)


def _by_node() -> _Key:
    ranks = _Addresses()
    return lambda entry: ranks.of(entry.handle.nodes)


def _by_access() -> _Key:
    phrases: dict[tuple[tuple[str, ...], tuple[str, ...]], tuple[bool, str]] = {}

    def rank(entry: Entry) -> tuple[bool, str]:
        handle = entry.handle
        asked = (handle.access, handle.denies)
        known = phrases.get(asked)
        if known is None:
            # Those that write stand in everybody's way: first.
            known = ("write" not in handle.access, describe_access(*asked))
            phrases[asked] = known
        return known

    return rank


def _by_locks() -> _Key:
    return lambda entry: entry.handle.num_byte_ranges


def _by_seen() -> _Key:
    # Ascending is the shortest time first, as the column shows times.
    return lambda entry: -entry.sighting.since.timestamp()


class _Addresses:
    """Sorts addresses as numbers: 10.0.0.9 comes before 10.0.0.10."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, ...], tuple[int, int, str]] = {}

    def of(self, addresses: tuple[str, ...]) -> tuple[int, int, str]:
        """Return the rank of a handle's addresses, by the first of them."""
        rank = self._known.get(addresses)
        if rank is None:
            rank = self._known[addresses] = self._rank(addresses)
        return rank

    @staticmethod
    def _rank(addresses: tuple[str, ...]) -> tuple[int, int, str]:
        if not addresses:
            return (9, 0, "")
        address = parse_address(addresses[0])
        if address is None:
            return (8, 0, addresses[0])
        return (address.version, int(address), "")


_KEYS: dict[str, Callable[[], _Key]] = {
    "path": _by_path,
    "user": _by_user,
    "client": _by_client,
    "access": _by_access,
    "locks": _by_locks,
    "node": _by_node,
    "seen": _by_seen,
}
