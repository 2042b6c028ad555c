# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Modules run by ansible-playbook, several times in one playbook."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.harness import Simulator
from tests.tools.environment import clean_environment
from tests.tools.tree import linked_tree

Module = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def module(simulator: Simulator, tmp_path: Path) -> Module:
    """Runs a module once for each set of options, in one playbook, and returns the results."""
    kept = clean_environment()
    environment = {
        **kept,
        **simulator.environment(),
        "ANSIBLE_COLLECTIONS_PATH": str(linked_tree()),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_NOCOLOR": "true",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    answer = tmp_path / "answer.json"

    def run(name: str, *options: dict[str, Any], flags: Sequence[str] = ()) -> list[dict[str, Any]]:
        tasks = [
            {
                "name": "Run the module",
                f"lockstep.qumulo.{name}": "{{ item }}",
                "loop": list(options),
                "loop_control": {"label": "options"},
                "register": "done",
                "ignore_errors": True,
            },
            {
                "name": "Write the results",
                "ansible.builtin.copy": {
                    "content": "{{ done.results | to_json }}",
                    "dest": str(answer),
                    "mode": "0600",
                },
                "check_mode": False,
                "diff": False,
            },
        ]
        playbook = tmp_path / "play.yml"
        play = {"name": "Test", "hosts": "localhost", "gather_facts": False, "tasks": tasks}
        playbook.write_text(json.dumps([play]))
        done = subprocess.run(
            [str(Path(sys.executable).parent / "ansible-playbook"), *flags, str(playbook)],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        results: list[dict[str, Any]] = json.loads(answer.read_text())
        said = " ".join((done.stdout + done.stderr).split())
        return [{**result, "said": said} for result in results]

    return run
