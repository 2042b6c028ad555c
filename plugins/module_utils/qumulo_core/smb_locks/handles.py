# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An open SMB handle, with its holder and locks, in words that people use.

All are tuples: a listing makes hundreds of thousands, and those are made fastest.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

from ..common.addresses import canonical
from ..errors import ProtocolError

READ, WRITE, APPEND, DELETE, EXECUTE = "read", "write", "append", "delete", "execute"
ACCESS_WORDS = (READ, WRITE, APPEND, DELETE, EXECUTE)

#: Access rights that let a handle touch content; the others concern attributes alone.
#: (Qumulo REST API guide, GET /v1/smb/files/, access_mask)
_ACCESS = {
    "MS_ACCESS_FILE_READ_DATA": (READ,),
    "MS_ACCESS_FILE_LIST_DIRECTORY": (READ,),
    "MS_ACCESS_FILE_WRITE_DATA": (WRITE,),
    "MS_ACCESS_FILE_ADD_FILE": (WRITE,),
    "MS_ACCESS_FILE_APPEND_DATA": (APPEND,),
    "MS_ACCESS_FILE_ADD_SUBDIRECTORY": (APPEND,),
    "MS_ACCESS_FILE_EXECUTE": (EXECUTE,),
    "MS_ACCESS_FILE_TRAVERSE": (EXECUTE,),
    "MS_ACCESS_DELETE": (DELETE,),
    "MS_ACCESS_FILE_DELETE_CHILD": (DELETE,),
    "MS_ACCESS_FILE_ALL": ACCESS_WORDS,
    "MS_ACCESS_GENERIC_ALL": ACCESS_WORDS,
    "MS_ACCESS_MAXIMUM_ALLOWED": ACCESS_WORDS,
    "MS_ACCESS_GENERIC_READ": (READ,),
    "MS_ACCESS_GENERIC_WRITE": (WRITE, APPEND),
    "MS_ACCESS_GENERIC_EXECUTE": (EXECUTE,),
}
_SHARES = {
    "API_SHARE_MODE_READ": READ,
    "API_SHARE_MODE_WRITE": WRITE,
    "API_SHARE_MODE_DELETE": DELETE,
}
_DENIES = {
    "API_SHARE_MODE_EXCLUDE_READ": READ,
    "API_SHARE_MODE_EXCLUDE_WRITE": WRITE,
    "API_SHARE_MODE_EXCLUDE_DELETE": DELETE,
}


@lru_cache(maxsize=4096)
def access_words(mask: tuple[str, ...]) -> tuple[str, ...]:
    """Return what a handle may do with the content, in words; few masks are in use at a time."""
    found = {word for right in mask for word in _ACCESS.get(right, ())}
    return tuple(word for word in ACCESS_WORDS if word in found)


class Identity(NamedTuple):
    """A holder, under the names that the cluster knows."""

    auth_id: str
    name: str | None = None
    sid: str | None = None
    uid: int | None = None
    gid: int | None = None

    @property
    def label(self) -> str:
        """What to call the holder."""
        return self.name or self.sid or f"auth_id:{self.auth_id}"


@lru_cache(maxsize=4096)
def _unnamed(auth_id: str) -> Identity:
    return Identity(auth_id)


class ShareGrant(NamedTuple):
    """A share-mode lock on a file: what its owner does and denies to others."""

    address: str
    node: str
    access: frozenset[str]
    denies: frozenset[str]

    @classmethod
    def of(cls, grant: dict[str, Any]) -> ShareGrant:
        """Return the record of an entry of ``/v1/files/locks/smb/share-mode/``."""
        access, denies = share_words(tuple(grant.get("mode") or ()))
        return cls(
            canonical(str(grant.get("owner_address") or "")),
            str(grant.get("node_address") or ""),
            access,
            denies,
        )


