# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SMB: open file handles, sessions, share-mode and byte-range grants."""

from __future__ import annotations

import json
import secrets
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field

from .identities import Identities, Identity
from .messages import ApiError, Json
from .model import FileSystem, ModelError

#: What words of the control API mean in an access mask ([MS-DTYP] access rights of a file).
ACCESS = {
    "read": [
        "MS_ACCESS_FILE_READ_DATA",
        "MS_ACCESS_FILE_READ_ATTRIBUTES",
        "MS_ACCESS_FILE_READ_EA",
    ],
    "write": ["MS_ACCESS_FILE_WRITE_DATA", "MS_ACCESS_FILE_WRITE_ATTRIBUTES"],
    "append": ["MS_ACCESS_FILE_APPEND_DATA"],
    "execute": ["MS_ACCESS_FILE_EXECUTE"],
    "delete": ["MS_ACCESS_DELETE"],
    "list": ["MS_ACCESS_FILE_LIST_DIRECTORY"],
    "attributes": ["MS_ACCESS_FILE_READ_ATTRIBUTES"],
}
#: Modes of a grant by access: what the holder itself does.
_SHARE = {
    "read": "API_SHARE_MODE_READ",
    "write": "API_SHARE_MODE_WRITE",
    "append": "API_SHARE_MODE_WRITE",
    "delete": "API_SHARE_MODE_DELETE",
}
#: Modes of a grant by denial: what nobody else may do.
_DENY = {
    "read": "API_SHARE_MODE_EXCLUDE_READ",
    "write": "API_SHARE_MODE_EXCLUDE_WRITE",
    "delete": "API_SHARE_MODE_EXCLUDE_DELETE",
}
DEFAULT_PAGE = 1000


@dataclass
class ByteRange:
    """One byte-range lock of a handle."""

    offset: int
    size: int
    exclusive: bool

    def mode(self) -> list[str]:
        """The mode of its grant."""
        if self.exclusive:
            return ["API_BYTE_RANGE_EXCLUSIVE", "API_BYTE_RANGE_WRITE_OP"]
        return ["API_BYTE_RANGE_SHARED", "API_BYTE_RANGE_READ_OP"]


@dataclass(eq=False)
class Handle:
    """One open of one file by one user from one client."""

    number: int
    file_id: int
    user: Identity
    address: str
    node: str
    access: tuple[str, ...]
    deny: tuple[str, ...]
    byte_ranges: list[ByteRange] = field(default_factory=list)
    reopen: int = 0
    refuse: str | None = None
    granted: bool = True
    opened_ns: int = 0
    location: str = ""
    owner_id: str = ""
    is_open: bool = True
    _parts: tuple[str, str] | None = None

    def text(self, path: str) -> str:
        """As an entry of `GET /v1/smb/files/`, in JSON; all but the path is written once."""
        if self._parts is None:
            entry = {
                "file_number": str(self.file_id),
                "handle_info": {
                    "owner": str(self.user.auth_id),
                    "location": self.location,
                    "access_mask": [mask for word in self.access for mask in ACCESS[word]],
                    "version": 1,
                    "num_byte_range_locks": len(self.byte_ranges),
                    "path": "@",
                },
            }
            before, _, after = json.dumps(entry).rpartition('"@"')
            self._parts = (before, after)
        return f"{self._parts[0]}{json.dumps(path)}{self._parts[1]}"

    def share_mode(self) -> Json:
        """Its share-mode grant."""
        modes = [_SHARE[word] for word in self.access if word in _SHARE]
        modes += [_DENY[word] for word in self.deny]
        return {**self._grant(), "mode": list(dict.fromkeys(modes))}

    def byte_range_grants(self) -> Iterator[Json]:
        """Its byte-range grants."""
        for item in self.byte_ranges:
            yield {
                **self._grant(),
                "owner_name": "",
                "mode": item.mode(),
                "offset": str(item.offset),
                "size": str(item.size),
            }

    def _grant(self) -> Json:
        return {
            "file_id": str(self.file_id),
            "owner_id": self.owner_id,
            "owner_address": self.address,
            "node_address": self.node,
            "snapshot_id": "",
            "stream_id": "",
        }


