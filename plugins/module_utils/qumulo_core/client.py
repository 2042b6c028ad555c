# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client of one cluster: the SDK's calls, paged listings, and the cluster's clock."""

from __future__ import annotations

import math
import ssl
import time
from collections.abc import Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode

from . import sdk
from .cluster_clock import Bounds, ClusterClock
from .errors import ProtocolError, QumuloError
from .session import Session
from .settings import Settings
from .times import parse_rfc3339
from .transport import WHO_AM_I_URI, ClusterConnection

USER_AGENT = "lockstep.qumulo"


class _Rest(sdk.RestClient):  # type: ignore[misc]
    """The SDK's client on our connection."""

    def __init__(self, connection: ClusterConnection) -> None:
        self._ours = connection
        super().__init__(connection.host, connection.port, user_agent=connection.user_agent)

    @property
    def conninfo(self) -> ClusterConnection:
        """The connection of all calls."""
        return self._ours

    @conninfo.setter
    def conninfo(self, _made: object) -> None:
        """Drop the connection that the SDK makes for itself in old releases (7.2.1 does)."""

    def handle_request_error(self, error: Exception) -> bool:
        """Leave the connection open: the transport has closed it if it is broken.

        The SDK drops it after every error, so that each 404 would cost a TLS handshake.
        """
        return False


