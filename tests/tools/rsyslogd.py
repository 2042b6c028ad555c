# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real rsyslogd in the foreground, with a configuration of its own, on loopback ports."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

#: Where distributions put the module that speaks RELP.
_MODULES = ("/usr/lib/*/rsyslog/omrelp.so", "/usr/lib*/rsyslog/omrelp.so")
_LIMIT = 120.0  # seconds for a start or a stop
#: As the role has it: what is in it survives the end of the process, however that comes.
ON_DISK = (
    'queue.type="Disk" queue.filename="audit" queue.checkpointInterval="1" '
    'queue.size="2000000000" queue.timeoutShutdown="20000"'
)


def missing() -> str | None:
    """Why there is no rsyslogd with RELP here; None if there is one."""
    if _program() is None:
        return "rsyslogd is not installed (package rsyslog)"
    if not any(list(Path("/").glob(pattern.lstrip("/"))) for pattern in _MODULES):
        return "rsyslogd has no RELP (package rsyslog-relp)"
    return None


def _program() -> str | None:
    return shutil.which("rsyslogd") or shutil.which("rsyslogd", path="/usr/sbin:/sbin")


class Rsyslogd:
    """Takes lines over TCP and hands them on over RELP.

    :param zone: time zone in which it runs.
    :param directory: an own directory for its files.
    :param relp_port: where it hands them on to, on 127.0.0.1.
    :param queue: settings of its queue.
    :param window: lines that it hands on before the first of them is acknowledged. It takes a
        quarter as many from its queue at once: it corks the connection while it sends these, and
        when its window ends meanwhile the last ones are held back for 200 ms.
    """

    def __init__(
        self,
        directory: Path,
        relp_port: int,
        queue: str = ON_DISK,
        window: int = 512,
        zone: str = "UTC",
    ) -> None:
        self._zone = zone
        self._directory = directory
        self._relp_port = relp_port
        self._queue = queue
        self._window = window
        self._process: subprocess.Popen[bytes] | None = None
        #: Port of 127.0.0.1 on which it takes lines, once it runs.
        self.port = 0

    def __enter__(self) -> Rsyslogd:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

    @property
    def configuration(self) -> str:
        """The configuration; what is forwarded is what was received, byte for byte."""
        return f"""
global(
    workDirectory="{self._directory}"
    maxMessageSize="64k"
    parser.escapeControlCharactersOnReceive="off"
)
module(load="imtcp")
module(load="omrelp")
template(name="raw" type="string" string="%rawmsg%")
ruleset(name="audit" {self._queue} queue.dequeueBatchSize="{self._window // 4}") {{
    action(
        type="omrelp" target="127.0.0.1" port="{self._relp_port}" template="raw"
        windowSize="{self._window}" timeout="10"
        action.resumeRetryCount="-1" action.resumeInterval="1" action.resumeIntervalMax="1"
    )
}}
input(
    type="imtcp" address="127.0.0.1" port="{self.port}" ruleset="audit"
    listenPortFileName="{self._directory}/port"
)
"""

    def start(self) -> None:
        """Start it, on the port that it had before if there was one.

        :raises RuntimeError: it does not come up.
        """
        program = _program()
        if program is None:
            raise RuntimeError("rsyslogd is not installed")
        noted = self._directory / "port"
        noted.unlink(missing_ok=True)
        pid_file = self._directory / "pid"
        pid_file.unlink(missing_ok=True)
        config = self._directory / "rsyslog.conf"
        config.write_text(self.configuration, encoding="utf-8")
        with open(self._directory / "log", "ab") as log:
            self._process = subprocess.Popen(
                [program, "-n", "-f", str(config), "-i", str(pid_file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TZ": self._zone},
            )
        until = time.monotonic() + _LIMIT
        while not self._listens(noted):
            if self._process.poll() is not None or time.monotonic() > until:
                self.kill()
                said = (self._directory / "log").read_text(encoding="utf-8", errors="replace")
                raise RuntimeError(f"rsyslogd does not come up: {said}")
            time.sleep(0.02)

    def _listens(self, noted: Path) -> bool:
        """Tell whether it takes lines; a port that it chose itself is noted."""
        if not self.port:
            if not (noted.exists() and noted.read_text(encoding="ascii").strip().isdigit()):
                return False
            self.port = int(noted.read_text(encoding="ascii"))
        try:
            socket.create_connection(("127.0.0.1", self.port), _LIMIT).close()
        except ConnectionError:
            return False
        return True

    def hand_on_to(self, relp_port: int) -> None:
        """Hand lines on to another port from the next start on."""
        self._relp_port = relp_port

    def signal(self, number: int) -> None:
        """Send it a signal."""
        if self._process is not None:
            self._process.send_signal(number)

    def terminate(self) -> None:
        """Ask it to end, and do not wait."""
        if self._process is not None:
            self._process.terminate()

    def stop(self) -> None:
        """Let it end by itself, as a service manager does."""
        self.terminate()
        if self._process is not None:
            try:
                self._process.wait(_LIMIT)
            finally:
                self.kill()

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(_LIMIT)
            self._process = None


class Forwarder(Rsyslogd):
    """An rsyslogd of somebody else, which forwards what it gets over TCP.

    :param port: where it forwards to, on 127.0.0.1.
    :param template: a template, by its name.
    :param settings: global ones.
    """

    def __init__(
        self, directory: Path, port: int, template: str, zone: str = "UTC", settings: str = ""
    ) -> None:
        super().__init__(directory, port, zone=zone)
        self._template = template
        self._settings = settings

    @property
    def configuration(self) -> str:
        """The configuration."""
        return f"""
global(workDirectory="{self._directory}" {self._settings})
module(load="imtcp")
ruleset(name="forward") {{
    action(
        type="omfwd" target="127.0.0.1" port="{self._relp_port}" protocol="tcp"
        template="{self._template}" action.resumeRetryCount="-1"
    )
}}
input(
    type="imtcp" address="127.0.0.1" port="{self.port}" ruleset="forward"
    listenPortFileName="{self._directory}/port"
)
"""
