# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set of texts on disk, for more of them than fit in memory."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from types import TracebackType

#: Memory for pages of the database, KiB.
_CACHE = 16_000


class DiskSet:
    """Texts that were added; for any thread.

    They are in a temporary database without a name: SQLite unlinks its file when it opens it, so
    that nobody else can open it, and nothing is left of a process that is killed.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # An empty name means a temporary database on disk.
        self._database = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._database.execute(f"PRAGMA cache_size = -{_CACHE}")
        self._database.execute("PRAGMA journal_mode = OFF")
        self._database.execute("CREATE TABLE item (text TEXT PRIMARY KEY) WITHOUT ROWID")
        self._database.execute("BEGIN")

    def __enter__(self) -> DiskSet:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._database.close()

    def add(self, text: str) -> bool:
        """Add a text; return False if it was there."""
        with self._lock:
            change = "INSERT OR IGNORE INTO item VALUES (?)"
            return self._database.execute(change, (text,)).rowcount == 1

    def missing(self, texts: Sequence[str]) -> list[str]:
        """Return those of some texts that were not added."""
        question = "SELECT 1 FROM item WHERE text = ?"
        with self._lock:
            return [
                text
                for text in texts
                if self._database.execute(question, (text,)).fetchone() is None
            ]
