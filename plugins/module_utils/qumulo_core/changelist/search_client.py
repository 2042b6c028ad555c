# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Send requests to OpenSearch or Elasticsearch, with each failure as a sentence."""

from __future__ import annotations

import base64
import http.client
import json
import random
import socket
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from time import sleep
from typing import Any
from urllib.parse import quote, urlsplit

from ..common.redaction import remember
from ..common.regular_files import check_regular
from ..errors import (
    AuthenticationError,
    BusyError,
    InputError,
    InvalidRequestError,
    PermissionDeniedError,
    ProtocolError,
    QumuloError,
    ServerError,
    TlsError,
    UnreachableError,
    UnresolvedHostError,
)
from ..failures import unresolved
from .search_engine import Engine

#: Statuses of a busy engine.
BUSY = (429, 502, 503, 504)
_JSON, NDJSON = "application/json", "application/x-ndjson"
_LONGEST_WAIT = 60.0
_SHOWN = 300


@dataclass(frozen=True)
class Answer:
    """The answer of the engine to one request.

    :param body: None: no JSON.
    """

    status: int
    body: Any
    retry_after: str | None = None


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        """Follow no redirect: it would drop the body and send the password to another host."""


class _DroppedError(UnreachableError):
    """The connection was refused or broke; retried if it worked before."""


