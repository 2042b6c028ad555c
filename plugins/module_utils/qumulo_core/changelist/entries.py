# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change, and its form while it is sorted."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from ..errors import ProtocolError

CREATE, MODIFY, DELETE = "create", "modify", "delete"
#: Operations in the order in which those of one path come: gone first, then new.
_CODES = {DELETE: b"1", CREATE: b"2", MODIFY: b"3"}
_OPERATIONS = {code: operation for operation, code in _CODES.items()}
_OF_API = {"CREATE": CREATE, "MODIFY": MODIFY, "DELETE": DELETE}
#: Ends a record; a path holds no NUL, and a code follows the NUL within a record.
TERMINATOR = b"\0\n"


@dataclass(frozen=True)
class Attributes:
    """What is known of a file beside its path; times are nanoseconds since 1970."""

    type: str
    size: int
    mtime_ns: int
    atime_ns: int
    owner: str
    group: str
    uid: int | None
    gid: int | None
    mode: str
    num_links: int
    file_id: str | None

    def pack(self) -> bytes:
        """Return the attributes as bytes for the sorter."""
        values = [
            self.type,
            self.size,
            self.mtime_ns,
            self.atime_ns,
            self.owner,
            self.group,
            self.uid,
            self.gid,
            self.mode,
            self.num_links,
            self.file_id,
        ]
        return json.dumps(values, separators=(",", ":")).encode()

    @classmethod
    def unpack(cls, data: bytes) -> Attributes:
        """Return the attributes that :meth:`pack` wrote."""
        values: list[Any] = json.loads(data)
        return cls(*values)


@dataclass(frozen=True)
class Entry:
    """A change of one path.

    :param path: absolute path on the cluster, without a slash at the end.
    :param problem: why its attributes could not be read; then there are none.
    """

    operation: str
    path: str
    is_directory: bool
    attributes: Attributes | None = None
    problem: str | None = None


def of_api(item: dict[str, Any]) -> tuple[str, str]:
    """Return operation and path of an entry of a tree diff.

    :raises ProtocolError: it is none.
    """
    try:
        return _OF_API[item["op"]], item["path"]
    except (KeyError, TypeError) as exc:
        raise ProtocolError(f"The cluster listed a change without {exc}.") from exc


def encode(operation: str, path: str, attributes: bytes = b"") -> bytes:
    """Return a change as bytes that sort by path, then operation.

    :param path: with a slash at the end, if it is a directory's.
    """
    return b"%s\0%s%s" % (path.encode("utf-8", "surrogatepass"), _CODES[operation], attributes)


def split(record: bytes) -> tuple[bytes, bytes]:
    """Return the key of a record (path and operation) and its attributes."""
    end = record.index(b"\0") + 2
    return record[:end], record[end:]


def decode(record: bytes) -> Entry:
    """Return the change that :func:`encode` wrote."""
    raw, _nul, rest = record.partition(b"\0")
    path = raw.decode("utf-8", "surrogatepass")
    return Entry(
        _OPERATIONS[rest[:1]],
        path.rstrip("/") or "/",
        path.endswith("/"),
        Attributes.unpack(rest[1:]) if len(rest) > 1 else None,
    )
