# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation in plugin files is YAML, and each description is text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PLUGINS = Path(__file__).resolve().parents[4] / "plugins"
FILES = sorted([*PLUGINS.glob("modules/q*.py"), *PLUGINS.glob("doc_fragments/[a-z]*.py")])
BLOCK = re.compile(r'(DOCUMENTATION|EXAMPLES|RETURN) = r"""\n(.*?)"""', re.DOTALL)


def descriptions(node: Any, where: str) -> Iterator[tuple[str, Any]]:
    """Yield the paragraphs of all descriptions, with the name of what they describe."""
    if not isinstance(node, dict):
        return
    for key, value in node.items():
        if key == "description":
            yield from ((where, each) for each in (value if isinstance(value, list) else [value]))
        else:
            yield from descriptions(value, f"{where}.{key}")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_descriptions_are_text(path: Path) -> None:
    blocks = BLOCK.findall(path.read_text(encoding="utf-8"))
    assert blocks
    for name, text in blocks:
        parsed = yaml.safe_load(text)
        assert parsed, name
        if name != "EXAMPLES":
            # A colon with a blank behind it makes a dictionary of a sentence.
            wrong = [each for each in descriptions(parsed, name) if not isinstance(each[1], str)]
            assert not wrong
