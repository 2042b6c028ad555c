# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of owners and groups, each looked up once."""

from __future__ import annotations

from typing import NamedTuple

from ..client import Client
from ..errors import InvalidRequestError, MissingPrivilegeError, NotFoundError
from ..pool import map_unordered
from ..smb_locks.names import look_up
from .entries import Attributes, Block, Entry

#: Names that are cached; beyond that they are looked up again.
LIMIT = 100_000
_WORKERS = 8
_AUTH_ID, _UID, _GID = "auth_id", "uid", "gid"


class _Key(NamedTuple):
    """An identity by one of its numbers, as the API finds it."""

    kind: str
    value: str


def _find(client: Client, key: _Key) -> str | None:
    """Return a name, or None if the cluster knows none."""
    try:
        return look_up(client, key.kind, key.value).name
    except (NotFoundError, InvalidRequestError):
        return None


class OwnerNames:
    """Adds the names of owners and groups to entries.

    The unknown identities of a block of entries are looked up together, in parallel.

    :param by_number: owners and groups are UIDs and GIDs of a mount, not auth IDs.
    """

    def __init__(self, client: Client, *, by_number: bool = False, limit: int = LIMIT) -> None:
        self._client = client
        self._owner, self._group = (_UID, _GID) if by_number else (_AUTH_ID, _AUTH_ID)
        self._limit = limit
        self._known: dict[_Key, str | None] = {}

    def add(self, block: Block) -> list[Entry]:
        """Return the entries with the names of their owners and groups.

        :raises MissingPrivilegeError: PRIVILEGE_IDENTITY_READ is missing.
        """
        found = list(block)
        described = [entry.attributes for entry in found if entry.attributes is not None]
        self._look_up({key for known in described for key in self._keys(known)})
        return [self._named(entry) for entry in found]

    def _keys(self, known: Attributes) -> tuple[_Key, _Key]:
        return _Key(self._owner, known.owner), _Key(self._group, known.group)

    def _look_up(self, wanted: set[_Key]) -> None:
        missing = sorted(wanted - self._known.keys())
        if not missing:
            return
        if len(self._known) + len(missing) > self._limit:
            self._known = {key: self._known[key] for key in wanted & self._known.keys()}
        for outcome in map_unordered(self._client, _find, missing, workers=_WORKERS):
            if isinstance(outcome.error, MissingPrivilegeError):
                raise MissingPrivilegeError(
                    f"owner_names: {outcome.error.message} Or leave owner_names out.",
                    privilege=outcome.error.privilege,
                    status=outcome.error.status,
                    error_class=outcome.error.error_class,
                )
            if outcome.error is not None:
                raise outcome.error
            self._known[outcome.item] = outcome.value

    def _named(self, entry: Entry) -> Entry:
        if entry.attributes is None:
            return entry
        owner, group = self._keys(entry.attributes)
        names = self._known[owner], self._known[group]
        return entry._replace(attributes=entry.attributes._replace(names=names))