@lru_cache(maxsize=256)
def share_words(modes: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """Return what the owner of a share-mode lock does and what it denies to others."""
    return (
        frozenset(_SHARES[mode] for mode in modes if mode in _SHARES),
        frozenset(_DENIES[mode] for mode in modes if mode in _DENIES),
    )


class RangeGrant(NamedTuple):
    """A byte-range lock on a file."""

    address: str
    offset: int
    size: int
    exclusive: bool

    @classmethod
    def of(cls, grant: dict[str, Any]) -> RangeGrant:
        """Return the record of an entry of ``/v1/files/locks/smb/byte-range/``."""
        return cls(
            canonical(str(grant.get("owner_address") or "")),
            int(grant.get("offset") or 0),
            int(grant.get("size") or 0),
            "API_BYTE_RANGE_EXCLUSIVE" in (grant.get("mode") or ()),
        )


class Handle(NamedTuple):
    """One open of one file by one user.

    :param location: names this handle and no other; it is what a close needs.
    :param addresses: client addresses that the handle can belong to. A grant does not say to
        which handle it belongs, so with several opens of one file there can be several.
    :param nodes: likewise, nodes that the client is connected to.
    :param placed: whether these are all that it can belong to. The file can have fewer grants than
        handles: then the handle's own is perhaps not among them.
    """

    location: str
    file_id: str
    path: str
    holder: Identity
    access: tuple[str, ...]
    num_byte_ranges: int
    addresses: tuple[str, ...] = ()
    nodes: tuple[str, ...] = ()
    denies: tuple[str, ...] = ()
    byte_ranges: tuple[RangeGrant, ...] = ()
    placed: bool = True

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Handle:
        """Return the record of an entry of ``/v1/smb/files/``.

        :raises ProtocolError: it lacks a field.
        """
        try:
            info = entry["handle_info"]
            return cls(
                location=info["location"],
                file_id=entry["file_number"],
                path=(info.get("path") or "").rstrip("/") or ("/" if info.get("path") else ""),
                holder=_unnamed(str(info["owner"])),
                access=access_words(tuple(info.get("access_mask") or ())),
                num_byte_ranges=int(info.get("num_byte_range_locks") or 0),
            )
        except (KeyError, TypeError) as exc:
            raise ProtocolError(f"The cluster listed an open file without {exc}.") from exc

    @property
    def can_write(self) -> bool:
        """True if the file is open for writing."""
        return WRITE in self.access or APPEND in self.access

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return why closing the handle can lose work; empty if it can not."""
        reasons = []
        if self.can_write:
            reasons.append("open for writing")
        if self.num_byte_ranges:
            plural = "" if self.num_byte_ranges == 1 else "s"
            reasons.append(f"{self.num_byte_ranges} byte-range lock{plural}")
        return tuple(reasons)

    @property
    def can_lose_work(self) -> bool:
        """True if the client can have unsaved changes."""
        return bool(self.reasons)

    def describe(self) -> str:
        """Return the handle in one line, for a person."""
        where = f" from {' or '.join(self.addresses)}" if self.addresses else ""
        risk = f" ({', '.join(self.reasons)})" if self.reasons else ""
        return f"{self.path or 'file ' + self.file_id}: {self.holder.label}{where}{risk}"

    def render(self) -> dict[str, Any]:
        """Return the handle as modules show it."""
        return {
            "path": self.path,
            "file_id": self.file_id,
            "user": self.holder.label,
            "user_sid": self.holder.sid,
            "user_uid": self.holder.uid,
            "user_auth_id": self.holder.auth_id,
            "client_addresses": list(self.addresses),
            "nodes": list(self.nodes),
            "access": list(self.access),
            "denies": list(self.denies),
            "byte_range_locks": self.num_byte_ranges,
            "byte_ranges": [
                {"offset": r.offset, "size": r.size, "exclusive": r.exclusive}
                for r in self.byte_ranges
            ],
            "can_lose_work": self.can_lose_work,
            "reasons": list(self.reasons),
            "location": self.location,
        }
