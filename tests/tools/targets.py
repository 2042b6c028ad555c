# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The integration targets without ansible-test: modules run with any interpreter and its SDK."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.simulator.harness import Simulator, start

from .environment import clean_environment
from .tree import ROOT, linked_tree

TARGETS = ROOT / "tests" / "integration" / "targets"
_TIMEOUT = 1800.0


def names(place: Path = TARGETS) -> list[str]:
    """Return the targets that are tests; those with aliases are for the others to include."""
    return sorted(path.name for path in place.iterdir() if not (path / "aliases").exists())


def variables(simulator: Simulator) -> dict[str, Any]:
    """Return what the targets need to know of a simulated cluster."""
    return {
        "simulator_host": simulator.addresses,
        "simulator_port": simulator.port,
        "simulator_ca_path": simulator.ca_file,
        "simulator_control": simulator.control_url,
        "simulator_passwords": {name: facts["password"] for name, facts in simulator.users.items()},
    }


def run(simulator: Simulator, python: str, targets: Sequence[str], place: Path) -> int:
    """Run targets in one playbook; return its exit code.

    :param python: the interpreter that modules run with.
    :param place: a directory for files of this run.
    """
    plays = [
        {
            "name": f"Test {target}",
            "hosts": "localhost",
            "gather_facts": False,
            "vars": {"output_dir": str(place)},
            "roles": [target],
        }
        for target in targets
    ]
    (place / "tests.yml").write_text(json.dumps(plays), encoding="utf-8")
    # Ansible runs modules of the implicit localhost with its own interpreter, unless a variable of
    # this name says otherwise; a setting or an environment variable does not count.
    given = {**variables(simulator), "ansible_python_interpreter": python}
    (place / "variables.yml").write_text(json.dumps(given), encoding="utf-8")
    kept = clean_environment()
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible-playbook"),
            *("--extra-vars", f"@{place / 'variables.yml'}"),
            str(place / "tests.yml"),
        ],
        env={
            **kept,
            "ANSIBLE_COLLECTIONS_PATH": str(linked_tree()),
            "ANSIBLE_HOME": str(place / "home"),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_ROLES_PATH": str(TARGETS),
            "LC_ALL": "C.UTF-8",
        },
        timeout=_TIMEOUT,
        check=False,
    )
    return done.returncode


def main() -> int:
    """Run the targets against a simulated cluster; 0 if all pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable, help="interpreter of the modules")
    parser.add_argument("targets", nargs="*", default=names())
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, start(["--validate"]) as simulator:
        return run(simulator, arguments.python, arguments.targets, Path(place))


if __name__ == "__main__":
    sys.exit(main())
