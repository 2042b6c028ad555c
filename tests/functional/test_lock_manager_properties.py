# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Properties of the lock manager's list and record, for whatever people name their files."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timezone

from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common import csv_text
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.board import (  # noqa: E501
    Board,
    Entry,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.export import (  # noqa: E501
    to_csv,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.gate import (
    safe_next,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.search import (  # noqa: E501
    SORTS,
    Query,
    search_key,
    terms,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.sessions import (  # noqa: E501
    Signer,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.sightings import (  # noqa: E501
    Sighting,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.handles import (
    Handle,
    Identity,
)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=timezone.utc)
NAMES = st.text(alphabet="aAb \u00e4\\/\"'<=", max_size=6)


@st.composite
def boards(draw: st.DrawFn) -> Board:
    """Some handles of a few people on a few files."""
    paths = draw(st.lists(NAMES, min_size=1, max_size=5))
    made = []
    for at in range(draw(st.integers(0, 12))):
        number = draw(st.integers(0, len(paths) - 1))
        person = draw(st.integers(1, 3))
        handle = Handle(
            str(at),
            str(number),
            "/" + paths[number],
            Identity(str(person), f"CORP\\user{person}"),
            ("read",),
            draw(st.integers(0, 2)),
            (f"10.0.0.{person}",),
        )
        made.append(Entry(handle, Sighting(NOON, at_least=False)))
    return Board(made, taken=NOON)


@given(boards(), NAMES, st.sampled_from(SORTS), st.booleans())
def test_a_search_finds_what_has_all_its_terms(
    board: Board, text: str, sort: str, descending: bool
) -> None:
    found = board.find(Query(text=text, sort=sort, descending=descending))
    listed = [entry.handle for entry in board.handles(found)]
    expected = {
        entry.handle.location
        for entry in board.entries
        if all(any(s in search_key(entry.handle) for s in spellings) for spellings in terms(text))
    }
    assert {handle.location for handle in listed} == expected
    assert len(listed) == found.handles == len(expected)
    files = [handle.file_id for handle in listed]
    # Each file stands in one place.
    assert len([a for a, b in zip(files, files[1:]) if a != b]) == max(0, len(set(files)) - 1)


@given(st.text(max_size=200))
def test_whatever_is_typed_a_search_ends(text: str) -> None:
    for spellings in terms(text):
        assert spellings and all(spellings)


@given(st.text(max_size=100))
def test_nobody_is_led_elsewhere(text: str) -> None:
    goal = safe_next(text)
    assert goal in ("/", "/closings") or goal.startswith("/?")


@given(st.text(max_size=50))
def test_only_what_was_signed_opens(text: str) -> None:
    signer = Signer(b"k" * 32)
    assert signer.open(signer.sign(text)) == (text or None)
    assert signer.open(text) is None


@given(
    st.lists(
        st.lists(
            st.text(alphabet="a=+-@,\"'\n\r\t\u00e4\uff1d\uff20", max_size=5),
            min_size=2,
            max_size=2,
        )
    )
)
def test_a_table_comes_back_without_formulas(rows: list[list[str]]) -> None:
    text = b"".join(to_csv(["a", "b"], rows)).decode("utf-8-sig")
    read = list(csv.reader(io.StringIO(text, newline="")))[1:]
    assert [[csv_text.unguarded(value) for value in row] for row in read] == rows
    assert not any(value.startswith(csv_text.FORMULA_STARTS) for row in read for value in row)
