# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No secret gets out of a module, a command, a service or the event source, whatever fails."""

from __future__ import annotations

import base64
import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from tests.simulator.harness import Simulator
from tests.tools.lock_manager_page import configuration
from tests.tools.services import core_environment, start_service, wait_for
from tests.tools.tree import ROOT
from tests.tools.visitor import Visitor

from .furnished import play

FAULTS = Path(__file__).with_name("faults")
SENDING = ("socket", "value", "key", "memory", "unicode")
RECEIVING = ("strange", "list", "null", "text")
#: Parts of every secret here: none of them may be shown.
MARKERS = ("MARKERone", "two/TWO+MARKER")
SECRET = "access-v1:MARKERone:two/TWO+MARKER=="
#: A secret with what must not be in one, as YAML and JSON can write it.
SPOILT = {
    "line break at its end": f"{SECRET}\n",
    "line break inside": f"{MARKERS[0]}\n{MARKERS[1]}",
    "NUL": f"{MARKERS[0]}\0{MARKERS[1]}",
    "not ASCII": f"{MARKERS[0]}\u00e9{MARKERS[1]}",
    "blank": f"{MARKERS[0]} {MARKERS[1]}",
    "byte order mark": f"\ufeff{SECRET}",
}
#: What each module needs at least, so that it connects.
OPTIONS: dict[str, dict[str, Any]] = {
    "qumulo_changelist": {"path": "/", "checkpoint": "c", "dest": "/tmp/lockstep-never-written"},
    "qumulo_changelist_report": {
        "path": "/",
        "checkpoint": "c",
        "dest": "/tmp/lockstep-never-written",
    },
    "qumulo_file_lock": {"path": "/f", "retention": "1h"},
    "qumulo_file_lock_info": {"path": "/f"},
    "qumulo_settings": {"access_times": {"enabled": False}},
    "qumulo_smb_lock": {"path": "/f"},
    "qumulo_smb_lock_info": {"path": "/f"},
    "qumulo_snapshot": {"name": "n", "path": "/"},
    "qumulo_snapshot_info": {},
}
#: Those that talk to no cluster.
LOCAL = {"qumulo_changelist_removal", "qumulo_changelist_copy_info", "qumulo_changelist_index"}


def shown(text: str) -> list[str]:
    """Lines of a text that show a secret, in any form."""
    forms = {
        form
        for secret in (*MARKERS, SECRET)
        for form in (
            secret,
            quote(secret),
            quote(secret, safe=""),
            base64.b64encode(secret.encode()).decode(),
        )
    }
    return [line for line in text.splitlines() if any(form in line for form in forms)]


def test_the_matrix_has_every_module() -> None:
    there = {path.stem for path in (ROOT / "plugins" / "modules").glob("qumulo_*.py")}
    assert there == set(OPTIONS) | LOCAL


def tasks(module: str, more: dict[str, Any], environment: dict[str, str]) -> dict[str, Any]:
    """A task that must fail, with what it says kept for later."""
    return {
        f"lockstep.qumulo.{module}": {**OPTIONS[module], **more},
        "environment": environment,
        "register": "done",
        "ignore_errors": True,
    }


def told(
    simulator: Simulator, place: Path, listed: list[dict[str, Any]], **variables: str
) -> tuple[str, list[Any]]:
    """Run tasks with -vvv; return all that is printed, and each task's result.

    :param variables: of the environment of the play. Those of a task are no place for secrets:
        Ansible itself shows them.
    """
    results = place / "results"
    kept: list[dict[str, Any]] = [{"ansible.builtin.set_fact": {"kept": []}}]
    for task in listed:
        kept += [task, {"ansible.builtin.set_fact": {"kept": "{{ kept + [done] }}"}}]
    copied = {"content": "{{ kept | to_json }}", "dest": str(results), "mode": "0600"}
    kept.append({"ansible.builtin.copy": copied})
    content = yaml.safe_dump([{"hosts": "localhost", "gather_facts": False, "tasks": kept}])
    done = play(simulator, place, content, "-vvv", **variables)
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return output, json.loads(results.read_text())


