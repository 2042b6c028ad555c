# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The SDK's connection with what it lacks: verified TLS, retries, failover, typed errors.

The SDK sends every request through ``Connection.send_request``; overriding that one method gives
all of its calls the same behaviour, so nothing has to be wrapped call by call.
"""

from __future__ import annotations

import errno
import http.client
import random
import select
import socket
import time
from collections.abc import Callable
from typing import Any

from . import failures, sdk
from .common import heartbeats
from .errors import FORBIDDEN, AuthenticationError, ProtocolError, QumuloError, TlsError
from .failures import Failure
from .http_response import Response
from .privileges import required_privilege
from .retry import RETRY_AFTER_CAP, backoff, is_idempotent, parse_retry_after
from .session import Session

LOGIN_URI = "/v1/session/login"
WHO_AM_I_URI = "/v1/session/who-am-i"
#: Seconds for a TCP and TLS handshake; an address that takes longer is not worth the wait.
CONNECT_TIMEOUT = 10.0
#: Seconds after which an idle connection may have been closed by the other side.
IDLE = 1.0
#: Rounds over all addresses before the first answer: a wrong address should be said soon.
FIRST_CONTACT_ROUNDS = 3


class Answer:
    """Headers of the last answer; the SDK hands out bodies and ETags alone."""

    __slots__ = ("date", "retry_after", "status")

    def __init__(self, status: int, date: str | None, retry_after: str | None) -> None:
        self.status = status
        self.date = date
        self.retry_after = retry_after


class _HTTPSConnection(sdk.HTTPSConnectionWithSocketOptions):  # type: ignore[misc]
    """Keeps the headers that the SDK drops."""

    answer: Answer | None = None
    response_class = Response

    def getresponse(self) -> http.client.HTTPResponse:
        response: http.client.HTTPResponse = super().getresponse()
        self.answer = Answer(
            response.status, response.getheader("Date"), response.getheader("Retry-After")
        )
        return response


class ClusterConnection(sdk.Connection):  # type: ignore[misc]
    """A keep-alive connection to some node of the cluster; used by one thread at a time.

    :param session: what is shared with the other connections.
    :param sleep: waits between attempts, in seconds.
    """

    conn: Any

    def __init__(
        self,
        session: Session,
        *,
        user_agent: str | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        settings = session.settings
        super().__init__(
            settings.hosts[0],
            settings.port,
            None,
            timeout=settings.timeout,
            user_agent=user_agent,
        )
        self.session = session
        self.last_answer: Answer | None = None
        self._repeatable = False
        self._in_use = False
        self._last_used = 0.0
        self._start = session.next_start()
        self._random = random.Random()
        self._sleep = sleep

    # -- connection ----------------------------------------------------------------------------

    def get_or_create_connection(self) -> Any:
        """Return a connection that is open as far as this side can tell.

        The SDK would bind a privileged source port as root on localhost, of which there are
        some hundred; every connection is an ordinary one here.
        """
        if self._in_use and self.conn is not None and self.conn.sock is not None:
            # The SDK asks again for the one that was looked at a moment ago. To a second look, the
            # session ticket that follows a handshake would be the end of the connection.
            return self.conn
        if self.conn is not None and (
            # Closed after an answer whose end only that could tell.
            self.conn.sock is None or (self._may_be_stale() and self._is_stale())
        ):
            self.close()
        if self.conn is None:
            self.conn = self._open()
        return self.conn

    def _may_be_stale(self) -> bool:
        """Tell whether it is worth a look: a request that can be repeated needs none at once."""
        return not self._repeatable or time.monotonic() - self._last_used > IDLE

    def _is_stale(self) -> bool:
        """Tell whether the peer has closed the idle connection.

        Seen before sending, a new connection is harmless; seen afterwards, a request that is not
        idempotent would have to fail.
        """
        poll = select.poll()
        poll.register(self.conn.sock, select.POLLIN)
        return bool(poll.poll(0))

    def _open(self) -> _HTTPSConnection:
        session, settings = self.session, self.session.settings
        self.host = session.pick_host(self._start)
        connection = _HTTPSConnection(
            self.host,
            settings.port,
            context=session.ssl_context,
            timeout=min(CONNECT_TIMEOUT, settings.timeout),
        )
        try:
            connection.connect()
        except (OSError, ValueError) as exc:  # ValueError: a name that IDNA can not encode
            connection.close()
            alone = len(settings.hosts) == 1
            failure = failures.connecting(self.host, settings.port, exc, alone=alone)
            if not isinstance(failure.error, TlsError):
                session.mark_unreachable(self.host)
            raise failure from exc
        connection.timeout = settings.timeout
        session.watchdog.watch(connection.sock)
        session.mark_reached(self.host)
        return connection

    # -- requests ------------------------------------------------------------------------------

    def send_request(self, method: str, uri: str, *args: Any, **kwargs: Any) -> Any:
        """Send a request as the SDK does, repeated where that is safe.

        :raises QumuloError: one of the typed errors; the SDK's own never come through.
        """
        settings = self.session.settings
        uri = str(uri)
        idempotent = is_idempotent(method, uri) and kwargs.get("body_file") is None
        deadline = time.monotonic() + settings.retry_deadline
        waits = backoff(self._random)
        token, generation = self._token(uri)
        refusal: QumuloError | None = None  # the one for which the token was renewed
        attempt = 0
        unconnected: dict[str, Failure] = {}
        while True:
            self._repeatable = idempotent  # in here: a login of its own may have come between
            heartbeats.moved()
            try:
                answer = self._attempt(token, method, uri, *args, **kwargs)
                if refusal is not None:
                    self.note_renewed(refusal)
                return answer
            except Failure as failure:
                error = failure.error
                if refusal is None and uri != LOGIN_URI and self.renew_token(generation, error):
                    refusal = error
                    token, generation = self._token(uri)
                    continue
                if not failure.retryable:
                    raise error from failure.__cause__
                if not (idempotent or failure.refused):
                    error.maybe_applied = True
                    raise error from failure.__cause__
                attempt += 1
                if failure.connect:
                    unconnected[self.host] = failure
                wait = max(failure.wait, next(waits))
                if failure.connect and attempt % len(settings.hosts):
                    wait = 0.0  # the next address may answer at once
                if (
                    attempt > self._patience(failure)
                    or failure.wait > RETRY_AFTER_CAP
                    or time.monotonic() + wait > deadline
                ):
                    if failure.connect and len(unconnected) > 1:
                        error = failures.none_connected(unconnected, settings.port)
                    error.maybe_applied = not failure.refused and method != "GET"
                    error.details["attempts"] = attempt
                    raise error from failure.__cause__
                self._sleep(wait)

    def _patience(self, failure: Failure) -> int:
        """Return how many repetitions a failure is worth."""
        settings = self.session.settings
        if failure.connect and not self.session.reached:
            return min(settings.retries, FIRST_CONTACT_ROUNDS * len(settings.hosts) - 1)
        return settings.retries

    def bearer_token(self) -> tuple[str, int]:
        """Return the token of the session and its generation; log in first if there is none."""
        return self.session.token(self._log_in)

    def renew_token(self, generation: int, error: QumuloError) -> bool:
        """Get another token if that can help after an error; False if it cannot."""
        if isinstance(error, AuthenticationError):
            return self.session.renew(generation, self._log_in)
        if error.status == FORBIDDEN:
            return self.session.renew_privileges(generation, self._log_in)
        return False

    def note_renewed(self, error: QumuloError) -> None:
        """Note that a request that had failed succeeded with another token."""
        if error.status == FORBIDDEN:
            self.session.note_granted()

    def _token(self, uri: str) -> tuple[str | None, int]:
        if uri == LOGIN_URI:
            return None, 0
        return self.session.token(self._log_in)

    def _log_in(self) -> str:
        settings = self.session.settings
        body = {"username": settings.username, "password": settings.password}
        try:
            data = self.send_request("POST", LOGIN_URI, body=body).data
        except AuthenticationError as exc:
            raise AuthenticationError(
                f"The cluster at {self.host} does not accept the password of user "
                f"'{settings.username}' ({exc.error_class}): check username and password.",
                status=exc.status,
                error_class=exc.error_class,
            ) from exc
        try:
            return str(data["bearer_token"])
        except (KeyError, TypeError) as exc:
            raise ProtocolError(
                f"The login at {self.host} gave no token: is this a Qumulo cluster?"
            ) from exc

    def _attempt(self, token: str | None, method: str, uri: str, *args: Any, **kwargs: Any) -> Any:
        """Send the request once.

        :raises Failure: it did not succeed, for whatever reason.
        """
        self.credentials = None if token is None else sdk.Credentials(token)
        connection = self.get_or_create_connection()
        connection.answer = None
        sock = connection.sock
        sock.begin()
        self._in_use = True
        try:
            return super().send_request(method, uri, *args, **kwargs)
        except sdk.RequestError as exc:
            if exc.status_code == FORBIDDEN:
                raise self._forbidden(method, uri, exc) from exc
            answer = connection.answer
            wait = parse_retry_after(answer.retry_after) if answer is not None else None
            raise failures.answered(method, uri, exc, wait) from exc
        except (OSError, http.client.HTTPException) as exc:
            self.close()
            if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise  # of a local file that the answer is written to
            self.session.mark_unreachable(self.host)
            cause = socket.timeout() if sock.expired else exc
            raise failures.broken(self.host, method, uri, cause) from exc
        except (sdk.APIException, AttributeError, UnicodeDecodeError) as exc:
            # AttributeError: the SDK takes an error body for an object and it is something else.
            self.close()
            status = connection.answer.status if connection.answer is not None else None
            raise failures.unreadable(self.host, method, uri, status) from exc
        finally:
            self._in_use = False
            sock.end()
            if connection.answer is not None:
                self.last_answer = connection.answer
                self._last_used = time.monotonic()

    def _forbidden(self, method: str, uri: str, exc: Any) -> Failure:
        """Name the privilege that lacks, by what the cluster says of the account."""
        privilege = required_privilege(method, uri)
        account = None
        if privilege is not None:
            try:
                account = super().send_request("GET", WHO_AM_I_URI).data
            except (
                Failure,
                sdk.RequestError,
                sdk.APIException,
                OSError,
                http.client.HTTPException,
            ):
                self.close()  # the refusal is what counts; its explanation is a courtesy
        return failures.forbidden(method, uri, exc, privilege, account)
