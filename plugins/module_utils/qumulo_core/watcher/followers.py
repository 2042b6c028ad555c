# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The followers of all watched directories: begin, replace and end them as the rules want."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from ..client import Client
from ..errors import MissingPrivilegeError, NotFoundError
from .follower import Follower
from .rules import Root, RuleSet

_LOG = logging.getLogger("lockstep.watcher")
#: Seconds in which a follower that was told to stop usually has.
_LEAVE = 2.0
#: What makes a follower: of a directory, recursively or not, for some types of events, by polling
#: or not.
Make = Callable[[Root, bool, frozenset[str], bool], Follower]


class Followers:
    """A follower for each watched directory.

    One thread manages them; others may ask.

    :param stopped: is set when the service ends.
    :param poll_interval: gives how often the tree is looked at where the stream tells too little.
    """

    def __init__(
        self, make: Make, stopped: threading.Event, poll_interval: Callable[[], object]
    ) -> None:
        self._make = make
        self._stopped = stopped
        self._poll_interval = poll_interval
        self._followers: dict[str, Follower] = {}
        #: Those that were told to stop, until they have.
        self._leaving: list[Follower] = []
        self._recursive_mode = ""

    def now(self) -> list[Follower]:
        """Return the followers of the moment."""
        return list(self._followers.values())

    def busy(self) -> set[str]:
        """Return the IDs of directories that are followed, or not yet left."""
        return {follower.root.id for follower in (*self.now(), *self._leaving)}

    def stop(self) -> None:
        """Tell all to end."""
        for follower in self.now():
            follower.stop()

    def join(self, deadline: float) -> None:
        """Wait for their end until ``deadline`` (``time.monotonic()``)."""
        for follower in self.now():
            follower.join(deadline)

    def follow(self, wanted: dict[str, tuple[Root, bool, frozenset[str]]]) -> None:
        """See that these directories are followed, and none else.

        :param wanted: by ID: each with whether recursively, and the types of events.
        """
        for root_id, follower in list(self._followers.items()):
            there = wanted.get(root_id)
            same = there is not None and (there[1], there[2]) == (
                follower.recursive,
                follower.types,
            )
            if follower.gone or not same or follower.poll != self._poll(follower.recursive):
                follower.stop()
                self._leaving.append(self._followers.pop(root_id))
            elif there is not None:
                follower.root = there[0]  # for messages only; the stream uses the ID
        for follower in self._leaving:
            follower.join(time.monotonic() + _LEAVE)
        self._leaving = [follower for follower in self._leaving if not follower.ended]
        # Two that catch up with one directory would get into each other's way.
        busy = {follower.root.id for follower in self._leaving}
        for root_id, (root, recursive, types) in wanted.items():
            if root_id in self._followers or root_id in busy or self._stopped.is_set():
                continue
            self._begin(root, recursive, types)

    def _begin(self, root: Root, recursive: bool, types: frozenset[str]) -> None:
        follower = self._make(root, recursive, types, self._poll(recursive))
        self._followers[root.id] = follower
        follower.start()
        _LOG.info("following %s", root.path, extra={"file_id": root.id})

    def ask_settings(self, client: Client, rules: RuleSet) -> None:
        """See whether the cluster tells what happens below directories."""
        if not any(rule.recursive for rule in rules.rules):
            return
        try:
            answer = client.get("/v1/file-system/settings/notify")
            mode = str(answer.get("recursive_mode", ""))
        except (MissingPrivilegeError, NotFoundError):
            mode = "ENABLED"  # cannot be read; the stream refuses if it is off
        if mode != self._recursive_mode:
            self._recursive_mode = mode
            if mode != "ENABLED":
                _LOG.error(
                    "the cluster tells nothing of what is below directories (recursive_mode %s): "
                    "catching up every %s instead. Switch it on: "
                    "qq fs_set_notify_settings --recursive-mode ENABLED",
                    mode,
                    self._poll_interval(),
                )

    def _poll(self, recursive: bool) -> bool:
        return recursive and self._recursive_mode != "ENABLED"
