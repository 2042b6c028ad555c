# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One list, or several that are worked off in parallel."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from types import TracebackType

from ..output import AtomicFile
from .entries import Block, Entry
from .formats import ListWriter, Maker, Totals
from .packing import compressed

#: Bytes that an entry costs whoever moves it, beside those of the file.
ENTRY_BYTES = 4096
#: A list keeps getting entries, so that directories stay together, until it has got this share
#: of what all have.
_SHARE = 16


class Shares:
    """Deals entries out so that all shares have about as many bytes, whatever comes next.

    A share is never further above the smallest than by a sixteenth of an equal share and one file.
    """

    def __init__(self, count: int) -> None:
        self._bytes = [0] * count
        self._total = 0
        self._at = 0
        self._run = 0

    def next(self, size: int) -> int:
        """Return the number of the share that gets a file of so many bytes."""
        if self._run * _SHARE * len(self._bytes) >= self._total:
            self._at = min(range(len(self._bytes)), key=self._bytes.__getitem__)
            self._run = 0
        cost = size + ENTRY_BYTES
        self._bytes[self._at] += cost
        self._total += cost
        self._run += cost
        return self._at


class Lists:
    """The lists of one run; they appear when all are complete.

    :param dest: of the list; several have a number behind it, from 1 on.
    :param split: number of lists; 1: ``dest`` itself.
    :param first: tells what goes into a list of its own (``dest.first``), which has to be worked
        off before the others: those may then come in any order, or all at once.
    """

    def __init__(
        self,
        dest: str,
        make: Maker,
        totals: Totals,
        *,
        split: int = 1,
        first: Callable[[Entry], bool] | None = None,
        compress: str | None = None,
    ) -> None:
        self._stack = ExitStack()
        self._make = make
        self._totals = totals
        self._compress = compress
        self._shares = Shares(split)
        names = [dest] if split == 1 else [f"{dest}.{number}" for number in range(1, split + 1)]
        self._outputs: list[AtomicFile] = []
        self._closing: list[ExitStack] = []
        try:
            self._writers = [self._open(name) for name in names]
            self.paths = [output.path for output in self._outputs]
            self._is_first = first
            self._first: ListWriter | None = None
            self.first_path: str | None = None
            if first is not None:
                self._first = self._open(f"{dest}.first")
                self.first_path = self._outputs[-1].path
        except BaseException:
            self._stack.close()
            raise

    def _open(self, path: str) -> ListWriter:
        output = self._stack.enter_context(AtomicFile(path))
        self._outputs.append(output)
        packing = self._stack.enter_context(ExitStack())
        self._closing.append(packing)
        return self._make(
            packing.enter_context(compressed(output.file, self._compress)), self._totals
        )

    def __enter__(self) -> Lists:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.__exit__(kind, exc, traceback)

    def write(self, blocks: Iterable[Block]) -> None:
        """Write all entries."""
        writers = [*self._writers, *([self._first] if self._first is not None else [])]
        for block in blocks:
            shares: Sequence[Block] = [block] if len(writers) == 1 else self._deal_out(block)
            for writer, share in zip(writers, shares):
                writer.extend(share)
        for writer in writers:
            writer.close()

    def _deal_out(self, block: Block) -> list[list[Entry]]:
        """Return what each list gets; the last one is what comes before all others."""
        shares: list[list[Entry]] = [[] for _writer in self._writers]
        first: list[Entry] = []
        for entry in block:
            if self._is_first is not None and self._is_first(entry):
                first.append(entry)
            else:
                known = entry.attributes
                size = known.size if known is not None else 0
                shares[self._shares.next(size)].append(entry)
        return [*shares, first]

    def commit(self, *, dry_run: bool) -> bool:
        """Put the lists in place; return False if all were there already.

        :raises InputError: one can not be written.
        """
        for packing in self._closing:
            packing.close()
        changed = [output.commit(dry_run=dry_run) for output in self._outputs]
        if not dry_run and len(self.paths) > 1:
            self._remove_former()
        return any(changed)

    def _remove_former(self) -> None:
        """Remove lists of a former run that had more: nobody must take them for lists of this."""
        number = len(self.paths) + 1
        stem = os.path.basename(self.paths[0])[: -len(".1")]
        while self._outputs[0].remove_sibling(f"{stem}.{number}"):
            number += 1
