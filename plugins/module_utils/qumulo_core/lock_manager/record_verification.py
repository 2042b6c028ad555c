# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify the record of closed handles: is its chain whole, and is the last line still there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..common import record_files
from ..common.hash_chain import GENESIS, MISSING, PREVIOUS, Checker, Fault
from ..errors import InputError
from .record_lines import parse

#: Faults that are reported one by one.
_SHOWN = 100


@dataclass
class VerifiedRecord:
    """What was found out about a record.

    :param lines: how many there are.
    :param unchained: lines of an earlier release, which wrote no hashes, at the beginning.
    :param first: what the first line with a hash names as the one before it.
    :param last: hash of the last line.
    :param faults: how many lines are not as they were written.
    :param unreadable: files that cannot be read.
    :param found: hashes that were looked for and are there.
    """

    lines: int = 0
    unchained: int = 0
    first: str | None = None
    last: str | None = None
    faults: int = 0
    unreadable: int = 0
    found: frozenset[str] = frozenset()

    def describe(self) -> str:
        """Return it for a person."""
        begin = "from the beginning"
        if self.unchained:
            begin = f"the first {self.unchained} of them without hashes, by an earlier release"
        elif self.first not in (None, GENESIS):
            begin = f"after a line with hash {self.first}, which is not in these files"
        return f"{self.lines} lines verified, {begin}. The last has hash {self.last}."


def verify(
    paths: Sequence[str], report: Callable[[str], None], look_for: Sequence[str] = ()
) -> VerifiedRecord:
    """Check the chain over files that follow each other, the oldest first.

    :param report: takes a sentence about each fault.
    :param look_for: hashes of lines.
    """
    result = VerifiedRecord()
    checker = Checker()
    wanted, found = frozenset(look_for), set()
    chained = False

    def fault(text: str) -> None:
        result.faults += 1
        if result.faults <= _SHOWN:
            report(text)

    for path in paths:
        before = checker.count
        try:
            for _path, number, line in record_files.read([path]):
                link = checker.check(line)
                if link.hash in wanted:
                    found.add(link.hash)
                record = parse(line)
                if link.record is not None and not chained:
                    chained = True
                    result.first = link.record.get(MISSING, link.record[PREVIOUS])
                unchained = not chained and link.fault is Fault.FOREIGN and record is not None
                if unchained:
                    result.unchained += 1
                elif link.fault is not None:
                    fault(f"{path}, line {number}: {link.fault.value.rstrip('.')}.")
                elif record is None:
                    fault(f"{path}, line {number}: {Fault.FOREIGN.value}.")
            if checker.count == before:
                report(record_files.empty(path))
        except record_files.UnreadableError as exc:
            checker.last = None  # what follows cannot be compared with it
            result.unreadable += 1
            report(exc.message)
        except InputError as exc:  # a compressed file that is damaged
            fault(exc.message)
    if result.faults > _SHOWN:
        report(f"{result.faults - _SHOWN} more lines are not as they were written.")
    result.lines, result.last = checker.count, checker.last
    result.found = frozenset(found) | ({result.first or ""} & wanted)
    return result
