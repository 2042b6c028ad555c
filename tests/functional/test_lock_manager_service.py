# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock manager as a process: start, metrics, certificate, reload, end."""

from __future__ import annotations

import json
import re
import signal
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.simulator.certificates import create
from tests.simulator.harness import Simulator
from tests.tools.lock_manager_page import ADDRESS, configuration
from tests.tools.services import Process, core_environment, start_service, wait_for
from tests.tools.visitor import Visitor


@pytest.fixture
def config(simulator: Simulator, tmp_path: Path) -> Callable[..., Path]:
    """Writes a configuration; JSON is YAML."""

    def write(**changes: Any) -> Path:
        path = tmp_path / "config.yml"
        options = {"lock_file": str(tmp_path / "lock"), "metrics_port": 0, **changes}
        path.write_text(json.dumps(configuration(simulator, tmp_path, **options)))
        return path

    return write


_KEY = re.compile("-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.S)


@pytest.fixture
def service(config: Callable[..., Path]) -> Iterator[Process]:
    """The page, ready."""
    with start_service("lock_manager", "--config", str(config())) as process:
        process.wait_ready()
        yield process


def url(service: Process) -> str:
    """Where the page is, as the status line says."""
    wait_for(lambda: service.status)
    return service.status.split(",")[0]


def check(path: Path) -> subprocess.CompletedProcess[str]:
    """Only look at a configuration."""
    command = [
        sys.executable,
        "-m",
        "qumulo_core.lock_manager.main",
        "--config",
        str(path),
        "--check",
    ]
    return subprocess.run(
        command, env=core_environment(), capture_output=True, text=True, timeout=60, check=False
    )


def test_it_serves_and_says_who_is_there(
    service: Process, simulator: Simulator, tmp_path: Path
) -> None:
    visitor = Visitor(url(service), str(tmp_path / "ca.pem"))
    visitor.log_in("admin", simulator.password())
    wait_for(lambda: "1 person logged in" in service.status)
    assert visitor.post("/logout", {"csrf": visitor.token("/")}).status_code == 303
    wait_for(lambda: "0 people logged in" in service.status)
    secrets = (simulator.password(), "session-v1", visitor.http.cookies.get("__Host-lockstep"))
    for secret in filter(None, secrets):
        assert secret not in service.output()


def test_metrics_are_on_loopback_alone(
    service: Process, simulator: Simulator, tmp_path: Path
) -> None:
    page = url(service)
    Visitor(page, str(tmp_path / "ca.pem")).log_in("admin", simulator.password())
    (metrics,) = [port for _host, port in service.listening() if not page.endswith(f":{port}")]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{metrics}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    assert "lockstep_lock_manager_logins_total 1.0" in text
    assert "lockstep_lock_manager_sessions 1.0" in text
    assert {host for host, _port in service.listening()} == {"127.0.0.1"}


def test_a_second_one_is_refused(service: Process, tmp_path: Path) -> None:
    with start_service("lock_manager", "--config", str(tmp_path / "config.yml")) as second:
        assert second.wait() == 3
    assert service.running


def test_a_renewed_certificate_is_used_without_a_restart(service: Process, tmp_path: Path) -> None:
    address = (ADDRESS, int(url(service).rpartition(":")[2]))
    before = ssl.get_server_certificate(address, timeout=60)
    create(tmp_path, [ADDRESS])
    service.signal(signal.SIGHUP)
    wait_for(lambda: ssl.get_server_certificate(address, timeout=60) != before)
    assert service.running


@pytest.mark.parametrize("broken", ["no certificate at all", "the key of another"])
def test_a_broken_certificate_leaves_the_old_one(
    service: Process, tmp_path: Path, broken: str
) -> None:
    address = (ADDRESS, int(url(service).rpartition(":")[2]))
    before = ssl.get_server_certificate(address, timeout=60)
    pem = tmp_path / "server.pem"
    if broken == "the key of another":
        old = pem.read_text()
        create(tmp_path, [ADDRESS])
        own_key = re.findall(_KEY, old)[0]
        pem.write_text(re.sub(_KEY, lambda _match: own_key, pem.read_text()))
    else:
        pem.write_text(broken)
    service.signal(signal.SIGHUP)
    wait_for(lambda: "can not be used" in service.output())
    assert ssl.get_server_certificate(address, timeout=60) == before


def test_it_stops_when_told_although_pages_wait(
    service: Process, simulator: Simulator, tmp_path: Path
) -> None:
    visitor = Visitor(url(service), str(tmp_path / "ca.pem"))
    visitor.log_in("admin", simulator.password())
    generation = visitor.json("/api/v1/status?after=0")["generation"]
    with pytest.raises(OSError), visitor.http:  # noqa: PT012
        service.signal(signal.SIGTERM)
        while True:
            generation = visitor.json(f"/api/v1/status?after={generation}")["generation"]
    assert service.wait() == 0
    assert "Traceback" not in service.output()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"colour": "red"}, "'colour' is not an option"),
        ({"allowed_hosts": None}, "'allowed_hosts' is missing"),
        ({"allowed_hosts": ["https://x"]}, "is not a host name"),
        ({"allowed_hosts": ["*"]}, "is not a host name"),
        ({"allowed_hosts": "a.example.com, b.example.com"}, "is not a host name"),
        ({"certificate": None}, "'certificate' is missing"),
        ({"certificate": None, "private_key": None, "listen_address": "0.0.0.0"}, "in clear"),
        ({"session_lifetime": "11h"}, "10h"),
        ({"idle_timeout": "0s"}, "1s to 10h"),
        ({"refresh_interval": "1s"}, "2s at least"),
        ({"trusted_proxies": ["proxy"]}, "is no IP address"),
        ({"audit_file": "closed.jsonl"}, "absolute path"),
        ({"cluster": {"host": "a", "username": "admin"}}, "account of their own"),
    ],
)
def test_mistakes_in_the_configuration(
    config: Callable[..., Path], changes: dict[str, Any], said: str
) -> None:
    done = check(config(**changes))
    assert done.returncode == 2
    assert said in done.stderr and done.stderr.count("\n") == 1


