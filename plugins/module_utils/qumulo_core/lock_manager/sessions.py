# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is logged in: a signed cookie outside, everything else in memory."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from ..client import Client
from ..errors import BusyError
from .accounts import Account

#: The prefix makes browsers insist on Secure, Path=/ and no Domain (RFC 6265bis).
COOKIE = "__Host-lockstep"
LOGIN_COOKIE = "__Host-lockstep-login"
#: Most evicted sessions that are remembered, so that the login page can say why they ended.
_REMEMBERED = 1000


@dataclass
class Session:
    """One login. The token is in the client and never leaves this process.

    :param csrf: what every change must bring along.
    :param mark: by which a page knows whether it still belongs to this login; no secret.
    """

    id: str
    account: Account
    client: Client = field(repr=False)
    csrf: str = field(repr=False)
    opened: float
    used: float
    mark: str = field(default_factory=lambda: secrets.token_urlsafe(9))


class Signer:
    """Signs short texts with a key that dies with the process."""

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(32)

    def sign(self, text: str) -> str:
        """Return the text with its signature."""
        return f"{text}.{self._signature(text)}"

    def open(self, signed: str) -> str | None:
        """Return a text that was signed here, or None."""
        text, _dot, signature = signed.rpartition(".")
        right = self._signature(text)
        # Bytes: comparing texts that are not ASCII is an error.
        if text and hmac.compare_digest(right.encode(), signature.encode("utf-8", "replace")):
            return text
        return None

    def _signature(self, text: str) -> str:
        return hmac.new(self._key, text.encode("utf-8", "replace"), hashlib.sha256).hexdigest()


class Sessions:
    """All logins; thread-safe.

    :param idle: seconds without use after which a session ends.
    :param lifetime: seconds after which it ends in any case.
    :param limit: most sessions at a time.
    :param per_account: most sessions of an account; a further login ends the oldest one.
    :param ended: is told about each session that has ended, for whatever reason.
    """

    def __init__(
        self,
        *,
        idle: float,
        lifetime: float,
        limit: int,
        per_account: int,
        ended: Callable[[Session], None] = lambda session: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.signer = Signer()
        self._idle = idle
        self._lifetime = lifetime
        self._limit = limit
        self._per_account = per_account
        self._ended = ended
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._sessions: dict[str, Session] = {}
        #: IDs of sessions that made room for another one of their account, to say so.
        self._replaced: OrderedDict[str, None] = OrderedDict()

    def __len__(self) -> int:
        with self._lock:
            return len(self._sessions)

    def open(self, account: Account, client: Client) -> tuple[Session, str]:
        """Begin a session; returns it with the value of its cookie.

        :raises BusyError: too many people are logged in.
        """
        self.sweep()
        now = self._monotonic()
        session = Session(
            secrets.token_urlsafe(32), account, client, secrets.token_urlsafe(32), now, now
        )
        with self._lock:
            own = [one for one in self._sessions.values() if one.account.id == account.id]
            surplus = max(0, len(own) + 1 - self._per_account)
            replaced = sorted(own, key=lambda one: one.opened)[:surplus]
            if len(self._sessions) - len(replaced) >= self._limit:
                raise BusyError(
                    f"{self._limit} sessions are open already: try again when one has ended."
                )
            for one in replaced:
                del self._sessions[one.id]
                self._replaced[one.id] = None
            while len(self._replaced) > _REMEMBERED:
                self._replaced.popitem(last=False)
            self._sessions[session.id] = session
        for one in replaced:
            self._ended(one)
        return session, self.signer.sign(session.id)

    def find(self, cookie: str, *, active: bool = True) -> Session | None:
        """Return the session of a cookie, or None if there is none any more.

        :param active: a person did something; a page that refreshes itself is nobody.
        """
        self.sweep()
        session_id = self.signer.open(cookie)
        if session_id is None:
            return None
        with self._lock:
            session = self._sessions.get(session_id)
            if session is not None and active:
                session.used = self._monotonic()
        return session

    def was_replaced(self, cookie: str) -> bool:
        """Tell whether the session of a cookie made room for another one of its account."""
        session_id = self.signer.open(cookie)
        with self._lock:
            return session_id in self._replaced

    def find_by_id(self, session_id: str) -> Session | None:
        """Return a session that was there before, if it still is."""
        self.sweep()
        with self._lock:
            return self._sessions.get(session_id)

    def close(self, session_id: str) -> None:
        """End a session, if it is still there."""
        with self._lock:
            session = self._sessions.pop(session_id, None)
        if session is not None:
            self._ended(session)

    def sweep(self) -> None:
        """End the sessions whose time is over."""
        now = self._monotonic()
        with self._lock:
            over = [
                session.id
                for session in self._sessions.values()
                if now - session.used >= self._idle or now - session.opened >= self._lifetime
            ]
        for session_id in over:
            self.close(session_id)
