# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that no rule watches any more: their checkpoints and notes are deleted.

A directory that a rule watches again later starts over.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection

from .. import snapshots
from ..client import Client
from ..domain.pruning import Pruned, prune
from ..errors import QumuloError
from ..service.sqlite import SqliteSpool
from . import checkpoints, places, set_back
from .rules import RuleSet

_LOG = logging.getLogger("lockstep.watcher")
#: Seconds after which snapshots that could not be deleted are tried again.
_AGAIN = 600.0


class Retirement:
    """Retires directories; for one thread.

    :param name: of the watcher, in the names of its snapshots.
    """

    def __init__(self, spool: SqliteSpool, name: str) -> None:
        self._spool = spool
        self._name = name
        self._next = 0.0
        self._said = ""

    def look(self, client: Client, rules: RuleSet, busy: Collection[str]) -> None:
        """Retire what no rule watches.

        :param busy: IDs of directories that are followed, or not yet left.
        """
        names = {str(rule.directory) for rule in rules.rules}
        # One that is not there at present may come back, and then it is the same one.
        watched = {self._spool.note(f"root:{name}") for name in names} | set(busy)
        watched |= {root.id for root in rules.roots if root is not None}
        self._retire({each for each in self._known() if each not in watched}, names)
        # Of one that is watched again, its own catch-up deletes what is left.
        left = {each for each in self._left() if each not in watched}
        if left and time.monotonic() >= self._next:
            self._next = time.monotonic() + _AGAIN
            self._delete_quietly(client, left)

    def retire_all(self) -> None:
        """Let all directories start over, whether the cluster can be reached or not."""
        self._retire(self._known(), set())

    def delete_all(self, client: Client, root_ids: Collection[str]) -> Pruned:
        """Delete the checkpoints of all directories without a rule.

        :param root_ids: directories that count even if nothing is known of them.
        :raises QumuloError: the cluster cannot be reached, or refuses.
        """
        left = {*self._left(), *root_ids}
        return self._delete(client, left) if left else Pruned()

    def _known(self) -> set[str]:
        """Return the IDs of directories with checkpoints, or with a time."""
        return {
            name.partition(":")[2]
            for prefix in ("checkpoints:", "walked:")
            for name in self._spool.notes(prefix)
        }

    def _left(self) -> list[str]:
        """Return the IDs of directories whose snapshots are still to be deleted."""
        return [name.partition(":")[2] for name in self._spool.notes(checkpoints.retired(""))]

    def _retire(self, root_ids: Collection[str], directories: Collection[str]) -> None:
        """Forget directories by ID, and all that no rule names."""
        doomed = [
            name
            for prefix in ("root:", "absent:")
            for name in self._spool.notes(prefix)
            if name.partition(":")[2] not in directories
        ]
        kept = {}
        for root_id in root_ids:
            doomed += [f"checkpoints:{root_id}", checkpoints.walked(root_id)]
            doomed += [places.note_name(root_id), set_back.note_name(root_id)]
            if checkpoints.load_by_id(self._spool, root_id) is not None:
                kept[checkpoints.retired(root_id)] = "1"
            _LOG.info("no rule watches directory %s any more", root_id)
        if doomed:
            self._spool.replace_notes(doomed, kept)
        if root_ids:
            places.forget(self._spool, root_ids)

    def _delete_quietly(self, client: Client, root_ids: Collection[str]) -> None:
        """Delete snapshots, and log once what cannot be deleted."""
        try:
            left = self._delete(client, root_ids).left
            said = "; ".join(f"{each.snapshot.name} is {each.reason}" for each in left)
        except QumuloError as exc:
            said = exc.message
        if said and said != self._said:
            _LOG.warning("cannot delete checkpoints of directories without a rule: %s", said)
        self._said = said

    def _delete(self, client: Client, root_ids: Collection[str]) -> Pruned:
        suffix = checkpoints.suffix(self._name)
        pruned = prune(
            client,
            [
                snapshot
                for snapshot in snapshots.list_all(client)
                if snapshot.suffix == suffix and snapshot.source_id in root_ids
            ],
        )
        there = {each.snapshot.source_id for each in pruned.left}
        gone = [checkpoints.retired(root_id) for root_id in root_ids if root_id not in there]
        self._spool.replace_notes(gone, {})
        return pruned
