# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sorting more than fits in memory: sorted runs on disk, merged as they are read."""

from __future__ import annotations

import tempfile
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from typing import IO, TypeVar

from .entries import TERMINATOR

#: Bytes of records in memory before they become a run.
RUN_BYTES = 16 << 20
#: Runs that are merged at a time: each costs a buffer and a file descriptor.
FAN_IN = 32
_READ = 64 << 10
#: What is handed on at a time: many steps cost less for a block than for each of its items.
_BLOCK = 1024
Item = TypeVar("Item")


class Sorter:
    """Takes records in any order and gives them back sorted.

    Memory is bounded by a run and the buffers of a merge, whatever the number of records; disk
    holds each record once, twice while runs are merged into longer ones. Records must not hold
    the terminator.

    :param directory: where runs are kept; they vanish with the sorter, however it ends.
    """

    def __init__(
        self, directory: str, *, run_bytes: int = RUN_BYTES, reverse: bool = False
    ) -> None:
        self._directory = directory
        self._run_bytes = run_bytes
        self._reverse = reverse
        self._records: list[bytes] = []
        self._bytes = 0
        #: runs by level: a run of level n is merged from those of level n - 1
        self._levels: list[list[IO[bytes]]] = [[]]

    def __enter__(self) -> Sorter:
        return self

    def __exit__(self, *exc_info: object) -> None:
        for level in self._levels:
            for run in level:
                run.close()
        self._levels = [[]]
        self._records = []

    def add(self, record: bytes) -> None:
        """Take a record."""
        self._records.append(record)
        self._bytes += len(record) + 40  # what the interpreter needs for it beside its bytes
        if self._bytes >= self._run_bytes:
            self._spill()

    def extend(self, records: list[bytes]) -> None:
        """Take some records."""
        self._records += records
        self._bytes += sum(map(len, records)) + 40 * len(records)
        if self._bytes >= self._run_bytes:
            self._spill()

    def _spill(self) -> None:
        self._records.sort(reverse=self._reverse)
        self._keep(0, cut(self._records))
        self._records = []
        self._bytes = 0

    def _keep(self, level: int, blocks: Iterable[list[bytes]]) -> None:
        """Write a run; merge its level into one of the next when it is full."""
        run: IO[bytes] = tempfile.TemporaryFile(  # noqa: SIM115 - closed with the sorter
            prefix=".sort-", dir=self._directory, buffering=_READ
        )
        self._levels[level].append(run)
        for block in blocks:
            run.write(TERMINATOR.join(block) + TERMINATOR)
        run.flush()
        if len(self._levels[level]) >= FAN_IN:
            if level + 1 == len(self._levels):
                self._levels.append([])
            full = self._levels[level]
            self._levels[level] = []
            try:
                self._keep(level + 1, self._merge(full))
            finally:
                for merged in full:
                    merged.close()

    def _merge(self, runs: Iterable[IO[bytes]]) -> Iterator[list[bytes]]:
        return merged(map(_read, runs), reverse=self._reverse)

    def __iter__(self) -> Iterator[bytes]:
        """Yield all records in order; equal ones stay."""
        return chain.from_iterable(self.blocks())

    def blocks(self) -> Iterator[list[bytes]]:
        """Yield the same by the block; none is empty."""
        runs = [run for level in self._levels for run in level]
        if not runs:
            self._records.sort(reverse=self._reverse)
            return cut(self._records)
        if self._records:
            self._spill()
            runs = [run for level in self._levels for run in level]
        return self._merge(runs)


def cut(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Yield items by the block; none is empty."""
    each = iter(items)
    while block := list(islice(each, _BLOCK)):
        yield block


def merged(
    streams: Iterable[Iterator[list[bytes]]], *, reverse: bool = False
) -> Iterator[list[bytes]]:
    """Yield the records of sorted streams in order, by the block; none is empty.

    What comes up to where the first block ends is put together and sorted: nothing merges faster
    than Python's own sort, which finds what is in order already.

    :param streams: of blocks, none of them empty.
    """
    waiting = [(stream, block) for stream in streams for block in islice(stream, 1)]
    while waiting:
        ends = [block[-1] for _stream, block in waiting]
        first = max(ends) if reverse else min(ends)
        some: list[bytes] = []
        left = []
        for stream, block in waiting:
            if reverse:
                at = len(block) - bisect_left(block[::-1], first)
            else:
                at = bisect_right(block, first)
            some += block[:at]
            rest = block[at:] or next(stream, [])
            if rest:
                left.append((stream, rest))
        waiting = left
        some.sort(reverse=reverse)
        yield some


def _read(run: IO[bytes]) -> Iterator[list[bytes]]:
    run.seek(0)
    rest = b""
    while chunk := run.read(_READ):
        *records, rest = (rest + chunk).split(TERMINATOR)
        if records:
            yield records
