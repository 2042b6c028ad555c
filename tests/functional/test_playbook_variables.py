# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every variable of every playbook as a text, as surveys and ``-e`` give it.

A play does what the text means, or fails with a sentence before it changes anything.
"""

from __future__ import annotations

import json
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import files, snapshots
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from tests.simulator.harness import Simulator
from tests.tools.tree import ROOT, linked_tree

from . import search_engine
from .furnished import environment
from .module_calls import Call, call
from .quick_plays import Played, QuickPlays, quick_plays

__all__ = ["call"]

PLAYBOOKS = ROOT / "playbooks"
#: Names that something on the way could take apart or for something else.
DIRECTORY = "/p, 2/it's $HOME -x"
#: What is given for each variable instead: nothing, and an ID and a name with a comma.
WRONG = ("", "2,x")
#: What must never be all that a person is told.
RIDDLES = re.compile(
    r"is undefined|Traceback|non-zero return code|has no attribute|Unexpected|MODULE FAILURE|"
    r"template error|Error while|Unable to|could not be converted|Syntax error|must be assigned"
)


@dataclass
class Case:
    """A playbook with a value for each of its variables, all of them texts.

    :ivar right: with these, ``verify`` is met.
    :ivar internal: variables of the playbook that are not for people to set.
    """

    right: dict[str, str]
    verify: Callable[[str], None]
    internal: set[str] = field(default_factory=set)


class _Loader(yaml.SafeLoader):
    """Reads what is marked as unsafe, too."""


_Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))


def variables(name: str) -> set[str]:
    """Variables of a playbook: those that it sets, its header speaks of, or its survey asks for."""
    text = (PLAYBOOKS / f"{name}.yml").read_text(encoding="utf-8")
    (play,) = yaml.load(text, _Loader)
    found = set(play.get("vars", {})) | set(re.findall(r"-e [\"'{]*(\w+)[\"']?[=:]", text))
    templates = yaml.load((PLAYBOOKS / "awx/job_templates.yml").read_text(), _Loader)
    for template in templates["awx_job_templates"]:
        if template["playbook"] == f"playbooks/{name}.yml":
            found |= {question["variable"] for question in template["survey"]}
    return found


NAMES = sorted(
    path.relative_to(PLAYBOOKS).with_suffix("").as_posix()
    for path in PLAYBOOKS.rglob("*.yml")
    if isinstance(loaded := yaml.load(path.read_text(encoding="utf-8"), _Loader), list)
    and "hosts" in loaded[0]
)


# -- what is right ------------------------------------------------------------------------------


@dataclass
class Place:
    """What a case is made from."""

    simulator: Simulator
    client: Client
    path: Path
    call: Call
    engine: search_engine.SearchEngine

    def put(self, *names: str) -> None:
        """Files of the cluster, below :data:`DIRECTORY`, and one outside of it."""
        for name in names:
            self.simulator.control("files/put", path=f"{DIRECTORY}/{name}", content="1")
        for path in ("/p/outside", "/2/outside", "/outside"):
            self.simulator.control("files/put", path=path, content="1")

    def locks(self) -> dict[str, bool]:
        """Paths of all files that are locked, with whether they are under legal hold."""
        found = {}
        for info in files.walk(self.client, [by_path("/")]):
            if info.type == files.FILE:
                lock = files.get(self.client, info.ref, lock=True).lock or {}
                if lock["retention_period"] or lock["legal_hold"]:
                    found[info.path] = bool(lock["legal_hold"])
        return found


def _check_connection(place: Place) -> Case:
    def verify(output: str) -> None:
        assert "checks pass" in output

    return Case(
        {"check_services": "modules\nlock_manager\n", "check_interpreter": sys.executable},
        verify,
        {"check_known", "check_chosen"},
    )


def _quarantine(place: Place) -> Case:
    place.put("a, b.locked", "c ", "2", "not me")
    known = files.get(place.client, by_path(f"{DIRECTORY}/2")).id

    def verify(output: str) -> None:
        held = (f"{DIRECTORY}/a, b.locked", f"{DIRECTORY}/c ", f"{DIRECTORY}/2")
        assert place.locks() == dict.fromkeys(held, True)
        (kept,) = snapshots.list_all(place.client)
        assert (kept.suffix, kept.source_path.rstrip("/")) == ("it, 2", DIRECTORY)
        assert "These were gone: /gone" in output

    return Case(
        {
            "quarantine_directory": DIRECTORY,
            "quarantine_files": f"{DIRECTORY}/a, b.locked\r\n\n{DIRECTORY}/c \n/gone",
            "quarantine_ids": f"{known}\n",
            "quarantine_expiration": "30d",
            "quarantine_snapshot": "it, 2",
        },
        verify,
        {
            f"quarantine_{name}"
            for name in ("text", "lines", "listed", "records", "directories", "suspects", "named")
        }
        | {"quarantine_paths", "quarantine_numbers", "quarantine_known", "quarantine_gone"}
        | {f"quarantine_{name}" for name in ("each", "bad", "missing", "failed")},
    )


def _changelist_report(place: Place) -> Case:
    connection = {
        "host": place.simulator.addresses,
        "port": place.simulator.port,
        "username": "admin",
        "password": place.simulator.password(),
        "ca_path": place.simulator.ca_file,
    }
    for name in ("one", "two"):
        place.put(name)
        place.call(
            "qumulo_changelist",
            **connection,
            checkpoint="reports",
            path=DIRECTORY,
            dest=str(place.path / "list"),
            auto_commit=True,
            keep=3,
        )
    page = place.path / "a, 'page'.html"

    def verify(output: str) -> None:
        assert "shows 1 new" in output and "<svg" in page.read_text()

    right = {
        "report_checkpoint": "reports",
        "report_path": DIRECTORY,
        "report_dest": str(page),
        "report_last": "5",
    }
    return Case(right, verify, {"copy_keep"})


def _storagedna_handover(place: Place) -> Case:
    place.put("a, b")
    config = place.path / "services.conf"
    config.write_text(
        f"[General]\nFastScanWorkFolder={place.path}\n"
        f"QumuloClusterIP={place.simulator.addresses[0]}\n"
        f"QumuloClusterPort={place.simulator.port}\nQumuloUsername=admin\n"
        f"QumuloPassword={place.simulator.password()}\n"
    )

    def verify(output: str) -> None:
        listed = place.path / "sdna-scan-files" / "{1-2}" / "3-files.xml"
        assert 'name="a, b"' in listed.read_text()

    return Case(
        {
            "sdna_project": "{1-2}",
            "sdna_path": DIRECTORY,
            "sdna_state": "listed",
            "sdna_index": "3",
            "sdna_config": str(config),
            "sdna_checkpoint": "handed-over",
            "sdna_map_to": "",
            "sdna_ca_path": place.simulator.ca_file,
            "sdna_collections": str(linked_tree()),
        },
        verify,
    )


def _free_locked_file(place: Place) -> Case:
    place.put("Budget, 2026.xlsx", "Budget")
    opened = [
        place.simulator.control("smb/open", user=user, path=f"{DIRECTORY}/{name}")["locations"][0]
        for user, name in (
            ("CORP\\jane", "Budget, 2026.xlsx"),
            ("Smith, omar", "Budget, 2026.xlsx"),
            ("CORP\\jane", "Budget"),
        )
    ]

    def verify(output: str) -> None:
        assert place.simulator.control("state")["handles"] == 2

    return Case(
        {
            "locked_file": f"{DIRECTORY}/Budget, 2026.xlsx",
            "locked_file_only_idle": "false",
            "locked_file_spare": "Smith, omar",
            "locked_file_max_close": "5",
            "locked_file_plan": opened[0],
            "locked_file_confirm": "false",
        },
        verify,
        {"locked_file_spared", "locked_file_entries", "locked_file_booleans", "locked_file_typed"},
    )


def _lock_finished_project(place: Place) -> Case:
    place.put("a", "b, 1", "b", "1")

    def verify(output: str) -> None:
        assert place.locks() == {f"{DIRECTORY}/{name}": False for name in ("a", "b", "1")}

    return Case(
        {
            "project": DIRECTORY,
            "project_retention": "2d",
            "project_max_retention": "3d",
            "project_exclude": "b, 1\n",
            "project_hard_links": "lock",
        },
        verify,
        {"project_excluded", "project_is_file"},
    )


def _list_changes(place: Place) -> Case:
    place.put("a, b")
    lists = place.path / "lists, 2"
    lists.mkdir()

    def verify(output: str) -> None:
        (found,) = lists.glob("*.csv")
        assert "a, b" in found.read_text()

    return Case(
        {
            "changes_name": "series-2",
            "changes_path": DIRECTORY,
            "changes_directory": str(lists),
            "changes_format": "csv",
        },
        verify,
        {"changes_label", "changes_file", "quoted_changes_path"},
    )


def _incremental_copy(place: Place) -> Case:
    place.put("a, b")
    mount, copy = place.path / "mount, 2", place.path / "copy, 2"
    mount.mkdir()
    copy.mkdir()
    (mount / "a, b").write_text("1")

    def verify(output: str) -> None:
        assert sorted(path.name for path in copy.iterdir()) == [".lockstep-copy.json", "a, b"]

    return Case(
        {
            "copy_name": "copy-2",
            "copy_path": DIRECTORY,
            "copy_mount": str(mount),
            "copy_dest": str(copy),
            "copy_list": str(place.path / "list, 2"),
            "copy_check_mount": "false",
            "copy_replace": "false",
            "copy_adopt": "false",
            "copy_keep": "2",
        },
        verify,
        {
            *("copy_places", "copy_real", "copy_booleans", "copy_marker", "copy_top", "copy_of"),
            *("copy_marked", "copy_fits", "copy_all"),
        },
    )


def _search_index(place: Place) -> Case:
    place.put("a, b")

    def verify(output: str) -> None:
        assert place.engine.paths == ["a, b"]

    return Case(
        {
            "search_name": "index-2",
            "search_path": DIRECTORY,
            "search_directory": str(place.path),
            "search_url": place.engine.url,
            "search_owner_names": "false",
            "search_requests": "5",
            "search_request_bytes": "65536",
            "search_timeout": "60",
            "search_retries": "2",
            "search_user": "",
            "search_password": "",
            "search_ca_path": "",
        },
        verify,
    )


CASES: dict[str, Callable[[Place], Case]] = {
    "check_connection": _check_connection,
    "quarantine": _quarantine,
    "changelist_report": _changelist_report,
    "storagedna_handover": _storagedna_handover,
    "free_locked_file": _free_locked_file,
    "lock_finished_project": _lock_finished_project,
    "list_changes": _list_changes,
    "incremental_copy": _incremental_copy,
    "search_index": _search_index,
}
#: Playbooks that need what is not here, and the tests that run them.
ELSEWHERE = {
    "demo": "make demo",
    "awx/apply": "test_job_templates.py",
}


# -- tests --------------------------------------------------------------------------------------


@pytest.fixture
def place(simulator: Simulator, client: Client, tmp_path: Path, call: Call) -> Iterator[Place]:
    with search_engine.running() as engine:
        yield Place(simulator, client, tmp_path, call, engine)


@pytest.fixture
def plays(simulator: Simulator, tmp_path: Path) -> Iterator[QuickPlays]:
    with quick_plays(environment(simulator, tmp_path), tmp_path) as made:
        yield made


def run(plays: QuickPlays, name: str, given: dict[str, str]) -> Played:
    """Run a playbook with variables that are texts."""
    assert all(isinstance(value, str) for value in given.values())
    path = linked_tree() / "ansible_collections/lockstep/qumulo/playbooks" / f"{name}.yml"
    return plays.run(str(path), "-e", json.dumps(given))


def sentences(output: str) -> list[str]:
    """What the failed tasks say."""
    found = re.findall(r'^(?:fatal|failed): .*?"msg": ("(?:[^"\\]|\\.)*")', output, re.MULTILINE)
    return [str(json.loads(each)) for each in found]


def test_every_playbook_is_tried() -> None:
    assert set(NAMES) == set(CASES) | set(ELSEWHERE)


@pytest.mark.parametrize("name", sorted(CASES))
def test_all_variables_as_texts(name: str, place: Place, plays: QuickPlays) -> None:
    if name == "incremental_copy" and shutil.which("rsync") is None:
        pytest.skip("rsync is not installed")
    case = CASES[name](place)
    assert set(case.right) | case.internal >= variables(name), "a variable is forgotten"
    done = run(plays, name, case.right)
    assert done.code == 0, done.output
    case.verify(done.output)


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_wrong_text_ends_in_a_sentence(name: str, place: Place, plays: QuickPlays) -> None:
    case = CASES[name](place)
    for wrong in WRONG:
        with place.simulator.recorded() as changes:
            done = run(plays, name, dict.fromkeys(case.right, wrong))
        assert changes == [] and done.code != 0, done.output
        assert not RIDDLES.search(done.output), done.output
        told = sentences(done.output)
        assert told and all(text.endswith(".") for text in told), done.output
        # Those that are no sentence's matter are tried one by one, with all others right.
        for variable in case.right:
            if any(re.search(rf"\b{variable}\b", text) for text in told):
                continue
            _one_wrong(name, variable, wrong, case, place, plays)


def _one_wrong(
    name: str, variable: str, wrong: str, case: Case, place: Place, plays: QuickPlays
) -> None:
    locks = place.locks()
    done = run(plays, name, {**case.right, variable: wrong})
    assert not RIDDLES.search(done.output), f"{variable}={wrong!r}: {done.output}"
    if done.code:
        told = sentences(done.output)
        assert told and all(text.endswith(".") for text in told), done.output
        assert place.locks() == locks, f"{variable}={wrong!r}"
    # Whatever has been made of it: nothing outside of the directory is touched.
    assert not [path for path in place.locks() if not path.startswith(f"{DIRECTORY}/")], variable


@pytest.mark.parametrize("name", sorted(CASES))
def test_a_variable_that_is_left_out(name: str, place: Place, plays: QuickPlays) -> None:
    with place.simulator.recorded() as changes:
        done = run(plays, name, {})
    assert not RIDDLES.search(done.output), done.output
    if name != "check_connection":
        assert changes == [] and done.code != 0, done.output
        assert all(text.endswith(".") for text in sentences(done.output)), done.output
