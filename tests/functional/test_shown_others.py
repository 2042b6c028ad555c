# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What documents show of programs of others works with these programs: Prometheus and proxies."""

from __future__ import annotations

import http.client
import json
import os
import re
import socket
import ssl
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
import yaml

from tests.simulator.certificates import create
from tests.simulator.harness import Simulator
from tests.tools import programs
from tests.tools.lock_manager_page import running_page
from tests.tools.services import free_port, wait_for
from tests.tools.tree import ROOT

from .documented import shown

OPERATIONS = ROOT / "docs" / "operations"
#: Under which the page is known; what a browser sends on the usual port.
NAME = "locks.example.com"


def program(name: str) -> str:
    """Path of a program; CI has all of them."""
    path = programs.find(name)
    if path is None:
        assert os.environ.get("CI") != "true", f"{name} is missing"
        pytest.skip(f"{name} is not installed")
    return path


# -- Prometheus ---------------------------------------------------------------------------------


def promtool(*arguments: object) -> str:
    """Return what promtool says of something that is right."""
    command = [program("promtool"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_prometheus_takes_the_configuration_and_the_alerts(tmp_path: Path) -> None:
    alerts = (OPERATIONS / "alerts.yml").read_text(encoding="utf-8")
    (tmp_path / "alerts.yml").write_text(alerts)
    (tmp_path / "prometheus.yml").write_text(shown("docs/operations.md", "scrape_configs:").text)
    assert "SUCCESS" in promtool("check", "config", tmp_path / "prometheus.yml")


def test_prometheus_understands_the_dashboard(tmp_path: Path) -> None:
    board = json.loads((OPERATIONS / "dashboard.json").read_text(encoding="utf-8"))
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    given = {"$instance": ".*", "$__rate_interval": "5m", "$__range": "1h", "$__interval": "1m"}
    names = re.compile("|".join(map(re.escape, given)))
    rules = [
        {"record": f"panel:{number}", "expr": names.sub(lambda found: given[found.group()], expr)}
        for number, expr in enumerate(asked)
    ]
    assert rules and not any("$" in rule["expr"] for rule in rules)
    path = tmp_path / "rules.yml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
    assert f"{len(rules)} rules found" in promtool("check", "rules", path)


def test_prometheus_asks_where_services_listen() -> None:
    jobs = shown("docs/operations.md", "scrape_configs:").data()["scrape_configs"]
    ports = {
        job["job_name"]: [int(target.rpartition(":")[2]) for target in each["targets"]]
        for job in jobs
        for each in job["static_configs"]
    }
    listening = {}
    for role in ("watcher", "atime", "lock_manager"):
        defaults = yaml.safe_load((ROOT / "roles" / role / "defaults/main.yml").read_text())
        name = f"lockstep-{role.replace('_', '-')}"
        listening[name] = [defaults[f"{role}_metrics_port"]]
    assert ports == listening
    alerts = (ROOT / "docs" / "operations" / "alerts.yml").read_text(encoding="utf-8")
    assert set(re.findall(r'job="([^"]+)"', alerts)) <= set(ports)


# -- proxies ------------------------------------------------------------------------------------


class Browser:
    """Asks a proxy for the page by the page's name, as if it listened on the usual port."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._cookies: dict[str, str] = {}

    def ask(
        self, method: str, path: str, form: Mapping[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, str]:
        """Return the answer and its text."""
        # The certificate was made for this test.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        plain = socket.create_connection(("127.0.0.1", self._port), timeout=120)
        connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection.sock = context.wrap_socket(plain, server_hostname=NAME)
        headers = {"Host": NAME, "Origin": f"https://{NAME}"}
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in self._cookies.items())
        body = None
        if form is not None:
            body = urlencode(form)
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        for cookie in answer.headers.get_all("Set-Cookie") or ():
            name, _equals, value = cookie.partition(";")[0].partition("=")
            self._cookies[name] = value
        return answer, text

    def ready(self) -> bool:
        """Tell whether the page answers by the proxy."""
        try:
            return self.ask("GET", "/health")[0].status == 200
        except (OSError, http.client.HTTPException):
            return False


@contextmanager
def running(place: Path, *command: object, **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A proxy for the time of a block."""
    with open(place / "log", "wb") as log:
        process = subprocess.Popen(
            [str(word) for word in command],
            cwd=place,
            env={**os.environ, "HOME": str(place), **variables},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(120)


def log_in(simulator: Simulator, place: Path, port: int, *command: object) -> None:
    """Begin a proxy, log in by it, and see that the page knows the visitor's address."""
    with running(place, *command) as proxy:
        browser = Browser(port)

        def answers() -> bool:
            assert proxy.poll() is None, (place / "log").read_text()
            return browser.ready()

        wait_for(answers, 60)
        answer, form = browser.ask("GET", "/login")
        assert answer.status == 200
        assert "max-age=31536000" in str(answer.headers["Strict-Transport-Security"])
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', form))
        given = {"username": "admin", "password": simulator.password(), **hidden}
        answer, text = browser.ask("POST", "/login", given)
        assert answer.status == 303, text
        answer, text = browser.ask("GET", "/api/v1/status")
        assert answer.status == 200 and json.loads(text)["account"], text


@contextmanager
def page_behind(simulator: Simulator, place: Path, port: int) -> Iterator[None]:
    """The page as the guide has it behind a proxy, on another port."""
    options = shown("docs/lock_manager.md", "listen_address:").data()
    changes = {**options, "listen_port": port, "certificate": None, "private_key": None}
    (place / "page").mkdir()
    with running_page(simulator, place / "page", allowed_hosts=[NAME], **changes):
        yield


def test_the_page_works_behind_nginx(simulator: Simulator, tmp_path: Path) -> None:
    nginx, port, inner = program("nginx"), free_port(), free_port()
    create(tmp_path, ["127.0.0.1"])
    pem = str(tmp_path / "server.pem")
    server = shown("docs/lock_manager.md", "server {").text
    server = server.replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl")
    server = server.replace("http://127.0.0.1:8443", f"http://127.0.0.1:{inner}")
    server = re.sub(r"/etc/ssl/locks\.(pem|key)", pem, server)
    # What a distribution has around it.
    temporary = "".join(
        f"{kind}_temp_path {tmp_path};\n"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (tmp_path / "nginx.conf").write_text(
        f"daemon off;\npid {tmp_path}/pid;\nerror_log stderr;\nevents {{}}\n"
        f"http {{\naccess_log off;\n{temporary}{server}}}\n"
    )
    with page_behind(simulator, tmp_path, inner):
        log_in(simulator, tmp_path, port, nginx, "-c", tmp_path / "nginx.conf", "-e", "stderr")


def test_the_page_works_behind_caddy(simulator: Simulator, tmp_path: Path) -> None:
    caddy, port, inner = program("caddy"), free_port(), free_port()
    site = shown("docs/lock_manager.md", f"{NAME} {{").text
    site = site.replace("127.0.0.1:8443", f"127.0.0.1:{inner}")
    # A certificate of its own instead of a public one, and ports for which nobody is needed.
    own = f"{{\nhttps_port {port}\nauto_https disable_redirects\nlocal_certs\n"
    own += "skip_install_trust\nadmin off\n}\n"
    (tmp_path / "Caddyfile").write_text(own + site)
    with page_behind(simulator, tmp_path, inner):
        command = [caddy, "run", "--config", tmp_path / "Caddyfile", "--adapter", "caddyfile"]
        log_in(simulator, tmp_path, port, *command)
