# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a failed attempt means: the typed error for a person, and whether to try again."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from typing import Any

from .common import os_reasons
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
    UnresolvedHostError,
)

#: ``verify_code`` of OpenSSL for a certificate that is valid for other names (x509_vfy.h).
_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH = 62, 64
#: What OpenSSL calls an answer that is no TLS record.
_NOT_TLS = ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE")


class Failure(Exception):
    """One attempt failed.

    :param error: what to tell, if no other attempt follows.
    :param retryable: another attempt may succeed.
    :param refused: the cluster certainly did not act on the request.
    :param connect: no connection came about.
    :param reason: why no connection came about, without what to do.
    :param wait: seconds that the cluster asked for.
    """

    def __init__(
        self,
        error: QumuloError,
        *,
        retryable: bool,
        refused: bool,
        connect: bool = False,
        reason: str = "",
        wait: float = 0.0,
    ) -> None:
        super().__init__(error.message)
        self.error = error
        self.retryable = retryable
        self.refused = refused
        self.connect = connect
        self.reason = reason
        self.wait = wait


def connecting(host: str, port: int, exc: Exception, *, alone: bool) -> Failure:
    """Judge a connection that did not come about.

    :param alone: there is no other address to turn to.
    """
    where = f"{host}:{port}"
    if isinstance(exc, ssl.SSLCertVerificationError):
        if exc.verify_code in (_HOSTNAME_MISMATCH, _IP_ADDRESS_MISMATCH):
            step = f"connect by a name or address that it contains instead of '{host}'."
        else:
            step = "set 'ca_path' to the CA file that signed it."
        reason = (exc.verify_message or str(exc)).rstrip(".")
        error: QumuloError = TlsError(
            f"The certificate of {where} is not trusted ({reason}): {step}"
        )
        return Failure(error, retryable=False, refused=True)
    if isinstance(exc, ssl.SSLError) and exc.reason in _NOT_TLS:
        error = TlsError(
            f"{where} does not speak TLS: check host and port (the REST API is on 8000)."
        )
        return Failure(error, retryable=False, refused=True)
    if isinstance(exc, OSError) and os_reasons.is_shortage(exc):
        text = os_reasons.explain(f"Cannot open a connection to {where}", exc, "Try again.")
        reason = os_reasons.cause(exc)
        return Failure(
            UnreachableError(text), retryable=True, refused=True, connect=True, reason=reason
        )
    if isinstance(exc, (socket.gaierror, UnicodeError)):
        error = unresolved(f"host name '{host}'", "'host'", exc)
        passing = getattr(exc, "errno", None) == socket.EAI_AGAIN or not alone
        reason = f"cannot be resolved ({why_unresolved(exc)})"
        return Failure(error, retryable=passing, refused=True, connect=True, reason=reason)
    error = UnreachableError(
        f"No connection to {where} ({_reason(exc)}): check host, port and the network between."
    )
    # One node may be down while others serve; a refusal by the only one can be a restart.
    return Failure(error, retryable=True, refused=True, connect=True, reason=_reason(exc))


def unresolved(what: str, option: str, exc: Exception) -> UnresolvedHostError:
    """Return the error for a host name that cannot be resolved.

    :param what: the host, with its name.
    :param option: where the name is written.
    """
    return UnresolvedHostError(
        f"The {what} cannot be resolved ({why_unresolved(exc)}): check its spelling in {option}, "
        "and DNS on the machine that connects."
    )


def why_unresolved(exc: Exception) -> str:
    """Return what the resolver says about a name."""
    said = exc.strerror if isinstance(exc, OSError) else None
    return said or "it is not a host name"


def none_connected(reasons: Mapping[str, Failure], port: int) -> UnreachableError:
    """Return the error if no connection to any of several hosts came about.

    :param reasons: the last failure of each host.
    """
    listed = "; ".join(f"{host}: {failure.reason}" for host, failure in reasons.items())
    failed = [failure.error for failure in reasons.values()]
    all_unresolved = all(isinstance(error, UnresolvedHostError) for error in failed)
    kind = UnresolvedHostError if all_unresolved else UnreachableError
    check = "their spelling, and DNS on the machine that connects"
    return kind(
        f"No connection to any of the {len(reasons)} hosts on port {port} ({listed}): check "
        + (f"'host': {check}." if all_unresolved else "'host', 'port', DNS and the network.")
    )


