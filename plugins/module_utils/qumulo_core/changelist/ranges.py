# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which bytes of a file changed between two snapshots."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ..client import Client
from ..domain.file_refs import by_id
from ..errors import NotFoundError, PermissionDeniedError, ProtocolError
from ..files import FILE
from .asking import ask
from .entries import MODIFY, Entry, Range
from .renames import COMPARE

#: A file with more changed ranges is to be taken as a whole.
MOST = 10_000
_PAGE = 1000


def read(client: Client, newer: int, older: int, file_id: str) -> tuple[Range, ...] | None:
    """Return the changed bytes of a file, in ascending order; None if they are too many.

    Needs PRIVILEGE_SNAPSHOT_DIFFERENCE_READ.

    :raises NotFoundError: it is in neither snapshot.
    """
    uri = f"/v2/snapshots/{newer}/changes-since/{older}/files/{by_id(file_id).quoted}?limit={_PAGE}"
    found: list[Range] = []
    for page in client.pages(uri):
        try:
            for item in page["entries"]:
                is_data = item["type"] == "FILE_REGION_DATA"
                found.append(Range(int(item["offset"]), int(item["size"]), is_data))
        except (KeyError, TypeError, ValueError) as exc:
            raise ProtocolError(f"The cluster described a changed range without {exc}.") from exc
        if len(found) > MOST:
            return None
    return tuple(found)


def differs(client: Client, newer: int, older: int, file_id: str) -> bool:
    """Tell whether any byte of a file changed."""
    uri = f"/v2/snapshots/{newer}/changes-since/{older}/files/{by_id(file_id).quoted}?limit=1"
    return any(page["entries"] for page in client.pages(uri))


def with_ranges(
    client: Client,
    found: Iterable[Entry],
    newer: int,
    older: int,
    *,
    ranges: bool,
    workers: int,
) -> Iterator[Entry]:
    """Yield entries with what the data of their files tells, in order, asked in parallel.

    Files that may have changed become modifications, or are left out if they have not. Where the
    bytes can not be told a modified file has none: it is to be taken as a whole.

    :param ranges: put the changed bytes of modified files into their entries.
    """

    def needs(entry: Entry) -> bool:
        known = entry.attributes
        if known is None or known.type != FILE or known.file_id is None:
            return False
        return entry.operation == COMPARE or (ranges and entry.operation == MODIFY)

    def work(own: Client, entry: Entry) -> Entry | None:
        known = entry.attributes
        file_id = known.file_id if known is not None else None
        if file_id is None:
            return entry
        if entry.operation == COMPARE:
            if not differs(own, newer, older, file_id):
                return None
            entry = entry._replace(operation=MODIFY)
        if not ranges:
            return entry
        try:
            return entry._replace(ranges=read(own, newer, older, file_id))
        except (NotFoundError, PermissionDeniedError):
            return entry

    return ask(client, found, needs, work, workers=workers)
