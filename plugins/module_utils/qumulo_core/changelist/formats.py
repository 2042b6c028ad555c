# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The formats of a change list."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from ..files import DIRECTORY, FILE
from .entries import CREATE, DELETE, MODIFY, Entry

XML, JSONL, CSV, NUL = "xml", "jsonl", "csv", "nul"
FORMATS = (XML, JSONL, CSV, NUL)
#: What XML 1.0 can not hold, even as a reference (its production Char).
_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_REPLACEMENT = "\ufffd"


@dataclass
class Totals:
    """What a list holds."""

    created: int = 0
    modified: int = 0
    deleted: int = 0
    files: int = 0
    directories: int = 0
    bytes: int = 0
    unreadable: int = 0
    left_out: int = 0

    def count(self, entry: Entry) -> None:
        """Count an entry that is written."""
        if entry.problem is not None:
            self.unreadable += 1
        elif entry.operation == DELETE:
            self.deleted += 1
        else:
            if entry.operation == CREATE:
                self.created += 1
            elif entry.operation == MODIFY:
                self.modified += 1
            if entry.is_directory:
                self.directories += 1
            else:
                self.files += 1
            if entry.attributes is not None:
                self.bytes += entry.attributes.size

    def render(self) -> dict[str, int]:
        """Return the totals as modules show them."""
        return dict(vars(self))


Writer = Callable[[Iterable[Entry], "BinaryIO", Totals], None]


def _times(entry: Entry) -> dict[str, Any]:
    known = entry.attributes
    if known is None:
        return {}
    return {
        "size": known.size,
        "mtime": _seconds(known.mtime_ns),
        "atime": _seconds(known.atime_ns),
        "owner": known.owner,
        "group": known.group,
        "mode": known.mode,
        "num_links": known.num_links,
        "file_id": known.file_id,
    }


def _seconds(time_ns: int) -> str:
    """Return seconds since 1970 with all nine decimals, which a float would lose."""
    return f"{time_ns // 1_000_000_000}.{time_ns % 1_000_000_000:09d}"


def _type(entry: Entry) -> str:
    if entry.attributes is not None:
        return entry.attributes.type
    return DIRECTORY if entry.is_directory else FILE


def jsonl(relative: Callable[[str], str]) -> Writer:
    """JSON lines: an object for each change, deletions first, then by path."""

    def write(found: Iterable[Entry], output: BinaryIO, totals: Totals) -> None:
        for entry in found:
            totals.count(entry)
            line: dict[str, Any] = {
                "op": entry.operation,
                "path": relative(entry.path),
                "type": _type(entry),
                **_times(entry),
            }
            if entry.problem is not None:
                line["error"] = entry.problem
            output.write(json.dumps(line).encode() + b"\n")

    return write


_COLUMNS = ("op", "path", "type", "size", "mtime", "atime", "owner", "group", "mode", "error")


def comma_separated(relative: Callable[[str], str]) -> Writer:
    """CSV (RFC 4180) with a header, deletions first, then by path."""

    def write(found: Iterable[Entry], output: BinaryIO, totals: Totals) -> None:
        text = io.StringIO()
        rows = csv.writer(text)
        rows.writerow(_COLUMNS)
        for entry in found:
            totals.count(entry)
            known = _times(entry)
            rows.writerow(
                [
                    entry.operation,
                    relative(entry.path),
                    _type(entry),
                    *(known.get(column, "") for column in _COLUMNS[3:-1]),
                    entry.problem or "",
                ]
            )
            if text.tell() > 1 << 16:
                _move(text, output)
        _move(text, output)

    return write


def _move(text: io.StringIO, output: BinaryIO) -> None:
    output.write(text.getvalue().encode("utf-8", "surrogatepass"))
    text.seek(0)
    text.truncate()


def nul_separated(relative: Callable[[str], str]) -> Writer:
    """NUL-separated paths for ``rsync --from0 --files-from``.

    A deleted path tells rsync to delete it there too, with ``--delete-missing-args`` and, for
    directories, ``--force``; one that was deleted and made again is there, and is copied. A
    directory that merely changed is left out: rsync sets the times of directories that lead to a
    file anyway.
    """

    def write(found: Iterable[Entry], output: BinaryIO, totals: Totals) -> None:
        last: str | None = None
        for entry in found:
            if entry.is_directory and entry.operation == MODIFY:
                totals.left_out += 1
                continue
            totals.count(entry)
            name = relative(entry.path)
            if name and name != last:
                output.write(name.encode("utf-8", "surrogatepass") + b"\0")
                last = name

    return write


# -- XML ----------------------------------------------------------------------------------------


def storage_dna(
    relative: Callable[[str], str], *, index: int, now: int, spool: Callable[[], BinaryIO]
) -> Writer:
    """The XML of StorageDNA's scanner, in reverse order of path.

    Files and directories have paths relative to the base path, deleted ones absolute paths, as its
    consumers read them. The format knows neither symlinks nor devices: they are left out and
    counted. The totals stand at the top and are known at the end, so the body waits on disk.

    :param index: number of the source folder.
    :param now: seconds since 1970 that deleted files show as their times.
    :param spool: opens a temporary file.
    """

    def write(found: Iterable[Entry], output: BinaryIO, totals: Totals) -> None:
        listed = size = bad = deleted = 0
        with spool() as body:
            for entry in _without_stale_deletes(found):
                line, kind = _xml_line(entry, relative, index, now)
                if line is None:
                    totals.left_out += 1
                    continue
                totals.count(entry)
                body.write(line.encode("utf-8", "surrogatepass"))
                if kind == "bad":
                    bad += 1
                elif kind == "delete":
                    deleted += 0 if entry.is_directory else 1
                elif not entry.is_directory and entry.attributes is not None:
                    listed += 1
                    size += entry.attributes.size
            output.write(
                f'<files scanned="{listed}" selected="{listed}" size="{size}" '
                f'bad_dir_count="{bad}" delete_count="{deleted}">\n'.encode()
            )
            body.seek(0)
            while chunk := body.read(1 << 20):
                output.write(chunk)
        output.write(b"</files>\n")

    return write


def _without_stale_deletes(found: Iterable[Entry]) -> Iterator[Entry]:
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


def _xml_line(
    entry: Entry, relative: Callable[[str], str], index: int, now: int
) -> tuple[str | None, str]:
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
