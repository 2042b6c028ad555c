# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Syncer and rsyslogd are killed at random moments: no newest time is lost.

``LOCKSTEP_KILLS`` and ``LOCKSTEP_LINES`` set how often and while how many lines.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.tools.rsyslogd import Rsyslogd
from tests.tools.services import wait_for

from .synced import Synced, csv_line
from .test_atime import make, tmpfs

KILLS = int(os.environ.get("LOCKSTEP_KILLS", "10"))
LINES = int(os.environ.get("LOCKSTEP_LINES", "20000"))
FILES = 500
BASE, SPREAD = 1_700_000_000_000_000_000, 10**15
LIMIT = 120.0


class Cluster(threading.Thread):
    """Sends lines to rsyslogd over TCP, which tells nothing about what has arrived.

    So the last line is of a file of its own: once that file has its time, all lines before it
    have theirs, unless an rsyslogd was killed meanwhile. What was in its hands is gone then, and
    all is sent again, as files that matter are read again.
    """

    def __init__(self, rsyslogd: Rsyslogd, lines: list[bytes]) -> None:
        super().__init__(daemon=True)
        self._rsyslogd = rsyslogd
        self._lines = lines
        self.again = threading.Event()
        self.stopped = threading.Event()

    def run(self) -> None:
        while not self.stopped.is_set():
            self.again.clear()
            try:
                with socket.create_connection(("127.0.0.1", self._rsyslogd.port), 30) as connection:
                    for at in range(0, len(self._lines), 100):
                        connection.sendall(b"".join(self._lines[at : at + 100]))
                        if self.again.is_set() or self.stopped.is_set():
                            break
                        time.sleep(0.002)  # so that lines flow for a while
                    else:
                        # What rsyslogd has in its window when a connection breaks is sent again
                        # when the next line comes.
                        while not (self.again.wait(0.2) or self.stopped.is_set()):
                            connection.sendall(self._lines[-1])
            except OSError:
                time.sleep(0.05)  # there is none at the moment


@pytest.mark.randomized
@pytest.mark.usefixtures("rsyslogd_missing")
def test_no_newest_time_is_lost(tmp_path: Path) -> None:
    chance = random.Random(KILLS)
    rounds = max(1, KILLS // 2)
    with tmpfs(tmp_path / "mount") as mount, ExitStack() as stack:
        paths = [make(mount, f"d{number % 7}/f{number}") for number in range(FILES)]
        newest: dict[Path, int] = {}
        syncer = Synced(tmp_path, mount=mount)
        service = stack.enter_context(ExitStack())
        process = service.enter_context(syncer.running())
        with Rsyslogd(tmp_path, syncer.port) as rsyslogd:
            for turn in range(rounds):
                last = make(mount, f"last-{turn}")
                lines = []
                for _line in range(LINES // rounds):
                    path = chance.choice(paths)
                    time_ns = BASE + chance.randrange(SPREAD)
                    newest[path] = max(time_ns, newest.get(path, 0))
                    lines.append(csv_line(time_ns, f"/{path.relative_to(mount)}") + b"\n")
                lines.append(csv_line(BASE, f"/{last.name}") + b"\n")
                cluster = Cluster(rsyslogd, lines)
                cluster.start()
                time.sleep(chance.random() * 0.5)
                process.signal(signal.SIGKILL)
                service.close()
                time.sleep(chance.random() * 0.2)
                process = service.enter_context(syncer.running())
                time.sleep(chance.random() * 0.5)
                if turn % 2:
                    rsyslogd.kill()
                    time.sleep(chance.random() * 0.2)
                    rsyslogd.start()
                    cluster.again.set()
                else:
                    process.signal(signal.SIGKILL)
                    service.close()
                    process = service.enter_context(syncer.running())

                def settled() -> bool:
                    return all(os.stat(path).st_atime_ns == newest[path] for path in newest)

                # What rsyslogd held in its window comes after the last line, not before it.
                wait_for(lambda last=last: os.stat(last).st_atime_ns == BASE, LIMIT)  # type: ignore[misc]
                wait_for(settled, LIMIT)
                cluster.stopped.set()
                cluster.join()
            syncer.wait_idle()
            assert [path for path in newest if os.stat(path).st_atime_ns != newest[path]] == []


@pytest.mark.randomized
@pytest.mark.usefixtures("rsyslogd_missing")
def test_what_is_in_the_queue_of_rsyslogd_is_not_lost(tmp_path: Path) -> None:
    """Nothing is sent again here: what rsyslogd has taken is all that there is."""
    chance = random.Random(LINES)
    with tmpfs(tmp_path / "mount") as mount:
        paths = [make(mount, f"f{number}") for number in range(LINES)]
        lines = [csv_line(BASE, f"/{path.name}") + b"\n" for path in paths]
        syncer = Synced(tmp_path, mount=mount)
        with Rsyslogd(tmp_path, syncer.port) as rsyslogd:

            def holds(line: bytes) -> bool:
                return any(line in file.read_bytes() for file in tmp_path.glob("audit.0*"))

            with socket.create_connection(("127.0.0.1", rsyslogd.port), 30) as connection:
                connection.sendall(b"".join(lines))
            wait_for(lambda: holds(lines[-1].strip()), LIMIT)
            rsyslogd.kill()
            rsyslogd.start()
            with syncer.running():
                for turn in range(KILLS):
                    time.sleep(chance.random() * 0.2)
                    if turn % 3:
                        rsyslogd.kill()
                    else:
                        rsyslogd.stop()
                    rsyslogd.start()
                # Its window is worked off when something comes after it.
                with socket.create_connection(("127.0.0.1", rsyslogd.port), 30) as connection:

                    def settled() -> bool:
                        connection.sendall(lines[-1])
                        return all(os.stat(path).st_atime_ns == BASE for path in paths)

                    wait_for(settled, LIMIT)
