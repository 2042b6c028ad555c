# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which handles are meant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..common.addresses import Address, Network, is_within, parse_address, parse_network
from ..domain.file_refs import by_id
from ..domain.paths import normalize
from ..errors import InputError
from ..globs import PathFilter
from .handles import ACCESS_WORDS, Handle, Identity


@dataclass(frozen=True)
class UserFilter:
    """One user, by exactly one of its names.

    A bare number is refused: it could be a UID or an auth ID, and they are different people.

    :param value: in lower case, to compare.
    :param text: as it was written, for messages.
    :param written: the value as it was written, to look it up.
    """

    kind: str
    value: str
    text: str = field(default="", compare=False)
    written: str = field(default="", compare=False)

    @classmethod
    def parse(cls, text: str) -> UserFilter:
        """Return the filter for ``uid:1000``, ``auth_id:500``, a SID, or a name.

        :raises InputError: it is empty or a bare number.
        """
        kind, colon, value = text.strip().partition(":")
        kind = kind.lower()
        if colon and kind in ("uid", "auth_id", "sid", "name"):
            if not value or (kind in ("uid", "auth_id") and not _is_number(value)):
                raise InputError(f"'{text}' names no user: put a value after '{kind}:'.")
            return cls(kind, value.lower(), text.strip(), value)
        text = text.strip()
        if not text:
            raise InputError("An empty user name matches nobody: leave it out.")
        if _is_number(text):
            raise InputError(
                f"'{text}' could be a UID or an auth ID: write uid:{text} or auth_id:{text}."
            )
        if re.fullmatch(r"S-1-\d+(-\d+)*", text, re.IGNORECASE):
            return cls("sid", text.lower(), text, text)
        return cls("name", text.lower(), text, text)

    def matches(self, holder: Identity) -> bool:
        """Tell whether the holder is this user.

        A name without a domain matches that user of any domain; with one, only there.
        """
        if self.kind == "auth_id":
            return holder.auth_id == self.value
        if self.kind == "uid":
            return holder.uid is not None and str(holder.uid) == self.value
        if self.kind == "sid":
            return (holder.sid or "").lower() == self.value
        name = (holder.name or "").lower()
        if not name:
            return False
        if name == self.value:
            return True
        if "\\" in self.value or "@" in self.value:
            return False
        return self.value in (name.rpartition("\\")[2], name.partition("@")[0])

    def can_be(self, holder: Identity) -> bool:
        """Tell whether the holder is this user, or may be: its name is not known at present.

        A directory service that does not answer must not make a stranger of anybody.
        """
        nameless = holder.name is None
        if self.kind in ("uid", "sid"):
            nameless = nameless and holder.sid is None and holder.uid is None
        return self.matches(holder) or (nameless and self.kind != "auth_id")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def parse_node(text: str) -> Address:
    """Return the address of a node.

    :raises InputError: it is not an address.
    """
    address = parse_address(text)
    if address is None:
        raise InputError(
            f"'{text}' is not an address of a node: write an IP address such as 10.0.0.11."
        )
    return address


@dataclass(frozen=True)
class HandleFilter:
    """All conditions that a handle has to meet; within one, any of its values.

    :param file_ids: IDs of files, those of ``paths`` included.
    :param directories: absolute paths without a slash at the end.
    :param containers: paths of directories among the files: handles of them, not of what is below.
    """

    file_ids: frozenset[str] = frozenset()
    directories: tuple[str, ...] = ()
    globs: PathFilter | None = None
    users: tuple[UserFilter, ...] = ()
    networks: tuple[Network, ...] = ()
    nodes: frozenset[Address] = frozenset()
    access: frozenset[str] = frozenset()
    by_file: bool = False
    containers: tuple[str, ...] = ()

    @classmethod
    def make(
        cls,
        *,
        file_ids: Sequence[str] | None = None,
        directories: Sequence[str] = (),
        globs: Sequence[str] = (),
        users: Sequence[str] = (),
        clients: Sequence[str] = (),
        nodes: Sequence[str] = (),
        access: Sequence[str] = (),
        containers: Sequence[str] = (),
    ) -> HandleFilter:
        """Return the filter for the options of a module.

        :param file_ids: None: any file; empty: none of them exists, so no handle is meant.
        :raises InputError: a value is invalid.
        """
        for file_id in file_ids or ():
            by_id(file_id)
        unknown = [word for word in access if word not in ACCESS_WORDS]
        if unknown:
            raise InputError(f"'{unknown[0]}' is no access: use {', '.join(ACCESS_WORDS)}.")
        return cls(
            file_ids=frozenset(file_ids or ()),
            directories=tuple(normalize(directory).rstrip("/") for directory in directories),
            globs=PathFilter(globs) if globs else None,
            users=tuple(UserFilter.parse(user) for user in users),
            networks=tuple(parse_network(client) for client in clients),
            nodes=frozenset(parse_node(node) for node in nodes),
            access=frozenset(access),
            by_file=file_ids is not None,
            containers=tuple(containers),
        )

    @property
    def names_something(self) -> bool:
        """True if there is a condition at all; without any, every handle of the cluster matches."""
        return self != HandleFilter()

    @property
    def needs_paths(self) -> bool:
        """True if handles can not be told apart without their paths."""
        return bool(self.directories) or self.globs is not None

    def matches_open(self, handle: Handle) -> bool:
        """Check what a listed handle itself says: file, path and access."""
        if self.by_file and handle.file_id not in self.file_ids:
            return False
        if self.access and not self.access.intersection(handle.access):
            return False
        if self.directories and not any(
            handle.path == directory or handle.path.startswith(directory + "/")
            for directory in self.directories
        ):
            return False
        return self.globs is None or self.globs.matches(handle.path)

    def matches_holder(self, holder: Identity) -> bool:
        """Check the user."""
        return not self.users or any(user.matches(holder) for user in self.users)

    def matches_client(self, handle: Handle) -> bool:
        """Check client and node; true if one of those that come into question fits."""
        return self._some_address(handle) and self._some_node(handle)

    def is_certain(self, handle: Handle) -> bool:
        """Tell whether a handle that matches does so whichever client or node it belongs to."""
        if (self.networks or self.nodes) and not handle.placed:
            return False
        if self.networks and not all(self._in_networks(a) for a in handle.addresses):
            return False
        return not self.nodes or all(parse_address(node) in self.nodes for node in handle.nodes)

    def _some_address(self, handle: Handle) -> bool:
        return not self.networks or any(self._in_networks(a) for a in handle.addresses)

    def _some_node(self, handle: Handle) -> bool:
        return not self.nodes or any(parse_address(node) in self.nodes for node in handle.nodes)

    def _in_networks(self, text: str) -> bool:
        return any(is_within(text, network) for network in self.networks)
