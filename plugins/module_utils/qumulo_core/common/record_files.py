# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files of a chained record: the current one, and those that were put aside, even compressed.

A service puts a file aside as ``evidence.jsonl.000001``, and logrotate as ``evidence.jsonl-DATE``
or ``evidence.jsonl.1``. Their order is that of these numbers and dates. A modification time tells
nothing, because copying, restoring and compressing change it.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

from ..errors import InputError, QumuloError
from . import hash_chain
from .hash_chain import MISSING, PREVIOUS

_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}
_ZSTD = ".zst"
_SUFFIX = "|".join(map(re.escape, (*_OPENERS, _ZSTD)))
_NUMBER = r"\.(?P<number>\d+)|-(?P<date>\d[\d_.-]*?)"
#: Digits of a number that the service gives; logrotate's have fewer, and its newest file is 1.
DIGITS = 6
_DAMAGED: tuple[type[Exception], ...] = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)


class UnreadableError(QumuloError):
    """A file of a record cannot be read, so it cannot be checked."""


@dataclass(frozen=True)
class _File:
    """A file that was put aside.

    :param number: the service's or logrotate's, or -1.
    """

    path: str
    number: int
    by_service: bool
    date: str

    @property
    def order(self) -> tuple[int, int, str]:
        """Sorts the files of one program, the oldest first."""
        if self.number >= 0:
            return (1, self.number, "") if self.by_service else (2, -self.number, "")
        return (0, 0, self.date)


def _aside(path: str) -> list[_File]:
    """Return the files that were put aside, in the order of their names.

    A file that is being compressed exists twice for a while; the original counts.
    """
    directory, name = os.path.split(os.path.abspath(path))
    pattern = re.compile(f"(?P<plain>{re.escape(name)}(?:{_NUMBER}))(?:{_SUFFIX})?")
    try:
        listed = sorted(os.listdir(directory))
    except OSError:
        return []  # whoever opens the file says what is wrong
    found: dict[str, _File] = {}
    for entry in listed:  # a plain name sorts before the same with a suffix
        match = pattern.fullmatch(entry)
        if match is None or match["plain"] in found:
            continue
        digits = match["number"] or ""
        found[match["plain"]] = _File(
            os.path.join(directory, entry),
            int(digits) if digits else -1,
            len(digits) >= DIGITS,
            re.sub(r"\D", "", match["date"] or ""),
        )
    return sorted(found.values(), key=lambda each: each.order)


def next_number(path: str) -> int:
    """Return a number for the next file that the service puts aside, greater than all others."""
    return max((each.number for each in _aside(path) if each.by_service), default=0) + 1


def series(path: str) -> list[str]:
    """Return the files of a record, the oldest first; the current one, if any, is the last.

    If several programs have put files aside, their names do not tell the order: then each file
    follows the one whose last line its first line names. Copies of the beginning of another file,
    as logrotate's ``copy`` makes them, are left out. A file that cannot be read keeps its place;
    reading it tells why.
    """
    aside = _aside(path)
    names = [each.path for each in aside]
    current = os.path.abspath(path)
    if len({each.order[0] for each in aside}) > 1:
        names = _linked(names)
    return _without_copies([*names, current] if os.path.exists(current) else names, current)


def oldest(path: str) -> str | None:
    """Return the oldest file of a record; None if only reading all files can tell which it is."""
    aside = _aside(path)
    if len({each.order[0] for each in aside}) > 1:
        return None
    return aside[0].path if aside else os.path.abspath(path)


def _linked(paths: Sequence[str]) -> list[str]:
    """Return files in the order of the chain; those that fit nowhere in the order given."""
    heads: dict[str, set[str]] = {}
    ends: dict[str, str] = {}
    followers: dict[str, list[str]] = {}
    for path in paths:
        first, last = _ends(path)
        record = None if first is None else hash_chain.parse(first)
        heads[path] = set() if record is None else _before(record)
        ends[path] = "" if last is None else hash_chain.digest(last)
        for head in heads[path]:
            followers.setdefault(head, []).append(path)
    known = set(ends.values())
    waiting = {path: len(heads[path] & known) for path in paths}
    ready = [path for path in reversed(paths) if not waiting[path]]
    ordered: dict[str, None] = {}
    while len(ordered) < len(paths):
        # Without a first file the chain is a circle, which nobody can have written.
        path = ready.pop() if ready else next(each for each in paths if each not in ordered)
        if path in ordered:
            continue
        ordered[path] = None
        for follower in reversed(followers.get(ends[path], [])):
            waiting[follower] -= 1
            if not waiting[follower]:
                ready.append(follower)
    return list(ordered)


