# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notes of the watcher's spool that make no sense."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.sqlite import (
    SqliteSpool,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher import checkpoints
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.evidence import (
    Evidence,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.places import (
    Places,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.rules import Root
from tests.simulator.harness import Simulator

from .watched import Make, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]

NOTES = st.one_of(st.text(), st.binary(), st.integers(-(2**63), 2**63 - 1), st.floats(), st.none())


@given(note=NOTES)
@example(note="[[1,1e400]]")
@example(note="[" * 100_000)
@example(note="9" * 5000)
@example(note="²")
def test_any_note_can_be_read_or_is_set_aside(note: object) -> None:
    root = Root("9", "/w")
    with TemporaryDirectory() as place:
        path = f"{place}/spool.db"
        SqliteSpool(path, postpone=True, own=True).close()
        names = ["checkpoints:9", "walked:9", "places:9", *Evidence.NOTES]
        with closing(sqlite3.connect(path)) as database, database:
            database.execute("DROP TABLE note")
            database.execute("CREATE TABLE note (name TEXT PRIMARY KEY, value) WITHOUT ROWID")
            database.executemany("INSERT INTO note VALUES (?, ?)", [(n, note) for n in names])
        with closing(SqliteSpool(path, postpone=True, own=True)) as spool:
            assert checkpoints.load(spool, root) is not None  # otherwise it were a first start
            assert checkpoints.load(spool, root) is not None
            checkpoints.walked_until(spool, root)
            places = Places(spool, root)
            places.begin()
            places.see("10", "a")
            spool.set_notes(**places.end())
            assert places.known
            Evidence(f"{place}/evidence", notes={n: spool.note(n) for n in Evidence.NOTES}).close()


@pytest.mark.parametrize("use_snapshots", [True, False])
@pytest.mark.parametrize("note", ["[[1,1e400]]", "yesterday", b"\xff"])
def test_the_watcher_starts_with_damaged_notes(
    watched: Make, simulator: Simulator, note: object, use_snapshots: bool
) -> None:
    watcher = watched({"path": "/w", "quiet": "1s"}, snapshots=use_snapshots)
    with watcher.running():
        put(simulator, "/w/a.pdf")
        watcher.wait_recorded("/w/a.pdf")
    damage(watcher.place / "spool.db", note)
    put(simulator, "/w/off.pdf")
    with watcher.running() as process:
        put(simulator, "/w/b.pdf")
        watcher.wait_recorded("/w/b.pdf")
        if use_snapshots:  # the cluster knows where the watcher was
            watcher.wait_recorded("/w/off.pdf")
        assert "a row of the spool is set aside" in process.output()


def damage(path: Path, note: object) -> None:
    with closing(sqlite3.connect(path)) as database, database:
        database.execute(
            "UPDATE note SET value = CASE WHEN typeof(?1) = 'blob' THEN CAST(?1 AS TEXT) "
            "ELSE ?1 END WHERE substr(name, 1, 7) IN ('checkpo', 'walked:', 'places:')",
            (note,),
        )