def test_a_spoilt_secret_is_named_and_not_shown(simulator: Simulator, tmp_path: Path) -> None:
    module = "qumulo_snapshot_info"
    token_file = tmp_path / "token"
    token_file.write_text(SPOILT["line break inside"])
    listed = [tasks(module, {"access_token": token}, {}) for token in SPOILT.values()]
    listed += [
        tasks(module, {"username": "u", "password": SPOILT["NUL"]}, {}),
        tasks(module, {"username": "u", "password": SPOILT["line break at its end"]}, {}),
        tasks(module, {"access_token_file": str(token_file)}, {}),
        tasks(module, {"host": f"https://admin:{SECRET}@qumulo"}, {}),
    ]
    output, results = told(simulator, tmp_path, listed)
    for result in results:
        assert result["failed"], result
        assert "Traceback" not in result["msg"] and "\n" not in result["msg"]
    messages = [result["msg"] for result in results]
    expected = (
        "does not accept the credentials",  # with the end of its line it is a token
        "a line break",
        "a NUL character",
        "not an ASCII character",
        "a blank",
        "does not accept the credentials",
        "a NUL character",
        "does not accept the password",
        "a line break",
        "has an '@'",
    )
    for message, part in zip(messages, expected):
        assert part in message, messages
    # A host is not a secret to Ansible, which shows options at this verbosity.
    output = re.sub(r"https://admin:\S+@qumulo", "", output)
    assert not shown(output)


def test_secrets_of_the_environment_are_not_shown(simulator: Simulator, tmp_path: Path) -> None:
    task = tasks("qumulo_snapshot_info", {}, {})
    spoilt = SPOILT["line break inside"]
    output, results = told(simulator, tmp_path, [task], QUMULO_ACCESS_TOKEN=spoilt)
    assert "a line break" in results[0]["msg"] and not shown(output)
    output, results = told(simulator, tmp_path, [task], QUMULO_ACCESS_TOKEN=f"{SECRET}\n")
    assert "does not accept" in results[0]["msg"] and not shown(output)


@pytest.mark.parametrize("module", sorted(OPTIONS))
def test_no_module_shows_a_secret(module: str, simulator: Simulator, tmp_path: Path) -> None:
    with_token = {"access_token": SECRET, "retries": 0}
    with_password = {"username": "admin", "password": SECRET, "retries": 0}
    path = {"PYTHONPATH": str(FAULTS)}
    listed = [
        tasks(module, {"access_token": SPOILT["line break inside"]}, {}),
        tasks(module, {"access_token": SPOILT["line break at its end"]}, {}),
        tasks(module, with_token, {**path, "LOCKSTEP_FAULT": "value"}),
        tasks(module, with_password, {**path, "LOCKSTEP_FAULT": "key"}),
        tasks(module, with_token, {**path, "LOCKSTEP_FAULT": "strange"}),
    ]
    output, results = told(simulator, tmp_path, listed)
    for result in results:
        message = result.get("msg", "")
        assert (
            "Traceback" not in message and "\n" not in message and message.endswith((".", "?"))
        ), message
    assert all(result["failed"] for result in results[:4]), results
    assert "Unexpected ValueError" in results[2]["msg"]
    assert "Unexpected KeyError" in results[3]["msg"]
    # It is the injected exception that is shown, with its traceback and without the secret.
    assert "Traceback" in output and "cannot send" in output and "********" in output
    assert not shown(output)


def test_what_fails_below_a_module_is_one_sentence(simulator: Simulator, tmp_path: Path) -> None:
    faults = (*SENDING, *RECEIVING)
    listed = []
    for fault in faults:
        more = {"access_token": SECRET, "retries": 0}
        injected = {"LOCKSTEP_FAULT": fault, "PYTHONPATH": str(FAULTS)}
        listed.append(tasks("qumulo_smb_lock_info", more, injected))
    output, results = told(simulator, tmp_path, listed)
    messages = dict(zip(faults, (result["msg"] for result in results)))
    for fault, result in zip(faults, results):
        assert result["failed"], fault
        message = result["msg"]
        assert (
            "Traceback" not in message and "\n" not in message and message.endswith((".", "?"))
        ), message
    assert "No connection" in messages["socket"] or "broke" in messages["socket"]
    assert "Out of memory" in messages["memory"]
    assert not shown(output)