def _ends(path: str) -> tuple[bytes | None, bytes | None]:
    """Return the first and the last line of a file; None for one that cannot be read."""
    try:
        return first_line(path), last_line(path)
    except (UnreadableError, InputError):
        return None, None


def _before(record: dict[str, object]) -> set[str]:
    """Return the hashes that a record names as those of the line before it."""
    return {str(record[name]) for name in (PREVIOUS, MISSING) if name in record}


def _without_copies(paths: Sequence[str], current: str) -> list[str]:
    """Return files without those that begin as a longer one does, and without an empty current."""
    found: dict[bytes | str, str] = {}
    for path in paths:
        try:
            first = first_line(path)
        except (UnreadableError, InputError):
            found[path] = path
            continue
        if first is None:
            if path != current:
                found[path] = path
            continue
        other = found.get(first)
        if other is None or path == current or _size(path) > _size(other):
            found.pop(first, None)  # it has the place of the longer one
            found[first] = path
    return list(found.values())


def _size(path: str) -> int:
    """Return how long the contents of a file are, as far as they can be read."""
    size = 0
    with suppress(UnreadableError, InputError), opened(path) as file:
        while block := file.read(1 << 20):
            size += len(block)
    return size


@contextmanager
def opened(path: str) -> Iterator[BinaryIO]:
    """Open a file of a record for reading, even a compressed one.

    :raises UnreadableError: it cannot be read.
    :raises InputError: a compressed file is damaged.
    """
    try:
        if os.path.exists(path) and not os.path.isfile(path):
            raise UnreadableError(f"{path} is not a regular file: name a regular file.")
        with _open(path) as file:
            yield file
    except _damaged() as exc:
        raise InputError(f"{path} is damaged ({exc}): restore it from a backup.") from exc
    except OSError as exc:
        if exc.errno is None:  # bz2 has no error of its own
            raise InputError(f"{path} is damaged ({exc}): restore it from a backup.") from exc
        raise UnreadableError(
            f"{path} cannot be read ({exc.strerror}): check the path and the permissions."
        ) from exc


def _open(path: str) -> BinaryIO:
    if not os.path.exists(path):  # it may have been compressed since it was listed
        path = next((each for each in _compressed(path) if os.path.exists(each)), path)
    suffix = os.path.splitext(path)[1]
    if suffix in (*_OPENERS, _ZSTD) and os.path.getsize(path) == 0:
        raise EOFError("it is empty")  # the modules differ in what they say
    if suffix == _ZSTD:
        module = _zstd()
        if module is None:
            raise UnreadableError(
                f"{path} cannot be read: zstd needs Python 3.14 or later. Decompress the file "
                "with 'unzstd' first."
            )
        return cast(BinaryIO, module.open(path, "rb"))
    if suffix in _OPENERS:
        return cast(BinaryIO, _OPENERS[suffix](path, "rb"))
    return open(path, "rb")


def _compressed(path: str) -> list[str]:
    return [path + suffix for suffix in (*_OPENERS, _ZSTD)]


def _zstd() -> Any:
    """Return the module for zstd, or None before Python 3.14."""
    try:
        return importlib.import_module("compression.zstd")
    except ImportError:
        return None


def _damaged() -> tuple[type[Exception], ...]:
    """Return the errors that a damaged file causes."""
    module = _zstd()
    return _DAMAGED if module is None else (*_DAMAGED, module.ZstdError)


def empty(path: str) -> str:
    """Say that a file of a record has no lines."""
    return f"{path} is empty: restore it from a backup if there were records in it."


def first_line(path: str) -> bytes | None:
    """Return the first line of a file, or None if it has none or does not exist."""
    if not os.path.exists(path):
        return None
    with opened(path) as file:
        line = next(hash_chain.lines(file), b"")
    return line.rstrip(b"\n") or None


def last_line(path: str) -> bytes | None:
    """Return the last complete line of a file, or None."""
    with opened(path) as file:
        if os.path.splitext(path)[1] not in (*_OPENERS, _ZSTD):
            return hash_chain.tail(file.fileno()).line
        last = None
        for line in hash_chain.lines(file):
            last = line if line.endswith(b"\n") else last
    return None if last is None else last[:-1]


def newest_line(path: str) -> bytes | None:
    """Return the last complete line of a record, whichever file it is in; None if there is none.

    :raises QumuloError: a file that may hold it cannot be read.
    """
    for each in reversed(series(path)):
        line = last_line(each)
        if line is not None:
            return line
    return None


def read(paths: Iterable[str]) -> Iterator[tuple[str, int, bytes]]:
    """Yield file, line number and line of files that follow each other.

    :raises UnreadableError: a file cannot be read.
    :raises InputError: a compressed file is damaged.
    """
    for path in paths:
        with opened(path) as file:
            for number, line in enumerate(hash_chain.lines(file), 1):
                yield path, number, line
