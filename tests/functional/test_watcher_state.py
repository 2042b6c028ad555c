# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A watcher whose state is deleted, replaced or damaged while it runs."""

from __future__ import annotations

import json
import random
import shutil
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from tests.simulator.harness import Simulator
from tests.tools.services import free_port, wait_for

from .test_watcher_operation import metric
from .watched import Make, Watched, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]


def test_a_deleted_record_ends_the_service(watched: Make, simulator: Simulator) -> None:
    watcher = watched()
    with watcher.running() as process:
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")
        watcher.evidence.unlink()
        put(simulator, "/w/b.pdf")
        assert process.wait() == 1
        assert "was deleted or replaced while the service was running" in process.output()
    assert watcher.records() == []
    with watcher.running():
        watcher.wait_recorded("/w/b.pdf")  # it is recorded by the next start


def delete_state(watcher: Watched) -> None:
    for path in watcher.place.glob("spool.db*"):
        path.unlink()


def replace_state(watcher: Watched) -> None:
    old = watcher.place / "old"
    old.mkdir()
    for path in watcher.place.glob("spool.db*"):
        path.rename(old / path.name)
        shutil.copy(old / path.name, path)


@pytest.mark.parametrize("loss", [delete_state, replace_state])
def test_a_deleted_spool_ends_the_service_and_nothing_is_missed(
    watched: Make, simulator: Simulator, loss: Callable[[Watched], None]
) -> None:
    watcher = watched({"path": "/w", "quiet": "1s"})
    with watcher.running() as process:
        simulator.control("faults/add", route="file-lock", kind="503")
        put(simulator, "/w/a.pdf")
        wait_for(lambda: " 1 pending" in process.status)
        loss(watcher)
        put(simulator, "/w/b.pdf")
        assert process.wait() == 1
        assert "was deleted or replaced while the service was running" in process.output()
    simulator.control("faults/clear")
    with watcher.running():
        watcher.wait_recorded("/w/a.pdf", "/w/b.pdf")


def test_an_entry_that_cannot_be_read_is_set_aside(watched: Make, simulator: Simulator) -> None:
    port = free_port()
    watcher = watched({"path": "/w", "quiet": "1h"}, metrics_port=port)
    with watcher.running() as process:
        for name in "abc":
            put(simulator, f"/w/{name}.pdf")
        wait_for(lambda: " 3 pending" in process.status)
        process.signal(signal.SIGKILL)
    with closing(sqlite3.connect(watcher.settings["spool"])) as database, database:
        database.execute(
            "UPDATE item SET payload = '{not json', due = 0 WHERE payload LIKE '%a.p%'"
        )
        database.execute("UPDATE item SET payload = x'00', due = 0 WHERE payload LIKE '%b.p%'")
        database.execute("UPDATE item SET due = 0")
        database.execute("UPDATE note SET value = 'x' WHERE name LIKE 'checkpoints:%'")
    assert "makes no sense" in watcher.command("pending").stderr
    with watcher.running() as process:
        wait_for(lambda: "unreadable rows in" in process.status)
        # Without the note, the next catch-up begins at the oldest checkpoint.
        wait_for(lambda: " 3 pending" in process.status)
        assert metric(port, "lockstep_watcher_unreadable_rows") == 3
        facts = json.loads(watcher.command("status", "--json").stdout)
        assert facts["unreadable_rows"] == 3
        put(simulator, "/w/d.pdf")
        wait_for(lambda: " 4 pending" in process.status)
    kept = Path(watcher.settings["spool"] + ".unreadable").read_text()
    assert "a.pdf" not in kept
    assert "{not json" in kept


def test_a_damaged_spool_is_moved_aside_and_caught_up(watched: Make, simulator: Simulator) -> None:
    port = free_port()
    watcher = watched({"path": "/w", "quiet": "1s"}, metrics_port=port)
    spool = Path(watcher.settings["spool"])
    with watcher.running() as process:
        put(simulator, "/w/locked.pdf")
        watcher.wait_recorded("/w/locked.pdf")
        simulator.control("faults/add", route="file-lock", kind="503")
        put(simulator, "/w/waiting.pdf")
        wait_for(lambda: " 1 pending" in process.status)
        process.signal(signal.SIGKILL)
    for path in watcher.place.glob("spool.db*"):
        path.write_bytes(random.Random(0).randbytes(path.stat().st_size))
    assert "The service moves it aside" in watcher.command("pending").stderr
    simulator.control("faults/clear")
    since = simulator.control("state")["requests"]
    with watcher.running() as process:
        assert "was damaged (file is not a database) and is now" in process.output()
        watcher.wait_recorded("/w/waiting.pdf")
        wait_for(lambda: "the spool was damaged and started over" in process.status)
        assert metric(port, "lockstep_watcher_damaged_spools") == 1
        (aside,) = json.loads(watcher.command("status", "--json").stdout)["damaged_spools"]
        assert aside.startswith(f"{spool}.damaged-20")
        watcher.wait_idle(process)
        assert len(watcher.lock_requests(since)) == 1  # what was locked is known from the evidence
        Path(aside).unlink()
        wait_for(lambda: "damaged" not in process.status)
    watcher.assert_chain()


@pytest.mark.parametrize("readable", [True, False])
def test_a_watcher_without_snapshots_uses_the_notes_of_a_damaged_spool(
    watched: Make, simulator: Simulator, readable: bool
) -> None:
    put(simulator, "/w/before.pdf")
    simulator.control("clock/advance", seconds=3600)
    watcher = watched({"path": "/w", "quiet": "1s"}, snapshots=False)
    with watcher.running() as process:
        simulator.control("faults/add", route="file-lock", kind="503")
        put(simulator, "/w/waiting.pdf")
        wait_for(lambda: " 1 pending" in process.status)
        process.signal(signal.SIGKILL)
    spool = Path(watcher.settings["spool"])
    with closing(sqlite3.connect(spool)) as database:
        (page,) = database.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'item'"
        ).fetchone()
        size = database.execute("PRAGMA page_size").fetchone()[0]
    content = bytearray(spool.read_bytes())
    start, end = (size * (page - 1), size * page) if readable else (0, len(content))
    content[start:end] = random.Random(0).randbytes(end - start)
    spool.write_bytes(content)
    simulator.control("faults/clear")
    with watcher.running() as process:
        if readable:
            watcher.wait_recorded("/w/waiting.pdf")
        else:
            assert "does not tell what has been done" in process.output()
            assert "/w/waiting.pdf" in watcher.command("audit").stdout
            put(simulator, "/w/waiting.pdf", "more")
            watcher.wait_recorded("/w/waiting.pdf")
    assert watcher.unlocked("/w") == {"/w/before.pdf"}


def test_a_removed_lock_file_lets_no_second_one_in(watched: Make, simulator: Simulator) -> None:
    watcher = watched()
    with watcher.running() as process:
        Path(watcher.settings["lock_file"]).unlink()
        second = watcher.command()
        assert second.returncode == 3
        assert f"process {process.pid} since" in second.stderr
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")
