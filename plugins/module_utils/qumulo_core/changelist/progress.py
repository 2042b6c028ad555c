# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a long run has come: a file for programs, and lines in the journal for people."""

from __future__ import annotations

import json
import os
import syslog
import time
from collections.abc import Callable
from typing import Any

from ..common import safe_paths
from ..errors import InputError
from ..output import AtomicFile
from .order import MOST_LISTS

#: Seconds between two reports.
EVERY = 3.0
#: Bytes of a status file that are read.
_MOST_BYTES = 1 << 16


def journal(text: str) -> None:
    """Write a line to the system's log, which is the journal where systemd runs."""
    syslog.syslog(syslog.LOG_INFO, f"qumulo_changelist: {text}")


def remaining(done: int, total: int | None, seconds: float) -> float | None:
    """Return how many seconds the rest takes at the rate so far; None if that can not be told."""
    if total is None or not done or seconds <= 0:
        return None
    return max(0.0, (total - done) * seconds / done)


def check_status(status: str, dest: str) -> None:
    """Refuse a status file that is one of the files of the list, whatever its spelling.

    Files with a number count even without ``split``, because a run removes those of earlier runs.

    :raises InputError: it is one of them.
    """
    own, identity = _places(status), _identity(status)
    numbered = (f"{dest}.{number}" for number in range(1, MOST_LISTS + 1))
    for one in (dest, f"{dest}.first", *numbered):
        if own & _places(one) or (identity is not None and identity == _identity(one)):
            raise InputError(
                f"status {status} is the same file as {one}, which belongs to the list, and one "
                "would replace the other: set status to another file."
            )


def _places(path: str) -> set[tuple[str, str]]:
    """Return directory and name of a path, and of its target if it is a symlink."""
    folder, name = os.path.split(safe_paths.absolute(path))
    return {(os.path.realpath(folder), name), os.path.split(os.path.realpath(path))}


def killed_before(path: str) -> int | None:
    """Return the process ID of a run that a status file says is running, and that is not.

    The process is looked for on this host, where the file is. None: there is no such run.
    """
    try:
        # Without O_NONBLOCK, a FIFO would wait for a writer.
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            found = json.loads(file.read(_MOST_BYTES) or b"")
        number = found["pid"] if found["state"] == "running" else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # there is no status file yet, or not a readable one: it is replaced
    if not isinstance(number, int) or isinstance(number, bool) or number <= 0:
        return None
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return number
    except (PermissionError, OverflowError):
        pass
    return None


def _identity(path: str) -> tuple[int, int] | None:
    """Return device and inode of a file; None if it does not exist."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


class Progress:
    """Reports on a run every few seconds.

    :param name: of the list, for the journal.
    :param path: status file, JSON, replaced as a whole each time; None: none.
    :param log: takes a line; None: none.
    :param clock: seconds that only ever grow.
    """

    def __init__(
        self,
        name: str,
        path: str | None = None,
        log: Callable[[str], None] | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        every: float = EVERY,
    ) -> None:
        self._name = name
        self._path = path
        self._log = log
        self._clock = clock
        self._every = every
        self._began = self._reported = clock()
        self._phase = ""
        self._phase_began = self._began
        self._done = 0
        self._total: int | None = None
        self._killed: int | None = None

    def begin(self) -> None:
        """Report that the run has begun, and take notice of an earlier one that was killed."""
        if self._path is not None:
            self._killed = killed_before(self._path)
            self._write("running", tidy=True)

    def update(self, phase: str, done: int, total: int | None = None) -> None:
        """Take notice of how far a phase is; report it if it is time to."""
        now = self._clock()
        if phase != self._phase:
            self._phase, self._phase_began = phase, now
        self._done, self._total = done, total
        if now - self._reported < self._every:
            return
        self._reported = now
        if self._log is not None:
            self._log(self.line())
        if self._path is not None:
            self._write("running")

    def warned(self, reported: dict[str, Any]) -> dict[str, Any]:
        """Add a warning to what is reported if the run before was killed."""
        if self._killed is None:
            return reported
        warning = (
            f"An earlier run, process {self._killed}, was killed before its end: {self._path} "
            "still said that it was running."
        )
        return {**reported, "warnings": [*reported["warnings"], warning]}

    def end(self, problem: str | None = None) -> None:
        """Report the end.

        :param problem: why it failed.
        """
        if self._path is not None:
            self._write("done" if problem is None else "failed", problem)
        if self._log is not None and self._clock() - self._began >= self._every:
            took = self._clock() - self._began
            end = "is written" if problem is None else f"failed: {problem}"
            self._log(f"{self._name} {end} after {took:.0f} s")

    def line(self) -> str:
        """Return how far it is, for a person."""
        state = self.render()
        text = f"{self._name}: {self._phase}, {self._done} entries, {state['rate']:.0f}/s"
        if state["remaining_seconds"] is not None:
            text += f", {state['remaining_seconds']:.0f} s to go"
        return text

    def render(self) -> dict[str, Any]:
        """Return how far it is."""
        seconds = self._clock() - self._phase_began
        left = remaining(self._done, self._total, seconds)
        return {
            "phase": self._phase,
            "entries": self._done,
            "total": self._total,
            "rate": round(self._done / seconds, 1) if seconds > 0 else 0.0,
            "seconds": round(self._clock() - self._began, 1),
            "remaining_seconds": None if left is None else round(left, 1),
        }

    def _write(self, state: str, problem: str | None = None, *, tidy: bool = False) -> None:
        if self._path is None:
            return
        described = {
            "state": state,
            "list": self._name,
            "pid": os.getpid(),
            "updated": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "error": problem,
            **self.render(),
        }
        with AtomicFile(self._path, tidy=tidy) as output:
            output.write(json.dumps(described).encode() + b"\n")
            output.commit()
