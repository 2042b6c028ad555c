# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What somebody is about to close: exactly the handles that the confirmation shows."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from ..client import Client
from ..errors import ConflictError, InputError, NotFoundError
from ..smb_locks import closing
from ..smb_locks.filters import HandleFilter
from ..smb_locks.handles import Handle
from ..smb_locks.listing import FEW_FILES, list_handles
from ..smb_locks.names import Names
from .board import Board
from .search import Query

#: Seconds for which a confirmation is good; whoever comes back from lunch looks again.
GOOD_FOR = 600.0
_KEPT = 1000


@dataclass(frozen=True)
class Choice:
    """What was clicked; one of them.

    :param locations: handles that were ticked, or the one whose button it was.
    :param files: files that were ticked: their handles that the query finds.
    :param file: all handles of a file, found or not.
    :param user: all handles of a user, in the words of :class:`filters.UserFilter`.
    :param client: all handles of a client address or network.
    """

    locations: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    file: str = ""
    user: str = ""
    client: str = ""

    @classmethod
    def parse(cls, form: Mapping[str, Sequence[str]]) -> Choice:
        """Return the choice of a form: the button decides, then the ticks.

        :raises InputError: nothing was chosen.
        """
        file, user, client = (
            "".join(form.get(f"close_{button}", ())[:1]) for button in ("file", "user", "client")
        )
        if file or user or client:
            return cls(file=file, user=user, client=client)
        one = tuple(form.get("close_handle", ())[:1])
        if one:
            return cls(locations=one)
        choice = cls(tuple(form.get("handle", ())), tuple(form.get("ticked_file", ())))
        if not choice.locations and not choice.files:
            raise InputError("Nothing is selected: tick the files or handles to close first.")
        return choice


@dataclass(frozen=True)
class Plan:
    """Handles to close, as they were shown.

    :param what: the choice in words.
    :param spared: handles of a client that can be another's as well; they are not closed.
    :param back: address of the list that it was made from.
    """

    id: str
    session_id: str
    what: str
    handles: tuple[Handle, ...]
    spared: tuple[Handle, ...]
    back: str
    made: float

    @property
    def wanted(self) -> HandleFilter:
        """The files in question, to look at them again."""
        return files_of(self.handles)


@dataclass(frozen=True)
class Person:
    """Somebody whose handles are to be closed, divided by whether work could be lost."""

    label: str
    risky: tuple[Handle, ...]
    harmless: tuple[Handle, ...]


def people(handles: Sequence[Handle]) -> list[Person]:
    """Return whose handles they are; those who could lose most come first."""
    holders = {handle.holder.auth_id: handle.holder.label for handle in handles}
    found = [
        Person(
            label,
            tuple(h for h in handles if h.holder.auth_id == auth_id and h.can_lose_work),
            tuple(h for h in handles if h.holder.auth_id == auth_id and not h.can_lose_work),
        )
        for auth_id, label in holders.items()
    ]
    return sorted(found, key=lambda p: (-len(p.risky), -len(p.harmless), p.label.lower()))


def files_of(handles: Collection[Handle]) -> HandleFilter:
    """Return a filter for the files of some handles."""
    return HandleFilter.make(file_ids=sorted({handle.file_id for handle in handles}))


def choose(board: Board, choice: Choice, query: Query) -> tuple[list[Handle], list[Handle]]:
    """Return the handles that are meant, and those that may be meant and have to be spared."""
    if choice.file:
        return board.of_file(choice.file), []
    if choice.user or choice.client:
        scope = Query(user=choice.user, client=choice.client)
        found = [entry.handle for entry in board.handles(board.find(scope))]
        wanted = scope.handle_filter()
        certain = [handle for handle in found if wanted.is_certain(handle)]
        return certain, [handle for handle in found if not wanted.is_certain(handle)]
    picked = {location: board.at(location) for location in choice.locations}
    if choice.files:
        ticked = set(choice.files)
        for file_id, indices in board.find(query).groups:
            if file_id in ticked:
                found = [board.entries[at].handle for at in indices]
                picked.update({handle.location: handle for handle in found})
    return [handle for handle in picked.values() if handle is not None], []


def look(client: Client, handles: Sequence[Handle], choice: Choice, names: Names) -> list[Handle]:
    """Return the chosen handles as they are now, where that is quick to find out.

    Of a file that is to be freed all handles are meant, those that came a second ago too. For
    many files the list must do; what has gone meanwhile is seen when they are closed.
    """
    wanted = HandleFilter.make(file_ids=[choice.file]) if choice.file else files_of(handles)
    if not wanted.file_ids or len(wanted.file_ids) > FEW_FILES:
        return list(handles)
    present = list_handles(client, wanted, names=names)
    if choice.file:
        return present
    chosen = {handle.location for handle in handles}
    return [handle for handle in present if handle.location in chosen]


def describe(choice: Choice, handles: Sequence[Handle]) -> str:
    """Return the choice in words, for the heading and the record."""
    count = len(handles)
    plural = "s" if count != 1 else ""
    of = ""
    if choice.file:
        of = f" of {handles[0].path or 'file ' + choice.file}" if handles else ""
    elif choice.user:
        of = f" of {handles[0].holder.label if handles else choice.user}"
    elif choice.client:
        of = f" from {choice.client}"
    elif count == 1:
        return f"the handle of {handles[0].holder.label} on {handles[0].path or 'a deleted file'}"
    else:
        return f"{count} selected handle{plural}"
    return f"{'all ' if count > 1 else 'the '}{f'{count} ' if count > 1 else ''}handle{plural}{of}"


class Plans:
    """Confirmations that are open; thread-safe.

    :param max_close: most handles of a plan.
    """

    def __init__(self, max_close: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._max_close = max_close
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._plans: dict[str, Plan] = {}

    def make(
        self,
        session_id: str,
        choice: Choice,
        handles: Sequence[Handle],
        spared: Sequence[Handle],
        back: str,
    ) -> Plan:
        """Keep what somebody is about to close.

        :raises NotFoundError: there is nothing to close any more.
        :raises ConflictError: there is too much.
        """
        if not handles and not spared:
            raise NotFoundError("What you chose is closed already: there is nothing left to do.")
        if len(handles) > self._max_close:
            closing.check(handles, files_of(handles), max_close=self._max_close, plan=None)
        plan = Plan(
            secrets.token_urlsafe(16),
            session_id,
            describe(choice, handles),
            tuple(handles),
            tuple(spared),
            back,
            self._monotonic(),
        )
        with self._lock:
            oldest = plan.made - GOOD_FOR
            self._plans = {key: kept for key, kept in self._plans.items() if kept.made > oldest}
            while len(self._plans) >= _KEPT:
                del self._plans[next(iter(self._plans))]
            self._plans[plan.id] = plan
        return plan

    def take(self, plan_id: str, session_id: str) -> Plan:
        """Return a plan that this session made, once.

        :raises ConflictError: it is too old, was carried out already, or is somebody else's.
        """
        with self._lock:
            plan = self._plans.get(plan_id)
            if plan is not None and plan.session_id == session_id:
                del self._plans[plan_id]
                if plan.made > self._monotonic() - GOOD_FOR:
                    return plan
        raise ConflictError(
            "This confirmation is not good any more: go back to the list and choose again. "
            "Nothing was closed by this click."
        )
