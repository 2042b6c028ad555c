# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change lists of bare names, for rsync and rclone."""

from __future__ import annotations

from typing import BinaryIO

from ..files import FILE
from .entries import DELETE, Block, raw
from .formats import Maker, Relative, Totals, type_of


class _Nul:
    def __init__(self, output: BinaryIO, totals: Totals, relative: Relative) -> None:
        self._write = output.write
        self._totals = totals
        self._relative = relative
        self._last: str | None = None

    def extend(self, entries: Block) -> None:
        self._totals.count(entries)
        names = []
        for entry in entries:
            name = self._relative(entry.path)
            if name and name != self._last:
                self._last = name
                # rsync takes it for a comment otherwise, --from0 or not.
                names.append(f"./{name}\0" if name[0] in "#;" else f"{name}\0")
        self._write(raw("".join(names)))

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

    def extend(self, entries: Block) -> None:
        # A directory is made with the first file in it. A line feed would end the name, and a
        # carriage return before it is taken for a part of the line's end.
        held, names = [], []
        for entry in entries:
            name = self._relative(entry.path)
            if entry.is_directory and entry.problem is not None:
                self._totals.unreadable += 1  # there can be files in it that are not listed
            elif (
                entry.is_directory
                or (entry.operation != DELETE and type_of(entry) != FILE)
                or "\n" in name
                or name.endswith("\r")
            ):
                self._totals.left_out += 1
            else:
                held.append(entry)
                names.append(f"/{name.lstrip('/')}\n")
        self._totals.count(held)
        self._write(raw("".join(names)))

    def close(self) -> None:
        pass


def rclone(relative: Relative) -> Maker:
    """Files by the line for ``rclone --files-from-raw``.

    The slash in front is ignored by rclone, and keeps ``--files-from`` from taking a name for a
    comment.
    """
    return lambda output, totals: _Rclone(output, totals, relative)
