# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks that README shows, run as a person runs them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.harness import Simulator
from tests.tools.tree import ROOT, linked_tree

Play = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def play(simulator: Simulator) -> Play:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "QUMULO_"))}
    environment = {
        **kept,
        **simulator.environment(),
        "ANSIBLE_COLLECTIONS_PATH": str(linked_tree()),
        "ANSIBLE_PYTHON_INTERPRETER": os.environ.get("LOCKSTEP_HOST_PYTHON", sys.executable),
        "ANSIBLE_NOCOLOR": "true",
    }

    def run(name: str, *options: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).parent / "ansible-playbook"), *options]
        command += [str(ROOT / "playbooks" / f"{name}.yml"), "-e", json.dumps(variables)]
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    return run


def test_a_locked_file_is_freed(simulator: Simulator, play: Play) -> None:
    simulator.control("files/put", path="/f.xlsx")
    simulator.control("smb/open", user="CORP\\jane", path="/f.xlsx", count=2)
    done = play("free_locked_file", locked_file="/f.xlsx")
    assert done.returncode == 0, done.stdout
    assert "jane from 10.0.0.1: open for writing" in done.stdout
    assert simulator.control("state")["handles"] == 0
    assert "changed=0" in play("free_locked_file", locked_file="/f.xlsx").stdout


def test_a_finished_project_is_locked(simulator: Simulator, play: Play) -> None:
    for name in ("a.pdf", "deep/b.pdf", "c.tmp"):
        simulator.control("files/put", path=f"/p/{name}")
    with simulator.recorded() as changes:
        checked = play("lock_finished_project", "--check", project="/p", project_retention="2y")
    assert checked.returncode == 0 and changes == [], checked.stdout
    done = play("lock_finished_project", project="/p", project_retention="2y")
    assert done.returncode == 0 and "2 files are locked." in done.stdout, done.stdout
    again = play("lock_finished_project", project="/p", project_retention="2y")
    assert "changed=0" in again.stdout


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
def test_what_has_changed_is_copied(simulator: Simulator, play: Play, tmp_path: Path) -> None:
    mount, copy = tmp_path / "mount", tmp_path / "copy"
    copy.mkdir()

    def put(name: str, content: str) -> None:
        simulator.control("files/put", path=f"/p/{name}", content=content)
        (mount / name).parent.mkdir(parents=True, exist_ok=True)
        (mount / name).write_text(content)

    def run(**more: Any) -> subprocess.CompletedProcess[str]:
        return play(
            "incremental_copy",
            copy_path="/p",
            copy_mount=str(mount),
            copy_dest=str(copy),
            copy_list=str(tmp_path / "list"),
            **more,
        )

    put("kept", "1")
    put("gone/x", "1")
    refused = run()
    assert refused.returncode != 0 and not any(copy.iterdir())
    first = run(copy_check_mount=False)
    assert first.returncode == 0, first.stdout
    assert (copy / "gone/x").read_text() == "1"
    put("kept", "22")
    put("new/y", "3")
    shutil.rmtree(mount / "gone")
    from qumulo.rest_client import RestClient

    rest = RestClient(simulator.addresses[0], simulator.port, timeout=20)
    rest.login("admin", simulator.password())
    rest.fs.delete(path="/p/gone/x")
    rest.fs.delete(path="/p/gone")
    second = run(copy_check_mount=False)
    assert second.returncode == 0, second.stdout
    found = {str(p.relative_to(copy)): p.read_text() for p in copy.rglob("*") if p.is_file()}
    assert found == {"kept": "22", "new/y": "3"}
    assert not (copy / "gone").exists()
    assert len(rest.snapshot.list_snapshots()["entries"]) == 1