class Smb:
    """All that SMB clients have open."""

    def __init__(self, fs: FileSystem, identities: Identities) -> None:
        self._fs = fs
        self._identities = identities
        self.page_cap = 10000
        self._order: list[Handle] = []
        self._by_location: dict[str, Handle] = {}
        self._by_file: dict[int, dict[int, Handle]] = {}
        self._next = 1
        self._closed = 0

    # -- opening ----------------------------------------------------------------------------

    def open(
        self,
        file_id: int,
        user: Identity,
        address: str,
        node: str,
        *,
        access: tuple[str, ...] = ("read", "write"),
        deny: tuple[str, ...] = ("write",),
        byte_ranges: list[ByteRange] | None = None,
        reopen: int = 0,
        refuse: str | None = None,
        granted: bool = True,
    ) -> Handle:
        """Open a file as a user from a client's address.

        :param reopen: how often the client opens it again after a forced close
        :param refuse: the error with which every close of it is answered
        :param granted: whether its grants are listed, which they are not yet at its very beginning
        """
        for word in (*access, *deny):
            if word not in ACCESS:
                raise ApiError(400, f"{word!r} is none of {', '.join(ACCESS)}")
        number = self._next
        self._next += 1
        handle = Handle(
            number,
            file_id,
            user,
            address,
            node,
            access,
            tuple(word for word in deny if word in _DENY),
            byte_ranges or [],
            reopen,
            refuse,
            granted,
            self._fs.clock.now_ns(),
            location=f"{node}/{secrets.token_hex(8)}/{number}",
            owner_id=secrets.token_hex(8),
        )
        self._order.append(handle)
        self._by_location[handle.location] = handle
        self._by_file.setdefault(file_id, {})[number] = handle
        return handle

    # -- closing ----------------------------------------------------------------------------

    def close(self, locations: list[str]) -> list[Json]:
        """Close handles; returns an entry for each that could not be closed."""
        errors = []
        for location in locations:
            handle = self._by_location.get(location)
            if handle is None:
                errors.append({"error_message": f"No open file at location {location}"})
            elif handle.refuse is not None:
                errors.append({"error_message": f"{handle.refuse} (location {location})"})
            else:
                self.drop(handle)
                if handle.reopen:
                    self.open(
                        handle.file_id,
                        handle.user,
                        handle.address,
                        handle.node,
                        access=handle.access,
                        deny=handle.deny,
                        byte_ranges=handle.byte_ranges,
                        reopen=handle.reopen - 1,
                    )
        return errors

    def drop(self, handle: Handle) -> None:
        """The handle is gone."""
        handle.is_open = False
        del self._by_location[handle.location]
        of_file = self._by_file[handle.file_id]
        del of_file[handle.number]
        if not of_file:
            del self._by_file[handle.file_id]
        self._closed += 1
        if self._closed > 1000 and self._closed * 2 > len(self._order):
            self._order = [kept for kept in self._order if kept.is_open]
            self._closed = 0

    def clear(self) -> None:
        """Everybody has gone home."""
        for handle in list(self._by_location.values()):
            self.drop(handle)

    # -- listing ----------------------------------------------------------------------------

    @property
    def count(self) -> int:
        """How many handles are open."""
        return len(self._by_location)

    def handles(self, file_id: int | None = None, after: int = 0) -> Iterator[Handle]:
        """Open handles with numbers above ``after``, in the order of opening."""
        if file_id is not None:
            yield from (h for n, h in self._by_file.get(file_id, {}).items() if n > after)
            return
        start = bisect_right(self._order, after, key=lambda handle: handle.number)
        for at in range(start, len(self._order)):
            if self._order[at].is_open:
                yield self._order[at]

    def page(self, asked: int | None) -> int:
        """How many entries a page has: what was asked for, up to the server's own cap."""
        if asked is not None and asked < 1:
            raise ApiError(400, f"limit {asked} is below 1")
        return min(asked or DEFAULT_PAGE, self.page_cap)

    def list_handles(
        self, *, file_id: int | None, resolve_paths: bool, after: int, limit: int | None
    ) -> tuple[str, int]:
        """A page of handles as JSON members, and the number to go on after (0: no more)."""
        size = self.page(limit)
        texts: list[str] = []
        last = 0
        for handle in self.handles(file_id, after):
            if len(texts) == size:
                return ", ".join(texts), last
            texts.append(handle.text(self._path(handle) if resolve_paths else ""))
            last = handle.number
        return ", ".join(texts), 0

    def _path(self, handle: Handle) -> str:
        try:
            return self._fs.path_of(handle.file_id)
        except ModelError:
            return ""  # deleted while open

    def list_grants(
        self,
        kind: str,
        *,
        file_id: int | None,
        owner_address: str | None,
        after: int,
        limit: int | None,
    ) -> tuple[list[Json], int]:
        """A page of grants, and the number to go on after; that is given even on the last page."""
        size = self.page(limit)
        grants: list[Json] = []
        last = after
        for handle in self.handles(file_id, after):
            if not handle.granted or owner_address not in (None, handle.address):
                continue
            if len(grants) >= size:
                break
            if kind == "share-mode":
                grants.append(handle.share_mode())
            else:
                grants.extend(handle.byte_range_grants())
            last = handle.number
        return grants, last

    def sessions(self) -> list[Json]:
        """One session for each user, client and node with something open."""
        grouped: dict[tuple[int, str, str], list[Handle]] = {}
        for handle in self.handles():
            key = (handle.user.auth_id, handle.address, handle.node)
            grouped.setdefault(key, []).append(handle)
        now_ns = self._fs.clock.now_ns()
        return [
            {
                "location": f"{node}/{address}/{auth_id}",
                "user": handles[0].user.render(),
                "originator": address,
                "server_address": node,
                "num_opens": len(handles),
                "share_names": ["Files"],
                "tenant_id": 1,
                "is_encrypted": True,
                "is_guest": False,
                "time_open": {"nanoseconds": str(now_ns - handles[0].opened_ns)},
                "time_idle": {"nanoseconds": "0"},
            }
            for (auth_id, address, node), handles in grouped.items()
        ]

    def close_sessions(self, locations: list[str]) -> list[Json]:
        """Close sessions with all their handles; an entry for each that is not there."""
        errors = []
        known = {session["location"] for session in self.sessions()}
        for location in locations:
            if location not in known:
                errors.append({"error_message": f"No session at location {location}"})
                continue
            for handle in list(self.handles()):
                if f"{handle.node}/{handle.address}/{handle.user.auth_id}" == location:
                    self.drop(handle)
        return errors
