# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables that modules write: each field quoted, and no formulas in what people open."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common.csv_text import (
    FORMULA_STARTS,
    CsvText,
    guarded,
    unguarded,
)
from tests.simulator.harness import Simulator

from .module_calls import Call, call

__all__ = ["call"]

#: Names of files that become cells, relative to the directory, and what else a cell may hold.
NAMES = (
    *(f"{start}1+1" for start in FORMULA_STARTS),
    "'",
    "'=1",
    "''",
    'a"b',
    "a,b;=1",
    " =1",
    "plain",
)
CELLS = st.text(alphabet="".join(FORMULA_STARTS) + "'\",; a\u00e4\u2028", max_size=6)


@given(CELLS)
def test_a_guarded_cell_is_no_formula_and_comes_back(text: str) -> None:
    assert not guarded(text).startswith(FORMULA_STARTS)
    assert unguarded(guarded(text)) == text


@given(st.lists(st.lists(st.one_of(CELLS, st.none(), st.integers()), min_size=2)), st.booleans())
def test_each_field_is_quoted_and_comes_back(rows: list[list[Any]], guard: bool) -> None:
    table = CsvText(["a", "b"], guard=guard)
    text = table.drain()
    for row in rows:
        table.extend([row])
        text += table.drain()
    found = [[unguarded(cell) if guard else cell for cell in row] for row in _read(text)[1:]]
    assert text.startswith('"a","b"\r\n')
    assert found == [["" if cell is None else str(cell) for cell in row] for row in rows]
    unquoted = text.replace('""', "").split('"')[::2]
    assert set("".join(unquoted)) <= set(",\r\n")


def _read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def connection(simulator: Simulator) -> dict[str, Any]:
    return {
        "host": simulator.addresses,
        "port": simulator.port,
        "username": "admin",
        "password": simulator.password(),
        "ca_path": simulator.ca_file,
    }


@pytest.mark.parametrize("guard", [None, True, False])
def test_reports_are_guarded_and_lists_are_not(
    simulator: Simulator, client: Client, call: Call, tmp_path: Path, guard: bool | None
) -> None:
    simulator.control("files/put", path="/p/first")
    source = client.rest.fs.get_file_attr(path="/p")["id"]
    client.rest.snapshot.create_snapshot(name="old", source_file_id=source)
    for name in NAMES:
        simulator.control("files/put", path=f"/p/{name}")
        simulator.control("smb/open", user=f"CORP\\{name}", path=f"/p/{name}")
    client.rest.snapshot.create_snapshot(name="new", source_file_id=source)
    pair = {"newer": "new", "older": "old", "format": "csv"}
    for module, options, column, default in (
        ("qumulo_changelist", pair, "path", False),
        ("qumulo_file_lock_info", {"path": ["/p"], "recurse": True}, "path", True),
        ("qumulo_smb_lock_info", {}, "path", True),
    ):
        dest = tmp_path / module
        given_guard = {} if guard is None else {"formula_guard": guard}
        options = {**connection(simulator), **options, **given_guard, "dest": str(dest)}
        answer = call(module, **options)
        assert not answer.get("failed") and answer["changed"], answer
        with dest.open(newline="", encoding="utf-8") as file:
            cells = [row[column] for row in csv.DictReader(file)]
        guarding = default if guard is None else guard
        found = {unguarded(cell) if guarding else cell for cell in cells}
        assert found >= (set(NAMES) if module == "qumulo_changelist" else set()), module
        assert {cell.rpartition("/")[2] for cell in found} >= set(NAMES), module
        if guarding:
            assert not any(cell.startswith(FORMULA_STARTS) for cell in cells), module
        text = dest.read_text(encoding="utf-8")
        assert text.startswith('"') and text.endswith('"\n'), module
        answer = call(module, **options)
        assert not answer["changed"], answer


@pytest.mark.parametrize(
    ("module", "options"),
    [
        ("qumulo_changelist", {"newer": "a", "older": "b", "dest": "/tmp/x"}),
        ("qumulo_file_lock_info", {"path": ["/p"], "format": "jsonl", "dest": "/tmp/x"}),
        ("qumulo_file_lock_info", {"path": ["/p"]}),
        ("qumulo_smb_lock_info", {"format": "jsonl", "dest": "/tmp/x"}),
        ("qumulo_smb_lock_info", {}),
    ],
)
def test_a_guard_without_a_table_is_an_error(
    simulator: Simulator, call: Call, module: str, options: dict[str, Any]
) -> None:
    answer = call(module, **connection(simulator), **options, formula_guard=True)
    assert answer["failed"] and answer["msg"].startswith("formula_guard has no effect"), answer