def root_cause(exc: BaseException) -> Exception | None:
    """Return the error of the operating system or of TLS that a library has wrapped, if any."""
    waiting: list[object] = [exc]
    seen: set[int] = set()
    while waiting:
        each = waiting.pop(0)
        if not isinstance(each, Exception) or id(each) in seen:
            continue
        seen.add(id(each))
        if isinstance(each, (ssl.SSLError, socket.gaierror, socket.timeout)) or (
            isinstance(each, OSError) and each.errno is not None
        ):
            return each
        waiting += [getattr(each, "reason", None), *each.args, each.__cause__, each.__context__]
    return None


def broken(host: str, method: str, uri: str, exc: Exception) -> Failure:
    """Judge a connection that broke after the request had begun."""
    error = UnreachableError(
        f"The connection to {host} broke during {method} {path_of(uri)} ({_reason(exc)}): "
        "check the network and the state of the node."
    )
    return Failure(error, retryable=True, refused=False)


def unreadable(host: str, method: str, uri: str, status: int | None) -> Failure:
    """Judge an answer whose body is not what the API sends."""
    error = ProtocolError(
        f"{host} answered {method} {path_of(uri)} with something that is not JSON "
        f"(status {status}): is a proxy between, or is this no Qumulo cluster?",
        status=status,
    )
    passing = status in (429, 502, 503, 504) or (status is not None and status < 300)
    return Failure(error, retryable=passing, refused=status == 429)


def answered(method: str, uri: str, exc: Any, retry_after: float | None) -> Failure:
    """Judge an error that the cluster answered with; 403 is for :func:`forbidden`.

    :param exc: the SDK's ``RequestError``.
    :param retry_after: seconds that the answer asked to wait.
    """
    status: int = exc.status_code
    facts: dict[str, Any] = {"status": status, "error_class": exc.error_class}
    said, tag = _said(exc)
    if status in (429, 502, 503, 504):
        error: QumuloError = BusyError(
            f"The cluster is too busy for {method} {path_of(uri)} ({tag}): {said}; "
            "try again later.",
            **facts,
        )
        # A request that was turned away with a time to come back was not acted on.
        refused = status == 429 or (status == 503 and retry_after is not None)
        return Failure(error, retryable=True, refused=refused, wait=retry_after or 0.0)
    if status == 401:
        error = AuthenticationError(
            f"The cluster does not accept the credentials ({tag}): "
            "get a new token or check username and password.",
            **facts,
        )
    elif status == 404:
        error = NotFoundError(f"{said} ({tag}): check the path or ID.", **facts)
    elif status in (409, 412):
        error = ConflictError(f"{said} ({tag}): look at its present state and try again.", **facts)
    elif status < 500:
        error = InvalidRequestError(
            f"The cluster refuses {method} {path_of(uri)}: {said} ({tag}).", **facts
        )
    else:
        error = ServerError(
            f"The cluster failed at {method} {path_of(uri)}: {said} ({tag}); see its logs.", **facts
        )
    return Failure(error, retryable=False, refused=True)


def forbidden(
    method: str, uri: str, exc: Any, privilege: str | None, account: dict[str, Any] | None
) -> Failure:
    """Judge a 403.

    :param privilege: what the route needs, if it needs one.
    :param account: the answer of who-am-i, or None if it could not be had.
    """
    facts: dict[str, Any] = {"status": exc.status_code, "error_class": exc.error_class}
    said, tag = _said(exc)
    if privilege is not None and privilege not in (account or {}).get("privileges", ()):
        name = f"'{account['name']}'" if account and account.get("name") else "in use"
        error: QumuloError = MissingPrivilegeError(
            f"The account {name} lacks {privilege}, which {method} {path_of(uri)} needs: "
            f"grant it to a role of the account (qq auth_modify_role --role ROLE "
            f"--grant {privilege}).",
            privilege=privilege,
            **facts,
        )
    else:
        error = PermissionDeniedError(
            f"{said} ({tag}): give the account permission on this file or directory.", **facts
        )
    return Failure(error, retryable=False, refused=True)


def path_of(uri: str) -> str:
    """Return a URI without its query, for a message."""
    return uri.split("?", 1)[0]


def _said(exc: Any) -> tuple[str, str]:
    said = str(exc.description).strip().rstrip(".") or str(exc.status_message)
    return said, f"{exc.status_code} {exc.error_class}"


def _reason(exc: Exception) -> str:
    if isinstance(exc, socket.timeout):
        return "no answer in time"
    return str(exc) or type(exc).__name__
