# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Renames: a deletion and a creation of the same file are the same file somewhere else.

The list that comes of it is right if it is applied from top to bottom, each line by itself:

1. Backwards by old path: what has to be out of the way. That is what lies in a directory that
   moves, or has a path that something else takes: it is deleted, or moved aside.
2. Forwards by new path: everything that is new, changed, or arrives, from its old path or from
   where it was moved aside.
3. Backwards by old path: what else was deleted.

So each path in the list is literally the one that the file has at that moment: backwards, what is
in a directory leaves before the directory; forwards, a directory is there before what is in it.
A file that merely lies in a directory that moves needs no line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from itertools import groupby
from types import TracebackType
from typing import NamedTuple

from ..files import FILE
from . import entries
from .entries import CREATE, DELETE, MODIFY, Attributes, Entry
from .sorting import Sorter

#: Names in which files wait that had to be moved aside; the file ID follows.
ASIDE = ".lockstep-moved-"
_OLD, _NEW = b"0", b"1"
#: Ends the path of a directory in a key: what is in it comes next, and nothing else.
_BELOW = b"\1\1"
_DELETED, _MOVED = b"D", b"M"
#: Codes of records that are sorted here alone; they come after those of `entries`.
_ASIDE_CODE, _CHANGED, _DOUBTFUL, _PROBLEM = b"5", b"6", b"7", b"8"
#: Operation of an entry that is a modification if the data of the file is not what it was.
COMPARE = "compare"


def tree_key(path: bytes) -> bytes:
    """Return a path as bytes that sort depth first: a directory, all that is in it, the next."""
    return path.replace(b"\1", b"\1\2").replace(b"/", _BELOW)


def _path_of(key: bytes) -> bytes:
    return key.replace(_BELOW, b"/").replace(b"\1\2", b"\1")


def same(old: Attributes, new: Attributes, *, moved: bool) -> bool | None:
    """Tell whether a file is what it was; None: its data has to be compared.

    The change time tells it of a file whose directory has moved. A rename changes it, too.

    :param moved: the file itself has another name or another directory.
    """
    if old.ctime_ns == new.ctime_ns:
        return True
    told = [(a.type, a.size, a.mtime_ns, a.owner, a.group, a.mode) for a in (old, new)]
    if told[0] != told[1] or not moved:
        return False
    return None if new.type == FILE else True


class _Above(NamedTuple):
    """A directory that is left; ``new`` if it has moved, and whether that or a deletion is early.

    :param key: with its end, so that what is in it begins with it.
    """

    key: bytes
    new: bytes | None
    early: bool


