# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes without attributes take a short cut, which leads to the same place."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import (
    entries,
    formats,
    rows,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import (
    ProtocolError,
)

NAMES = st.text(
    st.characters(exclude_characters="\0/", exclude_categories=()), min_size=1, max_size=6
)
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda names: "/" + "/".join(names))
PLAIN = st.builds(
    entries.encode,
    st.sampled_from([entries.CREATE, entries.MODIFY, entries.DELETE]),
    PATHS | PATHS.map(lambda path: f"{path}/") | st.just("/"),
)


@given(st.lists(PLAIN, max_size=30))
def test_plain_changes_are_what_their_entries_are(records: list[bytes]) -> None:
    block = entries.Plain(records)
    described = [entries.decode(record) for record in records]
    assert list(block) == described
    quick, slow = formats.Totals(), formats.Totals()
    quick.count(block)
    slow.count(described)
    assert quick == slow
    for entry in described:
        left = [other for other in described if other.path != entry.path or not other.is_directory]
        if entry.is_directory:
            assert list(block.without(entry.path)) == left


@given(st.lists(PLAIN, max_size=30), st.sampled_from([rows.jsonl, rows.comma_separated]))
def test_plain_changes_are_written_as_their_entries_are(
    records: list[bytes], make: Callable[[Callable[[str], str]], formats.Maker]
) -> None:
    quick, slow = io.BytesIO(), io.BytesIO()
    for output, block in ((quick, entries.Plain(records)), (slow, [*entries.Plain(records)])):
        writer = make(lambda path: path[1:])(output, formats.Totals())
        writer.extend(block)
        writer.close()
    assert quick.getvalue() == slow.getvalue()


@given(st.lists(PLAIN, max_size=30))
def test_pages_are_taken_in_by_operation(records: list[bytes]) -> None:
    page = [
        {"op": change.operation.upper(), "path": entries.text(record[:-2])}
        for record, change in zip(records, entries.Plain(records))
    ]
    found = entries.of_page(page)
    taken = [r for operation, paths in found.items() for r in entries.encode_all(operation, paths)]
    assert sorted(taken) == sorted(records)


@pytest.mark.parametrize(
    "item",
    [
        {"op": "CREATE"},
        {"path": "/a"},
        {"op": "CREATE", "path": None},
        {"op": "CREATE", "path": ""},
        {"op": "CREATE", "path": ["/a"]},
        {"op": "EXCHANGE", "path": "/a"},
        "CREATE /a",
        None,
    ],
)
def test_what_is_no_change_is_refused(item: Any) -> None:
    with pytest.raises(ProtocolError, match="The cluster listed a change"):
        entries.of_page([{"op": "MODIFY", "path": "/b"}, item])
