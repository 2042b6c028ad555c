# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find files that changed since a moment by their times, where no snapshot can tell.

The change time of a file cannot be set, so a file whose change time is older is unchanged. Only
what came in with its directory has kept its times.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from .. import files
from ..client import Client
from ..domain.file_refs import FileRef, by_path
from ..domain.paths import parent
from ..errors import ConflictError
from ..files import DIRECTORY, FILE, FileInfo
from ..times import format_rfc3339, parse_rfc3339
from .places import Places
from .requests import CLOCK_ERROR
from .rules import MOVED, WRITTEN, Root, RuleSet
from .unlisted import Unlisted

_LOG = logging.getLogger("lockstep.watcher")
#: Directories that are named in a message.
_SHOWN = 3


class ChangedSince:
    """Finds files of a watched directory that changed since a moment.

    :param since: None: all files count.
    :param rules: gives the rules of the moment.
    :param unlisted: collects directories that may not be listed.
    :param snapshot: look at the tree of this snapshot; None: of now.
    :param places: where directories were before, if that is known; learns where they are now.
    """

    def __init__(
        self,
        client: Client,
        root: Root,
        since: datetime | None,
        rules: Callable[[], RuleSet],
        unlisted: Unlisted,
        *,
        snapshot: int | None,
        places: Places | None = None,
    ) -> None:
        self._client = client
        self._root = root
        self._since = since
        self._rules = rules
        self._unlisted = unlisted
        self._snapshot = snapshot
        self._places = places
        self._compares = places is not None and places.known
        self._top = root.path
        #: Changed directories, with the last time that something came in or went.
        self._changed: dict[str, datetime] = {}
        #: Directories that were moved, each with a slash behind it, and those that may have been.
        self._moved: list[str] = []
        self._doubtful: list[str] = []

    def files(self) -> Iterator[FileInfo]:
        """Yield the files."""
        top = files.get(self._client, self._root.ref, snapshot=self._snapshot)
        self._top = top.path
        self._note(top)
        for info in self._walk([self._root.ref]):
            if info.type == FILE and self._is_new(info):
                yield info
            elif info.type == DIRECTORY:
                self._see(info)
        if self._snapshot is None:
            self._check_place()
        roots = list(files.outermost(sorted(self._moved)))
        for info in self._walk(map(by_path, roots)):
            if info.type == FILE and self._counts_moved(info):
                yield info
        self._report(tuple(roots))

    def _check_place(self) -> None:
        """Refuse a walk during which the watched directory was renamed.

        :raises QumuloError: paths before and after that cannot be compared.
        """
        now = files.get(self._client, self._root.ref).path
        if now != self._top:
            raise ConflictError(
                f"{self._top} was renamed to {now} while its files were looked at. The watcher "
                "begins again."
            )

    def _walk(self, roots: Iterable[FileRef]) -> Iterator[FileInfo]:
        return files.walk(self._client, roots, snapshot=self._snapshot, on_error=self._unlisted.add)

    def _is_new(self, info: FileInfo) -> bool:
        """Tell whether a file was written, created or moved since."""
        if self._since is None:
            return True
        if not self._is_since(info.change_time):
            return False
        rule = self._rules().decide(info.path, info.size).rule
        if rule is None:
            return False
        if WRITTEN in rule.events or self._created(info):
            return True
        # Written files do not count. A copy can have the times of its original, as can a file that
        # was moved in: only its directory tells.
        return not self._is_since(info.modification_time) and parent(info.path) in self._changed

    def _created(self, info: FileInfo) -> bool:
        return bool(info.creation_time) and self._is_since(info.creation_time)

    def _is_since(self, moment: str) -> bool:
        return self._since is None or parse_rfc3339(moment) >= self._since

    def _counts_moved(self, info: FileInfo) -> bool:
        rule = self._rules().decide(info.path, info.size).rule
        return rule is not None and MOVED in rule.events

    def _see(self, info: FileInfo) -> None:
        """Judge a directory: one that was moved since brought files that have kept their times.

        If nobody knows where it was, its times must tell. A move changes the directory's change
        time, and the modification time of the one above it at the same moment. It does not change
        the directory's own modification time. If that has changed, too, nothing tells a move from
        a new entry.
        """
        elsewhere = False
        if self._places is not None:
            relative = Root(self._root.id, self._top).relative(info.path) or ""
            elsewhere = self._places.see(info.id, relative)
        if self._since is None:
            return
        self._note(info)
        if self._compares:
            if elsewhere:
                self._moved.append(info.path + "/")
            return
        above = self._changed.get(parent(info.path))
        if above is None or not self._is_since(info.change_time) or self._created(info):
            return
        later = parse_rfc3339(info.change_time) > above + CLOCK_ERROR
        if later or self._is_since(info.modification_time):
            self._doubtful.append(info.path)
        else:
            self._moved.append(info.path + "/")

    def _note(self, info: FileInfo) -> None:
        if self._is_since(info.change_time):
            self._changed[info.path] = parse_rfc3339(info.modification_time)

    def _report(self, moved: tuple[str, ...]) -> None:
        left = [path for path in self._doubtful if not path.startswith(moved)]
        if left and self._since is not None:
            shown = ", ".join(left[:_SHOWN]) + (", ..." if len(left) > _SHOWN else "")
            _LOG.warning(
                "%d directories of %s may have been moved in since %s, or only changed: %s. Files "
                "that have not changed since then are not locked. Look for them with "
                "'lockstep-watcher audit'",
                len(left),
                self._root.path,
                format_rfc3339(self._since),
                shown,
            )
