# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page as a service: started, watched and stopped like the others."""

from __future__ import annotations

import logging
import time
from typing import Any

from ..common import heartbeats
from ..common.heartbeats import Heartbeats
from ..errors import InputError
from ..service import metrics
from ..service.config import load
from .config import Config, parse
from .server import Server

try:
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError:  # the metrics' registry says so when it is made
    CounterMetricFamily = GaugeMetricFamily = None  # type: ignore[assignment,misc]
    Collector = object  # type: ignore[assignment,misc]

_LOG = logging.getLogger(__name__)
#: Seconds between looks for a renewed certificate.
_RENEWAL = 60.0


class LockManager:
    """The page with its metrics.

    :param path: of the configuration, for a reload.
    """

    def __init__(self, path: str, found: Config) -> None:
        self._path = path
        self._config = found
        self._started: Server | None = None
        self._metrics: metrics.Server | None = None
        self._looked = time.monotonic()
        cluster = found.settings()
        self.heartbeats = Heartbeats(heartbeats.allowance(cluster.timeout, cluster.retry_deadline))

    @property
    def _page(self) -> Server:
        if self._started is None:
            raise RuntimeError("nothing else is called before start")
        return self._started

    def start(self) -> None:
        """Serve; returns when it does."""
        self._started = Server(self._config, self.heartbeats)
        if self._config.metrics_port is not None:
            registry = metrics.registry(self.heartbeats)
            registry.register(_Collector(self._page))
            self._metrics = metrics.Server(
                self._config.metrics_port, registry, self.facts, self.heartbeats
            )
        self._page.start()

    def reload(self) -> None:
        """Take a renewed certificate into use; another configuration needs a restart.

        A restart logs everybody out, so it is left to whoever changed the configuration.

        :raises InputError: the configuration or the certificate makes no sense.
        """
        changed = parse(load(self._path)) != self._config
        self._page.renew_certificate()
        if changed:
            raise InputError("The configuration has changed: restart the service to use it.")

    def tend(self) -> None:
        """End sessions that are over, and take a renewed certificate into use."""
        self._page.services.sessions.sweep()  # nobody may ask for a page for hours
        if time.monotonic() - self._looked > _RENEWAL:
            self._looked = time.monotonic()
            try:
                self._page.renew_certificate()
            except InputError as exc:
                _LOG.error("%s", exc)

    def healthy(self) -> bool:
        """Tell whether the page is served and no thread hangs."""
        return self._page.healthy and not self.heartbeats.hung()

    def failure(self) -> BaseException | None:
        """Return what ended the page, or None."""
        return self._page.failure

    def status(self) -> str:
        """Return where it is and how many people use it."""
        count = len(self._page.services.sessions)
        return f"{self._page.url}, {count} {'person' if count == 1 else 'people'} logged in"

    def facts(self) -> dict[str, Any]:
        """Return what it counts."""
        services = self._page.services
        return {
            "status": self.status(),
            "sessions": len(services.sessions),
            **services.counters.read(),
        }

    def stop(self, deadline: float) -> None:
        """End; what is being closed comes to its end first, as far as there is time."""
        self._page.stop(max(0.0, deadline - time.monotonic()))
        if self._metrics is not None:
            self._metrics.close()


class _Collector(Collector):
    """Gives Prometheus what the page counts."""

    def __init__(self, page: Server) -> None:
        self._page = page

    def collect(self) -> Any:
        """Yield the metrics."""
        services = self._page.services
        for name, value in services.counters.read().items():
            text = f"{name.replace('_', ' ').capitalize()} of the lock manager since its start."
            yield CounterMetricFamily(f"lockstep_lock_manager_{name}", text, value=value)
        yield GaugeMetricFamily(
            "lockstep_lock_manager_sessions",
            "People who are logged in.",
            value=len(services.sessions),
        )
