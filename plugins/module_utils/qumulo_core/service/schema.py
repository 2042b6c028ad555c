# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of a spool, of this release and of earlier ones."""

from __future__ import annotations

import sqlite3

from .rows import WAITING

_SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
    key TEXT PRIMARY KEY,
    payload TEXT NOT NULL,
    stamp INTEGER NOT NULL,
    due REAL NOT NULL,
    number INTEGER NOT NULL,
    version INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    state INTEGER NOT NULL DEFAULT 0,
    since REAL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS item_due ON item (state, due);
CREATE TABLE IF NOT EXISTS note (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
-- How many there are, for a question that is asked every second must not count a million.
CREATE TABLE IF NOT EXISTS tally (state INTEGER PRIMARY KEY, n INTEGER NOT NULL);
-- What is put is counted by the batch: the trigger of earlier releases took longer than the row.
DROP TRIGGER IF EXISTS item_in;
CREATE TRIGGER IF NOT EXISTS item_out AFTER DELETE ON item
    BEGIN UPDATE tally SET n = n - 1 WHERE state = OLD.state; END;
CREATE TRIGGER IF NOT EXISTS item_moved AFTER UPDATE OF state ON item WHEN OLD.state <> NEW.state
    BEGIN UPDATE tally SET n = n + (state = NEW.state) - (state = OLD.state); END;
INSERT OR IGNORE INTO tally SELECT 0, count(*) FROM item WHERE state = 0;
INSERT OR IGNORE INTO tally SELECT 1, count(*) FROM item WHERE state = 1;
"""
#: When an entry with failed attempts was first due. Few entries have any, so a partial index pays.
_SINCE = "ALTER TABLE item ADD COLUMN since REAL"
IN_VAIN = f"state = {WAITING} AND attempts > 0"
_SINCE_INDEX = f"CREATE INDEX IF NOT EXISTS item_since ON item (since) WHERE {IN_VAIN}"


def create(connection: sqlite3.Connection) -> None:
    """Create the tables that do not exist, and bring those of earlier releases up to date."""
    connection.executescript(_SCHEMA)
    columns = connection.execute("PRAGMA table_info (item)").fetchall()
    if "since" not in [column[1] for column in columns]:  # of an earlier release
        connection.execute(_SINCE)
    connection.execute(_SINCE_INDEX)
