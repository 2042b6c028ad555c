# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Job templates: every playbook has one, and runs with what its survey answers."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import ansible_runner
import jsonschema
import pytest
import yaml

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import files, snapshots
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.check.needs import (
    SERVICES,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from tests.functional import search_engine
from tests.functional.controller import default, inject, problem, running_controller
from tests.functional.documented import shown
from tests.hosts import molecule
from tests.simulator.harness import Simulator
from tests.tools.environment import clean_environment
from tests.tools.tree import ROOT, linked_tree

PLAYBOOKS = ROOT / "playbooks"


class _Loader(yaml.SafeLoader):
    """Reads what Ansible shall not template as plain text."""


_Loader.add_constructor("!unsafe", lambda loader, node: loader.construct_scalar(node))
DEFINITIONS = yaml.load((PLAYBOOKS / "awx/job_templates.yml").read_text(), _Loader)
TEMPLATES = {Path(t["playbook"]).stem: t for t in DEFINITIONS["awx_job_templates"]}
QUESTIONS = [
    pytest.param(name, question, id=f"{name}-{question['variable']}")
    for name, template in TEMPLATES.items()
    for question in template["survey"]
]


# -- the definitions ----------------------------------------------------------------------------


def test_the_definitions_are_what_the_controller_takes() -> None:
    schema = json.loads((Path(__file__).parent / "job_templates.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(DEFINITIONS, schema, jsonschema.Draft202012Validator)


def test_every_playbook_has_a_job_template_or_a_reason() -> None:
    playbooks = {path.stem for path in PLAYBOOKS.glob("*.yml")}
    without = set(DEFINITIONS["awx_without_job_template"])
    assert set(TEMPLATES) | without == playbooks
    assert not set(TEMPLATES) & without
    assert len(TEMPLATES) == len(DEFINITIONS["awx_job_templates"])


@pytest.mark.parametrize("path", sorted(PLAYBOOKS.rglob("*.yml")), ids=lambda path: path.name)
def test_a_playbook_waits_for_nobody_who_is_not_asked_for(path: Path) -> None:
    text = path.read_text()
    assert "vars_prompt" not in text
    for task in re.findall(r"\bpause:.*?(?=\n\n|\Z)", text, re.DOTALL):
        assert "- locked_file_confirm | bool" in task


@pytest.mark.parametrize(("name", "question"), QUESTIONS)
def test_a_question_makes_sense(name: str, question: dict[str, Any]) -> None:
    playbook = (PLAYBOOKS / f"{name}.yml").read_text()
    assert re.search(rf"\b{question['variable']}\b", playbook), "the playbook does not use it"
    assert question["question_name"].endswith("?")
    offered = default(question)
    if "default" in question:
        assert problem(question, offered) is None
    if "min" in question:
        assert question["min"] <= question["max"]
    if not question["required"]:
        assert question["default"] is not None


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_what_a_playbook_must_be_told_is_asked(name: str) -> None:
    """What a playbook uses under its own prefix, and sets nowhere, is a required question."""
    text = (PLAYBOOKS / f"{name}.yml").read_text()
    (play,) = yaml.safe_load(text)
    asked = {question["variable"] for question in TEMPLATES[name]["survey"]}
    prefix = os.path.commonprefix(sorted(asked)).rstrip("_")
    used = set(re.findall(rf"(?<![\w.'/-])({prefix}(?:_\w+)?)(?![\w.]*\()", _expressions(text)))
    told = used - set(play["vars"]) - set(re.findall(r"register: (\w+)", text))
    required = {q["variable"] for q in TEMPLATES[name]["survey"] if q["required"]}
    assert told <= required


@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_what_a_playbook_says_to_set_is_asked(name: str) -> None:
    """A sentence such as "set copy_replace=true" is no help where the survey has no question."""
    text = (PLAYBOOKS / f"{name}.yml").read_text()
    asked = {question["variable"] for question in TEMPLATES[name]["survey"]}
    (play,) = yaml.safe_load(text)
    said = set(re.findall(r"\b([a-z_]+)=(?:true|false)\b", text)) & set(play["vars"])
    # A confirmation needs a terminal, which jobs do not have.
    assert said - {"locked_file_confirm"} <= asked


def _expressions(text: str) -> str:
    """All that is templated in a playbook, without quoted texts."""
    found = " ".join(re.findall(r"\{\{(.*?)\}\}", text, re.DOTALL))
    return re.sub(r"'[^']*'", "''", found)


def test_the_check_offers_all_services() -> None:
    (question,) = TEMPLATES["check_connection"]["survey"]
    assert question["choices"] == list(SERVICES)


def test_answers_are_validated() -> None:
    survey = {q["variable"]: q for q in TEMPLATES["incremental_copy"]["survey"]}
    assert problem(survey["copy_path"], "")
    assert problem(survey["copy_keep"], 0) and problem(survey["copy_keep"], "3")
    assert problem(survey["copy_check_mount"], "maybe")
    assert problem(survey["copy_name"], "x" * 65)


# -- the playbooks with the answers of surveys ----------------------------------------------------

Job = Callable[..., str]


@pytest.fixture
def job(simulator: Simulator, tmp_path: Path) -> Job:
    """Runs a job template as the controller would: defaults, answers, and a credential."""
    values = {
        "host": ",".join(simulator.addresses),
        "port": str(simulator.port),
        "username": "admin",
        "password": simulator.password(),
        "ca_certificate": Path(simulator.ca_file).read_text(),
    }
    ca = tmp_path / "ca"
    variables, content = inject(DEFINITIONS["awx_credential_type"], values, str(ca))
    ca.write_text(content)

    def run(name: str, answers: Mapping[str, Any], *, fails: bool = False) -> str:
        survey = {question["variable"]: question for question in TEMPLATES[name]["survey"]}
        assert set(answers) <= set(survey)
        given = {**{v: default(q) for v, q in survey.items()}, **answers}
        refused = {v: problem(survey[v], answer) for v, answer in given.items()}
        assert not any(refused.values()), refused
        place = tmp_path / "runner"
        place.mkdir(exist_ok=True)
        done = ansible_runner.run(
            private_data_dir=str(place),
            playbook=str(PLAYBOOKS / f"{name}.yml"),
            inventory={
                "all": {
                    "hosts": {
                        "localhost": {
                            "ansible_connection": "local",
                            "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                        }
                    }
                }
            },
            extravars=given,
            envvars={
                **variables,
                "ANSIBLE_COLLECTIONS_PATH": str(linked_tree()),
                "ANSIBLE_HOME": str(tmp_path / "ansible"),
                "ANSIBLE_NOCOLOR": "true",
                "STATE_DIRECTORY": str(tmp_path / "state"),
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            },
            settings={"job_timeout": 300},
            quiet=True,
        )
        output = done.stdout.read()
        assert (done.status == "successful") is not fails, output
        return str(output)

    return run


def test_check_connection(job: Job) -> None:
    assert "ok" in job("check_connection", {})


def test_free_locked_file(simulator: Simulator, job: Job) -> None:
    simulator.control("files/put", path="/f.xlsx")
    simulator.control("smb/open", user="CORP\\jane", path="/f.xlsx", count=2)
    simulator.control("smb/open", user="CORP\\backup", path="/f.xlsx")
    answers = {
        "locked_file": "/f.xlsx",
        "locked_file_only_idle": "false",
        "locked_file_spare": "CORP\\backup\n\nnobody\n",
    }
    shown = job("free_locked_file", answers)
    assert simulator.control("state")["handles"] == 3
    assert "2 handles would be closed, 1 would be spared" in shown
    (plan,) = re.findall(r"-e locked_file_plan=([^\s\"]+)", shown)
    job("free_locked_file", {**answers, "locked_file_plan": plan})
    assert simulator.control("state")["handles"] == 1
    everybody = {**answers, "locked_file_spare": ""}
    assert "opened since the plan" in " ".join(
        job("free_locked_file", {**everybody, "locked_file_plan": plan}, fails=True).split()
    )
    (plan,) = re.findall(r"-e locked_file_plan=([^\s\"]+)", job("free_locked_file", everybody))
    lines = plan.replace(",", "\n")
    job("free_locked_file", {**everybody, "locked_file_plan": lines, "locked_file_max_close": 1})
    assert simulator.control("state")["handles"] == 0
    assert "Nobody holds /f.xlsx open" in job("free_locked_file", answers)


def test_lock_finished_project(simulator: Simulator, client: Client, job: Job) -> None:
    for name in ("a.pdf", "b.tmp"):
        simulator.control("files/put", path=f"/p/{name}")
    answers = {"project": "/p", "project_retention": "6mo"}
    assert "1 file below /p is retained until" in job("lock_finished_project", answers)
    assert files.get(client, by_path("/p/a.pdf"), lock=True).lock["retention_period"]  # type: ignore[index]
    day = (client.clock().now() + timedelta(days=300)).date().isoformat()
    answers["project_retention"] = day
    job("lock_finished_project", {**answers, "project_exclude": ""})
    info = files.get(client, by_path("/p/b.tmp"), lock=True)
    assert info.lock is not None and info.lock["retention_period"] == f"{day}T23:59:59Z"
    answers["project_retention"] = "2y"
    refused = job("lock_finished_project", answers, fails=True)
    assert "beyond max_retention 1y" in refused
    job("lock_finished_project", {**answers, "project_max_retention": "2y"})


@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
def test_incremental_copy_and_changelist_report(
    simulator: Simulator, job: Job, tmp_path: Path
) -> None:
    mount, copy = tmp_path / "mount", tmp_path / "copy"
    mount.mkdir()
    copy.mkdir()
    answers = {
        "copy_path": "/p",
        "copy_mount": str(mount),
        "copy_dest": str(copy),
        "copy_name": f"copy-{os.getpid()}",
        "copy_check_mount": "false",
        "copy_keep": 3,
    }
    for number in range(2):
        simulator.control("files/put", path=f"/p/{number}", content="1")
        (mount / str(number)).write_text("1")
        job("incremental_copy", answers)
    assert sorted(path.name for path in copy.iterdir()) == [".lockstep-copy.json", "0", "1"]
    refused = job("incremental_copy", {**answers, "copy_check_mount": "true"}, fails=True)
    assert "is not a mount point" in " ".join(refused.split())
    page = tmp_path / "page.html"
    job(
        "changelist_report",
        {
            "report_checkpoint": answers["copy_name"],
            "report_path": "/p",
            "report_dest": str(page),
        },
    )
    assert "<svg" in page.read_text()


def test_list_changes(simulator: Simulator, client: Client, job: Job, tmp_path: Path) -> None:
    def listed(output: str) -> set[str]:
        """Names in the list that a run reports."""
        (path,) = re.findall(rf"{tmp_path}/apollo-[0-9a-f]{{8}}-\S+?\.jsonl", output)
        return {json.loads(line)["path"] for line in Path(path).read_text().splitlines()}

    answers = {"changes_path": "/p/apollo", "changes_directory": str(tmp_path)}
    simulator.control("files/put", path="/p/apollo/a")
    first = job("list_changes", answers)
    assert "lists everything in /p/apollo" in " ".join(first.split()) and listed(first) == {"a"}
    simulator.control("files/put", path="/p/apollo/b")
    failed = {**answers, "changes_directory": str(tmp_path / "missing")}
    refused = " ".join(job("list_changes", failed, fails=True).split())
    assert "its directory does not exist; create it first" in refused
    # Another series of the same directory, whose name begins with that of this one.
    hourly = job("list_changes", {**answers, "changes_name": "list-changes-hourly"})
    assert listed(hourly) == {"a", "b"}
    second = job("list_changes", answers)
    assert "1 new" in second and listed(second) == {"b"}
    known = snapshots.list_all(client)
    assert [one.expires for one in known] == [None, None]
    # Somebody deletes the snapshot: what has changed since cannot be known any more.
    (own,) = (one for one in known if one.suffix.startswith("changelist-list-changes."))
    snapshots.delete(client, own)
    simulator.control("files/put", path="/p/apollo/c")
    again = job("list_changes", answers)
    assert "or its snapshot was deleted" in " ".join(again.split())
    assert listed(again) == {"a", "b", "c"}
    assert len(list(tmp_path.glob("apollo-*.jsonl"))) == 4


def test_list_changes_for_people(simulator: Simulator, job: Job, tmp_path: Path) -> None:
    simulator.control("files/put", path="/p/=1+1/-2")
    answers = {"changes_path": "/p/=1+1/", "changes_directory": str(tmp_path)}
    job("list_changes", {**answers, "changes_format": "csv"})
    (found,) = tmp_path.glob("_1_1-*.csv")
    assert '"\'-2"' in found.read_text()


def test_quarantine(simulator: Simulator, client: Client, job: Job) -> None:
    for name in ("a.locked", "b.locked", "c.odt"):
        simulator.control("files/put", path=f"/p/{name}")
    told = "/p/a.locked\n/p/gone.locked\n\n/p/b.locked"
    job("quarantine", {"quarantine_directory": "/p", "quarantine_files": told})
    held = {
        info.name: files.get(client, info.ref, lock=True).lock["legal_hold"]  # type: ignore[index]
        for info in files.walk(client, [by_path("/p")])
    }
    assert held == {"a.locked": True, "b.locked": True, "c.odt": False}
    job("quarantine", {"quarantine_directory": "/p"})
    assert {s.suffix.partition("-")[0] for s in snapshots.list_all(client)} == {"quarantine"}


def test_search_index(simulator: Simulator, job: Job) -> None:
    simulator.control("files/put", path="/p/a")
    with search_engine.running() as engine:
        job("search_index", {"search_path": "/p", "search_url": engine.url})
    assert engine.paths == ["a"]


def test_every_job_template_is_run_here() -> None:
    run = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    run.update(("incremental_copy", "changelist_report"))
    assert set(TEMPLATES) <= run


# -- the credential -----------------------------------------------------------------------------


@pytest.mark.parametrize("left_out", [("username", "password"), ("access_token",)])
def test_a_credential_that_is_left_out_is_no_credential(
    simulator: Simulator, client: Client, tmp_path: Path, left_out: Sequence[str]
) -> None:
    token, _generation = client.token()
    values = {
        "host": simulator.addresses[0],
        "port": str(simulator.port),
        "username": "admin",
        "password": simulator.password(),
        "access_token": token,
        "ca_certificate": Path(simulator.ca_file).read_text(),
    }
    given = {name: value for name, value in values.items() if name not in left_out}
    variables, _content = inject(DEFINITIONS["awx_credential_type"], given, simulator.ca_file)
    assert all(isinstance(value, str) for value in variables.values())
    kept = clean_environment()
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "ansible"),
            *("localhost", "-m", "lockstep.qumulo.qumulo_snapshot_info"),
        ],
        env={
            **kept,
            **variables,
            "ANSIBLE_COLLECTIONS_PATH": str(linked_tree()),
            "ANSIBLE_HOME": str(tmp_path),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def test_a_credential_without_a_certificate_names_none() -> None:
    variables, content = inject(DEFINITIONS["awx_credential_type"], {"host": "c"}, "/never")
    assert variables["QUMULO_CA_PATH"] == "" and content == ""
    assert variables["QUMULO_PORT"] == "8000"


# -- applying them ------------------------------------------------------------------------------


def test_they_are_applied_and_applied_again(tmp_path: Path) -> None:
    def log(command: Sequence[str], env: Mapping[str, str]) -> None:
        subprocess.run(command, env={**os.environ, **env}, check=True, capture_output=True)

    others = molecule.collections(log)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "CONTROLLER_"))}
    with running_controller() as controller:
        controller.add("organizations", name="Default")
        credential = controller.add("credentials", name="Production cluster")

        # As its header says.
        command, *arguments = shlex.split(shown("playbooks/awx/apply.yml", "ansible").script())

        def apply() -> str:
            done = subprocess.run(
                [
                    str(Path(sys.executable).parent / command),
                    *arguments,
                    *("-e", "awx_execution_environment=Qumulo"),
                    *("-e", "awx_execution_environment_image=registry.example.com/qumulo:1"),
                ],
                env={
                    **kept,
                    "ANSIBLE_COLLECTIONS_PATH": f"{linked_tree()}{os.pathsep}{others}",
                    "ANSIBLE_HOME": str(tmp_path),
                    "ANSIBLE_NOCOLOR": "true",
                    "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
                    "CONTROLLER_HOST": controller.address,
                    "CONTROLLER_OAUTH_TOKEN": "x",
                },
                capture_output=True,
                text=True,
                timeout=300,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        apply()
        made = controller.named("job_templates")
        assert set(made) == {t["name"] for t in TEMPLATES.values()}
        for template in TEMPLATES.values():
            found = made[template["name"]]
            survey = controller.surveys[f"{found['url']}survey_spec/"]
            assert survey["spec"] == template["survey"]
            assert found["playbook"] == template["playbook"] and found["survey_enabled"]
            assert controller.associations[f"{found['url']}credentials/"] == [credential]
        (kind,) = controller.named("credential_types").values()
        assert kind["injectors"] == DEFINITIONS["awx_credential_type"]["injectors"]
        (host,) = controller.named("hosts").values()
        variables = json.loads(host["variables"])
        assert variables["ansible_python_interpreter"] == "{{ ansible_playbook_python }}"
        assert "changed=0" in apply()
