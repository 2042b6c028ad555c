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
import ssl
import time
from collections.abc import Callable
from typing import Any

from . import sdk
from .errors import (
    AuthenticationError,
    BusyError,
    ConflictError,
    InvalidRequestError,
    MissingPrivilegeError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    QumuloError,
    ServerError,
    TlsError,
    UnreachableError,
)
from .privileges import required_privilege
from .retry import RETRY_AFTER_CAP, backoff, is_idempotent, parse_retry_after
from .session import Session

LOGIN_URI = "/v1/session/login"
WHO_AM_I_URI = "/v1/session/who-am-i"
#: Seconds for a TCP and TLS handshake; an address that takes longer is not worth the wait.
CONNECT_TIMEOUT = 10.0
#: Rounds over all addresses before the first answer: a wrong address should be said soon.
FIRST_CONTACT_ROUNDS = 3


class Answer:
    """Headers of the last answer; the SDK hands out bodies and ETags alone."""

    __slots__ = ("date", "retry_after", "status")

    def __init__(self, status: int, date: str | None, retry_after: str | None) -> None:
        self.status = status
        self.date = date
        self.retry_after = retry_after


class _Failure(Exception):
    """One attempt failed; what that means for the next."""

    def __init__(
        self,
        error: QumuloError,
        *,
        retryable: bool,
        refused: bool,
        connect: bool = False,
        wait: float = 0.0,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.retryable = retryable
        self.refused = refused  # the cluster certainly did not act on the request
        self.connect = connect  # no connection came about
        self.wait = wait  # seconds that the cluster asked for


class _HTTPSConnection(sdk.HTTPSConnectionWithSocketOptions):  # type: ignore[misc]
    """Keeps the headers that the SDK drops."""

    answer: Answer | None = None

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
        self._start = session.next_start()
        self._random = random.Random()
        self._sleep = sleep

    # -- connection ----------------------------------------------------------------------------

    def get_or_create_connection(self) -> Any:
        """Return a connection that is open as far as this side can tell."""
        if self.conn is not None and self._is_stale():
            self.close()
        if self.conn is None:
            self.conn = self._open()
        return self.conn

    def _is_stale(self) -> bool:
        """Tell whether the peer has closed the idle connection.

        Seen before sending, a new connection is harmless; seen afterwards, a request that is not
        idempotent would have to fail.
        """
        sock = self.conn.sock
        if sock is None:
            return True
        poll = select.poll()
        poll.register(sock, select.POLLIN)
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
        except (OSError, ValueError) as exc:
            connection.close()
            raise self._connect_failure(exc) from exc
        connection.timeout = settings.timeout
        connection.sock.settimeout(settings.timeout)
        session.mark_reached(self.host)
        return connection

    def _connect_failure(self, exc: Exception) -> _Failure:
        settings = self.session.settings
        where = f"{self.host}:{settings.port}"
        if isinstance(exc, ssl.SSLCertVerificationError):
            if exc.verify_code == 62 or "match" in (exc.verify_message or ""):
                step = f"connect by a name or address that it contains instead of '{self.host}'."
            else:
                step = "set 'ca_path' to the CA file that signed it."
            reason = (exc.verify_message or str(exc)).rstrip(".")
            return _Failure(
                TlsError(f"The certificate of {where} is not trusted ({reason}): {step}"),
                retryable=False,
                refused=True,
            )
        if isinstance(exc, ssl.SSLError) and exc.reason in (
            "WRONG_VERSION_NUMBER",
            "HTTP_REQUEST",
            "RECORD_LAYER_FAILURE",
        ):
            error: QumuloError = TlsError(
                f"{where} does not speak TLS: check host and port (the REST API is on 8000)."
            )
            return _Failure(error, retryable=False, refused=True)
        self.session.mark_unreachable(self.host)
        if isinstance(exc, socket.gaierror):
            error = UnreachableError(
                f"The host name '{self.host}' is unknown here ({exc.strerror}): "
                "check 'host' and the name service."
            )
            passing = exc.errno == socket.EAI_AGAIN or len(settings.hosts) > 1
            return _Failure(error, retryable=passing, refused=True, connect=True)
        reason = "no answer in time" if isinstance(exc, socket.timeout) else str(exc)
        error = UnreachableError(
            f"No connection to {where} ({reason}): check host, port and the network between."
        )
        # One node may be down while others serve; a refusal by the only one can be a restart.
        return _Failure(error, retryable=True, refused=True, connect=True)

    # -- requests ------------------------------------------------------------------------------

    def send_request(self, method: str, uri: str, *args: Any, **kwargs: Any) -> Any:
        """Send a request as the SDK does, repeated where that is safe.

        :raises QumuloError: one of the typed errors; the SDK's own never come through.
        """
        session, settings = self.session, self.session.settings
        uri = str(uri)
        idempotent = is_idempotent(method, uri) and kwargs.get("body_file") is None
        deadline = time.monotonic() + settings.retry_deadline
        waits = backoff(self._random)
        token, generation = self._token(uri)
        renewed = False
        attempt = connects = 0
        while True:
            try:
                return self._attempt(token, method, uri, *args, **kwargs)
            except _Failure as failure:
                error = failure.error
                if isinstance(error, AuthenticationError) and uri != LOGIN_URI:
                    if not renewed and session.renew(generation, self._log_in):
                        renewed = True
                        token, generation = self._token(uri)
                        continue
                    raise error from failure.__cause__
                if not failure.retryable:
                    raise error from failure.__cause__
                if not (idempotent or failure.refused):
                    error.maybe_applied = True
                    raise error from failure.__cause__
                attempt += 1
                limit = settings.retries
                if failure.connect and not session.reached:
                    connects += 1
                    limit = min(limit, FIRST_CONTACT_ROUNDS * len(settings.hosts) - 1)
                wait = max(failure.wait, next(waits))
                if failure.connect and connects % len(settings.hosts):
                    wait = 0.0  # the next address may answer at once
                out_of_time = time.monotonic() + wait > deadline
                if attempt > limit or out_of_time or failure.wait > RETRY_AFTER_CAP:
                    error.maybe_applied = not failure.refused and method != "GET"
                    error.details["attempts"] = attempt
                    raise error from failure.__cause__
                self._sleep(wait)

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

        :raises _Failure: it did not succeed, for whatever reason.
        """
        self.credentials = None if token is None else sdk.Credentials(token)
        connection = self.get_or_create_connection()
        connection.answer = None
        try:
            return super().send_request(method, uri, *args, **kwargs)
        except sdk.RequestError as exc:
            raise self._status_failure(method, uri, exc, connection.answer) from exc
        except (OSError, http.client.HTTPException) as exc:
            self.close()
            if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
                raise  # of a local file that the answer is written to
            self.session.mark_unreachable(self.host)
            reason = "no answer in time" if isinstance(exc, socket.timeout) else _reason(exc)
            error = UnreachableError(
                f"The connection to {self.host} broke during {method} {_path(uri)} ({reason}): "
                "check the network and the state of the node."
            )
            raise _Failure(error, retryable=True, refused=False) from exc
        except (sdk.APIException, AttributeError, UnicodeDecodeError) as exc:
            # AttributeError: the SDK takes an error body for an object and it is something else.
            self.close()
            raise self._garbage_failure(method, uri, connection.answer, exc) from exc
        finally:
            if connection.answer is not None:
                self.last_answer = connection.answer

    def _garbage_failure(
        self, method: str, uri: str, answer: Answer | None, exc: Exception
    ) -> _Failure:
        status = answer.status if answer else None
        error = ProtocolError(
            f"{self.host} answered {method} {_path(uri)} with something that is not JSON "
            f"(status {status}): is a proxy between, or is this no Qumulo cluster?",
            status=status,
        )
        passing = status in (429, 502, 503, 504) or (status is not None and status < 300)
        return _Failure(error, retryable=passing, refused=status == 429)

    def _status_failure(self, method: str, uri: str, exc: Any, answer: Answer | None) -> _Failure:
        status, facts = (
            exc.status_code,
            {
                "status": exc.status_code,
                "error_class": exc.error_class,
            },
        )
        said = str(exc.description).strip().rstrip(".") or exc.status_message
        tag = f"{status} {exc.error_class}"
        wait = parse_retry_after(answer.retry_after) if answer else None
        if status == 401:
            error: QumuloError = AuthenticationError(
                f"The cluster does not accept the credentials ({tag}): "
                "get a new token or check username and password.",
                **facts,
            )
            return _Failure(error, retryable=False, refused=True)
        if status in (429, 502, 503, 504):
            error = BusyError(
                f"The cluster is too busy for {method} {_path(uri)} ({tag}): {said}; "
                "try again later.",
                **facts,
            )
            # A request that was turned away with a time to come back was not acted on.
            refused = status == 429 or (status == 503 and wait is not None)
            return _Failure(error, retryable=True, refused=refused, wait=wait or 0.0)
        return _Failure(
            self._final_error(method, uri, said, tag, facts), retryable=False, refused=True
        )

    def _final_error(
        self, method: str, uri: str, said: str, tag: str, facts: dict[str, Any]
    ) -> QumuloError:
        status = facts["status"]
        if status == 403:
            return self._forbidden(method, uri, said, tag, facts)
        if status == 404:
            return NotFoundError(f"{said} ({tag}): check the path or ID.", **facts)
        if status in (409, 412):
            return ConflictError(
                f"{said} ({tag}): look at its present state and try again.", **facts
            )
        if status < 500:
            return InvalidRequestError(
                f"The cluster refuses {method} {_path(uri)}: {said} ({tag}).", **facts
            )
        return ServerError(
            f"The cluster failed at {method} {_path(uri)}: {said} ({tag}); see its logs.", **facts
        )

    def _forbidden(
        self, method: str, uri: str, said: str, tag: str, facts: dict[str, Any]
    ) -> QumuloError:
        """Name the privilege that lacks, by what the cluster says of the account."""
        privilege = required_privilege(method, uri)
        account: dict[str, Any] = {}
        if privilege is not None:
            try:
                account = super().send_request("GET", WHO_AM_I_URI).data or {}
            except (
                _Failure,
                sdk.RequestError,
                sdk.APIException,
                OSError,
                http.client.HTTPException,
            ):
                self.close()  # the refusal is what counts; its explanation is a courtesy
        if privilege is not None and privilege not in account.get("privileges", ()):
            name = account.get("name") or "in use"
            return MissingPrivilegeError(
                f"The account {name} lacks {privilege}, which {method} {_path(uri)} needs: "
                f"grant it to a role of the account (qq auth_modify_role --role ROLE "
                f"--grant {privilege}).",
                privilege=privilege,
                **facts,
            )
        return PermissionDeniedError(
            f"{said} ({tag}): give the account permission on this file or directory.", **facts
        )


def _path(uri: str) -> str:
    return uri.split("?", 1)[0]


def _reason(exc: Exception) -> str:
    return str(exc) or type(exc).__name__
