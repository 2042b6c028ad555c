# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the syncer tells Prometheus."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ..common.heartbeats import Heartbeats
from ..domain.log_words import OPERATIONS
from ..service import metrics
from .batches import Batch
from .setting import STATES, Result

try:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.registry import Collector
except ImportError:  # the metrics' registry says so when it is made
    Collector = object  # type: ignore[assignment,misc]

#: Operations that have a number of their own beside the known ones, and how their names look:
#: whoever sends a line chooses its words, and one that is not Unicode would end all metrics.
_OPERATIONS = 100
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
OTHER = "other"
FAILED = "failed"


@dataclass(frozen=True)
class Gauges:
    """What is at the moment.

    :param overdue: seconds that the oldest file has waited for beyond its window.
    :param closed: connections that the receiver has closed since the start, by reason.
    """

    waiting: int
    given_up: int
    overdue: float
    state: str
    connected: int
    taking: bool
    closed: Mapping[str, int]
    damaged_spools: int
    unreadable_rows: int


class Totals:
    """Counts since the start; for many threads.

    :param there: files that waited, or were given up, at the start.
    """

    def __init__(self, there: int) -> None:
        self._lock = threading.Lock()
        self._there = there
        self._coalesced = 0
        self._gone = 0
        self.lines = 0
        self.counted = 0
        self.clamped = 0
        self.ignored = 0
        self.operations: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.malformed: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()

    def take(self, batch: Batch) -> None:
        """Count a batch that is durable."""
        with self._lock:
            self.lines += batch.lines
            self.counted += batch.counted
            self.clamped += batch.clamped
            self.skipped += batch.skipped
            self.malformed += batch.malformed
            for name, count in batch.operations.items():
                self.operations[name if self._has_number(name) else OTHER] += count

    def _has_number(self, name: str) -> bool:
        """Tell whether an operation is counted by its name; what the list has always is."""
        if name in OPERATIONS or name in self.operations:
            return True
        return len(self.operations) < _OPERATIONS and _NAME.fullmatch(name) is not None

    def ignore(self) -> None:
        """Count a time that was set and was not there when it was read back."""
        with self._lock:
            self.ignored += 1

    def dropped(self) -> dict[str, int]:
        """Return how many lines set no time, by reason: all lines but those that count."""
        with self._lock:
            malformed = {f"malformed_{part}": count for part, count in self.malformed.items()}
            return {**self.skipped, **malformed}

    def done(self, results: Iterable[Result], gone: int) -> None:
        """Count results, of which so many entries have left the spool."""
        with self._lock:
            self._gone += gone
            for result in results:
                outcome = result.outcome
                self.outcomes[FAILED if outcome is None else outcome.value] += 1

    def coalesced(self, there: int) -> int:
        """Return how many of the lines that counted needed no look at a file of their own.

        Each line that counted has a file that is still there, one that has gone, or was merged.

        :param there: files that wait, or were given up, now.
        """
        with self._lock:
            merged = self._there + self.counted - self._gone - there
            self._coalesced = max(self._coalesced, merged)  # never back, whoever counts meanwhile
            return self._coalesced


class _Collector(Collector):
    def __init__(self, totals: Totals, look: Callable[[], Gauges]) -> None:
        self._totals = totals
        self._look = look

    def collect(self) -> Iterable[CounterMetricFamily | GaugeMetricFamily]:
        """Yield all metrics."""
        now, totals = self._look(), self._totals
        for name, text, value in (
            ("lines", "Audit lines that are safe.", totals.lines),
            ("counted", "Lines that count as a use of a file.", totals.counted),
            ("clamped", "Lines whose time was too far in the future.", totals.clamped),
            ("ignored", "Times that the file system did not keep.", totals.ignored),
            (
                "coalesced",
                "Lines that count and needed no look at a file of their own.",
                totals.coalesced(now.waiting + now.given_up),
            ),
        ):
            yield CounterMetricFamily(f"lockstep_atime_{name}", text, value=value)
        for name, text, label, counts in (
            ("operations", "Lines by operation.", "operation", totals.operations),
            (
                "dropped",
                "Lines that set no time, malformed ones included, by reason.",
                "reason",
                totals.dropped(),
            ),
            ("skipped", "Lines that do not count, by why.", "reason", totals.skipped),
            (
                "malformed",
                "Lines that are none, by what is wrong.",
                "part",
                totals.malformed,
            ),
            ("files", "Looks at files, by what became of them.", "outcome", totals.outcomes),
            (
                "closed_connections",
                "Connections to the RELP port that the syncer has closed, by reason.",
                "reason",
                now.closed,
            ),
        ):
            family = CounterMetricFamily(f"lockstep_atime_{name}", text, labels=[label])
            for key, count in sorted(dict(counts).items()):
                family.add_metric([key], count)
            yield family
        for name, text, number in (
            ("waiting", "Files whose time is to be set.", now.waiting),
            ("given_up", "Files that could not be set and wait for an operator.", now.given_up),
            *((name, text, getattr(now, name)) for name, text in metrics.SPOOL_GAUGES),
            ("overdue_seconds", "How long the oldest file has waited too long.", now.overdue),
            ("connections", "Senders that are connected.", now.connected),
            ("taking", "1 while lines are taken, 0 while there is no room for them.", now.taking),
        ):
            yield GaugeMetricFamily(f"lockstep_atime_{name}", text, value=number)
        state = GaugeMetricFamily(
            "lockstep_atime_state", "1 for the state of the setting.", labels=["state"]
        )
        for name in STATES:
            state.add_metric([name], name == now.state)
        yield state


def registry(
    totals: Totals, look: Callable[[], Gauges], heartbeats: Heartbeats | None = None
) -> CollectorRegistry:
    """Return a registry with all metrics of a syncer."""
    made: CollectorRegistry = metrics.registry(heartbeats)
    made.register(_Collector(totals, look))
    return made
