# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all connections to one cluster share: the token, which nodes answer, and the clock."""

from __future__ import annotations

import os
import ssl
import threading
import time
from collections.abc import Callable
from typing import cast

from . import sdk
from .common.redaction import remember
from .common.regular_files import check_regular
from .common.secrets import clean_token, read_token
from .errors import AuthenticationError, InputError, QumuloError
from .settings import Settings
from .watched_socket import Watchdog, WatchedSocket

#: Seconds for which a node that did not answer is passed over while others do.
NODE_REST = 15.0
#: Seconds until a 403 is worth another login after one that has not helped.
PRIVILEGES_REST = 60.0


class Session:
    """Thread-safe state of a logical session, shared by a client and its clones."""

    def __init__(
        self, settings: Settings, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.settings = settings
        self.ssl_context: ssl.SSLContext = settings.ssl_context()
        self.ssl_context.sslsocket_class = WatchedSocket
        self.watchdog = Watchdog(settings.timeout)
        self.reached = False  # some node has answered: the address is right, so be patient
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._login_lock = threading.Lock()
        self._token: str | None = None
        self._generation = 0
        self._privileges_known_until = 0.0
        self._resting: dict[str, float] = {}
        self._next_start = 0

    # -- nodes ---------------------------------------------------------------------------------

    def next_start(self) -> int:
        """Return where a new connection begins in the list of hosts, so that nodes share load."""
        with self._lock:
            start = self._next_start
            self._next_start += 1
            return start

    def pick_host(self, start: int) -> str:
        """Return the host to try: the first from ``start`` on that is not resting.

        If all rest, the one whose rest ends first: there is always somebody to ask.
        """
        hosts = self.settings.hosts
        turn = [hosts[(start + i) % len(hosts)] for i in range(len(hosts))]
        now = self._monotonic()
        with self._lock:
            for host in turn:
                if self._resting.get(host, 0.0) <= now:
                    return host
            return min(turn, key=lambda host: self._resting[host])

    def mark_unreachable(self, host: str) -> None:
        """Leave ``host`` alone for a while."""
        with self._lock:
            self._resting[host] = self._monotonic() + NODE_REST

    def mark_reached(self, host: str) -> None:
        """Note that ``host`` answers."""
        if self.reached and not self._resting:  # the usual case, without the lock
            return
        with self._lock:
            self.reached = True
            self._resting.pop(host, None)

    # -- token ---------------------------------------------------------------------------------

    def token(self, login: Callable[[], str]) -> tuple[str, int]:
        """Return the bearer token and its generation; obtain one first if there is none.

        :param login: asks the cluster for a session token.
        :raises AuthenticationError: no credentials are at hand, or they are refused.
        """
        with self._lock:
            if self._token is not None:
                return self._token, self._generation
        return self._renew(0, login)

    def renew(self, generation: int, login: Callable[[], str]) -> bool:
        """Get another token after ``generation`` was refused; False if there is no other to get.

        Of many threads that meet the same 401 one renews and the others take its result.
        """
        settings = self.settings
        if settings.access_token is not None:
            return False
        before = self._token
        after, _generation = self._renew(generation, login)
        return settings.can_log_in or after != before

    def renew_privileges(self, generation: int, login: Callable[[], str]) -> bool:
        """Log in again after a 403, because a granted privilege takes effect at the next login.

        False if there is no password, or if a login less than a minute ago has not helped: an
        account that really has no such privilege must not log in for each request.
        """
        if not self.settings.can_log_in:
            return False  # an access token has the privileges that its user has now
        with self._login_lock:
            now = self._monotonic()
            with self._lock:
                if self._generation > generation:
                    return True  # another thread has logged in since
                if now < self._privileges_known_until:
                    return False
                self._privileges_known_until = now + PRIVILEGES_REST
            try:
                self._replace_token(login)
            except AuthenticationError:
                # The password has changed. The session goes on until its end; more attempts with
                # the old password could lock the account.
                self._privileges_known_until = float("inf")
                return False
            except QumuloError:
                return False  # the refusal says more than the reason why there was no login
        return True

    def note_granted(self) -> None:
        """Note that the login after a 403 has helped: the next 403 is worth another one."""
        with self._lock:
            self._privileges_known_until = 0.0

    def _renew(self, refused: int, login: Callable[[], str]) -> tuple[str, int]:
        with self._login_lock:
            with self._lock:
                if self._token is not None and self._generation > refused:
                    return self._token, self._generation
            self._replace_token(login)
            with self._lock:
                return cast(str, self._token), self._generation

    def _replace_token(self, login: Callable[[], str]) -> None:
        """Obtain another token; the login lock is held."""
        token = self._obtain(login)
        remember(token, self)
        with self._lock:
            self._token = token
            self._generation += 1

    def _obtain(self, login: Callable[[], str]) -> str:
        settings = self.settings
        if settings.access_token is not None:
            return settings.access_token
        if settings.access_token_file is not None:
            return read_token(settings.access_token_file)
        if settings.can_log_in:
            return login()
        return _read_qq_credentials(settings)


def _read_qq_credentials(settings: Settings) -> str:
    """Read what ``qq login`` stored (qumulo-api SDK, lib/auth.py: a file for each host)."""
    if settings.credentials_file is not None:
        check_regular(settings.credentials_file, "The credentials of qq")
    for host in settings.hosts:
        try:
            found = sdk.load_credentials(host, settings.port, settings.credentials_file)
        except Exception as exc:  # pylint: disable=broad-exception-caught
            # Whatever the file holds: the text of the exception could be a part of it.
            reason = exc.strerror if isinstance(exc, OSError) else type(exc).__name__
            raise InputError(
                f"Cannot read the credentials that qq stored for {host} ({reason}): "
                "run 'qq login' again or give other credentials."
            ) from exc
        if found is not None:
            return clean_token(found.bearer_token, f"The token that qq stored for {host}")
    if settings.credentials_file is not None:
        raise InputError(
            f"There are no credentials in {os.path.abspath(settings.credentials_file)}: "
            "run 'qq login' with this --credentials-store first."
        )
    raise AuthenticationError(
        "No credentials were given: set username and password, or access_token, or "
        "access_token_file, or log in once with 'qq login'."
    )
