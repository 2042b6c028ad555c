# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file system: every operation that the REST API has on files.

A ``ref`` is a file ID (``int`` or decimal ``str``) or an absolute path. ``snapshot`` is a
snapshot's ID. Times are nanoseconds since 1970, UTC; sizes and offsets are bytes; owners and
groups are auth IDs. Every refusal is a `ModelError`, and has changed nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .clock import Clock
from .events import Event

Ref = int | str
Json = dict[str, Any]


class Page(NamedTuple):
    """One page of a listing; ``next`` is the token for ``after``, empty on the last page."""

    items: list[Any]
    next: str


class FileSystem:
    """An in-memory Qumulo file system.

    :param clock: its time
    :param buffer_limit: bytes of each file that are really kept; what lies beyond reads as zeros

    ``listeners`` are called with an `Event` after each change, and may be appended to and removed
    from at any time; nothing is spent on events while it is empty. ``identities`` maps an auth ID
    to its ``{"id_type", "id_value"}``. ``diff_lists_children`` decides whether a tree diff lists
    what is in a created or deleted directory too.
    """

    ROOT_ID = 2

    def __init__(self, clock: Clock | None = None, *, buffer_limit: int = 65536) -> None:
        self.clock = clock or Clock()
        self.buffer_limit = buffer_limit
        self.listeners: list[Callable[[Event], None]] = []
        self.identities: dict[int, Json] = {}
        self.diff_lists_children = False
        raise NotImplementedError

    # finding
    def resolve(self, ref: Ref, *, snapshot: int | None = None) -> "Inode":
        """The file's state (of the snapshot, if given): .id .kind .size .mode .owner .group .num_links
        .access_time .modification_time .change_time .creation_time .parent .name, .is_directory ..."""
    def path_of(self, ref: Ref, *, snapshot: int | None = None) -> str:
        """An absolute path of the file: of its first link, if it has several."""
    def attributes(self, ref: Ref, *, snapshot: int | None = None, lock: bool = False) -> Json:
        """GET /v1/files/{ref}/info/attributes; ``lock``: with the ``lock`` member."""
    def render(self, inode: "Inode", *, snapshot: int | None = None, lock: bool = False) -> Json:
        """The same for an inode that an operation returned."""
    def etag(self, ref: Ref) -> str:
        """Changes with every change of the file; with quotes, ready for the header."""
    def entries(self, ref: Ref, *, after: str = "", limit: int = 1000, snapshot: int | None = None,
                smb_pattern: str | None = None) -> Page:
        """Rendered attributes of children; ordered by a hash of the name."""
    def aggregates(self, ref: Ref, *, max_entries: int = 1000, max_depth: int = 1,
                   order_by: str = "total_blocks", snapshot: int | None = None) -> list[Json]:
        """GET .../recursive-aggregates/: one member a directory, breadth first."""
    def read(self, ref: Ref, *, offset: int = 0, length: int | None = None, snapshot: int | None = None) -> bytes:
        """Content; what was never written really reads as zeros. Ask for at most some MiB at a time."""

    # changing; the actor's auth IDs are given as owner and group; each returns the Inode
    def create_file(self, parent: Ref, name: str, *, owner: int = 500, group: int = 513, mode: int = 0o644) -> "Inode": ...
    def create_directory(self, parent: Ref, name: str, *, owner: int = 500, group: int = 513, mode: int = 0o755) -> "Inode": ...
    def create_symlink(self, parent: Ref, name: str, target: str, *, target_type: str = "FS_FILE_TYPE_UNKNOWN",
                       owner: int = 500, group: int = 513) -> "Inode": ...
    def create_unix_file(self, parent: Ref, name: str, file_type: str, *, major: int = 0, minor: int = 0,
                         owner: int = 500, group: int = 513, mode: int = 0o644) -> "Inode": ...
    def create_link(self, parent: Ref, name: str, target: Ref) -> "Inode": ...
    def rename(self, source: str, parent: Ref, name: str, *, clobber: bool = False) -> "Inode": ...
    def remove(self, ref: Ref) -> None:
        """DELETE /v1/files/{ref}: one link (by ID only if it is the only one), or an empty directory."""
    def delete_tree(self, ref: Ref) -> TreeDeleteResult:
        """Remove a directory and all below it except what is locked; .removed .refused (paths)"""
    def write(self, ref: Ref, offset: int, data: bytes) -> "Inode": ...
    def append(self, ref: Ref, data: bytes) -> "Inode": ...
    def replace(self, ref: Ref, data: bytes) -> "Inode":
        """PUT .../data: exactly this content."""
    def write_synthetic(self, ref: Ref, offset: int, length: int) -> "Inode":
        """As if ``length`` bytes of zeros had been written, without the memory."""
    def truncate(self, ref: Ref, size: int) -> "Inode": ...
    def set_attributes(self, ref: Ref, *, mode=None, owner=None, group=None, size=None, access_time=None,
                       modification_time=None, change_time=None, creation_time=None,
                       extended_attributes: Mapping[str, bool] | None = None) -> "Inode": ...
    def touch_access_time(self, ref: Ref) -> "Inode":
        """What a read does when the cluster maintains access times itself."""
    def lock_file(self, ref: Ref, *, retention_ns: int | None = None, legal_hold: bool | None = None) -> "Inode":
        """PATCH .../file-lock; None leaves a part as it is."""

    # snapshots
    def take_snapshot(self, ref: Ref, name_suffix: str, *, expiration_ns: int | None = None) -> "Snapshot": ...
    def snapshot(self, snapshot_id: int) -> "Snapshot": ...
    def snapshots(self) -> list[Snapshot]:
        """Ascending IDs; expired ones are gone. Snapshot: .id .name .timestamp_ns .expiration_ns
        .source_file_id .policy_id (None) .in_delete (False)"""
    def set_snapshot_expiration(self, snapshot_id: int, expiration_ns: int | None) -> "Snapshot": ...
    def delete_snapshot(self, snapshot_id: int) -> None: ...
    def render_snapshot(self, snapshot: "Snapshot", *, status: bool = False) -> Json:
        """The entry of /v3/snapshots/; ``status``: of /v4/snapshots/status/ with the source path."""
    def tree_diff(self, newer: int, older: int, *, after: str = "", limit: int = 1000) -> Page:
        """Items {"op", "path"}, absolute paths."""
    def file_diff(self, newer: int, older: int, ref: Ref, *, after: str = "", limit: int = 1000, version: int = 2) -> Page:
        """Items {"type"|"op", "offset", "size"} (v2 | v3)."""

    # many files
    def bulk_create(self, parent: Ref, count: int, *, size: int = 0, pattern: str = "file-{:07d}",
                    start: int = 0, owner: int = 500, group: int = 513, mode: int = 0o644) -> int: ...
    def import_tree(self, directory: Path, *, into: Ref = "/") -> ImportResult:
        """.files .directories .symlinks .others .skipped (unreadable)"""
    def count(self) -> int:
        """Inodes that exist now."""