class Connection:
    """Sends requests about one index.

    :raises InputError: the CA certificates cannot be read.
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._worked = False
        handlers: list[Any] = [_NoRedirect()]
        if engine.url.startswith("https:"):
            if engine.ca_path is not None:
                check_regular(engine.ca_path, "ca_path")
            try:
                context = ssl.create_default_context(cafile=engine.ca_path)
            except (OSError, ssl.SSLError) as exc:
                raise InputError(
                    f"Cannot read the CA certificates in {engine.ca_path}: {_reason(exc)}. Set "
                    "ca_path to a readable file with certificates in PEM format."
                ) from exc
            handlers.append(urllib.request.HTTPSHandler(context=context))
        self._opener = urllib.request.build_opener(*handlers)
        parts = urlsplit(engine.url)
        above, _slash, index = parts.path.rstrip("/").rpartition("/")
        self._url = f"{parts.scheme}://{parts.netloc}{above}/{quote(index)}"
        self._headers = {}
        if engine.username:
            login = f"{engine.username}:{engine.password}".encode()
            encoded = base64.b64encode(login).decode()
            remember(encoded, self)
            self._headers["Authorization"] = f"Basic {encoded}"

    def request(
        self, method: str, path: str, body: bytes | None = None, *, kind: str = _JSON
    ) -> Answer:
        """Return the answer to one request, whatever its status.

        Requests are idempotent. They are retried if the engine is busy or has answered before.

        :param path: below the index.
        :raises QumuloError: there is no answer, or the engine stays busy.
        """
        attempt = 0
        while True:
            try:
                answer = self._once(method, path, body, kind)
            except (_DroppedError, UnresolvedHostError):
                if not self._worked or attempt >= self.engine.retries:
                    raise
                self.wait(attempt)
                attempt += 1
                continue
            self._worked = True
            if answer.status not in BUSY:
                return answer
            if attempt >= self.engine.retries:
                raise BusyError(
                    f"The search engine at {self.engine.place} answers {answer.status}"
                    f"{_because(answer)}, after {attempt + 1} attempts: run again when it is less "
                    "busy, or lower request_entries and request_bytes.",
                    status=answer.status,
                )
            self.wait(attempt, answer.retry_after)
            attempt += 1

    def wait(self, attempt: int, retry_after: str | None = None) -> None:
        """Wait before a retry: as long as the engine requests, or longer each time."""
        if retry_after is not None and retry_after.isdigit():
            delay = min(float(retry_after), _LONGEST_WAIT)
        else:
            delay = random.uniform(0.5, 1.0) * min(2.0**attempt, _LONGEST_WAIT)
        sleep(delay)

    def _once(self, method: str, path: str, body: bytes | None, kind: str) -> Answer:
        headers = {**self._headers, "Accept": _JSON}
        if body is not None:
            headers["Content-Type"] = kind
        url = self._url + (f"/{path}" if path else "")
        request = urllib.request.Request(url, data=body, method=method, headers=headers)
        try:
            with self._open(request) as response:
                return _answer(response.status, response)
        except (OSError, http.client.HTTPException) as exc:
            cause = exc.reason if isinstance(exc, urllib.error.URLError) else exc
            raise self._failure(cause, request.host) from exc

    def _open(self, request: urllib.request.Request) -> Any:
        """Return the response, whatever its status; its body can still break off."""
        try:
            return self._opener.open(request, timeout=self.engine.timeout)
        except urllib.error.HTTPError as exc:
            return exc

    def _failure(self, cause: object, connected_to: str) -> QumuloError:
        """Return the error for a request without an answer.

        :param connected_to: host and port of the engine, or of a proxy between.
        """
        place = self.engine.place
        if isinstance(cause, (socket.gaierror, UnicodeError)):
            host = urlsplit(f"//{connected_to}").hostname or connected_to
            if connected_to == urlsplit(self.engine.url).netloc:
                return unresolved(f"host name '{host}' of the search engine", "url", cause)
            what = f"host name '{host}' of the proxy to the search engine"
            return unresolved(what, "HTTPS_PROXY or HTTP_PROXY", cause)
        if isinstance(cause, ssl.SSLCertVerificationError):
            return TlsError(
                f"The certificate of the search engine at {place} cannot be trusted: "
                f"{cause.verify_message}. Set ca_path to the certificate of its CA."
            )
        if isinstance(cause, (socket.timeout, TimeoutError)):
            return UnreachableError(
                f"The search engine at {place} gave no answer within {self.engine.timeout:g} s: "
                "raise timeout, or lower request_entries and request_bytes.",
                maybe_applied=True,
            )
        return _DroppedError(
            f"Cannot get an answer from the search engine at {place}: {_reason(cause)}. Check url, "
            "and whether the search engine runs.",
            maybe_applied=True,
        )

    def refusal(self, what: str, answer: Answer) -> QumuloError:
        """Return the error for an answer with an unexpected status.

        :param what: what failed, as the beginning of a sentence.
        """
        place, user = self.engine.place, self.engine.username
        status = answer.status
        if status == 401:
            return AuthenticationError(
                f"{what}: the search engine at {place} does not accept the user name and password "
                f"(401). Correct username ('{user or ''}') and password.",
                status=status,
            )
        if status == 403:
            return PermissionDeniedError(
                f"{what}: the search engine at {place} does not permit it{_because(answer)}. Grant "
                f"the user '{user or ''}' the privileges to create, read the mapping of, and write "
                f"to the index {self.engine.index}.",
                status=status,
            )
        if status == 413:
            return InvalidRequestError(
                f"{what}: the search engine at {place} refuses a request of that size (413). Lower "
                "request_bytes.",
                status=status,
            )
        if answer.body is None:
            return ProtocolError(
                f"{what}: {place} answers {status} without JSON. Set url to an index of OpenSearch "
                "or Elasticsearch, such as https://search.example.com:9200/files.",
                status=status,
            )
        kind = ServerError if status >= 500 else InvalidRequestError
        return kind(
            f"{what}: the search engine at {place} answers {status}{_because(answer)}. See its "
            "log for the cause.",
            status=status,
        )


def _answer(status: int, response: Any) -> Answer:
    try:
        body = json.loads(response.read())
    except ValueError:
        body = None
    return Answer(status, body, response.headers.get("Retry-After"))


def error_of(found: Any) -> str:
    """Return what an error of the engine says, on one line."""
    if isinstance(found, dict):
        parts = [str(found[key]) for key in ("type", "reason") if found.get(key)]
        said = ": ".join(parts)
    else:
        said = str(found or "")
    said = " ".join(said.split())
    return said if len(said) <= _SHOWN else f"{said[:_SHOWN]}..."


def error_type(answer: Answer) -> str | None:
    """Return the type of the error that the engine answered with, if it says one."""
    found = answer.body.get("error") if isinstance(answer.body, dict) else None
    return str(found.get("type")) if isinstance(found, dict) else None


def _because(answer: Answer) -> str:
    said = error_of(answer.body.get("error")) if isinstance(answer.body, dict) else ""
    return f" ({said})" if said else ""


def _reason(cause: object) -> str:
    said = cause.strerror if isinstance(cause, OSError) and cause.strerror else str(cause)
    return (said or type(cause).__name__).rstrip(".")
