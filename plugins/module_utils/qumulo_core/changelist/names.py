# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change lists of bare names, for rsync and rclone."""

from __future__ import annotations

from typing import BinaryIO

from ..files import FILE
from .entries import DELETE, Entry, raw
from .formats import Maker, Relative, Totals, type_of


class _Nul:
    def __init__(self, output: BinaryIO, totals: Totals, relative: Relative) -> None:
        self._write = output.write
        self._totals = totals
        self._relative = relative
        self._last: str | None = None

    def add(self, entry: Entry) -> None:
        self._totals.count(entry)
        name = self._relative(entry.path)
        if name and name != self._last:
            self._last = name
            # rsync takes it for a comment otherwise, --from0 or not.
            mark = b"./" if name[0] in "#;" else b""
            self._write(mark + raw(name) + b"\0")

    def close(self) -> None:
        pass


def nul_separated(relative: Relative) -> Maker:
    """NUL-separated paths for ``rsync --from0 --files-from``.

    A deleted path tells rsync to delete it there too, with ``--delete-missing-args`` and, for
    directories, ``--force``; one that was deleted and made again is there, and is copied. Of a
    directory rsync takes the attributes alone, not what is in it.
    """
    return lambda output, totals: _Nul(output, totals, relative)


class _Rclone:
    def __init__(self, output: BinaryIO, totals: Totals, relative: Relative) -> None:
        self._write = output.write
        self._totals = totals
        self._relative = relative

    def add(self, entry: Entry) -> None:
        name = self._relative(entry.path)
        # A directory is made with the first file in it; a line feed would end the name.
        deleted = entry.operation == DELETE
        if entry.is_directory or (not deleted and type_of(entry) != FILE) or "\n" in name:
            self._totals.left_out += 1
            return
        self._totals.count(entry)
        self._write(b"/%s\n" % raw(name.lstrip("/")))

    def close(self) -> None:
        pass


def rclone(relative: Relative) -> Maker:
    """Files by the line for ``rclone --files-from-raw``.

    The slash in front is ignored by rclone, and keeps ``--files-from`` from taking a name for a
    comment.
    """
    return lambda output, totals: _Rclone(output, totals, relative)
