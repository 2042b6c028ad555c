# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The XML of StorageDNA's scanner."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO

from ..files import DIRECTORY, FILE
from .entries import DELETE, Block, Entry
from .formats import Maker, Relative, Totals

#: What XML 1.0 can not hold, even as a reference (its production Char).
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACEMENT = "\ufffd"


class _StorageDna:
    """The totals stand at the top and are known at the end, so the body waits on disk."""

    def __init__(
        self,
        output: BinaryIO,
        totals: Totals,
        relative: Relative,
        index: int,
        now: int,
        body: BinaryIO,
    ) -> None:
        self._output = output
        self._totals = totals
        self._relative = relative
        self._index = index
        self._now = now
        self._body = body
        self._listed = self._size = self._bad = self._deleted = 0

    def extend(self, entries: Block) -> None:
        written = [entry for entry in entries if self._add(entry)]
        self._totals.count(written)
        self._totals.left_out += len(entries) - len(written)

    def _add(self, entry: Entry) -> bool:
        line, kind = _xml_line(entry, self._relative, self._index, self._now)
        if line is None:
            return False
        self._body.write(line.encode("utf-8", "surrogatepass"))
        if kind == "bad":
            self._bad += 1
        elif kind == "delete":
            self._deleted += 0 if entry.is_directory else 1
        elif not entry.is_directory and entry.attributes is not None:
            self._listed += 1
            self._size += entry.attributes.size
        return True

    def close(self) -> None:
        with self._body as body:
            self._output.write(
                f'<files scanned="{self._listed}" selected="{self._listed}" size="{self._size}" '
                f'bad_dir_count="{self._bad}" delete_count="{self._deleted}">\n'.encode()
            )
            body.seek(0)
            while chunk := body.read(1 << 20):
                self._output.write(chunk)
        self._output.write(b"</files>\n")


def storage_dna(
    relative: Relative, *, index: int, now: int, spool: Callable[[], BinaryIO]
) -> Maker:
    """The XML of StorageDNA's scanner, in reverse order of path.

    Files and directories have paths relative to the base path, deleted ones absolute paths, as its
    consumers read them. The format knows neither symlinks nor devices: they are left out and
    counted.

    :param index: number of the source folder.
    :param now: seconds since 1970 that deleted files show as their times.
    :param spool: opens a temporary file.
    """
    return lambda output, totals: _StorageDna(output, totals, relative, index, now, spool())


def without_stale_deletes(found: Iterable[Entry]) -> Iterator[Entry]:
    """Leave out the deletion of what is there again.

    A consumer that copies what is new and then deletes would lose it. In reverse order a path's
    deletion comes last of its operations, and that of a file after a directory of the same name
    and all that sorts between the two.
    """
    made: list[str] = []
    for entry in found:
        while made and made[-1] > entry.path:
            made.pop()
        if entry.operation == DELETE:
            if made and made[-1] == entry.path:
                continue
        elif not made or made[-1] != entry.path:
            made.append(entry.path)
        yield entry


def _xml_line(entry: Entry, relative: Relative, index: int, now: int) -> tuple[str | None, str]:
    tail = f'index="{index}"/>\n'
    name = entry.path if entry.operation == DELETE else relative(entry.path)
    problem = entry.problem is not None
    if _NOT_XML.search(name):
        # No parser would take the file; the name can be reported, but not copied by.
        name, problem = _NOT_XML.sub(_REPLACEMENT, name), True
    quoted = escape(name)
    nothing = f'size="0" mode="0x777" type="F_REG" mtime="{now}" atime="{now}" owner="0" group="0"'
    if problem:
        return f'    <bad-dir name="{quoted}" {nothing} {tail}', "bad"
    if entry.operation == DELETE:
        if entry.is_directory:
            nothing = nothing.replace("F_REG", "F_DIR")
        return f'    <delete-file name="{quoted}" {nothing} {tail}', "delete"
    known = entry.attributes
    if known is None or known.type not in (FILE, DIRECTORY):
        return None, "other"
    kind = "F_DIR" if known.type == DIRECTORY else "F_REG"
    return (
        f'    <file name="{quoted}" size="{known.size}" mode="0x777" type="{kind}" '
        f'mtime="{known.mtime_ns // 1_000_000_000}" atime="{known.atime_ns // 1_000_000_000}" '
        f'owner="{known.uid or 0}" group="{known.gid or 0}" {tail}'
    ), "file"


def escape(text: str) -> str:
    """Return text for an XML attribute; white space other than spaces would not survive raw."""
    for raw, reference in (
        ("&", "&amp;"),
        ("<", "&lt;"),
        (">", "&gt;"),
        ('"', "&quot;"),
        ("\t", "&#9;"),
        ("\n", "&#10;"),
        ("\r", "&#13;"),
    ):
        text = text.replace(raw, reference)
    return text
