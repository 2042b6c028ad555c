# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What listeners of the model are told about each change."""

from __future__ import annotations

from typing import NamedTuple


class Event(NamedTuple):
    """One change, for change notifications and the like.

    ``type`` is a type of the change notifications: child_{file,dir}_{added,removed,moved_from,
    moved_to}, child_{acl,atime,btime,mtime,size,extra_attrs,owner,group}_changed,
    child_data_written ("Qumulo REST API guide", notify). A file with several links gives one event
    for each link. A watcher of directory W wants an event if W is in ``spine[:-1]`` (recursive) or
    is ``spine[-2]`` (not recursive); its relative path is ``names[spine.index(W):]``, its
    relative spine ``spine[spine.index(W) + 1:]``. If W is ``spine[-1]`` of child_dir_removed,
    W itself was removed.
    """

    type: str
    spine: tuple[int, ...]
    """File IDs from the root (2) down to the file itself."""
    names: tuple[str, ...]
    """Path components below the root; one fewer than the spine."""
    is_directory: bool
    time_ns: int
    """The cluster's time, nanoseconds since 1970."""
    offset: int = 0
    """First byte written (child_data_written)."""
    size: int = 0
    """Bytes written (child_data_written)."""

    @property
    def path(self) -> str:
        """The absolute path."""
        return "/" + "/".join(self.names)
