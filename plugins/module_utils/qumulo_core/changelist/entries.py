# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One change, and its form while it is sorted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NamedTuple, Union

from ..errors import ProtocolError

CREATE, MODIFY, DELETE, RENAME = "create", "modify", "delete", "rename"
#: Code of a record that is no change: attributes for the change of the same path.
KNOWN = b"0"
#: Operations in the order in which those of one path come: gone first, then new.
_CODES = {DELETE: b"1", CREATE: b"2", MODIFY: b"3", RENAME: b"4"}
_OPERATIONS = {code: operation for operation, code in _CODES.items()}
#: The same by the last byte of a record without attributes.
_OPERATION_OF = {code[0]: operation for code, operation in _OPERATIONS.items()}
_OF_API = {"CREATE": CREATE, "MODIFY": MODIFY, "DELETE": DELETE}
#: Ends a record; a path holds no NUL, and neither a line feed nor another NUL that ends the record
#: follows one within a record.
TERMINATOR = b"\0\n"


class Attributes(NamedTuple):
    """What is known of a file beside its path; times are nanoseconds since 1970.

    :param lock: WORM state (``retention_period``, ``legal_hold``); None if it was not asked for.
    :param names: of owner and group, each None if unknown; None if they were not requested.
    """

    type: str
    size: int
    mtime_ns: int
    atime_ns: int
    ctime_ns: int
    owner: str
    group: str
    uid: int | None
    gid: int | None
    mode: str
    num_links: int
    file_id: str | None
    lock: dict[str, Any] | None = None
    names: tuple[str | None, str | None] | None = None

    def pack(self) -> bytes:
        """Return the attributes as bytes for the sorter."""
        return json.dumps(self, separators=(",", ":")).encode()

    @classmethod
    def unpack(cls, data: bytes) -> Attributes:
        """Return the attributes that :meth:`pack` wrote."""
        values: list[Any] = json.loads(data)
        return cls(*values)


class Entry(NamedTuple):
    """A change of one path.

    :param path: absolute path on the cluster, without a slash at the end.
    :param problem: why its attributes could not be read; then there are none.
    :param source: of a rename, the path that it had.
    :param ranges: of a modified file, the bytes that changed; None: not known, take all.
    """

    operation: str
    path: str
    is_directory: bool
    attributes: Attributes | None = None
    problem: str | None = None
    source: str | None = None
    ranges: tuple[Range, ...] | None = None


class Range(NamedTuple):
    """Bytes of a file that changed: data, or a hole."""

    offset: int
    length: int
    is_data: bool


def of_page(items: list[dict[str, Any]]) -> dict[str, list[str]]:
    """Return the paths of the changes of a page of a tree diff, by operation.

    :raises ProtocolError: one is none.
    """
    try:
        found = {
            operation: [item["path"] for item in items if item["op"] == name]
            for name, operation in _OF_API.items()
        }
        if sum(map(len, found.values())) < len(items):
            strange = next(item["op"] for item in items if item["op"] not in _OF_API)
            raise ProtocolError(f"The cluster listed a change '{strange}', which is not known.")
        for paths in found.values():
            if not all(paths) or set(map(type, paths)) - {str}:
                raise ProtocolError("The cluster listed a change of something that is no path.")
    except (KeyError, TypeError) as exc:
        raise ProtocolError(f"The cluster listed a change without {exc}.") from exc
    return found


def raw(path: str) -> bytes:
    """Return a path as bytes, whatever characters it holds."""
    return path.encode("utf-8", "surrogatepass")


def text(path: bytes) -> str:
    """Return the path that :func:`raw` made bytes of."""
    return path.decode("utf-8", "surrogatepass")


def encode(operation: str, path: str, attributes: bytes = b"") -> bytes:
    """Return a change as bytes that sort by path, then operation.

    :param path: with a slash at the end, if it is a directory's.
    """
    return b"%s\0%s%s" % (path.encode("utf-8", "surrogatepass"), _CODES[operation], attributes)


def encode_all(operation: str, paths: list[str]) -> list[bytes]:
    """Return changes without attributes as :func:`encode` would."""
    end = b"\0" + _CODES[operation]
    return [path.encode("utf-8", "surrogatepass") + end for path in paths]


def encode_known(path: str, attributes: bytes) -> bytes:
    """Return attributes as bytes that sort beside the change of their path."""
    return b"%s\0%s%s" % (path.encode("utf-8", "surrogatepass"), KNOWN, attributes)


def encode_rename(path: str, source: str, attributes: bytes) -> bytes:
    """Return a rename as bytes that sort by the new path."""
    return b"%s\0%s%s\0%s" % (raw(path), _CODES[RENAME], raw(source), attributes)


def split(record: bytes) -> tuple[bytes, bytes]:
    """Return the key of a record (path and operation) and its attributes."""
    end = record.index(b"\0") + 2
    return record[:end], record[end:]


def decode(record: bytes) -> Entry:
    """Return the change that :func:`encode` or :func:`encode_rename` wrote."""
    path, _nul, rest = record.partition(b"\0")
    if len(rest) == 1:  # the usual one without attributes
        plain = path.decode("utf-8", "surrogatepass")
        if plain[-1] == "/":
            return Entry(_OPERATIONS[rest], plain[:-1] or "/", True)
        return Entry(_OPERATIONS[rest], plain, False)
    operation, rest = _OPERATIONS[rest[:1]], rest[1:]
    source = None
    if operation == RENAME:
        old, _nul, rest = rest.partition(b"\0")
        source = text(old).rstrip("/")
    name = path.decode("utf-8", "surrogatepass")
    attributes = Attributes.unpack(rest) if rest else None
    if name.endswith("/"):
        return Entry(operation, name[:-1] or "/", True, attributes, None, source)
    return Entry(operation, name, False, attributes, None, source)


class Plain:
    """Changes of which the path is all that is known; they become entries when they are looked at.

    A list without attributes has millions of them, and most formats can do without the entries.

    :param records: as :func:`encode` makes them, without attributes.
    """

    __slots__ = ("records",)

    def __init__(self, records: list[bytes]) -> None:
        self.records = records

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[Entry]:
        return map(decode, self.records)

    def changes(self) -> Iterator[tuple[str, str]]:
        """Yield operations and paths; those of directories have a slash at the end."""
        for record in self.records:
            yield _OPERATION_OF[record[-1]], record[:-2].decode("utf-8", "surrogatepass")

    def without(self, directory: str) -> Plain:
        """Return all but the changes of a directory itself."""
        key = raw(directory.rstrip("/") + "/") + b"\0"
        return Plain([record for record in self.records if not record.startswith(key)])

    def kinds(self) -> dict[tuple[str, bool], int]:
        """Return how many there are of each operation, of directories and of other objects."""
        together = b"".join(self.records)  # a NUL is followed by the code and nothing else
        found = {}
        for operation in (CREATE, MODIFY, DELETE):
            end = b"\0" + _CODES[operation]
            directories = together.count(b"/" + end)
            found[operation, True] = directories
            found[operation, False] = together.count(end) - directories
        return found


#: Entries that are passed on at a time.
Block = Union[list[Entry], Plain]
