# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts services of the collection as systemd would, and listens to what they tell it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.simulator.harness import Simulator

from .tree import ROOT

TIMEOUT = 180.0
STOP_TIMEOUT = 15.0


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def cluster_section(
    simulator: Simulator, place: Path, user: str = "admin", **more: Any
) -> dict[str, Any]:
    """What a service's configuration says of a simulated cluster; its password goes to a file.

    :param place: directory of the file
    :param more: further options of the section
    """
    password = place / "password"
    password.write_text(simulator.password(user), encoding="utf-8")
    return {
        "host": simulator.addresses,
        "port": simulator.port,
        "username": user,
        "password_file": str(password),
        "ca_path": simulator.ca_file,
        **more,
    }


def core_environment() -> dict[str, str]:
    """Environment in which ``python -m qumulo_core...`` finds the library, and no cluster."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("QUMULO_", "NOTIFY_"))}
    return {**kept, "PYTHONPATH": str(ROOT / "plugins" / "module_utils")}


def wait_for(condition: Callable[[], object], timeout: float = TIMEOUT) -> None:
    """Wait until a condition is met.

    :raises TimeoutError: it is not within ``timeout`` seconds
    """
    deadline = time.monotonic() + timeout
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError("it never came to what was waited for")
        time.sleep(0.02)


class Process:
    """A running service, its log, and what it has told its supervisor."""

    def __init__(self, popen: subprocess.Popen[bytes], log: Path, notify: socket.socket) -> None:
        self._popen = popen
        self._log = log
        self._notify = notify
        self._messages: list[str] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                message = self._notify.recv(65536)
            except OSError:
                return
            self._messages.extend(message.decode().splitlines())

    @property
    def pid(self) -> int:
        """Process ID."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """True until it has ended."""
        return self._popen.poll() is None

    @property
    def status(self) -> str:
        """The last status line."""
        lines = [m[7:] for m in list(self._messages) if m.startswith("STATUS=")]
        return lines[-1] if lines else ""

    def heard(self, message: str) -> bool:
        """Tell whether it has sent a message."""
        return message in self._messages

    def count(self, message: str) -> int:
        """How often it has sent a message."""
        return self._messages.count(message)

    def output(self) -> str:
        """All that it has logged."""
        return self._log.read_text(encoding="utf-8", errors="replace")

    def wait_ready(self) -> None:
        """Wait until it says that it is ready.

        :raises RuntimeError: it ended before
        """

        def ready() -> bool:
            if not self.running and not self.heard("READY=1"):
                raise RuntimeError(f"ended with {self._popen.returncode}: {self.output()}")
            return self.heard("READY=1")

        wait_for(ready)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        self._popen.send_signal(number)

    def wait(self, timeout: float = TIMEOUT) -> int:
        """Wait for the end; return the exit code."""
        return self._popen.wait(timeout)

    def listening(self) -> list[tuple[str, int]]:
        """Addresses and ports that it listens on, as the kernel tells."""
        mine = set()
        for link in Path(f"/proc/{self.pid}/fd").iterdir():
            found = re.fullmatch(r"socket:\[(\d+)\]", _readlink(link))
            if found:
                mine.add(found.group(1))
        result = []
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in mine:
                address, port = fields[1].split(":")
                host = ".".join(str(b) for b in reversed(bytes.fromhex(address)))
                result.append((host, int(port, 16)))
        return result

    def close(self) -> None:
        """Ask it to end, as systemd does; then end it, however it is."""
        if self.running:
            self._popen.terminate()
            try:
                self._popen.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._popen.kill()
        self._popen.wait()
        self._notify.close()


def _readlink(path: Path) -> str:
    try:
        return str(path.readlink())
    except OSError:
        return ""  # closed meanwhile


@contextmanager
def start_service(
    name: str, *arguments: str, environment: Mapping[str, str] | None = None
) -> Iterator[Process]:
    """A service for the time of a block."""
    with tempfile.TemporaryDirectory(prefix="lockstep-") as directory:
        address = str(Path(directory) / "notify")
        notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        notify.bind(address)
        log = Path(directory) / "log"
        told = {"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "3000000"}
        with open(log, "wb") as output:
            popen = subprocess.Popen(
                [sys.executable, "-m", f"qumulo_core.{name}.main", *arguments],
                env={**core_environment(), **told, **(environment or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        process = Process(popen, log, notify)
        try:
            yield process
        finally:
            process.close()
