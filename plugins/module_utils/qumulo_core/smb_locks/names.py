# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Names of holders, looked up once and kept for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from ..client import Client
from ..errors import NotFoundError
from ..pool import map_unordered
from .handles import Identity

#: Seconds for which a name is believed; people marry, but not every minute.
KEPT = 3600.0
#: Seconds for which an ID without a name stays without one: its directory may come back.
KEPT_NAMELESS = 60.0
_LIMIT = 200_000


def look_up(client: Client, kind: str, value: str) -> Identity:
    """Return the identity that the cluster knows under a name or number.

    :param kind: ``name``, ``sid``, ``uid``, ``gid`` or ``auth_id``.
    :raises NotFoundError: the cluster knows none.
    """
    # The API takes UIDs and GIDs as numbers, and auth IDs as text.
    wanted = int(value) if kind in ("uid", "gid") else value
    found = client.rest.auth.find_identity(**{kind: wanted})
    uid, gid = found.get("uid"), found.get("gid")
    return Identity(
        value if kind == "auth_id" else str(found.get("auth_id") or ""),
        found.get("name") or None,
        found.get("sid") or None,
        None if uid is None else int(uid),
        None if gid is None else int(gid),
    )


def find_identity(client: Client, auth_id: str) -> Identity:
    """Return the names of an auth ID; only the ID if the cluster knows no more."""
    try:
        return look_up(client, "auth_id", auth_id)
    except NotFoundError:
        return Identity(auth_id)


class Names:
    """A cache of identities by auth ID, for one account: another may not be allowed to ask.

    Thread-safe. Two threads that miss the same name both ask; that is harmless.

    :param monotonic: seconds, of a clock that never goes back.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Identity]] = {}

    def find(self, client: Client, auth_ids: Iterable[str]) -> dict[str, Identity]:
        """Return the identities of auth IDs; those that are not known are asked for, in parallel.

        :raises MissingPrivilegeError: the account lacks PRIVILEGE_IDENTITY_READ.
        """
        now = self._monotonic()
        found: dict[str, Identity] = {}
        missing: list[str] = []
        with self._lock:
            for auth_id in sorted(set(auth_ids)):
                until, identity = self._known.get(auth_id, (now, None))
                if identity is not None and until > now:
                    found[auth_id] = identity
                else:
                    missing.append(auth_id)
        for outcome in map_unordered(client, find_identity, missing, workers=8):
            if outcome.error is not None:
                raise outcome.error
            if outcome.value is not None:
                found[outcome.item] = outcome.value
        with self._lock:
            if len(self._known) + len(missing) > _LIMIT:
                self._known.clear()
            for auth_id in missing:
                identity = found[auth_id]
                kept = KEPT if identity.name else KEPT_NAMELESS
                self._known[auth_id] = (now + kept, identity)
        return found
