# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories that a catch-up may not list: they are reported, and looked at again later."""

from __future__ import annotations

import logging
from collections.abc import Callable

from .. import files
from ..client import Client
from ..domain.file_refs import by_path
from ..errors import MissingPrivilegeError, NotFoundError, PermissionDeniedError, QumuloError
from .rules import Root, RuleSet

_LOG = logging.getLogger("lockstep.watcher")
#: Directories that are remembered by name, those of them that are looked at again, and those that
#: are logged one by one.
MOST, PROBED, LOGGED = 1000, 20, 10


class UnlistedError(QumuloError):
    """Some directories may not be listed. Everything else is in the spool.

    :param found: how many files were put into the spool.
    :param count: how many directories may not be listed.
    :param may_list_now: tells whether one of them can be listed now, or is gone.
    """

    def __init__(
        self, message: str, found: int, count: int, may_list_now: Callable[[], bool]
    ) -> None:
        super().__init__(message)
        self.found = found
        self.count = count
        self.may_list_now = may_list_now


class Unlisted:
    """The directories below a watched one that may not be listed.

    :param client: of the thread that catches up.
    :param root: the watched directory.
    :param rules: gives the rules of the moment.
    """

    def __init__(self, client: Client, root: Root, rules: Callable[[], RuleSet]) -> None:
        self._client = client
        self._root = root
        self._rules = rules
        self._known: dict[str, str] = {}
        self._found: dict[str, str] = {}
        self._count = 0

    def begin(self) -> None:
        """Begin a catch-up."""
        self._found = {}
        self._count = 0

    def add(self, path: str, error: QumuloError) -> None:
        """Note a directory that could not be listed, unless it is gone or no rule covers it.

        :raises QumuloError: the failure is another one, so the catch-up has failed.
        """
        if isinstance(error, NotFoundError):
            return
        if not isinstance(error, (MissingPrivilegeError, PermissionDeniedError)):
            raise error
        if path == str(self._root.ref):
            path = self._root.path
        if path not in self._found and self._rules().takes_from(path):
            self._count += 1
            if len(self._found) < MOST:
                self._found[path] = error.message

    def _report(self) -> None:
        """Log what has changed since the last catch-up."""
        new = [path for path in self._found if path not in self._known]
        for path in new[:LOGGED]:
            _LOG.error(
                "cannot list %s: %s Files that came in there while the watcher was away may not be "
                "locked, and the checkpoint stays where it is",
                path,
                self._found[path],
            )
        if len(new) > LOGGED:
            _LOG.error("cannot list %d more directories of %s", len(new) - LOGGED, self._root.path)
        for path in [path for path in self._known if path not in self._found][:LOGGED]:
            _LOG.info("%s can be listed again, or is gone", path)
        self._known = self._found

    def check(self, found: int) -> None:
        """End a catch-up: refuse to move the checkpoint past a directory that may not be listed.

        :param found: how many files were put into the spool.
        :raises UnlistedError: there is such a directory.
        """
        self._report()
        if self._count:
            first = next(iter(self._known))
            others = f" and {self._count - 1} more" if self._count > 1 else ""
            message = f"cannot list {first}{others}: permission denied"
            raise UnlistedError(message, found, self._count, self._may_list_now)

    def _may_list_now(self) -> bool:
        for path in list(self._known)[:PROBED]:
            try:
                next(iter(files.entries(self._client, by_path(path))), None)
            except (MissingPrivilegeError, PermissionDeniedError):
                continue
            except NotFoundError:
                pass
            return True
        return False
