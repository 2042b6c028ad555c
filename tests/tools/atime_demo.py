# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo-atime``: what people read on a simulated cluster gets its access time."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from tests.simulator.harness import Simulator, start

from .rsyslogd import Rsyslogd, missing
from .services import cluster_section, core_environment, free_port, start_service, wait_for

FILES = ("/films/opening, take 2.mov", "/films/finale.mov", "/films/nobody-looks.mov")
BEFORE = "2020-01-01T00:00:00Z"
_LIMIT = 30.0  # seconds for a request


class Person:
    """Somebody with an account on the cluster, who uses its REST API."""

    def __init__(self, simulator: Simulator, name: str, password: str) -> None:
        self._base = f"https://{simulator.addresses[0]}:{simulator.port}"
        context = ssl.create_default_context(cafile=simulator.ca_file)
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        self._token = ""
        login = {"username": name, "password": password}
        self._token = json.loads(self.ask("POST", "/v1/session/login", login))["bearer_token"]

    def ask(self, method: str, uri: str, body: dict[str, Any] | None = None) -> bytes:
        """Send a request; return the body of the answer."""
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + uri, data, headers, method=method)
        with self._opener.open(request, timeout=_LIMIT) as answer:
            content: bytes = answer.read()
            return content

    def attributes(self, path: str) -> dict[str, Any]:
        """Attributes of a file."""
        found: dict[str, Any] = json.loads(
            self.ask("GET", f"/v1/files/{quote(path, safe='')}/info/attributes")
        )
        return found

    def read(self, path: str) -> None:
        """Read a file."""
        self.ask("GET", f"/v1/files/{quote(path, safe='')}/data")


def configure(simulator: Simulator, place: Path) -> Path:
    """Write a configuration of the syncer."""
    path = place / "atime.yml"
    settings = {
        "cluster": cluster_section(simulator, place),
        "set": "api",
        "listen": {"port": free_port()},
        "window": "1s",
        "ignore": {"users": ["scanner"]},
        "spool": str(place / "spool.db"),
        "lock_file": str(place / "atime.lock"),
        "metrics_port": free_port(),
    }
    path.write_text(yaml.safe_dump(settings), encoding="utf-8")
    return path


def show(admin: Person) -> None:
    """The access time of each file."""
    for path in FILES:
        print(f"  {admin.attributes(path)['access_time'][:23]:<25} {path}", flush=True)


def run(simulator: Simulator, place: Path) -> bool:
    """Show it; True if all went as promised."""
    admin = Person(simulator, "admin", simulator.password())
    for name in ("ann", "scanner"):
        simulator.control("users/add", name=name, password="Secret123!")
    for path in FILES:
        simulator.control("files/put", path=path, content="film")
        uri = f"/v1/files/{quote(path, safe='')}/info/attributes"
        admin.ask("PATCH", uri, {"access_time": BEFORE})
    print("== Films that nobody has looked at since 2020", flush=True)
    show(admin)
    config = configure(simulator, place)
    port = yaml.safe_load(config.read_text(encoding="utf-8"))["listen"]["port"]
    with Rsyslogd(place, port) as rsyslogd:
        print("== The cluster sends its audit log to rsyslogd, and that to the syncer", flush=True)
        log = {"enabled": True, "server_address": "127.0.0.1", "server_port": rsyslogd.port}
        admin.ask("PATCH", "/v1/audit/syslog/config", {**log, "format": "csv"})
        simulator.wait(lambda state: state["audit"] == "AUDIT_LOG_CONNECTED")
        with start_service("atime", "--config", str(config)) as service:
            service.wait_ready()
            ann = Person(simulator, "ann", "Secret123!")
            scanner = Person(simulator, "scanner", "Secret123!")
            print(
                "== Ann reads two of them, one 200 times; the virus scanner reads all", flush=True
            )
            for path in FILES:
                scanner.read(path)
            ann.read(FILES[1])
            for _time in range(200):
                ann.read(FILES[0])

            def used() -> bool:
                return all(admin.attributes(p)["access_time"][:4] != "2020" for p in FILES[:2])

            wait_for(used)
            wait_for(lambda: "idle: 0 waiting" in service.status)
            show(admin)
            print("== What the syncer says of itself", flush=True)
            command = [
                sys.executable,
                "-m",
                "qumulo_core.atime.main",
                "--config",
                str(config),
                "status",
            ]
            subprocess.run(command, env=core_environment(), check=True, timeout=_LIMIT)
    untouched = str(admin.attributes(FILES[2])["access_time"]).startswith("2020")
    print(
        "== The film that only the scanner has read is still one that nobody looks at.", flush=True
    )
    return untouched


def main() -> int:
    """Run; 0 if all went as promised."""
    reason = missing()
    if reason is not None:
        print(f"This needs rsyslogd with RELP: {reason}.")
        return 1
    print("== A simulated cluster", flush=True)
    with (
        tempfile.TemporaryDirectory(prefix="demo-atime-") as directory,
        start() as simulator,
    ):
        return 0 if run(simulator, Path(directory)) else 1


if __name__ == "__main__":
    sys.exit(main())