def test_the_password_of_a_search_engine_is_not_shown(simulator: Simulator, tmp_path: Path) -> None:
    module = "lockstep.qumulo.qumulo_changelist_index"
    common = {"url": "http://127.0.0.1:9/index", "username": "u", "retries": 0}
    environment = {"LOCKSTEP_FAULT": "value", "PYTHONPATH": str(FAULTS)}
    listed = [
        {module: {**common, "password": password}, "environment": environment}
        for password in (f"{SECRET}\n", SPOILT["NUL"])
    ]
    for task in listed:
        task.update(register="done", ignore_errors=True)
    output, results = told(simulator, tmp_path, listed)
    assert "Unexpected ValueError" in results[0]["msg"]
    assert "a NUL character" in results[1]["msg"]
    assert "cannot send" in output and "********" in output
    assert not shown(output)
    assert base64.b64encode(f"u:{SECRET}".encode()).decode() not in output


# -- commands -----------------------------------------------------------------------------------


def faulty(fault: str, **more: str) -> dict[str, str]:
    """The environment of a command whose lowest layer fails."""
    path = os.pathsep.join((str(FAULTS), core_environment()["PYTHONPATH"]))
    return {**core_environment(), "PYTHONPATH": path, "LOCKSTEP_FAULT": fault, **more}


@pytest.fixture
def cluster(simulator: Simulator, tmp_path: Path) -> dict[str, Any]:
    """The section of a configuration that logs in with the secret."""
    token = tmp_path / "token"
    token.write_text(f"\ufeff{SECRET}\r\n", encoding="utf-8")
    return {
        "host": simulator.addresses,
        "port": simulator.port,
        "access_token_file": str(token),
        "ca_path": simulator.ca_file,
        "retries": 0,
    }


def written(place: Path, data: dict[str, Any]) -> Path:
    """A configuration file."""
    path = place / "config.yml"
    path.write_text(yaml.safe_dump(data))
    return path


def one_sentence(done: subprocess.CompletedProcess[str], codes: tuple[int, ...] = (1, 2)) -> None:
    """See that a command failed with lines for a person, and no secret."""
    output = done.stdout + done.stderr
    assert done.returncode in codes, output
    assert output.strip(), "it says nothing"
    assert "Traceback" not in output, output
    assert not shown(output)


def command(arguments: list[str], environment: dict[str, str]) -> Any:
    """Run a command of the library."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )


@pytest.mark.parametrize("fault", [*SENDING, *RECEIVING])
def test_the_check_survives_every_fault(
    fault: str, simulator: Simulator, cluster: dict[str, Any], tmp_path: Path
) -> None:
    arguments = ["qumulo_core.check.main", "--config", str(written(tmp_path, {"cluster": cluster}))]
    one_sentence(command(arguments, faulty(fault)))
    done = command(arguments, faulty(fault, LOCKSTEP_TRACEBACK="1"))
    assert not shown(done.stdout + done.stderr), done.stderr
    if fault in ("value", "key", "memory"):
        assert "Traceback" in done.stderr and "********" in done.stderr


@pytest.mark.parametrize("token", [name for name in SPOILT if name != "NUL"])
def test_the_check_takes_tokens_from_the_environment(token: str, simulator: Simulator) -> None:
    variables = {**simulator.environment(), "QUMULO_ACCESS_TOKEN": SPOILT[token]}
    one_sentence(command(["qumulo_core.check.main"], {**core_environment(), **variables}))


def watcher_configuration(cluster: dict[str, Any], place: Path) -> dict[str, Any]:
    """A watcher's configuration."""
    return {
        "cluster": cluster,
        "rules": [{"path": "/", "retention": "1h"}],
        "spool": str(place / "spool.db"),
        "evidence": str(place / "evidence.jsonl"),
        "lock_file": str(place / "watcher.lock"),
        "metrics_port": 0,
    }


@pytest.mark.parametrize("fault", ["value", "strange"])
@pytest.mark.parametrize("arguments", [["audit"], ["verify", "--cluster", "EVIDENCE"]])
def test_commands_of_the_watcher_survive(
    arguments: list[str], fault: str, cluster: dict[str, Any], tmp_path: Path
) -> None:
    evidence = tmp_path / "evidence.jsonl"
    evidence.touch()
    path = written(tmp_path, watcher_configuration(cluster, tmp_path))
    arguments = [str(evidence) if each == "EVIDENCE" else each for each in arguments]
    done = command(["qumulo_core.watcher.main", "--config", str(path), *arguments], faulty(fault))
    assert "Traceback" not in done.stdout + done.stderr
    assert not shown(done.stdout + done.stderr)
    assert "Rule" not in done.stderr  # it is not the configuration that fails
    if arguments == ["audit"]:
        # A refused login means that nothing could be checked.
        one_sentence(done, (4,) if fault == "strange" else (1, 2))


