# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages for event sources, which antsibull-docs does not know."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

#: Markup of Ansible's documentation: O(option), V(value), C(code) and so on.
_MARKUP = re.compile(r"\b(?:C|E|O|RV|V)\(((?:[^()\\]|\\.)*)\)")


def documentation(path: Path) -> tuple[dict[str, Any], str]:
    """Return DOCUMENTATION and EXAMPLES of a file.

    :raises ValueError: it lacks one of them
    """
    texts = {}
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in ("DOCUMENTATION", "EXAMPLES"):
                texts[name] = ast.literal_eval(node.value)
    if len(texts) != 2:
        raise ValueError(f"{path.name} lacks DOCUMENTATION or EXAMPLES")
    return yaml.safe_load(texts["DOCUMENTATION"]), texts["EXAMPLES"].strip().removeprefix("---\n")


def prose(text: str) -> str:
    """Return a text of Ansible's documentation as Markdown."""
    text = re.sub(r"\bM\(([^()]*)\)", r"`\1`", text)
    text = re.sub(r"\bB\(([^()]*)\)", r"**\1**", text)
    return _MARKUP.sub(lambda found: "`" + found.group(1).replace("\\", "") + "`", text)


def _texts(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def page(name: str, documented: dict[str, Any], examples: str) -> str:
    """Return the page of an event source, in Markdown."""
    return "\n".join(_lines(name, documented, examples)) + "\n"


def _lines(name: str, documented: dict[str, Any], examples: str) -> Iterator[str]:
    yield f"# {name} event source – {documented['short_description']}\n"
    yield from (f"- {prose(text)}" for text in _texts(documented["description"]))
    yield "\n## Options\n"
    yield "| Option | Type | Default | |"
    yield "| --- | --- | --- | --- |"
    for option, facts in sorted(documented["options"].items()):
        kind = facts.get("type", "str")
        if "elements" in facts:
            kind += f" of {facts['elements']}"
        default = "required" if facts.get("required") else _default(facts)
        text = " ".join(prose(each) for each in _texts(facts["description"])).replace("|", "\\|")
        if "choices" in facts:
            text += " One of " + ", ".join(f"`{each}`" for each in facts["choices"]) + "."
        yield f"| `{option}` | {kind} | {default} | {text} |"
    yield f"\n## Examples\n\n```yaml\n{examples}\n```"


def _default(facts: dict[str, Any]) -> str:
    if "default" not in facts:
        return ""
    return f"`{yaml.safe_dump(facts['default'], default_flow_style=True).splitlines()[0]}`"
