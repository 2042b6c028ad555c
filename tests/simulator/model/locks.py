# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""WORM locks of files: retention periods and legal holds."""

from __future__ import annotations

from .aggregates import Aggregates
from .errors import (
    FileLockedError,
    InvalidAttributesError,
    InvalidFileTypeError,
    RetentionShortenedError,
)
from .inode import FILE, Inode
from .paths import Ref
from .render import rfc3339


class Locks(Aggregates):
    """Setting locks, and asking whether a file is locked now."""

    def lock_file(
        self, ref: Ref, *, retention_ns: int | None = None, legal_hold: bool | None = None
    ) -> Inode:
        """PATCH .../file-lock: a retention period until ``retention_ns`` and/or a legal hold.

        What is None stays as it is. A retention period can be extended, never shortened or
        removed; a legal hold can be set and released ("Qumulo REST API guide", file-lock). No
        change notification tells of it.

        :raises InvalidFileTypeError: if it is not a regular file
        :raises RetentionShortenedError: if the retention would end earlier than it does
        :raises InvalidAttributesError: if a new retention would end in the past
        """
        inode = self._resolve(ref)[0]
        if inode.kind != FILE:
            raise InvalidFileTypeError(f"{self._path(inode, None)} is not a regular file")
        now_ns = self.clock.now_ns()
        present = None if inode.rare is None else inode.rare.retention_ns
        if retention_ns is not None and retention_ns != present:
            if present is not None and retention_ns < present:
                raise RetentionShortenedError(
                    f"retention period {rfc3339(retention_ns)} is before {rfc3339(present)}, "
                    "which is set already"
                )
            if retention_ns <= now_ns:
                raise InvalidAttributesError(
                    f"retention period {rfc3339(retention_ns)} is in the past"
                )
        self._begin_change(inode)
        rare = inode.with_rare()
        if retention_ns is not None:
            rare.retention_ns = retention_ns
        if legal_hold is not None:
            rare.legal_hold = legal_hold
        inode.change_time = now_ns
        return inode

    def _is_locked(self, inode: Inode) -> bool:
        rare = inode.rare
        if rare is None:
            return False
        retention_ns = rare.retention_ns
        return rare.legal_hold or (retention_ns is not None and retention_ns > self.clock.now_ns())

    def _check_unlocked(self, inode: Inode) -> None:
        if self._is_locked(inode):
            raise FileLockedError(f"{self._path(inode, None)} is locked")