class Renames:
    """Finds renames, and brings everything into the order in which it can be applied.

    Memory is bounded whatever the number of changes; all is sorted on disk.

    :param directory: place for the sorters.
    :param top: directory of the cluster, with a slash at the end, that files are moved aside to.
    :param expand_deleted: list what was in deleted directories, too.
    """

    def __init__(self, directory: str, top: str, *, expand_deleted: bool) -> None:
        self._stack = ExitStack()
        self._top = top
        self._expand_deleted = expand_deleted

        def sorter(*, reverse: bool = False) -> Sorter:
            return self._stack.enter_context(Sorter(directory, reverse=reverse))

        self._by_id = sorter()
        self._leaving = sorter()
        self._arriving = sorter()
        self._before = sorter(reverse=True)
        self._during = sorter()
        self._after = sorter(reverse=True)

    def __enter__(self) -> Renames:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, exc, traceback)

    def find(self, gone: Iterable[Entry], present: Iterable[Entry]) -> Iterator[Entry]:
        """Yield the changes in the order of the list.

        What may have changed beside its name has an entry with the operation :data:`COMPARE`.

        :param gone: deletions with the attributes of the older snapshot, everything in deleted
            directories among them.
        :param present: everything else with the attributes of the newer one, likewise.
        """
        for entry in gone:
            self._sort_in(entry, _OLD)
        for entry in present:
            if entry.operation == CREATE:
                self._arriving.add(tree_key(entries.raw(entry.path)) + b"\0")
                self._sort_in(entry, _NEW)
            else:
                self._during.add(_record(entry))
        for _id, records in groupby(self._by_id, _id_of):
            self._pair(records)
        self._place()
        for record in self._before:
            yield _entry(record)
        for record in self._during:
            yield _entry(record)
        for record in self._after:
            yield _entry(record)

    def _sort_in(self, entry: Entry, side: bytes) -> None:
        known = entry.attributes
        if known is None or known.file_id is None:
            if side == _OLD:
                self._leave(entry.path, entry.is_directory)
            else:
                self._during.add(_record(entry))
            return
        slash = "/" if entry.is_directory else ""
        # Of the same ID and another type is another file.
        identity = f"{known.file_id} {known.type}".encode()
        self._by_id.add(
            b"%s\0%s%s\0%s" % (identity, side, entries.raw(entry.path + slash), known.pack())
        )

    def _leave(self, path: str, is_directory: bool) -> None:
        kind = b"/" if is_directory else b"-"
        self._leaving.add(b"%s\0%s%s" % (tree_key(entries.raw(path)), kind, _DELETED))

    def _pair(self, records: Iterable[bytes]) -> None:
        """Make renames of the links of one file that are gone and those that are new."""
        waiting: list[tuple[bytes, bytes]] = []
        number = 0
        for record in records:
            _identity, rest = record.split(b"\0", 1)
            side, (path, packed) = rest[:1], rest[1:].split(b"\0", 1)
            if side == _OLD:
                waiting.append((path, packed))
            elif number < len(waiting):
                old, old_packed = waiting[number]
                number += 1
                kind = b"/" if old.endswith(b"/") else b"-"
                self._leaving.add(
                    b"%s\0%s%s%d\0%s\0%s\0%s"
                    % (
                        tree_key(old.rstrip(b"/")),
                        kind,
                        _MOVED,
                        number,
                        path,
                        old_packed,
                        packed,
                    )
                )
            else:
                self._during.add(entries.encode(CREATE, entries.text(path), packed))
        for path, _packed in waiting[number:]:
            self._leave(entries.text(path.rstrip(b"/")), path.endswith(b"/"))

    def _place(self) -> None:
        """Decide for each path that is left when that happens."""
        stack: list[_Above] = []
        arriving = iter(self._arriving)
        arrival = next(arriving, None)
        for record in self._leaving:
            key, rest = record.split(b"\0", 1)
            while stack and not key.startswith(stack[-1].key):
                stack.pop()
            while arrival is not None and arrival[:-1] < key:
                arrival = next(arriving, None)
            taken = arrival is not None and arrival[:-1] == key
            early = taken or bool(stack and stack[-1].early)
            is_directory, kind, rest = rest[:1] == b"/", rest[1:2], rest[2:]
            above = stack[-1] if stack else None
            if kind == _DELETED:
                path = _path_of(key) + (b"/" if is_directory else b"")
                if self._expand_deleted or above is None or above.new is not None:
                    (self._before if early else self._after).add(
                        entries.encode(DELETE, entries.text(path))
                    )
                new = None
            else:
                new = self._move(key, is_directory, rest, above, early)
            if is_directory:
                stack.append(_Above(key + _BELOW, new, early or new is not None))

    def _move(
        self, key: bytes, is_directory: bool, rest: bytes, above: _Above | None, early: bool
    ) -> bytes:
        """Place a rename; return the new path, with a slash at the end if it is a directory's."""
        number, new, old_packed, new_packed = rest.split(b"\0", 3)
        slash = b"/" if is_directory else b""
        old = _path_of(key) + slash
        name = old.rstrip(b"/").rpartition(b"/")[2]
        known = Attributes.unpack(new_packed)
        implied = (
            above is not None
            and above.new is not None
            and key.startswith(above.key)
            and _BELOW not in key[len(above.key) :]
            and new == above.new + name + slash
        )
        if implied:
            if same(Attributes.unpack(old_packed), known, moved=False) is False:
                self._during.add(entries.encode(MODIFY, entries.text(new), new_packed))
            return new
        source = entries.text(old)
        if early:
            aside = f"{self._top}{ASIDE}{known.file_id}-{number.decode()}"
            aside += "/" if is_directory else ""
            # Sorted by the path that it leaves: that is where it is found.
            self._before.add(b"%s\0%s%s" % (entries.raw(source), _ASIDE_CODE, entries.raw(aside)))
            source = aside
        unchanged = same(Attributes.unpack(old_packed), known, moved=True)
        self._during.add(entries.encode_rename(entries.text(new), source, new_packed))
        if unchanged is not True:
            doubt = _CHANGED if unchanged is False else _DOUBTFUL
            self._during.add(b"%s\0%s%s" % (new, doubt, new_packed))
        return new


def _id_of(record: bytes) -> bytes:
    return record[: record.index(b"\0")]


def _record(entry: Entry) -> bytes:
    slash = "/" if entry.is_directory else ""
    if entry.problem is not None:
        return b"%s\0%s%s\0%s" % (
            entries.raw(entry.path + slash),
            _PROBLEM,
            entry.operation.encode(),
            entries.raw(entry.problem),
        )
    packed = entry.attributes.pack() if entry.attributes is not None else b""
    return entries.encode(entry.operation, entry.path + slash, packed)


def _entry(record: bytes) -> Entry:
    """Return the entry of a record of the list."""
    end = record.index(b"\0")
    path, code, rest = record[:end], record[end + 1 : end + 2], record[end + 2 :]
    is_directory = path.endswith(b"/")
    name = entries.text(path.rstrip(b"/"))
    if code == _ASIDE_CODE:
        aside = entries.text(rest).rstrip("/")
        return Entry(entries.RENAME, aside, is_directory, source=name)
    if code in (_CHANGED, _DOUBTFUL):
        operation = MODIFY if code == _CHANGED else COMPARE
        return Entry(operation, name, is_directory, Attributes.unpack(rest))
    if code == _PROBLEM:
        operation_of, _nul, problem = rest.partition(b"\0")
        return Entry(
            operation_of.decode(), name, is_directory, problem=entries.text(problem) or "unknown"
        )
    return entries.decode(record)
