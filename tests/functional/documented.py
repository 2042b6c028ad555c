# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What documents show, block by block."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from typing import Any

import yaml

from tests.tools.tree import ROOT

GUIDES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
#: All that shows people what to type.
DOCUMENTS = [
    *GUIDES,
    *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "tests/simulator/README.md")),
    *sorted(ROOT.glob("roles/*/README.md")),
]
#: Files whose header shows how they are started.
STARTED = [
    *sorted((ROOT / "playbooks").rglob("*.yml")),
    *sorted((ROOT / "extensions" / "eda" / "rulebooks").glob("*.yml")),
]
_FENCE = re.compile(r"^( *)```(\S*) *\n(.*?)^\1``` *$", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n)+")
_HEADER = re.compile(r"(?:^#   ansible-\w+ .*\n(?:#     .*\n)*)+", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of a document that shows what to type.

    :ivar language: as its fence says; empty for one that is indented, or in a header
    """

    path: Path
    line: int
    language: str
    text: str

    @property
    def document(self) -> str:
        """The document's path below the root."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def where(self) -> str:
        """Name for a person."""
        return f"{self.document}:{self.line}"

    @property
    def key(self) -> tuple[str, str]:
        """Name that stays when lines are put in above: the document, and the block's first line."""
        return self.document, self.text.splitlines()[0].removeprefix("$ ")

    def data(self) -> Any:
        """Its content as YAML."""
        return yaml.safe_load(self.text)

    @property
    def is_tasks(self) -> bool:
        """True for YAML with tasks, or with plays of tasks."""
        return self._is_list and not self.is_roles

    @property
    def is_roles(self) -> bool:
        """True for YAML with plays of roles."""
        return self._is_list and "roles" in self.data()[0]

    @property
    def _is_list(self) -> bool:
        return self.language == "yaml" and isinstance(self.data(), list)

    def script(self) -> str:
        """What is typed, without prompts."""
        return re.sub(r"^\$ ", "", self.text, flags=re.MULTILINE)


def blocks(path: Path) -> list[Block]:
    """Return the blocks of a document: fenced and indented ones.

    What Sphinx has of its own, such as a table of contents, is no example.
    """
    text = path.read_text(encoding="utf-8")
    found = []

    def add(start: int, language: str, content: str) -> None:
        found.append(Block(path, text.count("\n", 0, start) + 1, language, dedent(content)))

    for match in _FENCE.finditer(text):
        if not match.group(2).startswith("{"):
            add(match.start(), match.group(2), match.group(3))
    rest = _FENCE.sub(lambda match: "\n" * match.group().count("\n"), text)
    for match in _INDENTED.finditer(rest):
        line = rest.count("\n", 0, match.start()) + 1
        found.append(Block(path, line, "", dedent(match.group())))
    return sorted(found, key=lambda block: block.line)


def started(path: Path) -> list[Block]:
    """Return what the header of a playbook or rulebook shows."""
    text = path.read_text(encoding="utf-8")
    return [
        Block(
            path,
            text.count("\n", 0, match.start()) + 1,
            "",
            re.sub(r"^#   ", "", match.group(), flags=re.MULTILINE),
        )
        for match in _HEADER.finditer(text)
    ]


def everything() -> list[Block]:
    """Return all blocks of all documents and headers."""
    shown = [block for path in DOCUMENTS for block in blocks(path)]
    return shown + [block for path in STARTED for block in started(path)]


BLOCKS = everything()


def shown(document: str, beginning: str) -> Block:
    """Return the block of a document that begins so."""
    (found,) = [b for b in BLOCKS if b.document == document and b.key[1].startswith(beginning)]
    return found
