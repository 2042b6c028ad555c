# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the directories of the rules are at present: they are renamed, removed, and made again."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence

from .. import files
from ..client import Client
from ..domain.file_refs import FileRef
from ..errors import NotFoundError
from ..files import DIRECTORY
from ..service.spool import Spool
from .rules import Root, Rule, RuleSet

_LOG = logging.getLogger("lockstep.watcher")


class Directories:
    """The rules that are in force, and what is known of their directories.

    Any thread may ask; the rules that it gets do not change under its hands.

    :param spool: remembers over restarts which directories were seen, and which were not there.
    """

    def __init__(self, rules: Sequence[Rule], spool: Spool) -> None:
        self._spool = spool
        self._rules = RuleSet(rules, [None] * len(rules))
        self._lock = threading.Lock()
        self._looked = 0.0
        self._looking = threading.Lock()

    @property
    def rules(self) -> RuleSet:
        """The rules as they were when somebody looked last."""
        return self._rules

    def replace(self, rules: Sequence[Rule]) -> None:
        """Go by other rules; what is known of directories stays known."""
        with self._lock:
            known = {root.ref: root for root in self._rules.roots if root is not None}
            for rule, root in zip(self._rules.rules, self._rules.roots):
                if root is not None:
                    known[rule.directory] = root
            self._rules = RuleSet(rules, [known.get(rule.directory) for rule in rules])
            self._looked = 0.0  # directories that are new have not been looked at

    def absent(self) -> list[FileRef]:
        """Return the directories of rules that are not there."""
        rules = self._rules
        pairs = zip(rules.rules, rules.roots)
        return list(dict.fromkeys(rule.directory for rule, root in pairs if root is None))

    def was_absent(self, root: Root) -> bool:
        """Tell whether a directory was waited for, so that all that is in it is new."""
        rules = self._rules
        return any(
            known is not None
            and known.id == root.id
            and bool(self._spool.note(f"absent:{rule.directory}"))
            for rule, known in zip(rules.rules, rules.roots)
        )

    def look(self, client: Client) -> RuleSet:
        """Look where the directories are; return the rules that go by it.

        :raises QumuloError: the cluster can not tell; all stays as it was known.
        """
        while True:
            began = time.monotonic()
            rules = self._rules.rules
            found: dict[FileRef, Root | None] = {}
            for directory in dict.fromkeys(rule.directory for rule in rules):
                try:
                    info = files.get(client, directory)
                except NotFoundError:
                    found[directory] = None
                    continue
                found[directory] = Root(info.id, info.path) if info.type == DIRECTORY else None
            with self._lock:
                if self._rules.rules is not rules:
                    continue  # the configuration was read again meanwhile
                before = dict(zip((rule.directory for rule in rules), self._rules.roots))
                for directory, root in found.items():
                    self._note(directory, before[directory], root)
                fresh = tuple(found[rule.directory] for rule in rules)
                if fresh != self._rules.roots:
                    self._rules = RuleSet(rules, fresh)
                self._looked = began
                return self._rules

    def look_since(self, client: Client, since: float) -> RuleSet:
        """Look where the directories are, unless that was done after ``since``.

        :param since: ``time.monotonic()``.
        """
        with self._looking:
            if self._looked >= since:
                return self._rules
            return self.look(client)

    def _note(self, directory: FileRef, known: Root | None, root: Root | None) -> None:
        """Remember which directory it was, over restarts, too: in another one all is new."""
        if root is None:
            if known is not None:
                _LOG.warning("%s is gone", directory)
            if known is not None or self._spool.note(f"absent:{directory}") is None:
                self._spool.set_notes(**{f"absent:{directory}": "1"})
        elif known is None or root.id != known.id:
            noted = self._spool.note(f"root:{directory}")
            if noted != root.id:
                absent = {} if noted is None else {f"absent:{directory}": "1"}
                self._spool.set_notes(**{f"root:{directory}": root.id, **absent})
