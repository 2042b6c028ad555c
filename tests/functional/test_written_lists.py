# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that modules write: who owns them, and what they never replace."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.harness import Simulator

from .furnished import furnish, play

#: Each module that writes a file, with the option that names it.
WRITERS = {
    "qumulo_changelist": {"newer": "today", "older": "yesterday", "attributes": "none"},
    "qumulo_file_lock_info": {"path": "/projects/apollo", "recurse": True},
    "qumulo_smb_lock_info": {},
    "qumulo_changelist_report": {"checkpoint": "archive", "path": "/projects"},
}
_CHECKPOINT = {
    "checkpoint": "archive",
    "path": "/projects",
    "attributes": "none",
    "auto_commit": True,
    "keep": 8,
}


def run(
    simulator: Simulator, place: Path, tasks: list[tuple[str, dict[str, Any]]]
) -> list[dict[str, Any]]:
    """Run modules and return what each answers."""
    played: list[dict[str, Any]] = []
    for number, (module, options) in enumerate(tasks):
        played += [
            {
                f"lockstep.qumulo.{module}": options,
                "register": "answer",
                "ignore_errors": True,
            },
            {
                "ansible.builtin.copy": {
                    "content": "{{ answer | to_json }}",
                    "dest": f"{place}/answer.{number}",
                }
            },
        ]
    text = json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": played}])
    done = play(simulator, place, text)
    assert done.returncode == 0, done.stdout + done.stderr
    return [
        json.loads((place / f"answer.{number}").read_text()) for number, _task in enumerate(tasks)
    ]


def test_no_module_replaces_what_is_no_file(simulator: Simulator, tmp_path: Path) -> None:
    furnish(simulator, tmp_path)
    fifo, device, link = tmp_path / "fifo", tmp_path / "device", tmp_path / "link"
    os.mkfifo(fifo)
    link.symlink_to(fifo)
    places = [fifo, link, tmp_path / "lists"]
    if os.geteuid() == 0:
        os.mknod(device, stat.S_IFCHR | 0o666, os.makedev(1, 3))
        places.append(device)
    before = {path: path.lstat() for path in places}
    written = {"dest": str(tmp_path / "written"), **_CHECKPOINT}
    tasks = [("qumulo_changelist", written)] * 2
    tasks += [
        (module, {**options, "dest": str(path)})
        for module, options in WRITERS.items()
        for path in places
    ]
    status = {**WRITERS["qumulo_changelist"], "dest": str(tmp_path / "l")}
    tasks += [("qumulo_changelist", {**status, "status": str(path)}) for path in places]
    first, second, *refused = run(simulator, tmp_path, tasks)
    assert not first["failed"] and not second["failed"], (first, second)
    for answer, (_module, options) in zip(refused, tasks[2:]):
        named = options.get("status", options["dest"])
        assert answer["failed"] and answer["msg"].startswith(f"{named} cannot be written: "), answer
        assert answer["msg"].count(". ") == 1 and "name a" in answer["msg"], answer
    for path, found in before.items():
        assert (path.lstat().st_ino, path.lstat().st_mode) == (found.st_ino, found.st_mode)


def test_a_list_belongs_to_who_writes_it(simulator: Simulator, tmp_path: Path) -> None:
    furnish(simulator, tmp_path)
    own, foreign = tmp_path / "own", tmp_path / "foreign"
    own.write_text("old")
    own.chmod(0o666)
    foreign.write_text("")
    foreign.chmod(0o666)
    if os.geteuid() == 0:
        os.chown(foreign, 12345, 12345)
    tasks = [
        (module, {**options, "dest": str(path)})
        for module, options in WRITERS.items()
        if "checkpoint" not in options
        for path in (own, foreign)
    ]
    answers = run(simulator, tmp_path, tasks)
    for answer in answers[::2]:
        assert not answer["failed"] and answer["changed"], answer
    assert stat.S_IMODE(own.stat().st_mode) == 0o640 and own.stat().st_uid == os.geteuid()
    if os.geteuid() == 0:
        for answer in answers[1::2]:
            assert "belongs to UID 12345; remove it" in answer["msg"], answer
        assert foreign.read_text() == ""


@pytest.mark.parametrize("more", [{}, {"split": 2, "deletes": True}])
def test_the_status_file_is_none_of_the_list(
    simulator: Simulator, tmp_path: Path, more: dict[str, Any]
) -> None:
    furnish(simulator, tmp_path)
    dest, part, folder = tmp_path / "list", tmp_path / "list.2", tmp_path / "folder"
    dest.write_text("old")
    part.write_text("old")
    folder.symlink_to(tmp_path)
    (tmp_path / "symlink").symlink_to("list")
    (tmp_path / "to part").symlink_to("list.2")
    (tmp_path / "dangling").symlink_to("list.first")
    os.link(dest, tmp_path / "hard link")
    os.link(part, tmp_path / "link of part")
    options = {**WRITERS["qumulo_changelist"], "dest": str(dest), **more}
    same = ["list", "./lists/../list", "folder/list", "symlink", "hard link", "list.first"]
    same += ["list.1", "list.2", "list.256", "to part", "dangling", "link of part"]
    tasks = [("qumulo_changelist", {**options, "status": f"{tmp_path}/{name}"}) for name in same]
    tasks += [("qumulo_changelist", {**options, "status": str(tmp_path / "list.status")})]
    *refused, done = run(simulator, tmp_path, tasks)
    for name, answer in zip(same, refused):
        assert answer["failed"] and "set status to another file" in answer["msg"], (name, answer)
    assert not done["failed"], done
    assert json.loads((tmp_path / "list.status").read_text())["state"] == "done"
