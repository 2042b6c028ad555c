# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An access-time syncer under test: its configuration, its process, and what sends to it."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.times import (
    format_rfc3339_ns,
)
from tests.simulator.harness import Simulator
from tests.tools.services import (
    Process,
    cluster_section,
    core_environment,
    free_port,
    start_service,
    wait_for,
)

OFFER = b"relp_version=0\nrelp_software=test\ncommands=syslog"
TIMEOUT = 60.0


def stamp(time_ns: int) -> str:
    """A time as clusters send it: six digits of a second at most, and no zeros at its end.

    What is finer than a microsecond keeps all of its digits, for tests that need them.
    """
    text = format_rfc3339_ns(time_ns)
    return text if time_ns % 1000 or not time_ns % 10**9 else text.rstrip("Z").rstrip("0") + "Z"


def csv_line(
    time_ns: int,
    path: str,
    *,
    file_id: str = "",
    user: str = "AD\\ann",
    address: str = "10.1.2.3",
    operation: str = "fs_read_data",
    status: str = "ok",
) -> bytes:
    """An audit line, as a cluster sends it."""

    def quoted(text: str) -> str:
        return '"' + text.replace('"', '""') + '"'

    head = f"<14>1 {stamp(time_ns)} c-1 qumulo - - - "
    fields = [address, quoted(user), "smb2", operation, status, file_id, quoted(path), '""']
    return (head + ",".join(fields)).encode("utf-8", "surrogateescape")


def json_line(time_ns: int, path: str, *, file_id: str = "") -> bytes:
    """The same in JSON, which keeps newlines of names."""
    details = {"path": path, "file_id": file_id} if file_id else {"path": path}
    body = {
        "user_ip": "10.1.2.3",
        "user_id": {"name": "AD\\ann", "auth_id": "7", "sid": "S-1-5-7"},
        "protocol": "nfs3",
        "operation": "fs_read_data",
        "status": "ok",
        "details": details,
    }
    head = f"<14>1 {stamp(time_ns)} c-1 qumulo - - - "
    return (head + json.dumps(body)).encode()


class Sender:
    """A sender of RELP that waits for each acknowledgement, without an rsyslogd."""

    def __init__(self, port: int, timeout: float = TIMEOUT) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout)
        self._number = 1
        self._acknowledged = 0
        self._rest = b""
        self._socket.sendall(b"1 open %d %b\n" % (len(OFFER), OFFER))
        self.wait(1)

    def __enter__(self) -> Sender:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._socket.close()

    def send(self, lines: Iterable[bytes]) -> int:
        """Send lines and do not wait; return the number of the last one."""
        frames = []
        for line in lines:
            self._number += 1
            frames.append(b"%d syslog %d %b\n" % (self._number, len(line), line))
        self._socket.sendall(b"".join(frames))
        return self._number

    def wait(self, number: int) -> None:
        """Wait until a line is acknowledged.

        :raises TimeoutError: it is not.
        """
        while self._acknowledged < number:
            self.read()

    def put(self, lines: Iterable[bytes]) -> None:
        """Send lines and wait until the last one is acknowledged."""
        self.wait(self.send(lines))

    def read(self) -> None:
        """Read what the syncer answers, once.

        :raises ConnectionError: it has closed the connection.
        """
        data = self._socket.recv(1 << 16)
        if not data:
            raise ConnectionError("the syncer has closed the connection")
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            if b" rsp " in line and b" 200 OK" in line:
                self._acknowledged = max(self._acknowledged, int(line.split(b" ", 1)[0]))

    def send_raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self._socket.sendall(data)


class Synced:
    """A syncer, through the API of a simulated cluster or through a mount."""

    def __init__(
        self,
        place: Path,
        *,
        simulator: Simulator | None = None,
        mount: Path | None = None,
        **options: Any,
    ) -> None:
        self.place = place
        self.config = place / "atime.yml"
        self.spool = place / "spool.db"
        self.settings: dict[str, Any] = {
            "set": "api" if mount is None else "mount",
            "listen": {"port": free_port()},
            "window": 0,
            "granularity": 0,
            "spool": str(self.spool),
            "lock_file": str(place / "atime.lock"),
            "metrics_port": free_port(),
            "workers": 8,
        }
        if simulator is not None:
            self.settings["cluster"] = cluster_section(simulator, place, timeout=10)
        if mount is not None:
            self.settings["mount"] = {"path": str(mount), "types": ["tmpfs"]}
        self.settings.update(options)
        self.write()

    @property
    def port(self) -> int:
        """Where it takes lines."""
        return int(self.settings["listen"]["port"])

    def write(self) -> None:
        """Write the configuration."""
        self.config.write_text(yaml.safe_dump(self.settings))

    @contextmanager
    def running(self) -> Iterator[Process]:
        """The service for the time of a block."""
        with start_service("atime", "--config", str(self.config)) as process:
            process.wait_ready()
            yield process

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What a person asks."""
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "qumulo_core.atime.main",
                "--config",
                str(self.config),
                *arguments,
            ],
            env=core_environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def facts(self) -> dict[str, Any]:
        """What the service tells of itself; nothing while it does not run."""
        facts: dict[str, Any] = json.loads(self.command("status", "--json").stdout)
        return facts

    def wait_idle(self, lines: int = 0) -> dict[str, Any]:
        """Wait until so many lines have come since the start, and nothing waits."""
        found: dict[str, Any] = {}

        def idle() -> bool:
            nonlocal found
            found = self.facts()
            return bool(found.get("lines", -1) >= lines and found["waiting"] == 0)

        try:
            wait_for(idle, TIMEOUT)
        except TimeoutError as exc:
            raise TimeoutError(str(found)) from exc
        return found
