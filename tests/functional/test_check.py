# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The connection check against a simulated cluster: once, as a playbook, as a service."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.simulator.harness import Simulator
from tests.tools.services import Process, cluster_section, core_environment, start_service, wait_for

Check = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def check(simulator: Simulator) -> Check:
    """Runs the command as a user whose account the environment names."""

    def run(*arguments: str, user: str = "admin", **changes: str) -> Any:
        return subprocess.run(
            [sys.executable, "-m", "qumulo_core.check.main", *arguments],
            env={**core_environment(), **simulator.environment(user), **changes},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def levels(output: str) -> dict[str, str]:
    """Subject and level of each line of JSON."""
    return {line["subject"]: line["level"] for line in map(json.loads, output.splitlines())}


def test_all_is_well(check: Check, simulator: Simulator) -> None:
    with simulator.recorded() as changes:
        done = check("--json", "--for", "modules,watcher,lock_manager")
    assert done.returncode == 0
    found = levels(done.stdout)
    assert set(found.values()) == {"ok"}
    assert {f"node {address}" for address in simulator.addresses} <= set(found)
    assert {"credentials", "clock", "version", "notifications"} <= set(found)
    assert [change for change in changes if "login" not in change["uri"]] == []


def test_a_privilege_that_lacks_is_named(check: Check) -> None:
    done = check("--for", "watcher", user="backup")
    assert done.returncode == 1
    assert "failed   privileges for watcher: PRIVILEGE_FS_FILE_LOCK_WRITE" in done.stdout


def test_a_node_that_is_down_is_found_although_others_answer(
    check: Check, simulator: Simulator
) -> None:
    simulator.control("nodes/stop", address=simulator.addresses[1])
    found = levels(check("--json").stdout)
    assert found[f"node {simulator.addresses[1]}"] == "failed"
    assert found["credentials"] == "ok"


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"QUMULO_CA_PATH": "/etc/hostname"}, "ca_path"),
        ({"QUMULO_PASSWORD": "wrong-Pa55"}, "does not accept the password"),
        ({"QUMULO_HOST": "a b"}, "is not a host: it has a blank"),
        ({"QUMULO_PORT": "https"}, "QUMULO_PORT is 'https'"),
    ],
)
def test_what_can_not_work_is_one_sentence(
    check: Check, changes: dict[str, str], told: str
) -> None:
    done = check(**changes)
    assert done.returncode in (1, 2)
    output = done.stdout + done.stderr
    assert told in output
    assert "Traceback" not in output
    assert "wrong-Pa55" not in output


def test_clocks_and_settings(check: Check, simulator: Simulator) -> None:
    simulator.control("clock/skew", seconds=-900)
    found = levels(check("--json", "--for", "atime").stdout)
    assert found["clock"] == "failed"
    assert found["audit log"] == "warning"  # it is switched off


def test_a_service_that_is_not_known(check: Check) -> None:
    done = check("--for", "wacher")
    assert done.returncode == 2
    assert "choose from modules, watcher" in done.stderr


# -- as a service -------------------------------------------------------------------------------


@pytest.fixture
def service(simulator: Simulator, tmp_path: Path) -> Iterator[tuple[Process, Path]]:
    """The check as a service with a supervisor that listens."""
    configuration = {
        "cluster": cluster_section(simulator, tmp_path, timeout=2, retries=0),
        "every": 1,
        "metrics_port": 0,
        "lock_file": str(tmp_path / "check.lock"),
    }
    path = tmp_path / "check.yml"
    path.write_text(yaml.safe_dump(configuration))
    with start_service("check", "--config", str(path), "--serve") as process:
        process.wait_ready()
        yield process, path


def test_a_service_says_how_it_is(service: tuple[Process, Path], simulator: Simulator) -> None:
    process, _path = service
    wait_for(lambda: "Qumulo Core" in process.status and "checks pass" in process.status)
    simulator.control("nodes/stop", address=simulator.addresses[0])
    wait_for(lambda: "1 failed" in process.status)
    wait_for(lambda: process.heard("WATCHDOG=1"))


def test_a_second_one_is_refused(service: tuple[Process, Path]) -> None:
    process, path = service
    second = subprocess.run(
        [sys.executable, "-m", "qumulo_core.check.main", "--config", str(path), "--serve"],
        env=core_environment(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 3
    assert f"process {process.pid} since" in second.stderr


def test_a_broken_configuration_leaves_it_running(service: tuple[Process, Path]) -> None:
    process, path = service
    good = path.read_text()
    path.write_text("cluster: 7\n")
    process.signal(signal.SIGHUP)
    wait_for(lambda: "left as it was" in process.output())
    path.write_text(good + "services: [modules]\n")
    process.signal(signal.SIGHUP)
    wait_for(lambda: "configuration read again" in process.output())
    assert process.running


def test_it_stops_when_told(service: tuple[Process, Path]) -> None:
    process, _path = service
    process.signal(signal.SIGTERM)
    assert process.wait() == 0
    assert process.heard("STOPPING=1")


def test_a_playbook_runs_it(simulator: Simulator) -> None:
    from tests.tools.tree import ROOT, linked_tree

    environment = {
        **os.environ,
        **simulator.environment("backup"),
        "ANSIBLE_COLLECTIONS_PATH": str(linked_tree()),
        "ANSIBLE_NOCOLOR": "true",
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook")]
    command += [str(ROOT / "playbooks" / "check_connection.yml")]

    def play(*options: str) -> Any:
        return subprocess.run(
            [*command, *options],
            env=environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    done = play()
    assert done.returncode == 0, done.stdout
    assert "changed=0" in done.stdout
    assert "privileges for modules: without" in done.stdout
    done = play("-e", '{"check_services": ["watcher"]}')
    assert done.returncode == 2
    assert "PRIVILEGE_FS_FILE_LOCK_WRITE is missing" in done.stdout
    done = play("-e", "check_interpreter=/no/python")
    assert "Cannot run the check with /no/python: " in done.stdout


def test_metrics_are_on_loopback_alone(service: tuple[Process, Path]) -> None:
    process, _path = service
    wait_for(lambda: bool(process.listening()))
    assert {address for address, _port in process.listening()} == {"127.0.0.1"}
    _address, port = process.listening()[0]
    results: list[bytes] = []

    def slow_client() -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as idle:
            results.append(idle.recv(1))  # says nothing, and is hung up on

    thread = threading.Thread(target=slow_client)
    thread.start()
    with socket.create_connection(("127.0.0.1", port), timeout=60) as client:
        client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        answer = b"".join(iter(lambda: client.recv(65536), b""))
    assert b'lockstep_check{subject="credentials"} 0.0' in answer
    thread.join()
    assert results == [b""]
