# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What ``ansible-doc`` shows as examples works as it stands, on a simulated cluster."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.simulator.harness import Simulator
from tests.tools.tree import ROOT

from . import search_engine
from .furnished import furnish, local, play, playbook, recap

MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("qumulo_*.py"))
_COMMITTED = """
- lockstep.qumulo.qumulo_changelist:
    checkpoint: archive
    path: /projects
    dest: /tmp/before.nul
    format: nul
    deletes: true
    separate_deletes: true
    attributes: none
    auto_commit: true
    keep: 8
  register: changes
"""
#: What somebody has done before the examples, where they go on from something.
BEFORE = {
    "qumulo_changelist_removal": "- ansible.builtin.set_fact: {changes: {first: /tmp/gone}}\n",
    "qumulo_changelist_copy_info": "- ansible.builtin.set_fact: {changes: {dest: /tmp/gone}}\n",
    "qumulo_changelist_report": _COMMITTED + _COMMITTED,
}


def documented(module: str, name: str) -> Any:
    """DOCUMENTATION, EXAMPLES or RETURN of a module."""
    path = ROOT / "plugins" / "modules" / f"{module}.py"
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == name:
            return yaml.safe_load(ast.literal_eval(node.value))
    raise AssertionError(f"{module} has no {name}")


@pytest.mark.parametrize("module", MODULES)
def test_examples_run_as_they_stand(
    module: str, simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    furnish(simulator, tmp_path)
    monkeypatch.setenv("SEARCH_PASSWORD", "of an engine that accepts every password")
    examples = documented(module, "EXAMPLES")
    text = BEFORE.get(module, "") + yaml.safe_dump(examples, sort_keys=False)
    with search_engine.running() as engine:
        text = text.replace("https://search.example.com:9200/files", engine.url)
        done = play(simulator, tmp_path, playbook([local(text, simulator, tmp_path)]))
    assert done.returncode == 0, done.stdout + done.stderr
    counted = recap(done)
    assert counted["skipped"] == counted["ignored"] == counted["rescued"] == 0, done.stdout
    assert counted["ok"] == len(yaml.safe_load(text))


@pytest.mark.parametrize("module", MODULES)
def test_examples_read_well(module: str) -> None:
    examples = documented(module, "EXAMPLES")
    names = [task["name"] for task in examples]
    assert len(set(names)) == len(names)
    assert any(f"lockstep.qumulo.{module}" in task for task in examples)
    options = documented(module, "DOCUMENTATION").get("options", {})
    for name, option in options.items():
        texts = option["description"]
        for text in texts if isinstance(texts, list) else [texts]:
            assert text[0].isupper() or text[0] in "'0123456789" or text[1] == "(", name
            assert text.rstrip(")").endswith((".", "?")), f"{name}: {text}"
