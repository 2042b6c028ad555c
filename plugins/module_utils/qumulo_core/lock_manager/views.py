# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From records to the words on the page. Pure; escaping is the templates' business."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from ..smb_locks.handles import Handle
from ..smb_locks.words import describe_access
from .board import PAGE, SHOWN_OF_FILE, Board, Entry, Group
from .search import Query
from .sightings import Sighting

_NAMED = 2  # so many people or clients of a file are named; of more, the first


def split_path(path: str, file_id: str) -> tuple[str, str]:
    """Return the name of a file and where it is."""
    if not path:
        return f"Deleted file {file_id}", "open although it was deleted"
    directory, _slash, name = path.rpartition("/")
    return (name, f"{directory}/") if name else (path, "")


def duration(span: timedelta) -> str:
    """Return a span of time in the two largest units that it has."""
    seconds = max(0, int(span.total_seconds()))
    days, hours, minutes = seconds // 86400, seconds // 3600 % 24, seconds // 60 % 60
    if days:
        return _units((days, "day"), (hours, "h"))
    if hours:
        return _units((hours, "h"), (minutes, "min"))
    if minutes:
        return f"{minutes} min"
    return f"{seconds} s"


def _units(large: tuple[int, str], small: tuple[int, str]) -> str:
    plural = "s" if large[1] == "day" and large[0] != 1 else ""
    text = f"{large[0]} {large[1]}{plural}"
    return f"{text} {small[0]} {small[1]}" if small[0] else text


def seen(sighting: Sighting, now: datetime) -> str:
    """Return for how long a handle has been seen."""
    span = now - sighting.since
    if span < timedelta(seconds=2):
        return "just now"
    vague = sighting.at_least and span >= timedelta(minutes=1)
    return f"over {duration(span)}" if vague else duration(span)


def short_list(names: Iterable[str]) -> str:
    """Return some names, or the first and how many more there are."""
    distinct = list(dict.fromkeys(filter(None, names)))
    if len(distinct) <= _NAMED:
        return ", ".join(distinct)
    return f"{distinct[0]} and {len(distinct) - 1} more"


def user_filter(handle: Handle) -> str:
    """Return what names the holder of a handle, and nobody else, in an address."""
    return f"auth_id:{handle.holder.auth_id}"


@dataclass(frozen=True)
class HandleRow:
    """A handle on the page."""

    handle: Handle
    access: str
    seen: str
    user_link: str
    client_links: Sequence[tuple[str, str]]

    @property
    def nodes(self) -> str:
        """Nodes that it can be open on."""
        return ", ".join(self.handle.nodes)


@dataclass(frozen=True)
class FileRow:
    """A file on the page, with the handles that were found.

    :param opened: its handles are shown one by one.
    :param toggle: address that shows them, or no more.
    :param hidden: handles of an opened file for which there is no room.
    """

    file_id: str
    name: str
    directory: str
    found: int
    total: int
    rows: Sequence[HandleRow]
    hidden: int
    opened: bool
    toggle: str
    link: str
    users: str
    clients: str
    nodes: str
    access: str
    locks: int
    seen: str
    risky: int

    @property
    def single(self) -> HandleRow | None:
        """The only handle of the file, if it has but one."""
        return self.rows[0] if self.total == 1 else None


@dataclass(frozen=True)
class Column:
    """A column that can be sorted by."""

    name: str
    label: str
    direction: str  # as aria-sort says it
    link: str


@dataclass(frozen=True)
class Scope:
    """What the list is narrowed to, with the way back."""

    label: str
    value: str
    remove: str


_COLUMNS = (
    ("path", "File"),
    ("user", "User"),
    ("client", "Client"),
    ("access", "Access"),
    ("locks", "Byte locks"),
    ("node", "Node"),
    ("seen", "Seen for"),
)


def columns(query: Query) -> list[Column]:
    """Return the heads of the table."""
    found = []
    for name, label in _COLUMNS:
        direction = "none"
        if query.sort == name:
            direction = "descending" if query.descending else "ascending"
        found.append(Column(name, label, direction, query.sorted_by(name)))
    return found


def scopes(query: Query, found: Sequence[FileRow]) -> list[Scope]:
    """Return what the list is narrowed to besides the typed text."""
    user = query.user
    if user.startswith("auth_id:"):  # who that is stands in what was found
        user = next((row.rows[0].handle.holder.label for row in found if row.rows), user)
    known = (
        ("User", user, {"user": ""}),
        ("Client", query.client, {"client": ""}),
        ("Path", query.path, {"path": ""}),
        ("File", query.file and _file_name(query.file, found), {"file": ""}),
    )
    return [
        Scope(label, value, query.link(page=1, **removed))
        for label, value, removed in known
        if value
    ]


