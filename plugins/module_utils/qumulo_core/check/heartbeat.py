# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The check as a service: again and again, with a status line and metrics."""

from __future__ import annotations

import logging
import threading
from typing import Any

from ..common import heartbeats
from ..common.heartbeats import Heartbeats
from ..errors import QumuloError
from ..service import metrics
from ..service.config import load
from ..service.reload import merge
from ..service.threads import Threads
from . import findings, probes
from .config import Config, parse
from .findings import Finding

try:
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError:  # the metrics' registry says so when it is made
    GaugeMetricFamily = None  # type: ignore[assignment,misc]
    Collector = object  # type: ignore[assignment,misc]

_LOG = logging.getLogger("lockstep.check")


class Heartbeat:
    """Checks at an interval, and tells how it is by status line and metrics."""

    def __init__(self, path: str, found: Config) -> None:
        self._path = path
        self._config = found
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._findings: list[Finding] = []
        self.heartbeats = Heartbeats(
            heartbeats.allowance(found.cluster.timeout, found.cluster.retry_deadline)
        )
        self._server: metrics.Server | None = None
        self._threads = Threads(self.heartbeats)
        self._threads.add("check", self._run)

    def start(self) -> None:
        """Check for the first time, then in a thread."""
        self._check()
        if self._config.metrics_port is not None:
            registry = metrics.registry(self.heartbeats)
            registry.register(_Collector(self))
            self._server = metrics.Server(
                self._config.metrics_port, registry, self.facts, self.heartbeats
            )
        self._threads.start()

    def _run(self) -> None:
        while not self._stopped.is_set():
            heartbeats.waiting("waiting for the next check", self._config.every)
            self._wake.wait(self._config.every)
            self._wake.clear()
            if not self._stopped.is_set():
                self._check()

    def _check(self) -> None:
        heartbeats.working("checking")
        before = {finding.subject: finding.level for finding in self._findings}
        try:
            found = list(probes.run(self._config.cluster, self._config.services))
        except QumuloError as exc:
            found = [Finding("configuration", findings.FAILED, exc.message)]
        for finding in found:
            if before.get(finding.subject) != finding.level:
                level = {findings.OK: logging.INFO, findings.WARNING: logging.WARNING}.get(
                    finding.level, logging.ERROR
                )
                _LOG.log(level, "%s: %s", finding.subject, finding.text)
        self._findings = found

    def reload(self) -> None:
        """Read the configuration again and check at once."""
        self._config = merge(self._config, parse(load(self._path)))
        self._wake.set()

    def tend(self) -> None:
        """Nothing to do: the check has a thread of its own."""

    def healthy(self) -> bool:
        """Tell whether no thread hangs."""
        return not self.heartbeats.hung()

    def failure(self) -> BaseException | None:
        """Return what ended the thread, or None."""
        return self._threads.failure

    def status(self) -> str:
        """Return the version of the cluster and how many checks pass."""
        version = next((f.text for f in self._findings if f.subject == "version"), "No version.")
        return f"{version.rstrip('.')}; {findings.summary(self._findings)}"

    def facts(self) -> dict[str, Any]:
        """Return all findings."""
        return {"status": self.status(), "findings": [vars(f) for f in self._findings]}

    def stop(self, deadline: float) -> None:
        """End the thread; a request that is under way is not waited for beyond the deadline."""
        self._stopped.set()
        self._wake.set()
        self._threads.join(deadline)
        if self._server is not None:
            self._server.close()

    def levels(self) -> list[tuple[str, str]]:
        """Return subject and level of each finding."""
        return [(finding.subject, finding.level) for finding in self._findings]


class _Collector(Collector):
    """Gives Prometheus one gauge a finding: 0 ok, 1 warning, 2 failed."""

    def __init__(self, heartbeat: Heartbeat) -> None:
        self._heartbeat = heartbeat

    def collect(self) -> Any:
        """Yield the metric."""
        gauge = GaugeMetricFamily(
            "lockstep_check",
            "What the connection check found: 0 ok, 1 warning, 2 failed.",
            labels=["subject"],
        )
        order = (findings.OK, findings.WARNING, findings.FAILED)
        for subject, level in self._heartbeat.levels():
            gauge.add_metric([subject], order.index(level))
        yield gauge
