# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo``: a simulated cluster, the demo playbook twice, and a summary."""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from tests.simulator.harness import Simulator, start

from .environment import clean_environment
from .tree import CACHE, NAME, NAMESPACE, ROOT, linked_tree

DIRECTORY = CACHE / "demo"
BIN = Path(sys.executable).parent
LINES = 5
RECAP = re.compile(r"^localhost\s*:\s*ok=(\d+)\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)")
PLAY_TIMEOUT = 600.0  # seconds


def _prepare(simulator: Simulator) -> None:
    """Put a small project beside the imported tree, as people have it on a Monday morning."""
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    DIRECTORY.mkdir(parents=True)
    (DIRECTORY / "report.pdf").write_text("%PDF-1.4 the annual report\n")
    for path in ("plan.txt", "draft.txt", "old.txt", "Budget 2026.xlsx", "legal/contract.pdf"):
        simulator.control("files/put", path=f"/demo/{path}", content=f"content of {path}\n")


def _environment(simulator: Simulator, collections: Path) -> dict[str, str]:
    kept = clean_environment()
    return {
        **kept,
        **simulator.environment(),
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        "ANSIBLE_HOME": str(CACHE / "ansible"),
        "ANSIBLE_FORCE_COLOR": "true" if sys.stdout.isatty() else "false",
        "XDG_CONFIG_HOME": str(DIRECTORY / "config"),
    }


def _qq(simulator: Simulator) -> list[str]:
    """The vendor's command, logged in."""
    command = [
        str(BIN / "qq"),
        "--host",
        simulator.addresses[0],
        "--port",
        str(simulator.port),
        "--credentials-store",
        str(DIRECTORY / "credentials"),
    ]
    login = [*command, "login", "-u", "admin", "-p", simulator.password()]
    subprocess.run(login, check=True, timeout=60, stdout=subprocess.DEVNULL)
    return command


def _play(environment: dict[str, str], playbook: str, variables: dict[str, object]) -> int | None:
    """Run a playbook; return the number of changes, or None if it failed."""
    command = [str(BIN / "ansible-playbook"), playbook, "-e", json.dumps(variables)]
    changes = None
    with subprocess.Popen(
        command, cwd=DIRECTORY, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            print(line, end="", flush=True)
            recap = RECAP.match(re.sub(r"\x1b\[[0-9;]*m", "", line))
            if recap is not None:
                changes = int(recap.group(2))
        process.wait(PLAY_TIMEOUT)
    return changes if process.returncode == 0 else None


def main() -> int:
    """Run; 0 if all went as promised."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tree", default="/usr/share/doc", help="directory tree to load")
    parser.add_argument("--installed", help="collections path of an installed collection to run")
    options = parser.parse_args()
    tree = Path(options.tree).resolve()
    if not tree.is_dir():
        print(f"{tree} is no directory: name another one with TREE=, such as 'make demo TREE=.'.")
        return 1
    print(f"== A simulated cluster that holds {tree}", flush=True)
    with start(["--import", str(tree)]) as simulator:
        _prepare(simulator)
        environment = _environment(simulator, Path(options.installed or linked_tree()))
        playbook = str(ROOT / "playbooks" / "demo.yml")
        if options.installed:
            playbook = f"{NAMESPACE}.{NAME}.demo"
            print("== Is all there that is needed?", flush=True)
            if _play(environment, f"{NAMESPACE}.{NAME}.check_connection", {}) != 0:
                print("The connection check failed; it says why.")
                return 1
        variables: dict[str, object] = {
            "demo_directory": str(DIRECTORY),
            "demo_control": simulator.control_url,
            "demo_qq": _qq(simulator),
        }
        print("== The playbook", flush=True)
        first = _play(environment, playbook, variables)
        if first is None:
            print("The playbook failed; its last task says why.")
            return 1
        print("== The same playbook again: everything is as it should be, so nothing is changed")
        again = _play(environment, playbook, variables)
    if again != 0:
        print(f"The second run should have changed nothing, and it changed {again}.")
        return 1
    changes = (DIRECTORY / "changes.jsonl").read_text(encoding="utf-8").splitlines()
    print("\n== What was done\n")
    print((DIRECTORY / "summary.txt").read_text(encoding="utf-8").rstrip())
    for line in changes[:LINES]:
        print(f"  {line}")
    print(f"\nThe first run changed {first} things, the second none. The cluster is gone again.")
    print("Next: 'make lock-manager' opens the page on which the help desk frees files.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
