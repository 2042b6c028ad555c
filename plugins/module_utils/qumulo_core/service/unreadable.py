# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows that could not be read: JSON lines in a file beside the database, for an operator."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import Any

from ..common import os_reasons
from ..times import format_rfc3339
from .spool import SpoolError

_LOG = logging.getLogger(__name__)
_SUFFIX = ".unreadable"


class Unreadable:
    """The file. The operator deletes it when its rows have been dealt with.

    :param database: path of the database; None for one in memory.
    """

    def __init__(self, database: str | None) -> None:
        self.path = None if database is None else f"{database}{_SUFFIX}"
        #: Size and time of the file, and its lines.
        self._counted: tuple[tuple[int, int], int] = ((0, 0), 0)

    def add(self, rows: Sequence[tuple[dict[str, Any], str]]) -> None:
        """Add rows, each with the reason why it cannot be read, durably.

        :raises SpoolError: they cannot be written.
        """
        for row, reason in rows:
            where = self.path or "the log only"
            extra = {"row": json.dumps(row, default=_hex)}
            _LOG.error("a row of the spool is set aside in %s: %s", where, reason, extra=extra)
        if self.path is None:
            return
        time = format_rfc3339(datetime.now(timezone.utc))
        lines = [
            json.dumps({"time": time, "reason": reason, "row": row}, default=_hex) + "\n"
            for row, reason in rows
        ]
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            fd = os.open(self.path, flags, 0o640)
            with open(fd, "wb") as file:
                file.write("".join(lines).encode())
                file.flush()
                os.fsync(fd)
        except OSError as exc:
            failed = f"Cannot set a row aside in {self.path}"
            raise SpoolError(os_reasons.explain(failed, exc, "Delete it.")) from exc

    def count(self) -> int:
        """Return how many rows the file holds."""
        if self.path is None:
            return 0
        try:
            found = os.stat(self.path)
            signature = (found.st_size, found.st_mtime_ns)
            if signature != self._counted[0]:
                with open(self.path, "rb") as file:
                    self._counted = (signature, sum(1 for _line in file))
        except OSError:
            return 0
        return self._counted[1]


def _hex(value: Any) -> str:
    return f"hex:{value.hex()}" if isinstance(value, bytes) else str(value)