class Client:
    """One thread's access to a cluster.

    ``client.rest`` is the vendor's SDK with verified TLS, retries, failover and typed errors.
    Not thread-safe: a thread takes its own by :meth:`clone`, which shares token and clock.

    :raises LibraryMissingError: the SDK is not installed.
    :raises LibraryTooOldError: it is too old.
    :raises InputError: the settings can not work.
    """

    def __init__(self, settings: Settings, *, session: Session | None = None) -> None:
        sdk.require()
        self.settings = settings
        self._session = session or Session(settings)
        self._connection = ClusterConnection(self._session, user_agent=USER_AGENT)
        self._clock: ClusterClock | None = None
        self._date: tuple[str, datetime | None] = ("", None)
        self.rest: Any = _Rest(self._connection)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def clone(self) -> Client:
        """Return a client for another thread that shares token, node states and clock."""
        other = Client(self.settings, session=self._session)
        other._clock = self._clock
        return other

    # -- requests ------------------------------------------------------------------------------

    def get(self, uri: str) -> Any:
        """Return the JSON body of ``GET uri``."""
        return self._connection.send_request("GET", uri).data

    def get_tagged(self, uri: str) -> tuple[Any, str]:
        """Return the JSON body of ``GET uri`` and its ETag; an empty one, if there is none."""
        answer = self._connection.send_request("GET", uri)
        return answer.data, answer.etag or ""

    @property
    def answered_at(self) -> datetime | None:
        """The cluster's time of the last answer, cut to whole seconds; None if it gave none."""
        answer = self._connection.last_answer
        if answer is None or answer.date is None:
            return None
        text, moment = self._date
        if text != answer.date:  # of many answers in a second one is read
            try:
                moment = parsedate_to_datetime(answer.date).replace(tzinfo=timezone.utc)
            except (TypeError, ValueError):
                moment = None
            self._date = (answer.date, moment)
        return moment

    def pages(self, uri: str) -> Iterator[dict[str, Any]]:
        """Yield the pages of a collection, one request each, until ``paging.next`` is empty.

        :raises ProtocolError: a page without ``paging``, or one that points at itself.
        """
        while uri:
            page = self.get(uri)
            try:
                following = page["paging"]["next"] or ""
            except (KeyError, TypeError) as exc:
                raise ProtocolError(f"The listing {uri} came without 'paging.next'.") from exc
            yield page
            if following == uri:
                raise ProtocolError(f"The listing {uri} never ends: its next page is itself.")
            uri = following

    def paged(self, uri: str, key: str, *, limit: int | None = None) -> Iterator[Any]:
        """Yield the items of a collection over all its pages.

        Ends on an empty page too: lock grants hand out a next page even after the last one.

        :param key: name of the list in each page, such as ``files`` or ``grants``.
        :param limit: items to ask for in a page; the cluster may answer with fewer.
        """
        if limit is not None:
            uri += ("&" if "?" in uri else "?") + urlencode({"limit": limit})
        for page in self.pages(uri):
            try:
                items = page[key]
            except KeyError as exc:
                raise ProtocolError(f"The listing {uri} came without '{key}'.") from exc
            if not items:
                return
            yield from items

    # -- for connections of another kind: the event stream ----------------------------------------

    def token(self) -> tuple[str, int]:
        """Return the bearer token and its generation; log in first if there is none."""
        return self._connection.bearer_token()

    def renew_token(self, generation: int, error: QumuloError) -> bool:
        """Get another token if that can help after an error; False if it cannot."""
        return self._connection.renew_token(generation, error)

    def note_renewed(self, error: QumuloError) -> None:
        """Note that a request that had failed succeeded with another token."""
        self._connection.note_renewed(error)

    def tls_context(self) -> ssl.SSLContext:
        """Return the TLS context of all connections to the cluster."""
        return self._session.ssl_context

    def pick_host(self) -> str:
        """Return a node that is not known to be down."""
        return self._session.pick_host(self._session.next_start())

    def mark_unreachable(self, host: str) -> None:
        """Leave a node alone for a while."""
        self._session.mark_unreachable(host)

    def measure_clock(self, *, uncertainty: float = 0.5) -> ClusterClock:
        """Measure the cluster's clock anew, and go by that from now on.

        :param uncertainty: seconds, plus or minus, that are good enough. Less than half a second
            takes about a second, and a few dozen small requests: a cluster tells whole seconds,
            so it is asked until one changes.
        """
        self._clock = self._measure_clock(uncertainty)
        return self._clock

    # -- the cluster ---------------------------------------------------------------------------

    def who_am_i(self) -> dict[str, Any]:
        """Return the account in use with its privileges (``GET /v1/session/who-am-i``)."""
        account: dict[str, Any] = self.get(WHO_AM_I_URI)
        return account

    def version(self) -> str:
        """Return the version of Qumulo Core, such as ``Qumulo Core 7.3.0``."""
        return str(self.get("/v1/version").get("revision_id", ""))

    def clock(self) -> ClusterClock:
        """Return the cluster's clock, measured with one request the first time.

        The time comes from the ``Date`` header of an answer, which needs no privilege; it is cut
        to whole seconds, so its middle is taken. Without that header the cluster is asked for
        its time (``GET /v2/time/status``, needs PRIVILEGE_TIME_READ).

        :raises ProtocolError: neither gives a time.
        """
        return self._clock or self.measure_clock()

    def _measure_clock(self, uncertainty: float) -> ClusterClock:
        bounds = Bounds()
        # One second, and a little more for what a request takes.
        for _sample in range(math.ceil(1.2 / uncertainty)):
            sent = time.monotonic()
            self.get("/v1/version")
            received = time.monotonic()
            answer = self._connection.last_answer
            if answer is None or answer.date is None:
                return self._ask_clock()
            try:
                cluster = parsedate_to_datetime(answer.date).replace(tzinfo=timezone.utc)
            except (TypeError, ValueError) as exc:
                raise ProtocolError(
                    f"The cluster's Date header '{answer.date}' is no date."
                ) from exc
            bounds.note(sent, received, cluster)
            if bounds.uncertainty <= uncertainty + (received - sent):
                break
            time.sleep(uncertainty)
        return bounds.clock()

    def _ask_clock(self) -> ClusterClock:
        began = time.monotonic()
        status = self.get("/v2/time/status")
        try:
            cluster = parse_rfc3339(status["time"])
        except (KeyError, TypeError) as exc:
            raise ProtocolError("The cluster does not tell its time.") from exc
        return ClusterClock(cluster, datetime.now(timezone.utc), time.monotonic() - began)
