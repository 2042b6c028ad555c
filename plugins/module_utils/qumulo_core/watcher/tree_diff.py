# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the files that were created, written or renamed between two snapshots."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from .. import files
from ..changelist.diff import changes
from ..changelist.entries import CREATE, MODIFY
from ..client import Client
from ..domain.file_refs import by_path
from ..domain.paths import parent
from ..errors import MissingPrivilegeError, NotFoundError, PermissionDeniedError
from ..files import FILE, FileInfo
from ..pool import map_unordered
from ..service.spool import Spool
from ..snapshots import Snapshot
from ..times import parse_rfc3339
from .requests import CLOCK_ERROR
from .rules import WRITTEN, RuleSet
from .unlisted import Unlisted

_WORKERS = 16
#: Most changed names of a directory that are looked at together; more than a few are worth a
#: listing, if the directory has not many times as many.
_RUN, _FEW, _PAYS = 10_000, 20, 20


class TreeDiff:
    """Finds changed files by a tree diff.

    :param rules: gives the rules of the moment.
    :param unlisted: collects directories that may not be listed.
    """

    def __init__(
        self,
        client: Client,
        spool: Spool,
        rules: Callable[[], RuleSet],
        unlisted: Unlisted,
    ) -> None:
        self._client = client
        self._spool = spool
        self._rules = rules
        self._unlisted = unlisted

    def files(self, older: Snapshot, newer: int) -> Iterator[FileInfo]:
        """Yield files that were created, written or renamed between two snapshots."""

        def wanted() -> Iterator[str]:
            for page in changes(self._client, newer, older.id):
                made = {path for path in page[CREATE] if path.endswith("/")}
                touched = set(page[MODIFY])
                for path in sorted(page[CREATE] + page[MODIFY]):
                    if created and path.startswith(created[-1]):
                        continue  # what is in a created directory is found there
                    if not path.endswith("/"):
                        if self._rules().decide(path).rule is not None:
                            if path in touched:
                                modified.add(path)
                            yield path
                    elif path in made:
                        created.append(path)

        created: list[str] = []
        modified: set[str] = set()
        doubtful: list[FileInfo] = []
        for info in self._found(wanted(), newer):
            if info.path not in modified:
                yield info
                continue
            modified.discard(info.path)
            doubtful.append(info)
            if len(doubtful) >= _RUN:
                yield from self._written(doubtful, older, newer)
                doubtful = []
        yield from self._written(doubtful, older, newer)
        # A created directory stands for all that is in it, whether that is listed or not.
        roots = map(by_path, files.outermost(sorted(created)))
        for info in files.walk(self._client, roots, snapshot=newer, on_error=self._unlisted.add):
            if info.type == FILE:
                yield info

    def _found(self, paths: Iterable[str], snapshot: int) -> Iterator[FileInfo]:
        few: list[str] = []
        for directory, names in _runs(paths):
            if len(names) > _FEW and self._listing_pays(directory, len(names), snapshot):
                try:
                    yield from self._listed(directory, set(names), snapshot)
                    continue
                except (MissingPrivilegeError, PermissionDeniedError):
                    pass  # each of them may be read all the same
            few += [f"{directory}/{name}" for name in names]
            if len(few) >= _RUN:
                yield from self._read(few, snapshot)
                few = []
        yield from self._read(few, snapshot)

    def _written(
        self, found: Iterable[FileInfo], older: Snapshot, newer: int
    ) -> Iterator[FileInfo]:
        """Yield those of modified files that a stream would have told to be written.

        A tree diff lists as well what was only read by somebody, given to another owner or locked:
        nothing of it makes a file one to be locked.
        """
        rules = self._rules()
        waiting: list[FileInfo] = []
        unsure: list[FileInfo] = []
        for info in found:
            rule = rules.decide(info.path, info.size).rule
            if rule is None:
                continue
            if WRITTEN not in rule.events:
                waiting.append(info)
            elif parse_rfc3339(info.modification_time) > older.taken + CLOCK_ERROR:
                yield info
            else:
                unsure.append(info)
        known = set(self._spool.known([info.id for info in waiting]))
        yield from (info for info in waiting if info.id in known)
        if not unsure:
            return

        def was_written(client: Client, info: FileInfo) -> bool:
            # Whoever writes can set the time back: then only the data tell.
            try:
                before = files.get(client, by_path(info.path), snapshot=older.id)
            except NotFoundError:
                return True
            if (before.id, before.size, before.modification_time) != (
                info.id,
                info.size,
                info.modification_time,
            ):
                return True
            name = by_path(info.path).quoted
            uri = f"/v2/snapshots/{newer}/changes-since/{older.id}/files/{name}?limit=1"
            return bool(client.get(uri)["entries"])

        for outcome in map_unordered(self._client, was_written, unsure, workers=_WORKERS):
            if isinstance(outcome.error, PermissionDeniedError):
                self._unlisted.add(parent(outcome.item.path), outcome.error)
            elif outcome.error is not None:
                raise outcome.error
            elif outcome.value:
                yield outcome.item

    def _listing_pays(self, directory: str, count: int, snapshot: int) -> bool:
        """Tell whether listing a directory is cheaper than requesting each of its changed files."""
        uri = f"/v1/files/{by_path(directory or '/').quoted}/info/attributes?snapshot={snapshot}"
        try:
            entries = int(self._client.get(uri)["child_count"])
        except (
            MissingPrivilegeError,
            PermissionDeniedError,
            NotFoundError,
            KeyError,
            TypeError,
            ValueError,
        ):
            return False
        return entries <= count * _PAYS

    def _listed(self, directory: str, names: set[str], snapshot: int) -> Iterator[FileInfo]:
        for info in files.entries(self._client, by_path(directory or "/"), snapshot=snapshot):
            if info.name in names and info.type == FILE:
                yield replace(info, path=f"{directory}/{info.name}")

    def _read(self, paths: list[str], snapshot: int) -> Iterator[FileInfo]:
        def read(client: Client, path: str) -> FileInfo | None:
            try:
                # By this name, whichever of its hard links the cluster names it by.
                return replace(files.get(client, by_path(path), snapshot=snapshot), path=path)
            except NotFoundError:
                return None

        for outcome in map_unordered(self._client, read, paths, workers=_WORKERS):
            if outcome.error is not None:
                self._unlisted.add(parent(outcome.item), outcome.error)
            elif outcome.value is not None and outcome.value.type == FILE:
                yield outcome.value


def _runs(paths: Iterable[str]) -> Iterator[tuple[str, list[str]]]:
    """Yield directories with names in them that come one after the other, some at a time."""
    directory = ""
    names: list[str] = []
    for path in paths:
        above, _slash, name = path.rpartition("/")
        if names and (above != directory or len(names) >= _RUN):
            yield directory, names
            names = []
        directory = above
        names.append(name)
    if names:
        yield directory, names
