# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inodes, their older versions, and the content of directories.

A live inode and a version of it that a snapshot still sees are the same class, so whatever reads
attributes need not know which of the two it has.
"""

from __future__ import annotations

FILE, DIRECTORY, SYMLINK, PIPE, CHARACTER_DEVICE, BLOCK_DEVICE, SOCKET = range(7)

TYPE_NAMES = (
    "FS_FILE_TYPE_FILE",
    "FS_FILE_TYPE_DIRECTORY",
    "FS_FILE_TYPE_SYMLINK",
    "FS_FILE_TYPE_UNIX_PIPE",
    "FS_FILE_TYPE_UNIX_CHARACTER_DEVICE",
    "FS_FILE_TYPE_UNIX_BLOCK_DEVICE",
    "FS_FILE_TYPE_UNIX_SOCKET",
)
KINDS = {name: kind for kind, name in enumerate(TYPE_NAMES)}

EXTENDED_ATTRIBUTES = (
    "read_only",
    "hidden",
    "system",
    "archive",
    "temporary",
    "compressed",
    "not_content_indexed",
    "sparse_file",
    "offline",
)

BLOCK = 4096

# A region of the write journal: (epoch, first byte, byte after the last, whether it is data or
# a hole), both ends multiples of BLOCK.
Region = tuple[int, int, int, bool]


class Rare:
    """What few inodes have, apart so that a million plain files do not pay for it."""

    __slots__ = (
        "extended_attributes",
        "journal",
        "legal_hold",
        "links",
        "major",
        "minor",
        "retention_ns",
        "target_type",
    )

    def __init__(self) -> None:
        self.extended_attributes = 0
        self.journal: list[Region] | None = None
        self.legal_hold = False
        self.links: tuple[tuple[Inode, str], ...] = ()
        self.major = 0
        self.minor = 0
        self.retention_ns: int | None = None
        self.target_type = "FS_FILE_TYPE_UNKNOWN"

    def copy(self) -> Rare:
        """An independent copy; the journal is shared, because its records carry their epoch."""
        other = Rare()
        other.extended_attributes = self.extended_attributes
        other.journal = self.journal
        other.legal_hold = self.legal_hold
        other.links = self.links
        other.major = self.major
        other.minor = self.minor
        other.retention_ns = self.retention_ns
        other.target_type = self.target_type
        return other


class Inode:
    """A file's state: the present one, or the one that held from ``epoch`` on.

    Times are nanoseconds since 1970, UTC. ``size`` is in bytes; of a directory it is the number
    of its children. ``content`` is the first bytes of a file (the rest reads as zeros), the target
    of a symlink, or a `Directory`. ``parent`` and ``name`` are the first link; more are in
    ``rare.links``. A file without links no longer exists.
    """

    __slots__ = (
        "access_time",
        "born",
        "change_time",
        "content",
        "creation_time",
        "data_revision",
        "epoch",
        "group",
        "id",
        "kind",
        "mode",
        "modification_time",
        "name",
        "num_links",
        "older",
        "owner",
        "parent",
        "rare",
        "revision",
        "size",
    )

    def __init__(
        self,
        file_id: int,
        kind: int,
        parent: Inode | None,
        name: str,
        epoch: int,
        now_ns: int,
        owner: int,
        group: int,
        mode: int,
    ) -> None:
        self.id = file_id
        self.kind = kind
        self.parent = parent
        self.name = name
        self.epoch = self.born = epoch
        self.older: Inode | None = None
        self.access_time = self.modification_time = self.change_time = self.creation_time = now_ns
        self.owner = owner
        self.group = group
        self.mode = mode
        self.size = 0
        self.num_links = 1
        self.content: Directory | bytes | str | None = None
        self.data_revision = 0
        self.revision = 0
        self.rare: Rare | None = None

    def frozen(self) -> Inode:
        """A copy of the present state, which stays as it is."""
        other = Inode.__new__(Inode)
        other.id = self.id
        other.kind = self.kind
        other.parent = self.parent
        other.name = self.name
        other.epoch = self.epoch
        other.born = self.born
        other.older = self.older
        other.access_time = self.access_time
        other.modification_time = self.modification_time
        other.change_time = self.change_time
        other.creation_time = self.creation_time
        other.owner = self.owner
        other.group = self.group
        other.mode = self.mode
        other.size = self.size
        other.num_links = self.num_links
        other.content = self.content
        other.data_revision = self.data_revision
        other.revision = self.revision
        other.rare = None if self.rare is None else self.rare.copy()
        return other

    @property
    def is_directory(self) -> bool:
        return self.kind == DIRECTORY

    @property
    def is_file(self) -> bool:
        return self.kind == FILE

    @property
    def type(self) -> str:
        """The type's name in the API."""
        return TYPE_NAMES[self.kind]

    @property
    def directory(self) -> Directory:
        """The content of a directory."""
        content = self.content
        assert isinstance(content, Directory)
        return content

    def with_rare(self) -> Rare:
        """Its rare part, made if it has none yet."""
        if self.rare is None:
            self.rare = Rare()
        return self.rare

    def links(self) -> list[tuple[Inode, str]]:
        """Directory and name of each of its links; none of the root."""
        if self.parent is None:
            return []
        links = [(self.parent, self.name)]
        if self.rare is not None:
            links += self.rare.links
        return links

    def data_blocks(self) -> int:
        """Blocks of content. Holes are counted: the model does not know which were written."""
        if self.kind == FILE:
            return -(-self.size // BLOCK)
        return 0


class Past:
    """A name that led to ``inode`` in the epochs ``start`` to ``end - 1``, and no longer does."""

    __slots__ = ("end", "inode", "name", "start")

    def __init__(self, name: str, inode: Inode, start: int, end: int) -> None:
        self.name = name
        self.inode = inode
        self.start = start
        self.end = end


class Directory:
    """The names in a directory, now and as snapshots see them, and totals of all below it.

    Nothing is copied when a snapshot is taken: a present name is visible since the epoch in
    ``since`` (or since its inode's birth, which is the rule), and a removed one stays in ``past``.
    ``entries`` is in the order in which names appeared, ``touched`` in the order of the last
    change, so what changed since an epoch is found at their ends.
    """

    __slots__ = (
        "capacity_blocks",
        "directories",
        "entries",
        "entries_epoch",
        "files",
        "order",
        "others",
        "past",
        "past_by_name",
        "past_limit",
        "since",
        "symlinks",
        "touched",
    )

    def __init__(self) -> None:
        self.entries: dict[str, Inode] = {}
        self.since: dict[str, int] = {}
        self.entries_epoch = 0
        self.past: list[Past] | None = None
        self.past_by_name: dict[str, tuple[Past, ...]] | None = None
        self.past_limit = 64
        # Names of children in which, or below which, something changed, with the epoch of the
        # last change; only names that were there at the last snapshot.
        self.touched: dict[str, int] | None = None
        # Names in listing order, once they have been listed.
        self.order: list[str] | None = None
        self.files = 0
        self.directories = 0
        self.symlinks = 0
        self.others = 0
        self.capacity_blocks = 0

    def visible_since(self, name: str, inode: Inode) -> int:
        """The first epoch in which the present ``name`` leads to ``inode``."""
        if self.since:
            return self.since.get(name, inode.born)
        return inode.born

    def lookup(self, name: str, epoch: int | None) -> Inode | None:
        """The live inode that ``name`` leads to, or led to in ``epoch``."""
        inode = self.entries.get(name)
        if epoch is None:
            return inode
        if inode is not None and self.visible_since(name, inode) <= epoch:
            return inode
        if self.past_by_name is not None:
            for past in self.past_by_name.get(name, ()):
                if past.start <= epoch < past.end:
                    return past.inode
        return None

    def names_at(self, epoch: int) -> list[str]:
        """The names of ``epoch``, in no particular order."""
        names = []
        for name, inode in self.entries.items():
            if self.visible_since(name, inode) > epoch:
                break
            names.append(name)
        for past in self.past or ():
            if past.start <= epoch < past.end:
                names.append(past.name)
        return names

    def changed_names(self, older: int, newer: int) -> list[str]:
        """Names that can have changed after epoch ``older`` and until ``newer``, sorted.

        No changed name is missing; some may be unchanged. The cost is that of the changes since
        ``older``, however many names there are.
        """
        names = set()
        for name in reversed(self.entries):
            since = self.visible_since(name, self.entries[name])
            if since <= older:
                break
            if since <= newer:
                names.add(name)
        # A name that was there in ``older`` and went was touched, so ``past`` has nothing to add.
        touched = self.touched
        if touched:
            for name in reversed(touched):
                if touched[name] <= older:
                    break
                names.add(name)
        return sorted(names)
