# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Folders in which something has happened, until nothing has happened for a while."""

from __future__ import annotations

from ..files import DIRECTORY
from .records import Record


class QuietFolders:
    """What waits for its quiet period; as many entries as folders that have changed lately.

    :param period: seconds without a change.
    :param depth: how many levels below the watched directory the folders are.
    """

    def __init__(self, period: float, depth: int) -> None:
        self._period = period
        self._depth = depth
        self._folders: dict[str, tuple[float, int]] = {}

    def __len__(self) -> int:
        return len(self._folders)

    def note(self, record: Record, now: float) -> None:
        """Begin the quiet period of a change's folder anew.

        What lies above the folders belongs to none of them.
        """
        parts = record["relative_path"].split("/")
        itself = len(parts) == self._depth and record["object"] == DIRECTORY
        if not itself and len(parts) <= self._depth:
            return
        folder = "/".join(parts[: self._depth])
        if itself and record["change"] in ("removed", "moved_from"):
            self._folders.pop(folder, None)
            return
        self._folders[folder] = (now, self._folders.get(folder, (now, 0))[1] + 1)

    def due(self, now: float) -> list[tuple[str, int]]:
        """Take out folders that are quiet; return them with the number of their changes."""
        quiet = [
            (folder, count)
            for folder, (last, count) in self._folders.items()
            if now - last >= self._period
        ]
        for folder, _count in quiet:
            del self._folders[folder]
        return quiet

    def wait(self, now: float) -> float | None:
        """Return the seconds until the next folder can be due; None if there is none."""
        if not self._folders:
            return None
        return max(0.0, min(last for last, _count in self._folders.values()) + self._period - now)
