# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changed between two snapshots, at a cost proportional to the changes.

A directory is looked into only if something below it changed since the older snapshot. The order
is that of the names, depth first, so a paging token is simply the last entry's place in the tree:
no page depends on state that an earlier one left behind.

A file that changed place is a DELETE and a CREATE, also when another file took its name; one
under the same name whose content or attributes changed is a MODIFY ("Qumulo Care", Identify File
and Byte Range Changes between Snapshots). Paths are absolute, by the place that the source
directory has in the newer snapshot.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import OrderedDict

from .clock import Clock
from .errors import InvalidArgumentError
from .inode import DIRECTORY, Inode
from .reader import Page, Reader, decode_token, encode_token
from .render import Json
from .snapshots import Snapshot

# Names in the lists of changed names that are kept for the next page, over all directories.
_NAMES_KEPT = 20_000_000

_OPERATIONS = {"M": "MODIFY", "D": "DELETE", "C": "CREATE"}


class _Level:
    """How far a directory has been compared (step M), or listed as created (C) or deleted (D)."""

    __slots__ = ("at", "deleted", "inode", "names", "prefix", "step")

    def __init__(self, step: str, inode: Inode, names: list[str], prefix: str) -> None:
        self.step = step
        self.inode = inode
        self.names = names
        self.prefix = prefix
        self.at = 0
        # Whether the DELETE of the present name is done and only its CREATE is left.
        self.deleted = False


