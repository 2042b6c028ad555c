# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of a disk queue of rsyslogd.

Messages are records in segments, files with a number at the end of their names. The index, a file
that ends with ``.qi``, says where rsyslogd writes and reads. Both are rows of ``+NAME:TYPE:LENGTH:
VALUE:``, so that a value can hold anything, including what looks like a record.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_RECORD = b"<Obj:1:msg:1:\n"
_QUEUE, _STREAM = b"<OPB:1:qqueue:1:\n", b"<Obj:1:strm:1:\n"
_END = b">End\n.\n"
_PROPERTY = re.compile(rb"\+([^:\n]{1,64}):\d{1,2}:(\d{1,9}):")
#: Rows whose values hold neither line feeds nor what a file system puts in place of lost data.
#: Records consist of these and the message; all others are read row by row, ten times slower.
_ROWS = rb"(?:\+(?!pszRawMsg)[^:\n\0]{1,64}:\d{1,2}:\d{1,9}:[^\n\0]*:\n)*"
_BEFORE = re.compile(_RECORD + _ROWS + rb"\+pszRawMsg:1:(\d{1,9}):")
_AFTER = re.compile(rb":\n" + _ROWS + re.escape(_END))
#: How a stream is used: the writer appends, the reader deletes segments that it has read.
_WRITES, _READS = 2, 1
#: Mode of segments, 0600.
_MODE = 384
_MAX_FILES = 10_000_000


@dataclass(frozen=True)
class Position:
    """A place in the queue: number of a segment, and bytes from its beginning."""

    segment: int
    offset: int


@dataclass(frozen=True)
class Index:
    """Where rsyslogd writes and reads, and how many messages are between."""

    messages: int
    write: Position
    read: Position


def parse_index(data: bytes) -> Index | None:
    """Return the content of an index; None if it is cut off or is not one."""
    at = 0
    found: list[dict[bytes, bytes]] = []
    for head in (_QUEUE, _STREAM, _STREAM):
        values: dict[bytes, bytes] = {}
        at = _object_end(data, at, head, values)
        if at < 0:
            return None
        found.append(values)
    queue, write, read = found
    try:
        return Index(int(queue[b"iQueueSize"]), _position(write), _position(read))
    except (KeyError, ValueError):
        return None


def _position(stream: dict[bytes, bytes]) -> Position:
    return Position(int(stream[b"iCurrFNum"]), int(stream[b"iCurrOffs"]))


def format_index(name: str, index: Index, size: int) -> bytes:
    """Return the file of an index.

    :param name: of the queue, with which the names of its segments begin.
    :param size: bytes of all segments.
    """
    queue = _row("iQueueSize", index.messages) + _row("tVars.disk.sizeOnDisk", size)
    return b"".join(
        (
            *(_QUEUE, queue, _END),
            *(_STREAM, _stream(name, index.write, _WRITES), _END),
            *(_STREAM, _stream(name, index.read, _READS), _END),
        )
    )


def _stream(name: str, at: Position, operation: int) -> bytes:
    return b"".join(
        (
            _row("iCurrFNum", at.segment),
            b"+pszFName:1:%d:%b:\n" % (len(name), name.encode()),
            _row("iMaxFiles", _MAX_FILES),
            _row("bDeleteOnClose", int(operation == _READS)),
            _row("sType", 1),
            _row("tOperationsMode", operation),
            _row("tOpenMode", _MODE),
            _row("iCurrOffs", at.offset),
            *(_row(key, 0) for key in ("inode", "strtOffs", "bPrevWasNL")),
        )
    )


def _row(name: str, number: int) -> bytes:
    value = b"%d" % number
    return b"+%b:2:%d:%b:\n" % (name.encode(), len(value), value)


def _object_end(data: bytes, at: int, head: bytes, values: dict[bytes, bytes] | None = None) -> int:
    """Return where an object ends that begins at ``at``; -1 if none does, or it is damaged.

    :param values: receives its properties.
    """
    if not data.startswith(head, at):
        return -1
    at += len(head)
    match = _PROPERTY.match
    while True:
        found = match(data, at)
        if found is None:
            return at + len(_END) if data.startswith(_END, at) else -1
        start = found.end()
        at = start + int(found[2])
        if not data.startswith(b":\n", at):
            return -1
        if values is not None:
            values[found[1]] = data[start:at]
        at += 2


def _record_end(data: bytes, at: int) -> int:
    """Return where a record ends that begins at ``at``; -1 if none does, or it is damaged."""
    before = _BEFORE.match(data, at)
    if before is not None:
        after = _AFTER.match(data, before.end() + int(before[1]))
        if after is not None:
            return after.end()
    return _object_end(data, at, _RECORD)


def intact(data: bytes, at: int = 0) -> Iterator[tuple[int, int, int]]:
    """Yield begin, end and number of the messages of each piece of a segment that is intact."""
    while at >= 0:
        begin, count = at, 0
        while (end := _record_end(data, at)) > 0:
            at = end
            count += 1
        if count:
            yield begin, at, count
        at = data.find(_RECORD, at + 1)
