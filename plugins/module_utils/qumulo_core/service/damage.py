# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Damaged databases: moved aside with the time in their names, and found there for the operator."""

from __future__ import annotations

import os
import re
import sqlite3
from contextlib import closing
from datetime import datetime, timezone
from urllib.parse import quote

from ..common.os_reasons import explain
from .spool import SpoolDamagedError, SpoolError

#: Files of a database besides itself.
_BESIDE = ("-wal", "-shm")
#: Damaged databases that are kept. More of them are a broken disk, which would fill up.
MOST = 20
_HEADER = 100


def _name(path: str, number: int) -> str:
    now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    return f"{path}.damaged-{now}" + (f"-{number}" if number else "")


def kept(path: str) -> list[str]:
    """Return the damaged databases beside a path, the oldest first."""
    directory, name = os.path.split(os.path.abspath(path))
    pattern = re.compile(re.escape(name) + r"\.damaged-\d{8}T\d{6}Z(-\d+)?")
    try:
        listed = os.listdir(directory)
    except OSError:
        return []
    return [os.path.join(directory, each) for each in sorted(listed) if pattern.fullmatch(each)]


def notes(path: str) -> dict[str, str]:
    """Return the notes of a damaged database, as far as they can be read."""
    uri = f"file:{quote(os.fsencode(path))}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as database:
            rows = database.execute("SELECT name, value FROM note").fetchall()
    except (sqlite3.Error, UnicodeDecodeError):
        return {}
    return {name: value for name, value in rows if isinstance(value, str)}


def move_aside(path: str) -> str:
    """Move a closed, damaged database out of the way; return its new name.

    :raises SpoolError: it is something else than a damaged database, or cannot be moved.
    """
    refuse_text(path)
    there = kept(path)
    if len(there) >= MOST:
        raise SpoolDamagedError(
            f"The spool {path} is damaged again, and {MOST} damaged ones are beside it. Replace "
            "the disk, then delete or archive them."
        )
    number = 0
    while os.path.lexists(aside := _name(path, number)):
        number += 1
    try:
        # The database first: SQLite ignores a log without its database, and never a database
        # without its log.
        os.rename(path, aside)
        for suffix in _BESIDE:
            try:
                os.rename(f"{path}{suffix}", f"{aside}{suffix}")
            except FileNotFoundError:
                continue
    except OSError as exc:
        failed = f"Cannot move the damaged spool {path} to {aside}"
        raise SpoolDamagedError(explain(failed, exc, "Move it aside by hand.")) from exc
    return aside


def refuse_text(path: str) -> None:
    """Refuse a text file, such as one that the configuration names by mistake.

    :raises SpoolError: it is one.
    """
    if _is_text(path):
        raise SpoolError(f"The spool {path} is a text file and not a database: name another file.")


def _is_text(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            head = file.read(_HEADER)
    except OSError:
        return False
    return bool(head) and all(byte in b"\t\n\r" or byte >= 32 for byte in head)
