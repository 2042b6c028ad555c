# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An in-memory Qumulo file system: no I/O, no threads, no HTTP.

The server calls it from its one event loop. `FileSystem` has every operation; it is stacked from
parts, each on the one before:

- ``store``: inodes, epochs and copy-on-write versions, names, totals
- ``paths``: from a reference to an inode, from an inode to its path; events
- ``snapshots``: taking, expiring and deleting snapshots
- ``reader``: attributes, entries, content - now or in a snapshot
- ``tree_diff``, ``file_regions``: what changed between two snapshots
- ``aggregates``: recursive totals
- ``locks``, ``namespace``, ``content``: everything that changes a file, and the rules about it
- ``filesystem``: the whole, with the making of many files at once

``render`` has the JSON objects, ``importer`` loads a real tree.
"""

from __future__ import annotations

from .clock import Clock
from .errors import ModelError
from .events import Event
from .filesystem import FileSystem
from .importer import ImportResult
from .inode import Inode
from .namespace import TreeDeleteResult
from .reader import Page
from .render import NFS_GID, NFS_UID, rfc3339
from .snapshots import Snapshot

__all__ = [
    "NFS_GID",
    "NFS_UID",
    "Clock",
    "Event",
    "FileSystem",
    "ImportResult",
    "Inode",
    "ModelError",
    "Page",
    "Snapshot",
    "TreeDeleteResult",
    "rfc3339",
]
