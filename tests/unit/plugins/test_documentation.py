# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The documentation of modules and fragments is YAML, and each description is text.

A colon in an unquoted text makes it a dictionary, or the whole unreadable.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

PLUGINS = Path(__file__).parents[3] / "plugins"
FILES = sorted([*PLUGINS.glob("modules/*.py"), *PLUGINS.glob("doc_fragments/*.py")])


def documents(path: Path) -> Iterator[Any]:
    """Documentation and results of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant):
            name = getattr(node.targets[0], "id", "")
            if name in ("DOCUMENTATION", "RETURN"):
                yield yaml.safe_load(node.value.value)


def descriptions(value: Any) -> Iterator[Any]:
    """Every text of every description in a document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "description" and not isinstance(inner, dict):
                yield from inner if isinstance(inner, list) else [inner]
            else:
                yield from descriptions(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from descriptions(inner)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_descriptions_are_text(path: Path) -> None:
    found = [text for document in documents(path) for text in descriptions(document)]
    assert [text for text in found if not isinstance(text, str)] == []
    assert found or path.stem.startswith(("_", "__init__"))
