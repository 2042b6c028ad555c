# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the watcher tells Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..common.heartbeats import Heartbeats
from ..service import metrics

try:
    from prometheus_client import CollectorRegistry, Counter, Histogram
    from prometheus_client.core import GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError:  # the metrics' registry says so when it is made
    Collector = object  # type: ignore[assignment,misc]

#: Bounds of the histogram of delays, seconds.
_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0)


@dataclass(frozen=True)
class Gauges:
    """What is at the moment."""

    pending: int
    given_up: int
    oldest_pending: float
    clock_skew: float
    streams: dict[str, str]
    evidence_gaps: int
    unlisted: int = 0
    damaged_spools: int = 0
    unreadable_rows: int = 0


class _Now(Collector):
    def __init__(self, look: Callable[[], Gauges]) -> None:
        self._look = look

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Yield the gauges."""
        now = self._look()
        for name, text, value in (
            ("pending", "Files that wait to be locked.", now.pending),
            ("given_up", "Files that could not be locked and wait for an operator.", now.given_up),
            (
                "oldest_pending_seconds",
                "Longest time that a finished file has been unlocked.",
                now.oldest_pending,
            ),
            *((name, text, getattr(now, name)) for name, text in metrics.SPOOL_GAUGES),
            (
                "clock_skew_seconds",
                "How far the cluster's clock is ahead of this host's.",
                now.clock_skew,
            ),
            (
                "evidence_gaps",
                "Times that the evidence was found changed since it was written.",
                now.evidence_gaps,
            ),
            (
                "unlisted_directories",
                "Directories that the account may not list.",
                now.unlisted,
            ),
        ):
            yield GaugeMetricFamily(f"lockstep_watcher_{name}", text, value=value)
        family = GaugeMetricFamily(
            "lockstep_watcher_stream",
            "1 for the state in which following a directory is.",
            labels=["directory", "state"],
        )
        for directory, state in now.streams.items():
            family.add_metric([directory, state], 1)
        yield family


class Meters:
    """Counters of a watcher."""

    def __init__(self, look: Callable[[], Gauges], heartbeats: Heartbeats | None = None) -> None:
        self.registry: CollectorRegistry = metrics.registry(heartbeats)
        self.registry.register(_Now(look))

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"lockstep_watcher_{name}", text, labels, registry=self.registry)

        self.events = counter("events", "Events that the cluster has told.", "type")
        self.locks = counter("locks", "Files that were locked, or found locked.", "rule", "outcome")
        self.failures = counter("failures", "Failed attempts to lock a file.")
        self.skipped = counter(
            "skipped", "Symlinks, directories and other objects that cannot be locked.", "type"
        )
        self.catch_ups = counter("catch_ups", "Times that was caught up.")
        self.caught_up = counter("caught_up_files", "Files that were found by catching up.")
        self.delay = Histogram(
            "lockstep_watcher_lock_delay_seconds",
            "Time from the end of the quiet period to the lock.",
            buckets=_BUCKETS,
            registry=self.registry,
        )
