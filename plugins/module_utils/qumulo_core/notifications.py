# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change notifications: the connection that brings the events of a directory.

A :class:`Stream` is finite: it ends or raises, and whoever watches opens another and catches up on
what happened in between, for a cluster does not replay ("Qumulo REST API guide", file system
change notify).
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator
from typing import Any

from . import failures
from .client import USER_AGENT, Client
from .domain.file_refs import FileRef
from .errors import (
    AuthenticationError,
    BusyError,
    InvalidRequestError,
    LibraryMissingError,
    NotFoundError,
    PermissionDeniedError,
    ProtocolError,
    QumuloError,
    ServerError,
    TlsError,
)
from .events import Event, EventDecoder, LineDecoder
from .failures import Failure
from .transport import CONNECT_TIMEOUT

try:
    import requests
    from requests.adapters import HTTPAdapter

    _REQUESTS_ERROR: ImportError | None = None
except ImportError as _exc:
    requests = None  # type: ignore[assignment]
    HTTPAdapter = object  # type: ignore[assignment, misc]
    _REQUESTS_ERROR = _exc

#: Seconds without even a keep-alive after which a connection counts as dead.
SILENCE = 45.0


class StreamEnd(QumuloError):
    """The stream has ended: what happens from now on is not told, and has to be caught up."""


class _Adapter(HTTPAdapter):
    """Connects with the TLS settings of the cluster."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__()

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> Any:
        """Make the pool with our context."""
        return super().init_poolmanager(*args, ssl_context=self._context, **kwargs)


class Stream:
    """The events of one directory, from now on, until the connection ends.

    When it has been made, the cluster has registered it: whatever happens afterwards is told.
    Used as a context manager, or closed, from any thread.

    :param recursive: what is below directories in it, too.
    :param types: names of events; none for all.
    :param silence: seconds without a sign of life that end it.
    :raises NotFoundError: the directory is not there.
    :raises QumuloError: the cluster does not let us watch.
    """

    def __init__(
        self,
        client: Client,
        directory: FileRef,
        *,
        recursive: bool,
        types: Iterable[str] = (),
        silence: float = SILENCE,
    ) -> None:
        if _REQUESTS_ERROR is not None:
            raise LibraryMissingError("requests", str(_REQUESTS_ERROR))
        listed = ",".join(sorted(types))
        uri = f"/v1/files/{directory.quoted}/notify?recursive={'true' if recursive else 'false'}"
        if listed:
            uri += f"&filter={listed}"
        self._web = requests.Session()
        self._web.trust_env = False  # no proxy, no .netrc: this goes straight to the cluster
        self._web.mount("https://", _Adapter(client.tls_context()))
        try:
            self._response = self._open(client, uri, silence)
            self._chunks = self._response.iter_content(chunk_size=None)
            self._lines = LineDecoder()
            self._decoder = EventDecoder()
            self._early: list[Event] = []
            while not self._decoder.comments and not self._early:
                self._early.extend(self._read())  # the first comment says: registered
        except BaseException:
            self._web.close()
            raise

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; a thread that reads wakes up."""
        shutdown = getattr(self._response.raw, "shutdown", None)
        if shutdown is not None:
            try:
                shutdown()
            except (OSError, ValueError, RuntimeError):
                pass  # it has ended already
        else:
            self._response.close()
        self._web.close()

    def __iter__(self) -> Iterator[list[Event]]:
        """Yield events as they come, several at a time; an empty list is a sign of life.

        :raises StreamEnd: the connection has ended, is silent, or brought something else.
        """
        yield self._early
        while True:
            yield self._read()

    def _read(self) -> list[Event]:
        try:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise StreamEnd("The cluster has ended the event stream.")
            events: list[Event] = []
            for line in self._lines.feed(chunk):
                events.extend(self._decoder.feed(line))
            return events
        except requests.exceptions.ConnectionError as exc:
            if "timed out" in str(exc).lower():
                raise StreamEnd("The event stream has gone silent.") from exc
            raise StreamEnd(f"The event stream broke off ({exc}).") from exc
        except (requests.exceptions.RequestException, OSError, AttributeError) as exc:
            # AttributeError: urllib3, when it is closed by another thread while it reads.
            raise StreamEnd(f"The event stream broke off ({exc}).") from exc
        except ProtocolError as exc:
            raise StreamEnd(exc.message) from exc

    def _open(self, client: Client, uri: str, silence: float) -> requests.Response:
        """Return the answer of a cluster that has agreed; log in again once if need be."""
        refusal: QumuloError | None = None
        while True:
            token, generation = client.token()
            response = self._ask(client, uri, token, silence)
            if response.status_code == 200:
                if refusal is not None:
                    client.note_renewed(refusal)
                return response
            with response:
                error = _refusal(response)
            if refusal is not None or not client.renew_token(generation, error):
                raise error
            refusal = error

    def _ask(self, client: Client, uri: str, token: str, silence: float) -> requests.Response:
        """Return the answer of the first node that answers."""
        failed: dict[str, Failure] = {}
        for _attempt in client.settings.hosts:
            host = client.pick_host()
            try:
                return self._get(client, host, uri, token, silence)
            except Failure as failure:
                if isinstance(failure.error, TlsError):
                    raise failure.error from failure.__cause__
                client.mark_unreachable(host)
                failed[host] = failure
        if len(failed) > 1:
            raise failures.none_connected(failed, client.settings.port)
        raise next(iter(failed.values())).error

    def _get(
        self, client: Client, host: str, uri: str, token: str, silence: float
    ) -> requests.Response:
        """Return the answer of one node.

        :raises Failure: there is none.
        """
        settings = client.settings
        try:
            return self._web.get(
                f"https://{_bracketed(host)}:{settings.port}{uri}",
                headers={
                    "Authorization": f"Bearer {token}",
                    "Accept": "text/event-stream",
                    "User-Agent": USER_AGENT,
                },
                stream=True,
                timeout=(min(CONNECT_TIMEOUT, settings.timeout), silence),
                allow_redirects=False,
                # With each call: the session's own loses to an environment variable.
                verify=_trust(client),
            )
        except (requests.exceptions.RequestException, OSError) as exc:
            cause = failures.root_cause(exc) or exc
            alone = len(settings.hosts) == 1
            raise failures.connecting(host, settings.port, cause, alone=alone) from exc


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _trust(client: Client) -> str | bool:
    """Return what requests shall trust: the same as everything else of the library."""
    settings = client.settings
    if not settings.validate_certs:
        return False
    if settings.ca_path is not None:
        return settings.ca_path
    paths = ssl.get_default_verify_paths()
    return paths.cafile or paths.capath or True


_ERRORS: dict[int, type[QumuloError]] = {
    400: InvalidRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    429: BusyError,
    503: BusyError,
}


def _refusal(response: requests.Response) -> QumuloError:
    """Return the error for an answer that is no stream."""
    try:
        body = response.json()
        description, error_class = str(body["description"]), str(body["error_class"])
    except (ValueError, KeyError, TypeError, OSError):
        description, error_class = response.reason or "", ""
    status = response.status_code
    kind = _ERRORS.get(status, ServerError if status >= 500 else InvalidRequestError)
    steps = {
        401: ": check the credentials.",
        403: ": watching what is below directories needs the rights of a data administrator.",
        404: ": check the directory.",
    }
    return kind(
        f"The cluster does not let us watch ({status}: {description}){steps.get(status, '.')}",
        status=status,
        error_class=error_class or None,
    )