@pytest.mark.parametrize("fault", ["", "value", "memory"])
def test_the_playbook_of_the_check_shows_no_secret(
    fault: str, simulator: Simulator, tmp_path: Path
) -> None:
    content = "- ansible.builtin.import_playbook: lockstep.qumulo.check_connection\n"
    # Its command has the environment of the controller, which is to find the faults too.
    variables = {"LOCKSTEP_FAULT": fault, "QUMULO_ACCESS_TOKEN": SECRET if fault else f"{SECRET}\n"}
    if fault:
        wrapper = tmp_path / "python"
        wrapper.write_text(
            f'#!/bin/sh\nPYTHONPATH="{FAULTS}:$PYTHONPATH" exec "{sys.executable}" "$@"\n'
        )
        wrapper.chmod(0o755)
        content += f"  vars: {{check_interpreter: {wrapper}}}\n"
    done = play(simulator, tmp_path, content, "-vvv", **variables)
    output = done.stdout + done.stderr
    assert done.returncode == 2
    told_so = {"": "does not accept", "value": "Unexpected ValueError", "memory": "Out of memory"}
    assert told_so[fault] in output
    assert not shown(output)


@pytest.mark.parametrize("fault", [*SENDING, "strange"])
def test_the_handover_to_storagedna_shows_no_secret(
    fault: str, simulator: Simulator, tmp_path: Path
) -> None:
    path = tmp_path / "dna.conf"
    path.write_text(
        f"[General]\nFastScanWorkFolder={tmp_path}/work\nQumuloUsername=admin\n"
        f"QumuloClusterIP={simulator.addresses[0]}:{simulator.port}\n"
        f"QumuloClusterPort={simulator.port}\nQumuloPassword={SECRET}\n"
    )
    arguments = ["qumulo_core.changelist.handover", "--config", str(path), "--project", "p"]
    arguments += ["--checkpoint", "c", "--path", "/", "--ca-path", simulator.ca_file]
    done = command(arguments, faulty(fault))
    one_sentence(done)
    assert done.returncode == 1


# -- services -----------------------------------------------------------------------------------


@pytest.mark.parametrize("log_format", ["plain", "json"])
@pytest.mark.parametrize("fault", ["socket", "value", "key", "memory"])
def test_the_log_of_a_service_has_no_secret(
    fault: str, log_format: str, cluster: dict[str, Any], tmp_path: Path
) -> None:
    data = {**watcher_configuration(cluster, tmp_path), "log_format": log_format}
    path = written(tmp_path, {**data, "log_level": "debug"})
    environment = faulty(fault)
    with start_service("watcher", "--config", str(path), environment=environment) as process:
        if fault == "socket":  # the cluster may come back: it goes on
            wait_for(lambda: "cannot send" in process.output() or not process.running)
        else:
            assert process.wait() == 1
            assert "Traceback" in process.output()
        process.signal(signal.SIGTERM) if process.running else None
        process.wait()
        assert "********" in process.output()
        assert not shown(process.output()), process.output()


def test_the_check_as_a_service_shows_no_secret(cluster: dict[str, Any], tmp_path: Path) -> None:
    data = {"cluster": cluster, "metrics_port": 0, "lock_file": str(tmp_path / "lock")}
    path = str(written(tmp_path, data))
    environment = faulty("value")
    with start_service("check", "--config", path, "--serve", environment=environment) as process:
        assert process.wait() == 1
        assert "Unexpected ValueError" in process.output() and "Traceback" in process.output()
        assert not shown(process.output()), process.output()


def test_the_access_time_syncer_shows_no_secret(cluster: dict[str, Any], tmp_path: Path) -> None:
    data = {
        "cluster": cluster,
        "set": "api",
        "listen": {"port": 0},
        "spool": str(tmp_path / "spool.db"),
        "lock_file": str(tmp_path / "atime.lock"),
        "metrics_port": 0,
        "log_level": "debug",
    }
    path = str(written(tmp_path, data))
    with start_service("atime", "--config", path, environment=faulty("value")) as process:
        wait_for(lambda: "********" in process.output() or not process.running)
        process.signal(signal.SIGTERM) if process.running else None
        process.wait()
        assert "********" in process.output(), process.output()
        assert not shown(process.output())


