# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files with several hard links: a lock applies to all of their names.

The API reports how many names a file has, but has no call that lists them. So a file counts as
wanted under all of its names if a walk has met as many of them as there are.
"""

from __future__ import annotations

from dataclasses import replace

from .. import files
from ..client import Client
from ..errors import NotFoundError, QumuloError
from ..files import FileInfo
from .file_refs import by_path

#: What to do with a file that has names that are not wanted: lock it all the same, or not.
LOCK, HOLD_BACK = "lock", "hold_back"


class LinkedElsewhereError(QumuloError):
    """A file is not locked because of names that are not among those to lock."""

    def __init__(self, info: FileInfo, known: int) -> None:
        self.info = info
        only = "only 1 is" if known == 1 else f"only {known} are"
        super().__init__(
            f"{info.path} has {info.num_links} names (hard links), of which {only} among the files "
            "to lock, and a lock applies to all names of a file."
        )


class Names:
    """Names that a walk meets of files with several hard links, by file ID."""

    def __init__(self) -> None:
        self._paths: dict[str, set[str]] = {}

    def add(self, info: FileInfo) -> bool:
        """Remember a name; return whether all names of the file are known now."""
        paths = self._paths.setdefault(info.id, set())
        paths.add(info.path)
        return len(paths) >= info.num_links

    def check(self, client: Client, info: FileInfo) -> None:
        """Make sure that a file has no names but those that are known.

        A name counts if it still leads to the file, because a walk meets a name twice when a
        directory is renamed meanwhile.

        :raises LinkedElsewhereError: it has other names, or may have.
        """
        known = self._paths.get(info.id, {info.path})
        if info.num_links <= 1:
            return
        found = [path for path in known if is_at(client, info.id, path)]
        if len(found) < info.num_links:
            # The path that the cluster reports can be that of another name.
            path = min(found or known)
            raise LinkedElsewhereError(replace(info, path=path), len(found))


def is_at(client: Client, file_id: str, path: str) -> bool:
    """Tell whether a path leads to a file."""
    try:
        return files.get(client, by_path(path)).id == file_id
    except NotFoundError:
        return False