class TreeDiffs(Reader):
    """Tree diffs; ``diff_lists_children`` decides whether what is in a created or deleted directory
    is listed too, or stands behind the directory's own entry."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self.diff_lists_children = False
        self._diff_names: OrderedDict[tuple[int, int, int], list[str]] = OrderedDict()
        self._diff_names_kept = 0

    def tree_diff(self, newer: int, older: int, *, after: str = "", limit: int = 1000) -> Page:
        """GET /v2/snapshots/{newer}/changes-since/{older}: items ``{"op", "path"}``.

        :param after: ``next`` of the page before
        :raises NoSuchSnapshotError: if one does not exist
        :raises InvalidArgumentError: if they are of different directories or in the wrong order, or
            the token is none
        """
        if limit < 1:
            raise InvalidArgumentError(f"limit {limit} is below 1")
        new, old = self.snapshot(newer), self.snapshot(older)
        if new.source_file_id != old.source_file_id:
            raise InvalidArgumentError(
                f"snapshots {newer} and {older} are of different directories"
            )
        if new.epoch < old.epoch:
            raise InvalidArgumentError(f"snapshot {newer} is older than snapshot {older}")
        source, top, path = self._top(new, old)
        items: list[Json] = []
        if after:
            steps, *names = decode_token(after).split("/")
            # The source's own entry is the one without names.
            stack = self._levels_after(top, steps, [] if names == [""] else names, new, old)
        else:
            stack = [top]
            if self._is_modified(source, new, old):
                items.append({"op": "MODIFY", "path": path})
        # The token is written when the page is full, but handed out only if something follows.
        token = "/" if len(items) == limit else ""
        while stack:
            level = stack[-1]
            if level.at >= len(level.names):
                stack.pop()
                continue
            files = [] if token else self._new_files(level, limit - len(items), new, old)
            if files:
                items += [{"op": "CREATE", "path": f"{level.prefix}{name}"} for name in files]
                if len(items) == limit:
                    token = self._place(stack, "C", files[-1])
                continue
            name = level.names[level.at]
            step, child = self._next_step(level, name, new, old)
            if child is None:
                continue
            if step != "M" or self._is_modified(child, new, old):
                if token:
                    return Page(items, encode_token(token))
                slash = "/" if child.kind == DIRECTORY else ""
                items.append({"op": _OPERATIONS[step], "path": f"{level.prefix}{name}{slash}"})
                if len(items) == limit:
                    token = self._place(stack, step, name)
            below = self._below(level, step, name, child, new, old)
            if below is not None:
                stack.append(below)
        return Page(items, "")

    def _top(self, new: Snapshot, old: Snapshot) -> tuple[Inode, _Level, str]:
        source = self._table[new.source_file_id]
        state = None if source is None else self._state(source, new.epoch)
        assert source is not None and state is not None
        path = self._path(state, new.epoch)
        prefix = path if path == "/" else path + "/"
        return source, _Level("M", source, self._changed_names(source, new, old), prefix), prefix

    @staticmethod
    def _place(stack: list[_Level], step: str, name: str) -> str:
        """Where the entry just found is: a step and a name for each level."""
        steps = [level.step for level in stack[1:]] + [step]
        # A level whose DELETE alone is done still stands at its name, any other is one further.
        names = [level.names[level.at - (not level.deleted)] for level in stack[:-1]] + [name]
        return f"{''.join(steps)}/{'/'.join(names)}"

    def _next_step(
        self, level: _Level, name: str, new: Snapshot, old: Snapshot
    ) -> tuple[str, Inode | None]:
        """Advance ``level`` by one entry of ``name``; no inode if there is none."""
        directory = level.inode.directory
        if level.step == "C":
            level.at += 1
            return "C", directory.lookup(name, new.epoch)
        if level.step == "D":
            level.at += 1
            return "D", directory.lookup(name, old.epoch)
        before = directory.lookup(name, old.epoch)
        now = directory.lookup(name, new.epoch)
        if before is now:
            level.at += 1
            return "M", now
        if before is not None and not level.deleted:
            level.deleted = True
            return "D", before
        level.at += 1
        level.deleted = False
        return "C", now

    @staticmethod
    def _new_files(level: _Level, most: int, new: Snapshot, old: Snapshot) -> list[str]:
        """Advance ``level`` over files whose names led to nothing before; return the names.

        :meth:`_next_step` would find the same; nearly all entries of large diffs are of this kind.
        """
        directory = level.inode.directory
        if level.step != "M" or level.deleted or directory.past_by_name:
            return []
        names, present, visible_since = level.names, directory.entries, directory.visible_since
        first = at = level.at
        last = min(len(names), first + most)
        while at < last:
            inode = present.get(names[at])
            if inode is None or inode.kind == DIRECTORY:
                break
            if not old.epoch < visible_since(names[at], inode) <= new.epoch:
                break
            at += 1
        level.at = at
        return names[first:at]

    def _is_modified(self, inode: Inode, new: Snapshot, old: Snapshot) -> bool:
        return self._state(inode, new.epoch) is not self._state(inode, old.epoch)

    def _below(
        self, level: _Level, step: str, name: str, child: Inode, new: Snapshot, old: Snapshot
    ) -> _Level | None:
        """The level for what is in ``child``, if that is to be looked into."""
        if child.kind != DIRECTORY:
            return None
        prefix = f"{level.prefix}{name}/"
        if step == "M":
            names = self._changed_names(child, new, old)
        elif self.diff_lists_children:
            epoch = new.epoch if step == "C" else old.epoch
            names = self._sorted_names(child, epoch)
        else:
            return None
        return _Level(step, child, names, prefix) if names else None

    def _levels_after(
        self, top: _Level, steps: str, names: list[str], new: Snapshot, old: Snapshot
    ) -> list[_Level]:
        """The levels as they were when the entry of ``steps`` and ``names`` had just been found.

        :raises InvalidArgumentError: if there is no such entry
        """
        stack = [top]
        try:
            for step, name in zip(steps, names, strict=True):
                level = stack[-1]
                level.at = bisect_left(level.names, name)
                if level.names[level.at] != name:
                    raise LookupError(name)
                level.deleted = False
                found, child = self._next_step(level, name, new, old)
                if found != step:
                    found, child = self._next_step(level, name, new, old)
                if found != step or child is None:
                    raise LookupError(name)
                below = self._below(level, step, name, child, new, old)
                if below is not None:
                    stack.append(below)
        except (LookupError, ValueError) as error:
            raise InvalidArgumentError("the paging token is not of these snapshots") from error
        return stack

    # -- lists of names ---------------------------------------------------------------------

    def _changed_names(self, inode: Inode, new: Snapshot, old: Snapshot) -> list[str]:
        key = (inode.id, old.epoch, new.epoch)
        names = self._diff_names.get(key)
        if names is None:
            names = inode.directory.changed_names(old.epoch, new.epoch)
            self._keep(key, names)
        else:
            self._diff_names.move_to_end(key)
        return names

    def _sorted_names(self, inode: Inode, epoch: int) -> list[str]:
        key = (inode.id, epoch, -1)
        names = self._diff_names.get(key)
        if names is None:
            names = sorted(inode.directory.names_at(epoch))
            self._keep(key, names)
        else:
            self._diff_names.move_to_end(key)
        return names

    def _keep(self, key: tuple[int, int, int], names: list[str]) -> None:
        """Remember a list: the next page resumes in the same directories."""
        self._diff_names[key] = names
        self._diff_names_kept += len(names) + 1
        while self._diff_names_kept > _NAMES_KEPT and len(self._diff_names) > 1:
            _, dropped = self._diff_names.popitem(last=False)
            self._diff_names_kept -= len(dropped) + 1
