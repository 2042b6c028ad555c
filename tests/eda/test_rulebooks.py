# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rulebooks of the collection, and the examples of its event source, run by a real
ansible-rulebook against the simulator. Documents show how they are started: that is typed here."""

from __future__ import annotations

import ast
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import files, snapshots
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from tests.functional.conftest import client, running_simulator, settings, simulator
from tests.functional.documented import shown
from tests.functional.furnished import furnish, local
from tests.simulator.harness import Simulator
from tests.tools.event_sources import documentation
from tests.tools.services import wait_for
from tests.tools.tree import ROOT, linked_tree

__all__ = ["client", "running_simulator", "settings", "simulator"]
BIN = Path(sys.executable).parent
RULEBOOKS = "extensions/eda/rulebooks"
SOURCE = ROOT / "extensions/eda/plugins/event_source/change_notify.py"
#: Seconds that the rule engine and a play may take.
LIMIT = 240.0


class Rulebook:
    """A rulebook that runs."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process = process
        self._log = log

    def output(self) -> str:
        """All that it has printed."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def events(self, source: str) -> list[dict[str, Any]]:
        """Events of a source that it has printed."""
        printed = [
            ast.literal_eval(line)
            for line in self.output().splitlines()
            if line.startswith("{") and line.endswith("}")
        ]
        return [event for event in printed if event["meta"]["source"]["name"] == source]

    def wait(self, condition: Callable[[], object]) -> None:
        """Wait until a condition is met, as long as it runs."""

        def met() -> object:
            assert self.process.poll() is None, self.output()
            return condition()

        try:
            wait_for(met, LIMIT)
        except TimeoutError as exc:
            raise TimeoutError(self.output()[-8000:]) from exc


def following(simulator: Simulator, since: int, count: int) -> bool:
    """Tell whether so many directories are followed: each is asked for twice, once as a trial."""
    asked = simulator.control("requests", since=since)["requests"]
    looks = sum("/notify?" in request["uri"] for request in asked)
    return looks >= 2 * count and simulator.control("state")["streams"] == count


Run = Callable[..., AbstractContextManager[Rulebook]]


@pytest.fixture
def run(simulator: Simulator, tmp_path: Path) -> Run:
    """Runs a rulebook for the time of a block, by a command as documents show it."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "QUMULO_"))}
    environment = {
        **kept,
        **simulator.environment(),
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(linked_tree()),
        "ANSIBLE_HOME": str(tmp_path / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_NOCOLOR": "true",
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
    }
    inventory = tmp_path / "inventory.yml"
    inventory.write_text("all: {hosts: {localhost: {ansible_connection: local}}}\n")

    @contextmanager
    def running(
        command: str, variables: dict[str, Any], *, streams: int = 1, **changes: str
    ) -> Iterator[Rulebook]:
        for name in ("variables.yml", "vars.yml"):
            (tmp_path / name).write_text(json.dumps(variables))
        log = tmp_path / "log"
        since = simulator.control("state")["requests"]
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [*shlex.split(command), "--verbose"],
                cwd=tmp_path,
                env={**environment, **changes},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        rulebook = Rulebook(process, log)
        try:
            if streams:
                rulebook.wait(lambda: following(simulator, since, streams))
                rulebook.wait(lambda: rulebook.output().count("Waiting for events") == streams)
            yield rulebook
        finally:
            process.terminate()
            try:
                process.wait(120)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    return running


def held(client: Client, path: str) -> bool:
    """Tell whether a file is under legal hold."""
    lock = files.get(client, by_path(path), lock=True).lock
    return bool(lock and lock["legal_hold"])


def of_name(client: Client, beginning: str) -> list[snapshots.Snapshot]:
    """Snapshots whose names begin so."""
    return [s for s in snapshots.list_all(client) if s.suffix.startswith(beginning)]


def committed(client: Client) -> list[snapshots.Snapshot]:
    """Snapshots up to which lists of changes go."""
    return [s for s in of_name(client, "changelist-list-changes.") if s.expires is None]


def test_what_looks_like_ransomware_is_quarantined(
    simulator: Simulator, client: Client, run: Run
) -> None:
    simulator.control("files/put", path="/p/plan.odt", content="our plan")
    variables = {"quarantine_path": "/p"}
    with run(shown("README.md", "ansible-rulebook").script(), variables) as rulebook:
        simulator.control("files/bulk", directory="/p/wave", count=250, pattern="f{}.locked")
        simulator.control("files/put", path="/p/new.odt")
        names = [f"/p/wave/{e.name}" for e in files.walk(client, [by_path("/p/wave")])]
        assert len(names) == 250 and all(name.endswith(".locked") for name in names)
        rulebook.wait(lambda: all(held(client, name) for name in names))
    assert not held(client, "/p/new.odt") and not held(client, "/p/plan.odt")
    kept = of_name(client, "quarantine-")
    assert kept and len(kept) <= 2  # a new hour may have begun
    assert files.get(client, by_path("/p/plan.odt"), snapshot=kept[0].id).size == len("our plan")
    # Nobody listens now.
    simulator.control("files/put", path="/p/HOW_TO_DECRYPT.txt")
    simulator.control("files/put", path="/p/other.txt")
    with run(shown(f"{RULEBOOKS}/quarantine.yml", "ansible").script(), variables) as rulebook:
        rulebook.wait(lambda: held(client, "/p/HOW_TO_DECRYPT.txt"))
    assert not held(client, "/p/other.txt")


def test_a_project_that_is_quiet_gets_its_list(
    simulator: Simulator, client: Client, run: Run, tmp_path: Path
) -> None:
    lists = tmp_path / "lists"
    lists.mkdir()
    variables = {"projects_path": "/p", "projects_quiet": "1s", "projects_lists": str(lists)}
    simulator.control("files/put", path="/p/apollo/before")
    with run(shown(f"{RULEBOOKS}/quiet_project.yml", "ansible").script(), variables) as rulebook:
        simulator.control("files/put", path="/p/apollo/first")
        rulebook.wait(lambda: committed(client))
        simulator.control("files/put", path="/p/apollo/second")
        rulebook.wait(lambda: len(list(lists.glob("apollo-*.jsonl"))) == 2)
    found = [
        [json.loads(line) for line in path.read_text().splitlines()]
        for path in sorted(lists.glob("apollo-*.jsonl"))
    ]
    named = [[(entry["op"], entry["path"]) for entry in entries] for entries in found]
    assert named == [[("create", "before"), ("create", "first")], [("create", "second")]]


#: Names are chosen by whoever writes files; this one would be a template of a play.
TRAP = "{{ lookup('pipe', 'touch $MARK') }}"


def test_a_folders_name_is_no_template(
    simulator: Simulator, client: Client, run: Run, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    variables = {"projects_path": "/p", "projects_quiet": "1s", "projects_lists": str(tmp_path)}
    simulator.control("files/put", path="/p/before")
    command = shown(f"{RULEBOOKS}/quiet_project.yml", "ansible").script()
    with run(command, variables, MARK=str(mark)) as rulebook:
        simulator.control("files/put", path=f"/p/{TRAP}/first")
        rulebook.wait(lambda: committed(client) or mark.exists())
    assert not mark.exists()
    assert committed(client)  # of the folder of that name


def test_a_files_name_is_no_template(
    simulator: Simulator, client: Client, run: Run, tmp_path: Path
) -> None:
    mark = tmp_path / "mark"
    name = f"/p/{TRAP}.locked"
    simulator.control("files/put", path="/p/before")
    command = shown(f"{RULEBOOKS}/quarantine.yml", "ansible").script()
    with run(command, {"quarantine_path": "/p"}, MARK=str(mark)) as rulebook:
        simulator.control("files/put", path=name)
        rulebook.wait(lambda: held(client, name) or mark.exists())
    assert not mark.exists()


def test_wrong_credentials_end_it_with_a_sentence(simulator: Simulator, run: Run) -> None:
    simulator.control("files/put", path="/p/x")
    variables = {"quarantine_path": "/p"}
    command = shown(f"{RULEBOOKS}/quarantine.yml", "ansible").script()
    with run(command, variables, streams=0, QUMULO_PASSWORD="wrong") as rulebook:
        wait_for(lambda: rulebook.process.poll() is not None, LIMIT)
        output = rulebook.output()
    assert rulebook.process.returncode != 0
    (line,) = [line for line in output.splitlines() if "Source error" in line]
    assert "does not accept the password of user 'admin'" in line


def test_examples_of_the_source_run_as_they_stand(
    simulator: Simulator, run: Run, tmp_path: Path
) -> None:
    """Each example is the source of a rule set, all of them in one rulebook."""
    furnish(simulator, tmp_path)
    simulator.control("files/put", path="/media/incoming/before.mov")
    _documented, examples = documentation(SOURCE)
    sources = yaml.safe_load(local(examples, simulator, tmp_path))
    show = {"name": "Show it", "condition": "event.meta is defined", "action": {"print_event": {}}}
    rule_sets = [
        {"name": source["name"], "hosts": "all", "sources": [source], "rules": [show]}
        for source in sources
    ]
    (tmp_path / "rulebook.yml").write_text(yaml.safe_dump(rule_sets, sort_keys=False))
    films, batches, folders = (source["name"] for source in sources)
    command = "ansible-rulebook --rulebook rulebook.yml -i inventory.yml"
    with run(command, {}, streams=len(sources)) as rulebook:
        for name in ("notes.txt", "film.mov", "film.mxf"):
            simulator.control("files/put", path=f"/media/incoming/{name}")
        simulator.control("files/bulk", directory="/projects/apollo/many", count=600)

        def gaps(source: str) -> list[dict[str, Any]]:
            return [event for event in rulebook.events(source) if event.get("change") == "gap"]

        def told(source: str) -> list[dict[str, Any]]:
            return [event for event in rulebook.events(source) if event.get("change") != "gap"]

        rulebook.wait(lambda: len(told(films)) == 2)
        rulebook.wait(lambda: sum(event["count"] for event in told(batches)) >= 600)
        rulebook.wait(lambda: told(folders))
        assert [event["name"] for event in told(films)] == ["film.mov", "film.mxf"]
        assert all(event["count"] <= 500 for event in told(batches))
        assert {event["path"] for event in told(folders)} == {"/projects/apollo"}
        assert {event["change"] for event in told(folders)} == {"quiet"}
        # On a first start there is no checkpoint to compare with.
        assert [len(gaps(source["name"])) for source in sources] == [
            int("checkpoint" in source["lockstep.qumulo.change_notify"]) for source in sources
        ]
