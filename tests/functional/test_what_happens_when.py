# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every sentence of "What happens when" and of the tables of losses names the tests that prove it.

``what_happens_when.yml`` maps each sentence, by its beginning, to tests.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
import yaml

from tests.tools.tree import ROOT

TABLE = ROOT / "tests" / "functional" / "what_happens_when.yml"
#: A page that counts as a whole, and sections of others.
PAGE = "docs/what_happens_when.md"
#: What a sentence that promises nothing has instead of tests, and one that has none yet.
ADVICE, GAP = "advice", "gap"
#: Sentences that have no test yet. This number may only become smaller.
GAPS = 2
#: Columns that name a thing or say what to do.
NO_PROMISE = {"To do"}
#: The next sentence begins with a capital, a code, a link or bold text.
SENTENCE = re.compile(r"(?<=[.!?])\**\s+(?=[A-Z`*\[\"])")

Sentences = dict[str, list[str]]  # by section


def sentences(page: str) -> Sentences:
    """Sentences by section; one of a table begins with the first cell of its row."""
    found: Sentences = {}
    section = ""
    for block in re.split(r"\n\s*\n", (ROOT / page).read_text(encoding="utf-8")):
        if block.startswith("#"):
            section = block.lstrip("#").strip()
        elif block.startswith("|"):
            found.setdefault(section, []).extend(_of_rows(block))
        elif not block.startswith((" ", "```")):
            text = " ".join(block.split())
            found.setdefault(section, []).extend(SENTENCE.split(text))
    return found


def _of_rows(block: str) -> Iterator[str]:
    rows = [[cell.strip() for cell in row.strip("| ").split("|")] for row in block.splitlines()]
    for first, *cells in rows[2:]:
        for name, cell in zip(rows[0][1:], cells):
            if name not in NO_PROMISE:
                yield from (f"{first}: {text}" for text in SENTENCE.split(cell))


def table() -> dict[str, dict[str, dict[str, Any]]]:
    """Page, section, beginning of a sentence, and its tests."""
    read: dict[str, dict[str, dict[str, Any]]] = yaml.safe_load(TABLE.read_text(encoding="utf-8"))
    return read


ENTRIES = [
    pytest.param(page, section, beginning, tests, id=f"{section}-{beginning[:40]}")
    for page, sections in table().items()
    for section, entries in sections.items()
    for beginning, tests in entries.items()
]


@pytest.mark.parametrize("page", table())
def test_each_sentence_has_one_entry(page: str) -> None:
    sections = table()[page]
    there = sentences(page)
    wanted = there if page == PAGE else {name: there.get(name, []) for name in sections}
    wrong = [
        f"{section}: {text}"
        for section, texts in wanted.items()
        for text in texts
        if sum(text.startswith(beginning) for beginning in sections.get(section, {})) != 1
    ]
    assert wrong == [], f"each of these needs one entry in {TABLE.name}"


@pytest.mark.parametrize(("page", "section", "beginning", "tests"), ENTRIES)
def test_each_entry_names_tests_that_exist(
    page: str, section: str, beginning: str, tests: list[str] | str
) -> None:
    matching = [text for text in sentences(page).get(section, []) if text.startswith(beginning)]
    assert len(matching) == 1, f"remove the entry, or correct the beginning: {matching}"
    if isinstance(tests, str):
        assert tests in (ADVICE, GAP)
        return
    assert tests
    for test in tests:
        path, _, name = test.partition("::")
        assert name in names(path), f"{test} does not exist"


def test_gaps_only_become_fewer() -> None:
    gaps = [str(entry.id) for entry in ENTRIES if entry.values[3] == GAP]
    assert len(gaps) <= GAPS, "write a test instead of a gap: " + "; ".join(gaps)


@cache
def names(path: str) -> frozenset[str]:
    """Tests of a Python file, or tasks of a playbook."""
    text = (ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".yml"):
        return frozenset(re.findall(r"^ *- name: (.*)$", text, re.MULTILINE))
    return frozenset(
        node.name
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    )
