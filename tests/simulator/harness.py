# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts a simulator as a process of its own and talks to its control API."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
STOP_TIMEOUT = 20.0


class Simulator:
    """A running simulator.

    :ivar addresses: of its nodes; ``port``, ``ca_file``, ``users`` as it printed them
    """

    def __init__(self, process: subprocess.Popen[bytes], facts: dict[str, Any]) -> None:
        self.process = process
        self.addresses: list[str] = facts["addresses"]
        self.port: int = facts["port"]
        self.ca_file: str = facts["ca_file"]
        self.control_url: str = facts["control"]
        self.users: dict[str, dict[str, Any]] = facts["users"]
        self.facts = facts
        # A proxy of the environment has no business with loopback.
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def password(self, user: str = "admin") -> str:
        """Password of a built-in user."""
        return str(self.users[user]["password"])

    def control(self, path: str, /, **arguments: Any) -> Any:
        """Call the control API.

        :raises RuntimeError: it refused, with its reason
        """
        request = urllib.request.Request(
            f"{self.control_url}/{path}",
            json.dumps(arguments).encode(),
            {"Content-Type": "application/json"},
        )
        try:
            with self._opener.open(request, timeout=300) as reply:
                return json.load(reply)
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{path}: {json.load(error)['description']}") from error

    def reset(self) -> None:
        """Begin anew, with all nodes up."""
        self.control("reset")
        self.wait(lambda state: all(state["nodes"].values()))

    def wait(self, condition: Callable[[Any], bool], timeout: float = 180.0) -> Any:
        """Wait until the cluster's state meets a condition.

        :raises TimeoutError: it did not within ``timeout`` seconds
        """
        deadline = time.monotonic() + timeout
        while True:
            state = self.control("state")
            if condition(state):
                return state
            if time.monotonic() > deadline:
                raise TimeoutError(f"the simulator never came to it: {state}")
            time.sleep(0.01)

    @contextmanager
    def recorded(self, *, changes: bool = True) -> Iterator[list[dict[str, Any]]]:
        """Collect the requests that come in meanwhile; by default those that ask for a change."""
        before = self.control("state")["requests"]
        seen: list[dict[str, Any]] = []
        yield seen
        seen.extend(self.control("requests", since=before, changes=changes)["requests"])

    def environment(self, user: str = "admin") -> dict[str, str]:
        """Environment variables that point the modules at it."""
        return {
            "QUMULO_HOST": ",".join(self.addresses),
            "QUMULO_PORT": str(self.port),
            "QUMULO_USERNAME": user,
            "QUMULO_PASSWORD": self.password(user),
            "QUMULO_CA_PATH": self.ca_file,
        }

    def stop(self) -> None:
        """End the process; kill it if it does not end by itself."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        try:
            self.process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


def launch(*arguments: str, python: str = sys.executable) -> Simulator:
    """Start a simulator; it stops when this process is gone, however that ends.

    :raises RuntimeError: it did not start
    """
    process = subprocess.Popen(
        [python, "-m", "tests.simulator", "--until-stdin-closes", *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"the simulator did not start (exit code {process.wait(STOP_TIMEOUT)})")
    return Simulator(process, json.loads(line))


@contextmanager
def start(arguments: Sequence[str] = ()) -> Iterator[Simulator]:
    """A simulator for the time of a block."""
    simulator = launch(*arguments)
    try:
        yield simulator
    finally:
        simulator.stop()
