# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import json
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common import hash_chain
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common.hash_chain import (
    GENESIS,
    MAX_LINE,
    MISSING,
    Checker,
    Fault,
    append,
    digest,
    lines,
    tail,
)

RECORDS = st.lists(st.dictionaries(st.text(max_size=5), st.text(max_size=9)), max_size=8)


def faults(data: bytes, previous: str | None = None) -> list[tuple[int, Fault]]:
    checker = Checker(previous)
    found = []
    for number, line in enumerate(lines(io.BytesIO(data)), 1):
        fault = checker.check(line).fault
        if fault is not None:
            found.append((number, fault))
    return found


@given(RECORDS, st.integers(0, 8))
def test_batches_make_one_chain(records: list[dict[str, str]], cut: int) -> None:
    whole, last = append(records, GENESIS)
    one, between = append(records[:cut], GENESIS)
    two, end = append(records[cut:], between)
    assert (one + two, end) == (whole, last)
    assert not faults(whole, GENESIS)
    checker = Checker()
    read = [checker.check(line).record for line in lines(io.BytesIO(whole))]
    assert [{**record, "previous": ""} for record in read if record is not None] == [
        {**record, "previous": ""} for record in records
    ]
    assert (checker.first, checker.last) == ((GENESIS, last) if records else (None, None))


@given(st.integers(3, 8), st.data())
def test_each_removed_line_breaks_the_chain_once(count: int, data: st.DataObject) -> None:
    whole, last = append([{"n": str(n)} for n in range(count)], GENESIS)
    each = whole.splitlines(keepends=True)
    at = data.draw(st.integers(0, count - 1))
    del each[at]
    if at < count - 1:
        assert faults(b"".join(each), GENESIS) == [(at + 1, Fault.BROKEN)]
    else:
        checker = Checker(GENESIS)
        assert all(checker.check(line).fault is None for line in each)
        assert checker.last != last


@pytest.mark.parametrize(
    "foreign",
    [
        b"hello\n",
        b"\n",
        b"[]\n",
        b"{}\n",
        b"\0\0\n",
        b'{"previous": 1}\n',
        b'{"previous": "", "missing": ["a"]}\n',
        b"[" * 100_000 + b"\n",
    ],
)
def test_chain_restarts_after_a_foreign_line(foreign: bytes) -> None:
    one, last = append([{"n": 1}], GENESIS)
    # A writer continues after the line that it finds, whatever it is.
    two, _last = append([{"n": 2}, {"n": 3}], digest(foreign[:-1]))
    assert faults(one + foreign + two, GENESIS) == [(2, Fault.FOREIGN)]
    # If the line was inserted later, the next one does not fit to it; that is reported, too.
    two, _last = append([{"n": 2}, {"n": 3}], last)
    assert faults(one + foreign + two, GENESIS) == [(2, Fault.FOREIGN), (3, Fault.BROKEN)]


def test_gap_is_a_fault_until_the_lost_lines_are_back() -> None:
    one, there = append([{"n": 1}], GENESIS)
    lost, missing = append([{"n": 2}, {"n": 3}], there)
    rest, _last = append([{MISSING: missing}, {"n": 4}], there)
    assert faults(one + rest, GENESIS) == [(2, Fault.GAP)]
    assert faults(rest) == [(1, Fault.GAP)]
    assert not faults(one + lost + rest, GENESIS)
    assert faults(one + lost.splitlines(keepends=True)[0] + rest, GENESIS) == [(3, Fault.BROKEN)]


def test_a_record_without_newlines_does_not_fill_the_memory(tmp_path: Path) -> None:
    path = tmp_path / "long"
    with open(path, "wb") as file:
        file.truncate(200 << 20)
        file.seek(0, os.SEEK_END)
        file.write(b"\n{}\n")
    tracemalloc.start()
    try:
        with open(path, "rb") as file:
            checker = Checker()
            found = [checker.check(line).fault for line in lines(file)]
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    assert found == [Fault.TOO_LONG, Fault.FOREIGN]


@given(
    st.lists(st.binary(max_size=9).filter(lambda line: b"\n" not in line)), st.binary(max_size=9)
)
def test_tail_tells_the_last_line_and_what_a_crash_has_left(
    tmp_path_factory: pytest.TempPathFactory, complete: list[bytes], rest: bytes
) -> None:
    rest = rest.replace(b"\n", b"")
    path = tmp_path_factory.getbasetemp() / "tail"
    whole = b"".join(line + b"\n" for line in complete)
    path.write_bytes(whole + rest)
    with pytest.MonkeyPatch.context() as patch, open(path, "rb") as file:
        patch.setattr(hash_chain, "_BLOCK", 7)
        found = tail(file.fileno())
    assert found.line == (complete[-1] if complete else None)
    assert (found.rest, found.whole) == (rest, len(whole))


@pytest.mark.parametrize("end", [b"", b"\n"])
def test_the_end_of_a_file_does_not_fill_the_memory(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "foreign"
    one, last = append([{"n": 1}], GENESIS)
    with open(path, "wb") as file:
        file.write(one)
        file.truncate(200 << 20)
        file.seek(0, os.SEEK_END)
        file.write(end)
    tracemalloc.start()
    try:
        with open(path, "rb") as file:
            found = tail(file.fileno())
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()
    if not end:
        assert found.line is not None and digest(found.line) == last
        assert (found.whole, len(found.rest)) == (len(one), MAX_LINE + 2)
        return
    # A writer continues after such a line, and the chain has one fault.
    assert found.line is not None and not found.rest
    two, _last = append([{"n": 2}], digest(found.line))
    with open(path, "ab") as file:
        file.write(two)
    with open(path, "rb") as file:
        checker = Checker(GENESIS)
        told = [checker.check(line).fault for line in lines(file)]
    assert told == [None, Fault.TOO_LONG, None]


def test_longest_line_is_taken_and_a_longer_one_is_not() -> None:
    def of(size: int) -> bytes:
        bare = json.dumps({"previous": GENESIS, "x": ""})
        line = json.dumps({"previous": GENESIS, "x": "x" * (size - len(bare))})
        assert len(line) == size
        return line.encode() + b"\n"

    assert not faults(of(MAX_LINE))
    assert faults(of(MAX_LINE + 1)) == [(1, Fault.TOO_LONG)]
    assert faults(of(MAX_LINE + 2) + of(90)) == [(1, Fault.TOO_LONG), (2, Fault.BROKEN)]


@pytest.mark.parametrize("value", [None, 5, [GENESIS], {GENESIS: 1}])
def test_a_missing_hash_that_is_not_text_is_foreign(value: object) -> None:
    line = json.dumps({"previous": GENESIS, MISSING: value}).encode()
    checker = Checker()
    link = checker.check(line + b"\n")
    assert (link.fault, link.record, checker.first) == (Fault.FOREIGN, None, None)
