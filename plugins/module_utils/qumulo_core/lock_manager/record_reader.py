# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read the record of closed handles, whatever is in the file or in its place."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from ..common import hash_chain
from ..errors import InputError
from .record_lines import LONGEST, parse

_BLOCK = 1 << 16
#: Bytes of the file that one page looks through at most, and bytes of records that it has.
_LONGEST_LOOK, _LARGEST_PAGE = 1 << 24, 1 << 22


@dataclass
class RecordPage:
    """Records, the newest first.

    :param older: offset for the page of older records; 0 if there are none.
    :param unreadable: lines between these records that cannot be read.
    :param error: why there is nothing at all.
    """

    records: list[dict[str, Any]] = field(default_factory=list)
    older: int = 0
    unreadable: int = 0
    error: str = ""


def place(text: str, refusal: str) -> int | None:
    """Return the offset of a page of records; None for an empty text.

    :raises InputError: the text is not an offset; ``refusal`` is the message.
    """
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise InputError(refusal)
    return int(text)


def newest(path: str, limit: int, before: int | None = None, *, without: str = "") -> RecordPage:
    """Return the newest records of a file.

    :param limit: most records.
    :param before: offset from an earlier page; None begins at the end.
    :param without: kind of records that are left out.
    """
    page = RecordPage()
    try:
        with _open(path) as file:
            _fill(page, file, limit, before, without)
    except FileNotFoundError:
        pass
    except InputError as exc:
        page.error = exc.message
    except OSError as exc:
        page.error = _unreadable(path, exc).message
    return page


def oldest_first(path: str) -> Iterator[dict[str, Any]]:
    """Return all records of a file that can be read, one by one.

    :raises InputError: the file cannot be read.
    """
    try:
        return _records(_open(path))
    except FileNotFoundError:
        return iter(())


def _records(file: BinaryIO) -> Iterator[dict[str, Any]]:
    with file:
        for line in hash_chain.lines(file):
            record = parse(line) if len(line) <= LONGEST else None
            if record is not None:
                yield record


def _open(path: str) -> BinaryIO:
    """Open a regular file.

    :raises FileNotFoundError: it does not exist.
    :raises InputError: it is not a regular file, or it cannot be opened.
    """
    try:
        # Without O_NONBLOCK, a FIFO would wait for a writer.
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise
    except OSError as exc:
        raise _unreadable(path, exc) from exc
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise InputError(
            f"The record of closed handles {path} is not a regular file: move away what is in its "
            "place."
        )
    return open(fd, "rb")


def _unreadable(path: str, exc: OSError) -> InputError:
    return InputError(
        f"Cannot read the record of closed handles {path} ({exc.strerror}): check its owner, its "
        "mode and the disk."
    )


def _fill(page: RecordPage, file: BinaryIO, limit: int, before: int | None, without: str) -> None:
    size = 0
    end = file.seek(0, os.SEEK_END)
    at = end if before is None else min(before, end)
    lowest = max(0, at - _LONGEST_LOOK)
    seen = (
        before is not None
    )  # what follows the last newline before that belongs to the page before
    for start, line in _backwards(file, at, lowest):
        record = None if line is None or seen else parse(line)
        if seen or (line is not None and not line.strip()):
            seen = False
        elif record is None:
            page.unreadable += 1
        elif record["event"] != without:
            page.records.append(record)
            size += len(line or b"")
        if len(page.records) >= limit or size > _LARGEST_PAGE or start <= lowest:
            page.older = start
            return


def _backwards(file: BinaryIO, at: int, lowest: int) -> Iterator[tuple[int, bytes | None]]:
    """Yield lines from an offset on to the beginning, each with the offset at which it begins.

    A line that is too long is None. If it begins before ``lowest``, it is the last one.
    """
    rest: bytes | None = b""  # the end of a line that begins before what was read
    end = at
    while at:
        begin = max(0, at - _BLOCK)
        file.seek(begin)
        block = file.read(at - begin)
        if len(block) != at - begin:
            return  # somebody is cutting the file off
        at = begin
        *earlier, last = block.split(b"\n")
        if earlier:
            line = None if rest is None else last + rest
            yield begin + len(block) - len(last), _short(line)
            end = begin + len(block) - len(last) - 1
            for line in reversed(earlier[1:]):
                yield end - len(line), line
                end -= len(line) + 1
            rest = earlier[0]
        else:
            rest = None if rest is None else _short(last + rest)
        if rest is None and begin <= lowest:
            break
    if at:
        yield at, None
    elif end:
        yield 0, _short(rest)


def _short(line: bytes | None) -> bytes | None:
    return line if line is not None and len(line) <= LONGEST else None
