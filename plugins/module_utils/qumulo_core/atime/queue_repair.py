# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python3 -m qumulo_core.atime.queue_repair DIRECTORY NAME``: repairs a queue of rsyslogd.

After a loss of power the files of a queue can be empty, cut off or missing. With a damaged index
rsyslogd uses none of the segments, and at a damaged message it gives up all that follow. So this
runs before rsyslogd starts: it moves what is damaged aside, and makes a queue of the messages that
are intact. rsyslogd must not run meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import itertools
import os
import re
import stat
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .rsyslog_queue import Index, Position, format_index, intact, parse_index

#: Priorities of systemd's journal.
_ERROR, _WARNING = "<3>", "<4>"
#: Most files that a message names.
_SHOWN = 5


@dataclass
class Repair:
    """What was done.

    :param reasons: what was wrong; if nothing was, the queue is as it was.
    :param messages: that are in the queue.
    :param aside: directory with what was damaged; it may not exist.
    :param moved: names of the files in it.
    """

    reasons: list[str]
    messages: int
    aside: Path
    moved: list[str] = field(default_factory=list)


class Queue:
    """The files of one queue.

    :param name: ``queue.fileName`` of rsyslog's configuration.
    """

    def __init__(self, directory: Path, name: str) -> None:
        self._directory, self._name = directory, name
        self._index = directory / f"{name}.qi"
        self._fresh = directory / f"{name}.tmp"

    def repair(self) -> Repair:
        """Make a queue that rsyslogd reads to its end.

        If this fails or is interrupted the index is as it was, and the next run begins again.

        :raises OSError: a file cannot be read or written.
        """
        result = Repair([], 0, self._aside())
        if self._fresh.is_dir() and not self._fresh.is_symlink():
            result.reasons.append(f"{self._fresh.name} is not a file")
            self._keep_aside(self._fresh, None, result)
        _remove(self._fresh)
        segments = self._segments()
        index, reason = self._read_index(bool(segments))
        result.reasons += [reason] if reason else []
        if index is not None:
            result.messages = index.messages
            result.reasons += self._damage(index, segments)
        if result.reasons:
            self._rebuild(segments, result)
        return result

    def _aside(self) -> Path:
        """Return a directory that is not there yet."""
        stamp = time.strftime("damaged-%Y%m%dT%H%M%SZ", time.gmtime())
        found = self._directory / stamp
        for number in itertools.count(2):
            if not os.path.lexists(found):
                break
            found = self._directory / f"{stamp}-{number}"
        return found

    def _segments(self) -> list[int]:
        pattern = re.compile(re.escape(self._name) + r"\.(\d{8,18})")
        names = [path.name for path in self._directory.iterdir()]
        found = {int(match[1]) for match in map(pattern.fullmatch, names) if match is not None}
        # Some numbers have more zeros than rsyslogd writes: it does not read these files.
        return sorted(number for number in found if self._segment(number).name in names)

    def _segment(self, number: int) -> Path:
        return self._directory / f"{self._name}.{number:08d}"

    def _read_index(self, needed: bool) -> tuple[Index | None, str]:
        """Return the index, and what is wrong with it."""
        try:
            data = _content(self._index)
        except FileNotFoundError:
            return None, f"{self._index.name} is missing" if needed else ""
        if data is None:
            return None, f"{self._index.name} cannot be read as a file"
        index = parse_index(data)
        if index is None:
            return None, f"{self._index.name} is {'damaged' if data else 'empty'}"
        return index, ""

    def _damage(self, index: Index, segments: list[int]) -> list[str]:
        """Return what is wrong with segments, or how they contradict the index."""
        first, last = index.read.segment, index.write.segment
        # The last one is created with its first message.
        wanted = range(first, last + 1 if index.write.offset else last)
        there = {*segments}
        missing = next((number for number in wanted if number not in there), None)
        if missing is not None:
            return [f"{self._segment(missing).name} is missing"]
        if not there <= {*wanted, last}:
            return [f"{self._index.name} does not fit the other files"]
        reasons = []
        messages = 0
        for number in segments:
            data = _content(self._segment(number))
            if data is None:
                reasons.append(f"{self._segment(number).name} cannot be read as a file")
                continue
            begin = index.read.offset if number == first else 0
            end = index.write.offset if number == last else len(data)
            pieces = list(intact(data, begin))
            messages += sum(count for _begin, _end, count in pieces)
            whole = [(begin, end)] if begin != end else []
            if len(data) != end or [piece[:2] for piece in pieces] != whole:
                reasons.append(f"{self._segment(number).name} is damaged")
        if not reasons and messages != index.messages:
            reasons.append(f"{self._index.name} does not fit the other files")
        return reasons

    def _rebuild(self, segments: list[int], result: Repair) -> None:
        """Number the segments without gaps, leave out what is damaged, and write an index."""
        result.messages = size = 0
        first = number = segments[0] if segments else 1
        for found in segments:
            path, target = self._segment(found), self._segment(number)
            data = _content(path)
            if data is None:
                self._keep_aside(path, None, result)
                continue
            pieces = list(intact(data))
            kept = sum(end - begin for begin, end, _count in pieces)
            if kept != len(data):
                self._keep_aside(path, data, result)
            if not kept:
                _remove(path)
                continue
            if kept != len(data):
                self._write(b"".join(data[begin:end] for begin, end, _count in pieces), target)
            elif path != target:
                os.rename(path, target)
            if path != target:
                _remove(path)
            result.messages += sum(count for _begin, _end, count in pieces)
            size, number = size + kept, number + 1
        with contextlib.suppress(FileNotFoundError):
            self._keep_aside(self._index, _content(self._index), result)
        _sync(self._directory)
        if result.messages:
            index = Index(result.messages, Position(number, 0), Position(first, 0))
            self._write(format_index(self._name, index, size), self._index)
        else:
            _remove(self._index)
        _sync(self._directory)

    def _keep_aside(self, path: Path, data: bytes | None, result: Repair) -> None:
        """Keep a damaged file under another directory; it is replaced or removed afterwards.

        :param data: its content; None moves what is no file that can be read.
        """
        result.aside.mkdir(mode=0o700, exist_ok=True)
        target = result.aside / path.name
        if data is None:
            os.rename(path, target)
        else:
            try:
                os.link(path, target)
            except PermissionError:  # it is another account's
                self._write(data, target)
        result.moved.append(path.name)

    def _write(self, data: bytes, target: Path) -> None:
        """Replace a file in one step."""
        number = os.open(self._fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with open(number, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(number)
        os.replace(self._fresh, target)


def _content(path: Path) -> bytes | None:
    """Return what is in a file; None if it is none, or another account's that cannot be read.

    rsyslogd has made no symbolic link and no pipe: the one leads to a file of somebody else, and
    who reads from the other waits for ever.

    :raises FileNotFoundError: there is nothing of that name.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
    try:
        number = os.open(path, flags)
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.ENXIO, errno.EACCES, errno.EPERM):
            return None
        raise
    if not stat.S_ISREG(os.fstat(number).st_mode):
        os.close(number)
        return None
    with open(number, "rb") as file:
        return file.read()


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)


def _sync(directory: Path) -> None:
    """Make the names in a directory durable."""
    number = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _some(texts: list[str]) -> str:
    """Return the first of some texts, and how many more there are."""
    more = len(texts) - _SHOWN
    return ", ".join(texts[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="queue_repair", description="Repair a disk queue of rsyslogd that does not run."
    )
    parser.add_argument("directory", type=Path, help="queue.spoolDirectory")
    parser.add_argument("name", help="queue.fileName")
    options = parser.parse_args(arguments)
    try:
        done = Queue(options.directory, options.name).repair()
    except OSError as exc:
        sys.stderr.write(
            f"{_ERROR}Cannot check the queue of rsyslog in {options.directory}: "
            f"{exc.strerror or exc} ({exc.filename or options.name}). Lines may not be handed on: "
            "correct this, and restart rsyslog.\n"
        )
        return 1
    if done.reasons:
        moved = f" What is damaged is in {done.aside}: {_some(done.moved)}."
        sys.stderr.write(
            f"{_WARNING}The queue of rsyslog in {options.directory} was damaged: "
            f"{_some(done.reasons)}. {done.messages} intact lines are queued again, and the "
            f"syncer may receive some of them twice.{moved if done.moved else ''}\n"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