def test_a_good_configuration(config: Callable[..., Path]) -> None:
    assert check(config()).returncode == 0
    behind_a_proxy = {"certificate": None, "private_key": None, "trusted_proxies": ["127.0.0.1"]}
    assert check(config(**behind_a_proxy)).returncode == 0


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"certificate": "/nowhere.pem", "private_key": "/nowhere.pem"}, "can not be used"),
        ({"audit_file": "/nowhere/closed.jsonl"}, "Cannot write the record"),
    ],
)
def test_what_it_can_not_start_with(
    config: Callable[..., Path], changes: dict[str, Any], said: str
) -> None:
    with start_service("lock_manager", "--config", str(config(**changes))) as process:
        assert process.wait() == 1
        assert said in process.output() and "Traceback" not in process.output()


def test_behind_a_proxy_the_visitors_address_is_recorded(
    simulator: Simulator, config: Callable[..., Path], tmp_path: Path
) -> None:
    simulator.control("files/put", path="/a", content="x")
    simulator.control("smb/open", user="CORP\\jane", path="/a")
    path = config(certificate=None, private_key=None, trusted_proxies=["127.0.0.1"])
    with start_service("lock_manager", "--config", str(path)) as process:
        process.wait_ready()
        visitor = Visitor(url(process), "")
        # The cookies are Secure: what a proxy does with TLS, the test does by hand.
        visitor.http.headers.update({"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"})
        visitor.trust_plain_http()
        visitor.log_in("admin", simulator.password())
        visitor.json("/api/v1/status?after=0")
        _answer, plan = visitor.confirm(close_user="jane")
        visitor.close(plan)
    records = [json.loads(line) for line in (tmp_path / "closed.jsonl").read_text().splitlines()]
    assert {record["from"] for record in records} == {"192.0.2.7"}


def test_a_changed_configuration_needs_a_restart(
    service: Process, config: Callable[..., Path]
) -> None:
    config(title="other")
    service.signal(signal.SIGHUP)
    wait_for(lambda: "restart the service to use it" in service.output())