FORMS = (
    {"username": "admin", "password": SECRET},
    {"token": SECRET},
    {"token": SPOILT["line break inside"]},
    {"username": "admin", "password": SPOILT["NUL"]},
)


@pytest.mark.parametrize("fault", ["", "socket", "value", "key", "memory"])
def test_the_page_shows_no_password(fault: str, simulator: Simulator, tmp_path: Path) -> None:
    data = configuration(simulator, tmp_path, lock_file=str(tmp_path / "page.lock"))
    data["cluster"]["retries"] = 0
    data["log_level"] = "debug"
    path = str(written(tmp_path, data))
    environment = faulty(fault) if fault else core_environment()
    with start_service("lock_manager", "--config", path, environment=environment) as process:
        process.wait_ready()
        wait_for(lambda: process.status)
        visitor = Visitor(process.status.split(",")[0], str(tmp_path / "ca.pem"))
        statuses = []
        for form in FORMS:
            answer = visitor.post("/login", {"csrf": visitor.token("/login"), **form})
            statuses.append(answer.status_code)
            assert not shown(answer.text)
            assert "Traceback" not in answer.text
        failing = {"": [401, 401], "socket": [502, 502], "key": [500, 502]}.get(fault, [500, 500])
        assert statuses == [*failing, 400, 400], process.output()
        output = process.output()
        if failing[0] == 500:
            assert "Traceback" in output and "********" in output
        assert not shown(output), output


# -- the event source ---------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["", "socket", "value", "key", "memory", "strange"])
def test_the_event_source_shows_no_secret(fault: str, simulator: Simulator, tmp_path: Path) -> None:
    """As ansible-rulebook does it: the exception is logged with all that led to it."""
    token = SECRET if fault else SPOILT["line break inside"]
    source = ROOT / "extensions" / "eda" / "plugins" / "event_source" / "change_notify.py"
    script = tmp_path / "run.py"
    script.write_text(
        "import asyncio, logging, runpy, sys\n"
        "logging.basicConfig(level=logging.DEBUG)\n"
        "main = runpy.run_path(sys.argv[1])['main']\n"
        "try:\n"
        "    asyncio.run(asyncio.wait_for(main(asyncio.Queue(), {'path': '/'}), 20))\n"
        "except Exception:\n"
        "    logging.exception('Source error')\n"
        "    raise SystemExit(1)\n"
    )
    variables = {**simulator.environment(), "QUMULO_ACCESS_TOKEN": token}
    environment = {**(faulty(fault) if fault else core_environment()), **variables}
    done = subprocess.run(
        [sys.executable, str(script), str(source)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 1
    assert "Source error" in done.stderr
    assert not shown(done.stdout + done.stderr), done.stderr
    if fault in ("value", "key", "memory"):
        assert "********" in done.stderr, done.stderr


# -- variables ----------------------------------------------------------------------------------


def test_empty_variables_count_as_not_set(simulator: Simulator, tmp_path: Path) -> None:
    known = simulator.environment()
    empty = dict.fromkeys(("QUMULO_ACCESS_TOKEN", "QUMULO_PORT"), "")
    info = "lockstep.qumulo.qumulo_snapshot_info"
    listed: list[dict[str, Any]] = [
        {info: {"port": simulator.port}, "environment": empty},
        {info: {}, "environment": {"QUMULO_PORT": f" {simulator.port} "}},
        {info: {}, "environment": {"QUMULO_HOST": f" {known['QUMULO_HOST']} ,"}},
        {info: {"host": f"{simulator.addresses[0]}:{simulator.port}"}},
        {info: {"host": known["QUMULO_HOST"]}},
        {info: {}, "environment": {"QUMULO_PORT": "abc"}},
        {info: {}, "environment": {"QUMULO_HOST": ""}},
        {info: {"host": "qumulo:1"}},
        {info: {"host": f"https://qumulo:{simulator.port}/"}},
    ]
    for task in listed:
        task.update(register="done", ignore_errors=True)
    _output, results = told(simulator, tmp_path, listed)
    for result in results[:5]:
        assert not result.get("failed"), result
    messages = [result["msg"] for result in results[5:]]
    assert "QUMULO_PORT is 'abc'" in messages[0]
    assert "host" in messages[1]
    assert "write 'qumulo' and set 'port' to 1" in messages[2]
    assert f"write 'qumulo' and set 'port' to {simulator.port}" in messages[3]
