# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What names a file in the spool, and the times that were set last.

The spool keeps the newest time of each file; here is what keeps it from being asked in vain.
"""

from __future__ import annotations

from collections.abc import Callable

from ..audit_log import AuditRecord
from ..service.spool import Key
from .beneath import relative


def by_id(record: AuditRecord) -> str | None:
    """Key of a file that is named by its ID; None if the record has none."""
    return record.file_id or None


def by_path(record: AuditRecord) -> bytes | None:
    """Key of a file that is named by its path, byte for byte; None if the record has none.

    A slash at the end says that it is a directory, and is left out.
    """
    path = record.path
    if path[-1:] == "/":
        path = path.rstrip("/") or "/"
    return path.encode("utf-8", "surrogateescape") or None


def by_path_below(export: str) -> Callable[[AuditRecord], bytes | None]:
    """Return what gives keys by path, None for all that is not below a directory.

    :param export: absolute path of the directory.
    """
    if export.rstrip("/") == "":
        return by_path

    def key(record: AuditRecord) -> bytes | None:
        return None if relative(record.path, export) is None else by_path(record)

    return key


def shown(key: Key) -> str:
    """Return what names a file in the spool as text."""
    return key if isinstance(key, str) else key.decode("utf-8", "backslashreplace")


class LastSet:
    """Which time was set last, of the files that were set most recently.

    For many threads that ask and one that notes. What is forgotten costs a needless look at the
    file at most: whoever sets a time compares with the present one.

    :param max_files: as many are remembered, 2 at least.
    """

    def __init__(self, max_files: int = 100_000) -> None:
        self._half = max_files // 2
        # When the newer half of the memory is full it becomes the older.
        self._newer: dict[Key, tuple[int, str]] = {}
        self._older: dict[Key, tuple[int, str]] = {}

    def note(self, key: Key, time_ns: int, payload: str = "") -> None:
        """Note that a file has a time now; never an older one than was noted before.

        :param payload: of its entry.
        """
        file_id = _file_id(key, payload)
        last = self._newer.get(key) or self._older.get(key)
        if last is not None and last[1] == file_id:
            time_ns = max(time_ns, last[0])
        self._newer[key] = time_ns, file_id
        if len(self._newer) >= self._half:
            self._older, self._newer = self._newer, {}

    def is_fresh(self, key: Key, time_ns: int, least_ns: int, payload: str = "") -> bool:
        """Tell whether the time that was set last is as new, or so near that this is not worth it.

        :param least_ns: a time that is newer by less is not worth a write; 1 at least.
        :param payload: of its entry. Another file that has the name by now has a time of its own,
            which may be years older.
        """
        last = self._newer.get(key)
        if last is None:
            last = self._older.get(key)
        return (
            last is not None and time_ns - last[0] < least_ns and last[1] == _file_id(key, payload)
        )


def _file_id(key: Key, payload: str) -> str:
    """Return which of the files that had a name in turn an entry means; by ID there is but one."""
    return "" if isinstance(key, str) else payload
