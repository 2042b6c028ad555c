# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of a step: their output goes to its log, and one that makes no progress is ended."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from .tree import CACHE, ROOT, linked_tree

BIN = Path(sys.executable).parent
#: Seconds without any output after which a command is ended. A slow machine is no reason to.
SILENCE = 900.0
#: Seconds between two looks at a command, and those that it may take to end by itself.
_LOOK, _END = 0.5, 10.0


@dataclass(frozen=True)
class Counts:
    """Tests that passed and failed; a check without tests of its own counts as one."""

    passed: int = 1
    failed: int = 0


class StepError(Exception):
    """A check failed."""

    def __init__(self, message: str, counts: Counts | None = None) -> None:
        super().__init__(message)
        self.counts = counts or Counts(0, 1)


class StepSkipped(Exception):
    """A check cannot be made on this machine; the message says why. Never in CI."""


class Running:
    """Commands that run now, each with all that it has started."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._over = False

    @contextmanager
    def start(
        self, command: Sequence[str], *, cwd: Path, env: Mapping[str, str], output: IO[str]
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Run a command for the time of a block.

        :raises StepError: the run as a whole was ended, or the command is not installed
        """
        with self._lock:
            if self._over:
                raise StepError("the run was ended")
            try:
                process = subprocess.Popen(
                    command,
                    cwd=cwd,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except FileNotFoundError as exc:
                raise StepError(f"{exc.filename} is not installed") from exc
            self._processes.add(process)
        try:
            yield process
        finally:
            _end(process)
            with self._lock:
                self._processes.discard(process)

    def end(self) -> None:
        """End all commands, and start no other one."""
        with self._lock:
            self._over = True
            processes = list(self._processes)
        for process in processes:
            _signal(process, signal.SIGTERM)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to a command and to all that it has started."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass  # they have just ended


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a command if it still runs: first it may clean up."""
    if process.poll() is not None:
        return
    _signal(process, signal.SIGTERM)
    try:
        process.wait(_END)
    except subprocess.TimeoutExpired:
        pass
    _signal(process, signal.SIGKILL)
    process.wait()


RUNNING = Running()


class Log:
    """The log file of a step; every command goes through it."""

    def __init__(self, file: IO[str], silence: float = SILENCE) -> None:
        self._file = file
        self._silence = silence

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
        count: bool = False,
    ) -> Counts:
        """Run a command.

        :param count: read the numbers of passed and failed tests from its output
        :raises StepError: it did not exit with 0, or made no progress
        """
        self._file.write(f"$ {' '.join(command)}\n")
        self._file.flush()
        began = self._file.tell()
        environment = {**base_environment(), **(env or {})}
        with RUNNING.start(command, cwd=cwd, env=environment, output=self._file) as process:
            self._wait(process, _name(command))
        self._file.seek(0, os.SEEK_END)
        with open(self._file.name, encoding="utf-8", errors="replace") as text:
            text.seek(began)
            output = text.read()
        if "All targets skipped" in output:
            raise StepError(f"{_name(command)} found nothing to do")
        if process.returncode:
            failure = f"{_name(command)} exited with {process.returncode}"
            raise StepError(failure, read_counts(output) if count else None)
        return read_counts(output) if count else Counts()

    def _wait(self, process: subprocess.Popen[bytes], name: str) -> None:
        """Wait as long as there is output now and then.

        :raises StepError: there was none for too long
        """
        size, since = -1, time.monotonic()
        while True:
            try:
                process.wait(_LOOK)
                return
            except subprocess.TimeoutExpired:
                pass
            now = os.fstat(self._file.fileno()).st_size
            if now != size:
                size, since = now, time.monotonic()
            elif time.monotonic() - since > self._silence:
                raise StepError(f"{name} was ended: it printed nothing for {self._silence:.0f} s")

    def run_plainly(self, command: Sequence[str], env: Mapping[str, str]) -> None:
        """Run a command with additions to its environment."""
        self.run(command, env=env)

    def note(self, text: str) -> None:
        """Write a remark."""
        self._file.write(f"{text}\n")
        self._file.flush()

    def text(self) -> str:
        """Return all that was logged."""
        self._file.flush()
        return Path(self._file.name).read_text(encoding="utf-8", errors="replace")


def _name(command: Sequence[str]) -> str:
    """Return the name of what a command line runs, without what sets its environment."""
    words = [word for word in command if word != "env" and "=" not in word]
    return Path(words[0]).name


def read_counts(output: str) -> Counts:
    """Numbers of tests in the last closing line of pytest.

    :raises StepError: there is none, or it says that no test ran
    """
    lines = [line for line in output.splitlines() if re.search(r"\d+ (passed|failed|error)", line)]
    if not lines:
        raise StepError("no test was run")
    found = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|errors?)", lines[-1])}
    failed = found.get("failed", 0) + found.get("error", 0) + found.get("errors", 0)
    if not found.get("passed") and not failed:
        raise StepError("no test was run")
    return Counts(found.get("passed", 0), failed)


def base_environment() -> dict[str, str]:
    """The environment of all commands: .venv first, and nothing that points at a cluster."""
    dropped = ("ANSIBLE_", "QUMULO_", "PYTEST_", "PYTHONPATH")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    return {
        **kept,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": str(linked_tree()),
        "ANSIBLE_HOME": str(CACHE / "ansible"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