def _file_name(file_id: str, found: Sequence[FileRow]) -> str:
    return next((row.directory + row.name for row in found if row.file_id == file_id), file_id)


@dataclass(frozen=True)
class Listing:
    """A page of the list."""

    query: Query
    files: int
    handles: int
    page: int
    pages: int
    rows: Sequence[FileRow]
    columns: Sequence[Column]
    scopes: Sequence[Scope]
    generation: int
    age_seconds: int

    @property
    def age(self) -> str:
        """How long ago the cluster was asked."""
        return duration(timedelta(seconds=self.age_seconds))

    @property
    def words(self) -> str:
        """How much was found."""
        files = "1 file" if self.files == 1 else f"{self.files:,} files"
        handles = "1 open handle" if self.handles == 1 else f"{self.handles:,} open handles"
        return f"{handles} on {files}"

    @property
    def first(self) -> int:
        """Number of the first file of the page."""
        return (self.page - 1) * PAGE + 1 if self.rows else 0

    @property
    def last(self) -> int:
        """Number of the last."""
        return self.first + len(self.rows) - 1 if self.rows else 0


def listing(board: Board, query: Query, now: datetime) -> Listing:
    """Return the page of a list that a query asks for; beyond the last page, the last."""
    found = board.find(query)
    page = min(query.page, found.pages)
    query = Query(**{**vars(query), "page": page})
    rows = [
        file_row(group, query, now, alone=found.files == 1) for group in board.page(found, page)
    ]
    return Listing(
        query=query,
        files=found.files,
        handles=found.handles,
        page=page,
        pages=found.pages,
        rows=rows,
        columns=columns(query),
        scopes=scopes(query, rows),
        generation=board.generation,
        age_seconds=max(0, int((now - board.taken).total_seconds())),
    )


def file_row(group: Group, query: Query, now: datetime, *, alone: bool = False) -> FileRow:
    """Return a file as a row.

    :param alone: nothing else was found, so its handles are shown unless somebody folds them up.
    """
    handles = [entry.handle for entry in group.entries]
    opened = (group.file_id in query.opened) != alone
    shown = group.entries[:SHOWN_OF_FILE] if opened or group.total == 1 else group.entries[:1]
    name, directory = split_path(group.path, group.file_id)
    oldest = min(group.entries, key=lambda entry: entry.sighting.since)
    return FileRow(
        file_id=group.file_id,
        name=name,
        directory=directory,
        found=len(handles),
        total=group.total,
        rows=[handle_row(entry, now) for entry in shown],
        hidden=len(handles) - len(shown) if opened else 0,
        opened=opened and group.total > 1,
        toggle=query.toggled(group.file_id),
        link=Query(file=group.file_id).link(),
        users=short_list(handle.holder.label for handle in handles),
        clients=short_list(address for handle in handles for address in handle.addresses),
        nodes=short_list(node for handle in handles for node in handle.nodes),
        access=together(handles),
        locks=sum(handle.num_byte_ranges for handle in handles),
        seen=seen(oldest.sighting, now),
        risky=sum(handle.can_lose_work for handle in handles),
    )


def handle_row(entry: Entry, now: datetime) -> HandleRow:
    """Return a handle as a row."""
    handle = entry.handle
    return HandleRow(
        handle=handle,
        access=describe_access(handle.access, handle.denies),
        seen=seen(entry.sighting, now),
        user_link=Query(user=user_filter(handle)).link(),
        client_links=[(address, Query(client=address).link()) for address in handle.addresses],
    )


def together(handles: Sequence[Handle]) -> str:
    """Return what several handles of a file do: who writes matters most."""
    writers = sum("write" in handle.access or "append" in handle.access for handle in handles)
    if len(handles) == 1:
        return describe_access(handles[0].access, handles[0].denies)
    denied = any(handle.denies for handle in handles)
    others = len(handles) - writers
    if not writers:
        return "all reading, some keep others out" if denied else "all reading"
    return f"{writers} writing, {others} reading" if others else "all writing"


@dataclass(frozen=True)
class Line:
    """Handles that look the same, in a confirmation."""

    path: str
    about: str
    count: int


def lines(handles: Sequence[Handle]) -> list[Line]:
    """Return handles as lines; several that look the same make one."""
    counted = Counter(
        (handle.path or f"deleted file {handle.file_id}", _about(handle)) for handle in handles
    )
    return [Line(path, about, count) for (path, about), count in counted.items()]


def _about(handle: Handle) -> str:
    text = describe_access(handle.access, handle.denies)
    if handle.num_byte_ranges:
        plural = "" if handle.num_byte_ranges == 1 else "s"
        text += f", {handle.num_byte_ranges} byte-range lock{plural}"
    if handle.addresses:
        text += f", from {' or '.join(handle.addresses)}"
    return text
