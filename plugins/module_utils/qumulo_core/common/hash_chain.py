# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Chain the lines of a record, so that a line cannot be changed, removed or inserted unnoticed.

Each line is a JSON object that carries the hash of the line before it (``previous``). A writer that
finds records missing says so in a line of its own: it also carries the hash of the line that should
have been there (``missing``), so that the chain is whole again if the lost lines are put back.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, BinaryIO

#: The hash that the first line of a chain carries.
GENESIS = "0" * 64
#: Names of the hash of the line before, and of the one that should have been before.
PREVIOUS, MISSING = "previous", "missing"
#: Most bytes of a line; a longer one was not written by a service.
MAX_LINE = 1 << 20
_BLOCK = 1 << 16
_HASH = re.compile(r"[0-9a-f]{64}")


def digest(line: bytes) -> str:
    """Return the hash of a line, without its newline."""
    return hashlib.sha256(line).hexdigest()


def append(records: Iterable[Mapping[str, Any]], previous: str) -> tuple[bytes, str]:
    """Return records as lines that continue a chain, and the hash of the last line.

    :param previous: hash of the line before them.
    """
    lines = []
    for record in records:
        line = json.dumps({**record, PREVIOUS: previous}, sort_keys=True).encode()
        previous = digest(line)
        lines.append(line + b"\n")
    return b"".join(lines), previous


def is_hash(text: str) -> bool:
    """Tell whether a text has the form of a hash."""
    return _HASH.fullmatch(text) is not None


def write(fd: int, data: bytes) -> None:
    """Append all of the data and sync it, or leave the file as it was.

    :raises OSError: the data cannot be written.
    """
    size = os.fstat(fd).st_size
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(fd, view) :]
        os.fsync(fd)
    except OSError:
        os.ftruncate(fd, size)  # a part of a line would break the chain
        raise


class Fault(Enum):
    """What is wrong with a line; the value completes the sentence "Line 7: ..."."""

    INCOMPLETE = "the line is not complete"
    TOO_LONG = f"the line is longer than {MAX_LINE} bytes"
    FOREIGN = "not a valid record"
    BROKEN = (
        "the chain is broken. The line before it is not the one that was there when it was "
        "written: a line was changed, removed or inserted"
    )
    GAP = "records before this line are missing or were changed, as the service noticed"


@dataclass(frozen=True)
class Link:
    """A line of a chain.

    :param fault: what is wrong with it, or None.
    :param record: its object; None if it is not a valid record.
    :param hash: of the line.
    """

    fault: Fault | None
    record: dict[str, Any] | None
    hash: str


class Checker:
    """Checks the lines of a chain one after the other, with constant memory.

    After a fault the chain restarts, so that each fault is reported once.

    :param previous: hash of the line before the first one; None accepts any.
    """

    def __init__(self, previous: str | None = None) -> None:
        #: Hash that the first line names as the one before it; None as long as there is none.
        self.first: str | None = None
        #: Hash of the line that was checked last.
        self.last = previous
        self.count = 0

    def check(self, line: bytes) -> Link:
        """Check the next line, with its newline."""
        expected = self.last
        text = line[:-1] if line.endswith(b"\n") else line
        self.last = digest(text)
        self.count += 1
        record = parse(text) if len(text) <= MAX_LINE else None
        fault: Fault | None = None
        if len(text) > MAX_LINE:
            fault = Fault.TOO_LONG
        elif line is text:
            fault = Fault.INCOMPLETE
        elif record is None:
            fault = Fault.FOREIGN
        elif MISSING in record:
            # Whole if the lost lines are back; otherwise it must follow what was left of them.
            if record[MISSING] != (GENESIS if expected is None else expected):
                fault = Fault.GAP if expected in (None, record[PREVIOUS]) else Fault.BROKEN
        elif expected is not None and record[PREVIOUS] != expected:
            fault = Fault.BROKEN
        if self.count == 1 and record is not None:
            self.first = record.get(MISSING, record[PREVIOUS])
        return Link(fault, record, self.last)


def parse(line: bytes) -> dict[str, Any] | None:
    """Return the object of a line, or None if it is not a line of a chain."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get(PREVIOUS), str):
        return None
    return record if isinstance(record.get(MISSING, ""), str) else None


def lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file; of one that is too long only the beginning.

    A file without newlines does not fill the memory.
    """
    while line := file.readline(MAX_LINE + 2):
        yield line
        while len(line) == MAX_LINE + 2 and not line.endswith(b"\n"):
            line = file.readline(MAX_LINE + 2)


@dataclass(frozen=True)
class Tail:
    """The end of a file of lines.

    Of a line that is too long there is only the beginning, as :func:`lines` yields it.

    :param line: the last complete line, without its newline; None if there is none.
    :param rest: what follows it: part of a line that a crash has cut off.
    :param whole: bytes of the file up to the end of the last complete line.
    """

    line: bytes | None
    rest: bytes
    whole: int


def tail(fd: int) -> Tail:
    """Return the end of an open file."""
    size = os.fstat(fd).st_size
    whole = _line_start(fd, size)
    rest = _read(fd, whole, size)
    if not whole:
        return Tail(None, rest, 0)
    end = whole - 1
    return Tail(_read(fd, _line_start(fd, end), end), rest, whole)


def _line_start(fd: int, end: int) -> int:
    """Return where the line that ends at an offset begins."""
    while end:
        begin = max(0, end - _BLOCK)
        newline = os.pread(fd, end - begin, begin).rfind(b"\n")
        if newline >= 0:
            return begin + newline + 1
        end = begin
    return 0


def _read(fd: int, begin: int, end: int) -> bytes:
    """Return a part of a file, at most as much as :func:`lines` yields of a line."""
    return os.pread(fd, min(end - begin, MAX_LINE + 2), begin)
