# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A text is one name, whatever it contains: through ansible-playbook, as a person runs it."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import files
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from tests.simulator.harness import Simulator

from .furnished import play

Task = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def task(simulator: Simulator, tmp_path: Path) -> Task:
    """Runs a task of one module."""

    def run(module: str, **options: Any) -> subprocess.CompletedProcess[str]:
        tasks = [{f"lockstep.qumulo.{module}": options}]
        plays = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
        return play(simulator, tmp_path, json.dumps(plays), "-vv")

    return run


def told(done: subprocess.CompletedProcess[str]) -> str:
    """The module's message."""
    found = re.search(r'"msg": "((?:[^"\\]|\\.)*)"', done.stdout)
    assert found is not None, done.stdout + done.stderr
    return str(json.loads(f'"{found.group(1)}"'))


def locked(client: Client, paths: list[str]) -> list[str]:
    """Which of the files are locked."""
    return [
        path
        for path in paths
        if any((files.get(client, by_path(path), lock=True).lock or {}).values())
    ]


def test_a_comma_in_a_directory_locks_nothing_else(
    simulator: Simulator, client: Client, task: Task
) -> None:
    paths = ["/projects/Smith,2/a", "/projects/Smith/b", "/projects/c", "/2", "/d"]
    for path in paths:
        simulator.control("files/put", path=path)
    done = task("qumulo_file_lock", path="/projects/Smith,2", recurse=True, retention="1h")
    assert done.returncode == 0, done.stdout
    assert locked(client, paths) == ["/projects/Smith,2/a"]


@pytest.mark.parametrize("path", ["2", ["/d/a", "2"], "{{ 1 + 1 }}", 2])
@pytest.mark.parametrize("module", ["qumulo_file_lock", "qumulo_smb_lock"])
def test_an_id_is_no_path(
    simulator: Simulator, client: Client, task: Task, module: str, path: Any
) -> None:
    simulator.control("files/put", path="/d/a")
    simulator.control("smb/open", user="CORP\\jane", path="/d/a")
    options = {"recurse": True, "legal_hold": True} if module == "qumulo_file_lock" else {}
    with simulator.recorded() as changes:
        done = task(module, path=path, **options)
    assert done.returncode != 0 and changes == []
    assert told(done) == (
        "'2' is not an absolute path: begin the path in 'path' with a slash, or give an ID as "
        "file_id."
    )


def test_an_exclude_pattern_is_one_pattern(
    simulator: Simulator, client: Client, task: Task
) -> None:
    paths = ["/p/b,1", "/p/b", "/p/1"]
    for path in paths:
        simulator.control("files/put", path=path)
    done = task("qumulo_file_lock", path="/p", recurse=True, exclude="b,1", legal_hold=True)
    assert done.returncode == 0, done.stdout
    assert locked(client, paths) == ["/p/b", "/p/1"]


@pytest.mark.parametrize(
    ("options", "spreadsheet", "folder"),
    [
        ({"glob": "*Budget, 2026*"}, False, True),
        ({"path": "/finance/Budget, 2026.xlsx"}, False, True),
        ({"directory": "/finance", "exclude_users": "Smith, omar"}, True, False),
        ({"user": "Smith, omar"}, False, True),
    ],
)
def test_handles_of_other_names_stay_open(
    simulator: Simulator,
    task: Task,
    options: dict[str, str],
    spreadsheet: bool,
    folder: bool,
) -> None:
    simulator.control("files/put", path="/finance/Budget")
    simulator.control("files/put", path="/finance/Budget, 2026.xlsx")
    simulator.control("smb/open", user="CORP\\omar", path="/finance/Budget")
    opened = simulator.control("smb/open", user="Smith, omar", path="/finance/Budget, 2026.xlsx")
    done = task("qumulo_smb_lock", **options)
    assert done.returncode == 0, done.stdout
    assert simulator.control("state")["handles"] == spreadsheet + folder
    (closed,) = re.findall(r'"locations?": "([^"]*)"', done.stdout)[:1]
    assert (closed in opened["locations"]) == (not spreadsheet)


def test_a_snapshot_name_is_one_name(simulator: Simulator, client: Client, task: Task) -> None:
    for name in ("a", "b", "a,b"):
        client.rest.snapshot.create_snapshot(name=name, source_file_id="2")
    done = task("qumulo_snapshot_info", name="a,b")
    assert done.returncode == 0, done.stdout
    assert told(done) == "1 snapshot, the newest 3_a,b of /."


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"path": ""}, "'path' holds an empty text, which names nothing: leave it out."),
        ({"glob": ["*.tmp", ""]}, "'glob' holds an empty text, which names nothing: leave it out."),
        ({"user": True}, "'user' must hold text, and True is not: put it into quotes."),
        ({"file_id": "/2"}, "'/2' is not a file ID: use digits only in 'file_id', or give a path"),
        ({"file_id": "2,3"}, "'2,3' is not a file ID: use digits only in 'file_id'."),
    ],
)
def test_what_names_nothing_closes_nothing(
    simulator: Simulator, task: Task, options: dict[str, Any], sentence: str
) -> None:
    simulator.control("files/put", path="/a")
    simulator.control("smb/open", user="CORP\\jane", path="/a")
    done = task("qumulo_smb_lock", **options)
    assert done.returncode != 0 and simulator.control("state")["handles"] == 1
    assert told(done).startswith(sentence)


def test_a_number_is_a_file_id(simulator: Simulator, client: Client, task: Task) -> None:
    made = simulator.control("files/put", path="/a")
    done = task("qumulo_file_lock", file_id=int(made["id"]), legal_hold=True)
    assert done.returncode == 0 and locked(client, ["/a"]) == ["/a"], done.stdout
