# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guides name exists: variables, commands, playbooks, messages."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime import (
    main as atime,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher import (
    main as watcher,
)
from tests.tools.docs_site import anchor_of
from tests.tools.pictures import IMAGES, SHOWN
from tests.tools.tree import ROOT

from .documented import DOCUMENTS, GUIDES


def words_of(path: Path) -> set[str]:
    """Words in code of a guide."""
    code = re.findall(r"`([^`]+)`", path.read_text(encoding="utf-8"))
    return set(re.findall(r"[\w.]+", re.sub(r"\w+\.(?:png|md)\b", "", " ".join(code))))


@pytest.mark.parametrize("role", ["watcher", "atime", "lock_manager"])
def test_variables_of_roles_exist(role: str) -> None:
    text = (ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8")
    options = yaml.safe_load(text)["argument_specs"]["main"]["options"]
    named = {w for path in GUIDES for w in words_of(path) if w.startswith(f"{role}_")}
    assert named <= set(options)


def test_commands_exist() -> None:
    parsers = {"watcher": watcher._parser(), "atime": atime._parser()}
    seen = 0
    for path in GUIDES:
        text = path.read_text(encoding="utf-8")
        for name, line in re.findall(
            r"(?:^\$ |`)lockstep-(watcher|atime) ([^`\n#]+)", text, re.MULTILINE
        ):
            words = line.replace("FILE...", "FILE").split()
            parsers[name].parse_args(["--config", "FILE", *words])
            seen += 1
        for name in re.findall(r"ansible-playbook lockstep\.qumulo\.(\w+)", text):
            assert (ROOT / "playbooks" / f"{name}.yml").exists(), f"{path.name}: {name}"
            seen += 1
    assert seen > 10


def test_variables_of_playbooks_exist() -> None:
    for path in GUIDES:
        text = path.read_text(encoding="utf-8").replace("\\\n", " ")
        for name, rest in re.findall(r"ansible-playbook lockstep\.qumulo\.(\w+)([^\n`]*)", text):
            content = (ROOT / "playbooks" / f"{name}.yml").read_text(encoding="utf-8")
            for variable in re.findall(r"-e '?(?:\{\")?(\w+)", rest):
                assert variable in content, f"{path.name}: {name} has no {variable}"


def messages() -> str:
    """All texts of the library."""
    found = []
    for path in sorted((ROOT / "plugins" / "module_utils").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


def test_messages_are_those_of_the_library() -> None:
    known = messages()
    guide = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    quoted = re.findall(r"^\| `([^`]+)` \|", guide, re.MULTILINE)
    assert len(quoted) > 10
    for message in quoted:
        for part in message.split("…"):
            assert part.strip() in known, message


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_and_headings(path: Path) -> None:
    """In the repository, as ``make docs`` sees to it on the site."""
    for link in re.findall(r"\]\((?!https?:|mailto:)([^)\s]+)\)", path.read_text(encoding="utf-8")):
        name, _hash, anchor = link.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), link
        if anchor:
            headings = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(anchor_of, headings), link


def test_pictures_are_those_of_tests_and_are_shown() -> None:
    there = {path.stem for path in IMAGES.glob("*.*")}
    assert there == set(SHOWN.values())
    guides = "".join(path.read_text(encoding="utf-8") for path in GUIDES)
    assert there == set(re.findall(r"\]\(images/(\w+)\.png\)", guides))
    tests = "".join(path.read_text() for path in (ROOT / "tests" / "browser").glob("test_*.py"))
    assert all(f'keep(page, "{name}")' in tests for name in SHOWN)
