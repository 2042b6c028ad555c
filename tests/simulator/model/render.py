# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inodes and snapshots as the JSON objects of the API."""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

from .inode import DIRECTORY, EXTENDED_ATTRIBUTES, FILE, TYPE_NAMES, Inode

Json = dict[str, Any]

# Auth IDs of NFS users and groups carry the number in their lower 32 bits.
NFS_UID = 3 << 32
NFS_GID = 4 << 32

_NO_DEVICE = {"major": 0, "minor": 0}
_UNLOCKED = {"legal_hold": False, "retention_period": None}


@lru_cache(maxsize=1 << 16)
def rfc3339(time_ns: int) -> str:
    """RFC 3339 in UTC, with nine decimals unless the second is whole, as a cluster writes it."""
    seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
    whole = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{whole}.{nanoseconds:09d}Z" if nanoseconds else f"{whole}Z"


@lru_cache(maxsize=1 << len(EXTENDED_ATTRIBUTES))
def extended_attributes(bits: int) -> Json:
    """The ``extended_attributes`` member. The same object for the same bits: do not change it."""
    return {name: bool(bits >> at & 1) for at, name in enumerate(EXTENDED_ATTRIBUTES)}


def identity_details(auth_id: int) -> Json:
    """``owner_details`` of an auth ID that is not known by name."""
    if auth_id >> 32 == NFS_UID >> 32:
        return {"id_type": "NFS_UID", "id_value": str(auth_id & 0xFFFFFFFF)}
    if auth_id >> 32 == NFS_GID >> 32:
        return {"id_type": "NFS_GID", "id_value": str(auth_id & 0xFFFFFFFF)}
    return {"id_type": "INTERNAL", "id_value": str(auth_id)}


def attributes(inode: Inode, name: str, path: str, identities: dict[int, Json]) -> Json:
    """The attributes of ``inode``; ``path`` without the slash at the end of a directory's."""
    file_id = str(inode.id)
    is_directory = inode.kind == DIRECTORY
    rare = inode.rare
    blocks = inode.data_blocks()
    owner, group = inode.owner, inode.group
    return {
        "path": path + "/" if is_directory and path != "/" else path,
        "name": name,
        "num_links": inode.num_links,
        "type": TYPE_NAMES[inode.kind],
        "major_minor_numbers": (
            _NO_DEVICE if rare is None else {"major": rare.major, "minor": rare.minor}
        ),
        "symlink_target_type": "FS_FILE_TYPE_UNKNOWN" if rare is None else rare.target_type,
        "file_number": file_id,
        "id": file_id,
        "mode": f"{inode.mode:04o}",
        "owner": str(owner),
        "owner_details": identities.get(owner) or identity_details(owner),
        "group": str(group),
        "group_details": identities.get(group) or identity_details(group),
        "blocks": str(blocks + 1),
        "datablocks": str(blocks),
        "metablocks": "1",
        # A directory keeps its names in metadata blocks of 512 bytes and up.
        "size": str(512 * max(1, inode.size) if is_directory else inode.size),
        "access_time": rfc3339(inode.access_time),
        "modification_time": rfc3339(inode.modification_time),
        "change_time": rfc3339(inode.change_time),
        "creation_time": rfc3339(inode.creation_time),
        "child_count": inode.size if is_directory else 0,
        "extended_attributes": extended_attributes(0 if rare is None else rare.extended_attributes),
        "directory_entry_hash_policy": (
            "FS_DIRECTORY_HASH_VERSION_FOLDED" if is_directory else None
        ),
        "data_revision": str(inode.data_revision) if inode.kind == FILE else None,
        "user_metadata_revision": "0",
    }


def lock(inode: Inode) -> Json:
    """The ``lock`` member; a retention period that is over is still shown."""
    rare = inode.rare
    if rare is None:
        return _UNLOCKED
    return {
        "legal_hold": rare.legal_hold,
        "retention_period": None if rare.retention_ns is None else rfc3339(rare.retention_ns),
    }
