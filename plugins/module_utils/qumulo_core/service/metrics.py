# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Metrics for Prometheus and a status for people, on a port of the loopback interface."""

from __future__ import annotations

import json
import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from ..common import heartbeats as beats
from ..common import os_reasons, unexpected
from ..common.heartbeats import Heartbeats
from ..errors import InputError, LibraryMissingError

try:
    import prometheus_client
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import Collector

    _PROMETHEUS_ERROR: ImportError | None = None
except ImportError as _exc:
    prometheus_client = None  # type: ignore[assignment]
    CollectorRegistry = Collector = object  # type: ignore[assignment,misc]
    _PROMETHEUS_ERROR = _exc

_LOG = logging.getLogger(__name__)
LOOPBACK = "127.0.0.1"
#: Gauges of the state of a spool: name, and what it measures.
SPOOL_GAUGES = (
    ("damaged_spools", "Damaged spools that were moved aside and are still there."),
    (
        "unreadable_rows",
        "Rows of the spool that were set aside because they could not be read.",
    ),
)
_TIMEOUT = 5.0  # seconds, for a client of this server and for asking it


class _Hung(Collector):
    def __init__(self, heartbeats: Heartbeats) -> None:
        self._heartbeats = heartbeats

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield the gauge."""
        hung = len(self._heartbeats.hung())
        yield GaugeMetricFamily("lockstep_hung_threads", "Threads that hang.", value=hung)


def registry(heartbeats: Heartbeats | None = None) -> CollectorRegistry:
    """Return a registry with what all services have: the process, and threads that hang.

    :raises LibraryMissingError: prometheus-client is not installed.
    """
    if _PROMETHEUS_ERROR is not None:
        raise LibraryMissingError("prometheus-client", str(_PROMETHEUS_ERROR))
    made = CollectorRegistry()
    prometheus_client.ProcessCollector(registry=made)
    made.register(_Hung(Heartbeats() if heartbeats is None else heartbeats))
    return made


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True  # a client that hangs must not hold up the end
    heartbeats: Heartbeats

    def run(self) -> None:
        """Serve until it is shut down."""
        with self.heartbeats.thread("metrics"):
            self.serve_forever()

    def service_actions(self) -> None:
        """Say that the thread which accepts moves; called about twice a second."""
        beats.working("accepting requests for metrics")

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """Answer one request."""
        self.heartbeats.run(
            "metrics request", super().process_request_thread, request, client_address
        )

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Log a failed connection; the base class would print the traceback unmasked."""
        _LOG.debug("a request for metrics failed", exc_info=True)


class _Handler(WSGIRequestHandler):
    timeout = _TIMEOUT

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: a scrape every few seconds is not worth a line each."""


class Server:
    """Serves ``/metrics``, ``/status`` (JSON) and ``/healthz`` in a thread of its own.

    :param port: 0 for one that is free.
    :param status: gives the facts of ``/status``.
    :param heartbeats: decide between 200 and 503 for ``/healthz``.
    :raises InputError: the port is taken.
    """

    def __init__(
        self,
        port: int,
        metrics: CollectorRegistry,
        status: Callable[[], dict[str, Any]],
        heartbeats: Heartbeats,
    ) -> None:
        self._metrics = prometheus_client.make_wsgi_app(metrics)
        self._status = status
        self._heartbeats = heartbeats
        try:
            self._server = make_server(
                LOOPBACK, port, self._serve, server_class=_Server, handler_class=_Handler
            )
        except OSError as exc:
            failed = f"Cannot use the metrics port {port}"
            raise InputError(os_reasons.explain(failed, exc, "Choose another one.")) from exc
        self.port: int = self._server.server_port
        self._server.heartbeats = heartbeats
        self._thread = threading.Thread(target=self._server.run, name="metrics", daemon=True)
        self._thread.start()

    def _serve(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        try:
            return self._answer(environ, start_response)
        except Exception as exc:  # pylint: disable=broad-exception-caught
            # The server would print the traceback unmasked; the log masks secrets.
            text = unexpected.sentence(exc, "see the log of the service.")
            _LOG.error("%s: %s", environ.get("PATH_INFO", ""), text, exc_info=exc)
            start_response("500 Internal Server Error", [("Content-Type", "text/plain")])
            return [f"{text}\n".encode()]

    def _answer(
        self, environ: dict[str, Any], start_response: Callable[..., Any]
    ) -> Iterable[bytes]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            served: Iterable[bytes] = self._metrics(environ, start_response)
            return served
        if path == "/status":
            facts = {**self._status(), "hung": [str(hang) for hang in self._heartbeats.hung()]}
            body = json.dumps(facts, default=str).encode()
            start_response("200 OK", [("Content-Type", "application/json")])
            return [body]
        if path == "/healthz":
            reason = self._heartbeats.reason()
            start_response(
                "503 Service Unavailable" if reason else "200 OK", [("Content-Type", "text/plain")]
            )
            return [f"{reason or 'ok'}\n".encode()]
        start_response("404 Not Found", [("Content-Type", "text/plain")])
        return [b"There are /metrics, /status and /healthz.\n"]

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def fetch_status(port: int) -> dict[str, Any] | None:
    """Return what a service on this host tells of itself, or None if it does not answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{LOOPBACK}:{port}/status", timeout=_TIMEOUT) as answer:
            facts = json.load(answer)
    except (OSError, ValueError, urllib.error.URLError):
        return None
    return facts if isinstance(facts, dict) else None
