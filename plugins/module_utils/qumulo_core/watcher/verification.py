# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verify the evidence: is its chain whole, and is a hash that was kept elsewhere in it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from ..common import hash_chain, record_files
from ..common.hash_chain import GENESIS, MISSING, Checker, Fault
from ..common.record_files import UnreadableError
from ..errors import InputError
from .evidence import number_of
from .lock_record import LockRecord

#: Faults that are reported one by one.
_SHOWN = 100


@dataclass
class Verified:
    """What was found out about a chain.

    :param lines: how many there are.
    :param first: what the first line names as the one before it.
    :param earlier: records before the first line, as far as its number tells.
    :param cut: the files do not begin with the first record, and no fault tells that.
    :param last: hash of the last line.
    :param faults: how many lines are not as they were written.
    :param unreadable: files that could not be read.
    :param follow: of each hash that was looked for and found, how many lines follow it.
    """

    lines: int = 0
    first: str | None = None
    earlier: int = 0
    cut: bool = False
    last: str | None = None
    faults: int = 0
    unreadable: int = 0
    follow: dict[str, int] = field(default_factory=dict)

    def describe(self) -> str:
        """Return it for a person."""
        begin = "from the beginning"
        if self.first != GENESIS:
            begin = f"after a line with hash {(self.first or '')[:16]}..."
            if self.earlier == 1:
                begin += " (1 earlier record is not in these files)"
            elif self.earlier:
                begin += f" ({self.earlier} earlier records are not in these files)"
        return f"{self.lines} lines verified, {begin}. The last has hash {self.last}."


def check_hash(text: str) -> str:
    """Return a hash that a person gives.

    :raises InputError: it is not one.
    """
    given = text.strip().lower()
    if not hash_chain.is_hash(given):
        raise InputError(
            f"'{text}' is not a hash of the evidence: give the 64 hexadecimal digits that "
            "'verify' prints last."
        )
    return given


def verify(
    paths: Iterable[str],
    report: Callable[[str], None],
    *,
    look_for: Sequence[str] = (),
    take: Callable[[LockRecord], None] | None = None,
) -> Verified:
    """Check the chain over files that follow each other, the oldest first.

    :param report: takes a sentence about each fault.
    :param look_for: hashes of lines.
    :param take: takes the valid records.
    """
    result = Verified()
    checker = Checker()

    def fault(where: str, text: str) -> None:
        result.faults += 1
        if result.faults <= _SHOWN:
            report(f"{where}: {text.rstrip('.')}.")

    wanted = frozenset(look_for)
    at: dict[str, int] = {}
    for path in paths:
        before = checker.count
        try:
            for _path, number, line in record_files.read([path]):
                where = f"{path}, line {number}"
                link = checker.check(line)
                if checker.count == 1 and link.record is not None:
                    result.earlier = max(0, number_of(link.record) - 1)
                    # What could not be read may have been the beginning.
                    result.cut = not (result.unreadable or result.faults or link.fault) and (
                        result.earlier > 0 or checker.first != GENESIS
                    )
                if link.hash in wanted:
                    at[link.hash] = checker.count
                if link.fault is not None:
                    told = link.fault.value
                    if link.fault is Fault.GAP and link.record is not None:
                        told = f"{told}: {link.record.get('message', '')}"
                    fault(where, told)
                elif link.record is not None and MISSING not in link.record:
                    try:
                        record = LockRecord.of(link.record)
                    except InputError as exc:
                        fault(where, exc.message)
                        continue
                    if take is not None:
                        take(record)
            if checker.count == before:
                report(record_files.empty(path))
        except UnreadableError as exc:
            checker.last = None  # what follows cannot be compared with it
            result.unreadable += 1
            report(exc.message)
        except InputError as exc:  # a compressed file that is damaged
            result.faults += 1
            report(exc.message)
    if result.faults > _SHOWN:
        report(f"{result.faults - _SHOWN} more lines are not as they were written.")
    result.lines, result.first, result.last = checker.count, checker.first, checker.last
    if checker.first in wanted and checker.count:
        at.setdefault(str(checker.first), 0)
    result.follow = {each: checker.count - line for each, line in at.items()}
    return result
