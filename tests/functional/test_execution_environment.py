# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The execution environment: it can be built, and modules run with what is in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import snapshots
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from tests.functional import search_engine
from tests.functional.furnished import play, playbook, recap
from tests.simulator.harness import Simulator
from tests.tools.environment import clean_environment
from tests.tools.services import wait_for
from tests.tools.tree import ROOT, linked_tree

BIN = Path(sys.executable).parent
DEFINITION = ROOT / "playbooks" / "awx" / "execution-environment.yml"


def run(command: Sequence[object], **variables: str) -> str:
    """Return what a command prints."""
    kept = clean_environment()
    path = f"{BIN}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(part) for part in command],
        env={**kept, "PATH": path, **variables},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def introspected() -> dict[str, list[str]]:
    """What ansible-builder takes from the collection."""
    found: dict[str, list[str]] = yaml.safe_load(
        run([BIN / "ansible-builder", "introspect", linked_tree()])
    )
    return {kind: [line.partition("#")[0].strip() for line in found[kind]] for kind in found}


def test_it_can_be_created(tmp_path: Path) -> None:
    # Its name would depend on whether podman is installed.
    name = ["--output-filename", "Containerfile"]
    run([BIN / "ansible-builder", "create", "-f", DEFINITION, "-c", tmp_path, *name])
    assert re.search(
        r"^FROM \$EE_BASE_IMAGE", (tmp_path / "Containerfile").read_text(), re.MULTILINE
    )
    wanted = yaml.safe_load((tmp_path / "_build" / "requirements.yml").read_text())
    assert wanted == {"collections": [{"name": "lockstep.qumulo"}]}


def test_the_builder_finds_what_the_collection_needs() -> None:
    found = introspected()
    assert found["python"] == ["qumulo-api>=7.2.1", "requests"]
    assert "rsync [platform:rpm]" in found["system"]


def test_what_playbooks_call_is_in_it() -> None:
    """Commands of other packages than every distribution's basis are system requirements."""
    basis = {"find", "id", "printenv", "sh"}
    packages = {"rsync": "rsync", "mountpoint": "util-linux"}
    listed = {line.split()[0] for line in introspected()["system"]}
    templates = yaml.safe_load(
        re.sub("!unsafe ", "", (ROOT / "playbooks/awx/job_templates.yml").read_text())
    )
    called: set[str] = set()
    for template in templates["awx_job_templates"]:
        (play,) = yaml.safe_load((ROOT / template["playbook"]).read_text())
        for task in play["tasks"]:
            command = task.get("ansible.builtin.command")
            if command:
                argv = command["argv"]
                each = task["loop"] if argv == "{{ item }}" else [argv]
                called |= {one[0] for one in each if isinstance(one, list)}
    called = {name for name in called if not name.startswith("{{")}
    assert {packages[name] for name in called - basis} <= listed
    assert {"rsync", "mountpoint"} <= called


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the Python requirements alone."""
    place = tmp_path_factory.mktemp("environment")
    (place / "requirements.txt").write_text("\n".join(introspected()["python"]))
    run([sys.executable, "-m", "venv", place / "venv"])
    made = place / "venv" / "bin" / "python"
    quiet = ["--quiet", "--disable-pip-version-check"]
    run([made, "-m", "pip", "install", *quiet, "-r", place / "requirements.txt"])
    return made


#: Each module does something.
_TASKS = """
- lockstep.qumulo.qumulo_snapshot: {name: one, path: /p}
- lockstep.qumulo.qumulo_snapshot_info:
- lockstep.qumulo.qumulo_changelist: &list
    {checkpoint: c, path: /p, dest: PLACE/list, deletes: true, keep: 2, auto_commit: true}
- lockstep.qumulo.qumulo_smb_lock_info: {path: /p/gone}
- lockstep.qumulo.qumulo_smb_lock: {path: /p/gone}
- lockstep.qumulo.qumulo_snapshot: {state: new, name: two, path: /p}
- lockstep.qumulo.qumulo_file_lock: {path: /p, recurse: true, retention: 1d}
- lockstep.qumulo.qumulo_file_lock_info: {path: /p, recurse: true, dest: PLACE/locks.csv}
- lockstep.qumulo.qumulo_settings: {access_times: {enabled: true}}
- lockstep.qumulo.qumulo_changelist: *list
- lockstep.qumulo.qumulo_changelist_report: {checkpoint: c, path: /p, dest: PLACE/page.html}
- lockstep.qumulo.qumulo_changelist_copy_info: {list: PLACE/names, paths: [PLACE/copy]}
- lockstep.qumulo.qumulo_changelist_removal: {list: PLACE/names, path: PLACE/copy}
- lockstep.qumulo.qumulo_changelist_index: {url: ENGINE, src: PLACE/bulk, complete: true}
"""


def test_all_modules_run_with_what_is_in_it(
    simulator: Simulator, python: Path, tmp_path: Path
) -> None:
    with search_engine.running() as engine:
        _run_all_modules(simulator, python, tmp_path, engine)


def _run_all_modules(
    simulator: Simulator, python: Path, tmp_path: Path, engine: search_engine.SearchEngine
) -> None:
    tasks = yaml.safe_load(_TASKS.replace("PLACE", str(tmp_path)).replace("ENGINE", engine.url))
    (tmp_path / "bulk").write_text('{"index": {"_id": "1"}}\n{"path": "kept"}\n')
    used = {name.rpartition(".")[2] for task in tasks for name in task}
    assert used == {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
    for name in ("kept", "gone"):
        simulator.control("files/put", path=f"/p/{name}")
    simulator.control("smb/open", user="CORP\\jane", path="/p/gone")
    (tmp_path / "names").write_bytes(b"gone\0")
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / "gone").touch()
    done = play(simulator, tmp_path, playbook([yaml.safe_dump(tasks)]), "-v", python=python)
    assert done.returncode == 0, done.stdout
    assert recap(done)["ok"] == len(tasks)
    answers = re.findall(r'"msg": "([^"]*)"', done.stdout)
    assert len(answers) == len(tasks) and all(answer.endswith(".") for answer in answers), answers
    assert json.loads((tmp_path / "list").read_text().splitlines()[0])["op"] == "modify"
    assert "/p/kept" in (tmp_path / "locks.csv").read_text()
    assert simulator.control("state")["handles"] == 0
    assert not (tmp_path / "copy" / "gone").exists()
    assert engine.paths == ["kept"]


def test_the_event_source_runs_with_what_is_in_it(
    simulator: Simulator, client: Client, python: Path
) -> None:
    source = ROOT / "extensions/eda/plugins/event_source/change_notify.py"
    simulator.control("files/put", path="/p/a")
    code = (
        "import asyncio, os, runpy, sys\n"
        "main = runpy.run_path(sys.argv[1])['main']\n"
        "class Queue:\n"
        "    async def put(self, event):\n"
        "        print(event['change'], event['path'], flush=True)\n"
        "        if event['change'] != 'gap': os._exit(0)\n"
        "asyncio.run(main(Queue(), {'path': '/p', 'checkpoint': 'c'}))\n"
    )
    kept = clean_environment()
    process = subprocess.Popen(
        [str(python), "-c", code, str(source)],
        env={**kept, **simulator.environment()},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        # The first checkpoint is taken once it listens.
        wait_for(lambda: snapshots.list_all(client) or process.poll() is not None)
        simulator.control("files/put", path="/p/b")
        output, _errors = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert output.splitlines() == ["gap None", "added /p/b"]
