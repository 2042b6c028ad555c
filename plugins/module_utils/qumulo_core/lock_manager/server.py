# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP server under the page, in a thread of its own."""

from __future__ import annotations

import logging
import os
import socket
import ssl
import time
from collections.abc import Iterable
from typing import Any

from ..common import os_reasons
from ..common.heartbeats import Heartbeats
from ..common.regular_files import check_regular
from ..errors import InputError, LibraryMissingError
from ..service.threads import Threads
from .app import make_app
from .config import Config
from .connections import DEADLINES, Deadlines, Places, capacity
from .http_protocol import DeadlineProtocol
from .http_server import PlacedServer
from .services import Services

try:
    import uvicorn

    _UVICORN_ERROR: ImportError | None = None
except ImportError as _exc:
    uvicorn = None  # type: ignore[assignment]
    _UVICORN_ERROR = _exc

log = logging.getLogger(__name__)

#: Connections that the kernel keeps until the page takes them.
_BACKLOG = 512
#: Seconds in which open answers have to end when the page stops.
_GRACE = 3
_START_TIMEOUT = 10.0


class Server:
    """The page on its address.

    :param deadlines: that clients have.
    :raises LibraryMissingError: a library is not installed.
    :raises InputError: the address is taken, or the certificate can not be used.
    """

    def __init__(
        self,
        config: Config,
        heartbeats: Heartbeats | None = None,
        deadlines: Deadlines = DEADLINES,
    ) -> None:
        if _UVICORN_ERROR is not None:
            raise LibraryMissingError("uvicorn", str(_UVICORN_ERROR))
        self._config = config
        heartbeats = Heartbeats() if heartbeats is None else heartbeats
        self.app = app = make_app(config, heartbeats)
        self.services: Services = app.state.services
        self._stamp = _stamp(config)
        options = uvicorn.Config(
            app,
            http=DeadlineProtocol,
            # Not what else may be installed: tests and hosts run the same loop.
            loop="asyncio",
            ssl_certfile=config.certificate,
            ssl_keyfile=config.private_key,
            proxy_headers=bool(config.trusted_proxies),
            forwarded_allow_ips=_both_forms(config.trusted_proxies),
            timeout_graceful_shutdown=_GRACE,
            lifespan="on",
            log_config=None,
            log_level="warning",
            access_log=False,
            server_header=False,
            ws="none",
        )
        _check_files(config)
        try:
            options.load()
        except (OSError, ssl.SSLError) as exc:
            raise InputError(
                f"The certificate {config.certificate} can not be used ({exc}): name a PEM file "
                "with the whole chain, and the private key that fits it."
            ) from exc
        self._tls: ssl.SSLContext | None = options.ssl
        if options.ssl is not None:
            options.ssl.sni_callback = self._present
        self._socket = _bind(config)
        self.port: int = self._socket.getsockname()[1]
        self.places = Places(
            most=capacity(),
            per_address=config.max_connections_per_address,
            unlimited=config.trusted_proxies,
            refused=lambda: self.services.counters.add("connections_refused"),
            dropped=lambda: self.services.counters.add("connections_dropped"),
        )
        self._server = PlacedServer(options, self._socket, self.places, deadlines)
        self._threads = Threads(heartbeats)
        self._threads.add("http", self._serve)

    def _serve(self) -> None:
        self._server.run()
        if self._server.defect is not None:
            raise self._server.defect

    @property
    def url(self) -> str:
        """Where the page listens."""
        scheme = "https" if self._config.certificate else "http"
        host = self._config.listen_address
        return f"{scheme}://{f'[{host}]' if ':' in host else host}:{self.port}"

    def start(self) -> None:
        """Begin to serve; returns when it does.

        :raises InputError: it does not.
        """
        self._threads.start()
        deadline = time.monotonic() + _START_TIMEOUT
        while not self._server.started:
            if not self._threads.alive or time.monotonic() > deadline:
                raise InputError("The page does not start: the log above says why.")
            time.sleep(0.01)
        log.info("listening on %s", self.url)

    def stop(self, timeout: float) -> None:
        """Answer what is under way and end.

        :param timeout: seconds.
        """
        self.services.stopping.set()
        self._server.should_exit = True
        self._threads.join(time.monotonic() + timeout)

    @property
    def healthy(self) -> bool:
        """True while it serves."""
        return self._threads.alive and self._server.started

    @property
    def failure(self) -> BaseException | None:
        """What ended it, if that was not asked for."""
        return self._threads.failure

    def renew_certificate(self) -> bool:
        """Take a renewed certificate into use for new connections; returns whether there was one.

        :raises InputError: it can not be used; the old one stays.
        """
        stamp = _stamp(self._config)
        if self._tls is None or self._config.certificate is None or stamp == self._stamp:
            return False
        self._stamp = stamp
        _check_files(self._config)
        # A context of its own: one that is in use would for a moment, or for good if they do not
        # fit, have a certificate and the key of another.
        renewed = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            renewed.load_cert_chain(self._config.certificate, self._config.private_key)
        except (OSError, ssl.SSLError) as exc:
            raise InputError(
                f"The renewed certificate {self._config.certificate} can not be used ({exc}): "
                "check it; the old one stays in use until then."
            ) from exc
        self._tls = renewed
        log.info("the renewed certificate is in use")
        return True

    def _present(self, connection: Any, _name: str | None, _context: ssl.SSLContext) -> None:
        """Let a new connection present the certificate that is in use now."""
        connection.context = self._tls


def _check_files(config: Config) -> None:
    """Refuse a FIFO in place of the certificate or its key: the page would wait for a writer.

    :raises InputError: one of them is not a regular file.
    """
    if config.certificate is not None and config.private_key is not None:
        check_regular(config.certificate, "The certificate")
        check_regular(config.private_key, "The private key")


def _both_forms(addresses: Iterable[str]) -> list[str]:
    """Return addresses, and for IPv4 the form in which a dual-stack socket shows them."""
    found = []
    for address in addresses:
        found += [address] if ":" in address else [address, f"::ffff:{address}"]
    return found


def _bind(config: Config) -> socket.socket:
    family = socket.AF_INET6 if ":" in config.listen_address else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind((config.listen_address, config.listen_port))
        made.listen(_BACKLOG)
    except OSError as exc:
        made.close()
        failed = f"Cannot listen on {config.listen_address} port {config.listen_port}"
        step = "Choose another 'listen_port' or stop what is there."
        raise InputError(os_reasons.explain(failed, exc, step)) from exc
    return made


def _stamp(config: Config) -> tuple[float, ...]:
    """Return when certificate and key were written."""
    found = []
    for path in (config.certificate, config.private_key):
        try:
            found.append(os.stat(path).st_mtime if path else 0.0)
        except OSError:
            found.append(0.0)
    return tuple(found)
