# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all formats of a change list share: their names, what they can hold, and the totals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, BinaryIO, Protocol

from ..files import DIRECTORY, FILE
from ..times import format_rfc3339_ns
from .entries import CREATE, DELETE, MODIFY, RENAME, Attributes, Block, Entry, Plain

XML, JSONL, CSV, NUL = "xml", "jsonl", "csv", "nul"
PARQUET, RCLONE, BULK = "parquet", "rclone", "bulk"
FORMATS = (JSONL, CSV, XML, NUL, PARQUET, RCLONE, BULK)
#: Applied from top to bottom: what is gone comes first.
SEQUENTIAL = (JSONL, CSV, PARQUET, BULK)
#: Can say that a path has become another one, and which bytes of a file changed.
WITH_RENAMES = (JSONL, CSV, PARQUET)
WITH_RANGES = (JSONL, CSV, PARQUET)
#: Hold files only, so that what is gone needs a list of its own, without directories.
DELETIONS_APART = (RCLONE, BULK)
NEED_ATTRIBUTES = (XML, BULK)
#: Have a place for the names of owners and groups.
WITH_OWNER_NAMES = (JSONL, CSV, PARQUET, BULK)
#: Marks an entry whose name had to be changed for a format of Unicode text.
NOT_UNICODE = "its name holds characters that are no Unicode text"
_KIND = attrgetter("operation", "is_directory")


@dataclass
class Totals:
    """What a list holds."""

    created: int = 0
    modified: int = 0
    deleted: int = 0
    renamed: int = 0
    files: int = 0
    directories: int = 0
    bytes: int = 0
    unreadable: int = 0
    left_out: int = 0
    changed_since: int = 0

    def count(self, entries: Block) -> None:
        """Count entries that are written."""
        if isinstance(entries, Plain):
            kinds = entries.kinds()
        else:
            told = [entry for entry in entries if entry.problem is None]
            self.unreadable += len(entries) - len(told)
            kinds = Counter(map(_KIND, told))
            self.bytes += sum(
                entry.attributes.size
                for entry in told
                if entry.attributes is not None and entry.operation not in (DELETE, RENAME)
            )
        for (operation, is_directory), number in kinds.items():
            if operation == DELETE:
                self.deleted += number
            elif operation == RENAME:
                self.renamed += number
            else:
                if operation == CREATE:
                    self.created += number
                elif operation == MODIFY:
                    self.modified += number
                if is_directory:
                    self.directories += number
                else:
                    self.files += number

    @property
    def entries(self) -> int:
        """Entries that are written."""
        return self.created + self.modified + self.deleted + self.renamed + self.unreadable

    def render(self) -> dict[str, int]:
        """Return the totals as modules show them."""
        return dict(vars(self))


class ListWriter(Protocol):
    """Writes the entries of one list, in the order in which they come."""

    def extend(self, entries: Block) -> None:
        """Write entries, and count them."""

    def close(self) -> None:
        """Write what comes after the last entry; the file stays open."""


#: Opens a writer on a file.
Maker = Callable[[BinaryIO, Totals], ListWriter]
#: Makes paths of the cluster relative to the base path.
Relative = Callable[[str], str]


def seconds(time_ns: int) -> str:
    """Return seconds since 1970 with all nine decimals, which a float would lose."""
    whole, fraction = divmod(abs(time_ns), 1_000_000_000)
    return f"{'-' if time_ns < 0 else ''}{whole}.{fraction:09d}"


def date(time_ns: int) -> str | None:
    """Return nanoseconds since 1970 as a date; None outside of the years 1 to 9999."""
    try:
        return format_rfc3339_ns(time_ns)
    except OverflowError:
        return None


def type_of(entry: Entry) -> str:
    """Return the type of the object, as well as it is known."""
    if entry.attributes is not None:
        return entry.attributes.type
    return DIRECTORY if entry.is_directory else FILE


def unicode_text(text: str) -> tuple[str, bool]:
    """Return text that UTF-8 can hold, and whether it had to be changed."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode(), True
    return text, False


def columns_of(known: Attributes, time: Callable[[int], str | None] = seconds) -> dict[str, Any]:
    """Return attributes by the names that they have in lists.

    :param time: formats nanoseconds since 1970.
    """
    columns: dict[str, Any] = {
        "size": known.size,
        "mtime": time(known.mtime_ns),
        "atime": time(known.atime_ns),
        "owner": known.owner,
        "group": known.group,
        "mode": known.mode,
        "num_links": known.num_links,
        "file_id": known.file_id,
    }
    if known.lock is not None:
        columns["retention_period"] = known.lock.get("retention_period")
        columns["legal_hold"] = known.lock.get("legal_hold")
    if known.names is not None:
        columns["owner_name"], columns["group_name"] = known.names
    return columns
