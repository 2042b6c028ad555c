# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A durable queue of things to do, one for each key: the spool of a service.

What is put survives ``kill -9`` and a loss of power. A thing that is put again is the same thing,
newer; it leaves the spool when it is done, unless it was put again meanwhile.

Here is what services know of it. :class:`~.sqlite.SqliteSpool` is the one for a single host;
another one can stand behind the same methods.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar, Union

from ..errors import QumuloError

#: What an entry is about: text, or bytes such as a path that need not be Unicode.
Key = Union[str, bytes]
T = TypeVar("T")


class SpoolError(QumuloError):
    """The spool can not be used; nothing that was put before is lost."""


class SpoolFullError(SpoolError):
    """The disk is full, or the spool has its greatest size: nothing of the batch was taken."""


class SpoolGoneError(SpoolError):
    """The spool was deleted or replaced while it was open: what it takes would be lost."""


class SpoolDamagedError(SpoolError):
    """The file of the spool is damaged.

    :param moved: it was moved aside, so that an empty one can take its place.
    """

    def __init__(self, message: str, *, moved: bool = False) -> None:
        super().__init__(message)
        self.moved = moved


class SpoolUnreadableError(SpoolError):
    """A row cannot be read; the others can."""


class UnreadableItemError(QumuloError):
    """The service cannot make sense of an item."""


class Entry(NamedTuple):
    """Something to do.

    :param key: what it is about; there is one entry for each.
    :param payload: what the service wants to know of it.
    :param stamp: how new it is; nanoseconds.
    :param due: when to do it; seconds of the clock that the service goes by.
    """

    key: Key
    payload: str
    stamp: int
    due: float


class Item(NamedTuple):
    """An entry in the spool, as it was read: number and version identify it.

    :param number: order in which keys were first put; never given to another entry.
    :param version: grows each time that the key is put again.
    :param attempts: number of failed attempts.
    :param error: why it was, the last time.
    """

    key: Key
    payload: str
    stamp: int
    due: float
    number: int
    version: int
    attempts: int
    error: str


@dataclass(frozen=True)
class Counts:
    """How much there is.

    :param waiting: entries to be done, now or later.
    :param given_up: entries for an operator to look at.
    :param oldest: the earliest time that a waiting entry was or is due, before failed attempts
        delayed it.
    """

    waiting: int
    given_up: int
    oldest: float | None


class Spool(Protocol):
    """What a service needs of its queue. All methods are for any thread."""

    #: Why the spool is lost: the service must end.
    failure: SpoolError | None

    def close(self) -> None:
        """Let go of what is open."""

    # -- the queue ------------------------------------------------------------------------------

    def put(self, entries: Sequence[Entry]) -> None:
        """Take entries, durably, all or none.

        :raises SpoolFullError: there is no room.
        """

    def due(self, now: float, limit: int) -> list[Item]:
        """Return entries that are due, the earliest first."""

    def done(self, items: Iterable[Item]) -> int:
        """Remove items, unless they were put again meanwhile; return how many were."""

    def later(self, items: Iterable[tuple[Item, float, str]]) -> None:
        """Try items again at another time; each with that time and the reason.

        An empty reason does not count as an attempt.
        """

    def give_up(self, items: Iterable[tuple[Item, str]]) -> None:
        """Keep items for an operator; each with the reason."""

    def set_aside(self, items: Iterable[tuple[Item, str]]) -> None:
        """Remove items that make no sense; they are kept for an operator, each with the reason."""

    def bring_forward(self, latest: float, due: float) -> int:
        """Let what is due later than ``latest`` be due at ``due``; return how many that are."""

    def counts(self) -> Counts:
        """Return how much there is."""

    def known(self, keys: Sequence[Key]) -> list[Key]:
        """Return those of some keys that have an entry."""

    def first_number(self) -> int | None:
        """Return the least number of all entries that wait, or None if none does."""

    @property
    def last_number(self) -> int:
        """The number that was given last."""

    # -- notes ----------------------------------------------------------------------------------

    def note(self, name: str) -> str | None:
        """Return what was noted under a name, or None."""

    def set_notes(self, **notes: str) -> None:
        """Note something durably."""

    def parsed_note(
        self, name: str, parse: Callable[[str], T], *, instead: str | None = None
    ) -> T | None:
        """Return what was noted under a name; set a note aside that cannot be parsed."""

    # -- for operators --------------------------------------------------------------------------

    def unreadable(self) -> int:
        """Return how many rows were set aside because they could not be read."""

    def damaged(self) -> list[str]:
        """Return the damaged spools that were moved aside."""

    def items(self, *, given_up: bool, limit: int) -> list[Item]:
        """Return entries that wait, or that were given up, the earliest first."""

    def get(self, key: Key) -> tuple[Item, bool] | None:
        """Return the entry of a key and whether it was given up, or None."""

    def retry(self, keys: Sequence[Key] | None, now: float) -> int:
        """Let entries that were given up be tried again; return how many.

        They are due since they first were; at ``now``, if that is earlier.

        :param keys: which; None for all.
        """
