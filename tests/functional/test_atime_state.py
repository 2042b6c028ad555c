# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A syncer whose state is deleted, replaced or damaged, and a host whose clock is set back."""

from __future__ import annotations

import os
import random
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.tools.services import start_service, wait_for
from tests.tools.tree import ROOT

from .synced import Sender, Synced, csv_line
from .test_atime import NEW, atime, make, mount, through_mount

__all__ = ["mount", "through_mount"]
FAULTS = ROOT / "tests" / "functional" / "faults"


def delete(state: Path) -> None:
    shutil.rmtree(state)


def replace(state: Path) -> None:
    state.rename(state.with_name("old"))
    shutil.copytree(state.with_name("old"), state)


@pytest.mark.parametrize("loss", [delete, replace])
def test_no_line_is_acknowledged_once_the_state_is_gone(
    tmp_path: Path, mount: Path, loss: Callable[[Path], None]
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    syncer = Synced(tmp_path, mount=mount, spool=str(state / "spool.db"))
    first, second = make(mount, "a"), make(mount, "b")
    with syncer.running() as process, Sender(syncer.port) as sender:
        sender.put([csv_line(NEW, "/a")])
        wait_for(lambda: atime(first) == NEW)
        loss(state)
        with pytest.raises((ConnectionError, TimeoutError)):
            sender.put([csv_line(NEW, "/b")])
        assert process.wait() == 1
        assert "was deleted or replaced while the service was running" in process.output()
    state.mkdir(exist_ok=True)  # as systemd does
    with syncer.running(), Sender(syncer.port) as sender:
        sender.put([csv_line(NEW, "/b")])  # as rsyslog sends it again
        wait_for(lambda: atime(second) == NEW)


def test_an_entry_that_cannot_be_read_holds_up_no_other(tmp_path: Path, mount: Path) -> None:
    paths = [make(mount, name) for name in "abc"]
    syncer = Synced(tmp_path, mount=mount, window="1h")
    with syncer.running() as process, Sender(syncer.port) as sender:
        sender.put([csv_line(NEW, f"/{name}") for name in "abc"])
        process.signal(signal.SIGKILL)
    with closing(sqlite3.connect(syncer.spool)) as database, database:
        database.execute("UPDATE item SET due = 0")
        database.execute("UPDATE item SET stamp = 'x' WHERE key = ?", (b"/a",))
        database.execute("UPDATE item SET payload = CAST(x'ff' AS TEXT) WHERE key = ?", (b"/b",))
    with syncer.running() as process, Sender(syncer.port) as sender:
        wait_for(lambda: atime(paths[2]) == NEW)
        wait_for(lambda: "2 unreadable rows in" in process.status)
        facts = syncer.facts()
        assert (facts["waiting"], facts["unreadable_rows"]) == (0, 2)
        syncer.settings["window"] = 0
        syncer.write()
        process.signal(signal.SIGHUP)
        wait_for(lambda: "configuration read again" in process.output())
        sender.put([csv_line(NEW, f"/{name}") for name in "ab"])
        wait_for(lambda: [atime(path) for path in paths] == [NEW] * 3)


def test_a_spool_that_is_damaged_while_it_is_used_is_replaced(tmp_path: Path, mount: Path) -> None:
    syncer = Synced(tmp_path, mount=mount, window="1h")
    lines = [csv_line(NEW, f"/{number:05}{'x' * 200}") for number in range(20_000)]
    with syncer.running() as process, Sender(syncer.port) as sender:
        sender.put(lines)  # more than SQLite keeps in memory
        with closing(sqlite3.connect(syncer.spool)) as database:
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        content = bytearray(syncer.spool.read_bytes())
        content[8192:] = random.Random(0).randbytes(len(content) - 8192)
        syncer.spool.write_bytes(content)
        with pytest.raises((ConnectionError, TimeoutError)):
            for number in range(100):
                sender.put([csv_line(NEW, f"/{number:03}")])
        assert process.wait() == 1
        assert "was damaged (database disk image is malformed)" in process.output()
    path = make(mount, "a")
    syncer.settings["window"] = 0
    syncer.write()
    with syncer.running() as process, Sender(syncer.port) as sender:
        sender.put([csv_line(NEW, "/a")])
        wait_for(lambda: atime(path) == NEW)
        (aside,) = syncer.facts()["damaged_spools"]
        assert f"the spool was damaged and started over ({aside})" in process.status


def test_a_removed_lock_file_lets_no_second_one_in(through_mount: Synced) -> None:
    with through_mount.running() as process:
        Path(through_mount.settings["lock_file"]).unlink()
        second = through_mount.command()
        assert second.returncode == 3
        assert f"process {process.pid} since" in second.stderr


@pytest.mark.parametrize("restarted", [False, True])
def test_what_waits_is_due_when_the_host_s_clock_was_set_back(
    tmp_path: Path, mount: Path, restarted: bool
) -> None:
    offset = tmp_path / "offset"
    offset.write_text("1000000")
    syncer = Synced(tmp_path, mount=mount, window="5s")
    path = make(mount, "a")
    environment = {
        "PYTHONPATH": os.pathsep.join([str(FAULTS), str(ROOT / "plugins" / "module_utils")]),
        "LOCKSTEP_CLOCK": str(offset),
    }
    arguments = ("atime", "--config", str(syncer.config))
    with start_service(*arguments, environment=environment) as process:
        process.wait_ready()
        with Sender(syncer.port) as sender:
            sender.put([csv_line(NEW, "/a")])
        if restarted:
            process.signal(signal.SIGKILL)
            process.wait()
        offset.write_text("0")
        if not restarted:
            wait_for(lambda: atime(path) == NEW)
            assert "this host's clock was set back: 1 waiting files are due now" in process.output()
            return
    with start_service(*arguments, environment=environment) as process:
        wait_for(lambda: atime(path) == NEW)
