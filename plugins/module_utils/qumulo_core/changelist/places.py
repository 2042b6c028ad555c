# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the directory of two snapshots was in the older one: it can have been renamed since."""

from __future__ import annotations

from dataclasses import dataclass

from .. import files
from ..client import Client
from ..domain.file_refs import by_id
from ..errors import PermissionDeniedError
from ..snapshots import Snapshot


@dataclass(frozen=True)
class Place:
    """The path of a directory in two snapshots, without a slash at the end.

    A tree diff names everything by the path in the newer one. Whatever is asked of the older one
    has to be asked by the path that it had there.
    """

    now: str = ""
    then: str = ""

    def in_older(self, path: str) -> str:
        """Return the path that something had in the older snapshot."""
        return self.then + path[len(self.now) :] if self.then != self.now else path

    def in_newer(self, path: str) -> str:
        """Return the path by which the tree diff names it."""
        return self.now + path[len(self.then) :] if self.then != self.now else path


#: It was where it is; so it is for all that is asked of the newer snapshot.
UNMOVED = Place()


def find(client: Client, newer: Snapshot, older: Snapshot) -> Place:
    """Ask the cluster where the directory was."""
    try:
        now, then = (
            files.get(client, by_id(newer.source_id), snapshot=snapshot.id).path.rstrip("/")
            for snapshot in (newer, older)
        )
    except PermissionDeniedError:
        return UNMOVED
    # Where it has been renamed after the newer one, too, nothing is known of how that is shown.
    return Place(now, then) if now == newer.source_path.rstrip("/") else UNMOVED
