# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher as a service: followers, workers, rules, and what they share."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any

from ..client import Client
from ..common import heartbeats, record_files
from ..common.heartbeats import Heartbeats
from ..errors import QumuloError
from ..service import metrics
from ..service.reload import merge
from ..service.retries import LONGEST_WAIT
from ..service.spool import Entry, SpoolError
from ..service.sqlite import SqliteSpool
from ..service.threads import Threads
from ..times import format_rfc3339
from .catch_up import CatchUp
from .clock import Clock
from .config import Config
from .directories import Directories
from .evidence import Evidence
from .follower import Follower
from .followers import Followers
from .intake import Intake
from .links import Names
from .locking import Context
from .meters import Gauges, Meters
from .outcomes import Outcome, What
from .retirement import Retirement
from .rules import Root
from .start_over import restore_times
from .versions import Versions
from .workers import Workers

_LOG = logging.getLogger("lockstep.watcher")
#: Seconds between looks at what the watched directories are.
LOOK = 5.0


class Watcher:
    """All of it; :class:`..service.daemon.Service`.

    :param load: reads the configuration; called again on a reload.
    """

    def __init__(self, load: Callable[[], Config], *, dry_run: bool = False) -> None:
        self._load = load
        self.config = load()
        self._dry_run = dry_run
        cluster = self.config.cluster
        self.heartbeats = Heartbeats(heartbeats.allowance(cluster.timeout, cluster.retry_deadline))
        self._client = Client(cluster)
        self._manager_client = self._client.clone()
        path = ":memory:" if dry_run else self.config.spool
        self.spool = SqliteSpool(path, postpone=True, own=not dry_run)
        restore_times(self.spool, self.config)
        self._versions = Versions(self.spool, lambda: record_files.series(self.config.evidence))
        self._names = Names(self.spool)
        self._evidence: Evidence | None = None
        #: The evidence was compared with what was stored of it.
        self._compared = False
        if not dry_run:
            self._evidence = Evidence(
                self.config.evidence,
                notes={name: self.spool.note(name) for name in Evidence.NOTES},
                max_bytes=self.config.evidence_max_bytes,
            )
        self.meters = Meters(self._gauges, self.heartbeats)
        self._directories = Directories(self.config.rules, self.spool)
        self._workers: Workers | None = None
        self._server: metrics.Server | None = None
        self._stopped = threading.Event()
        self._wake = threading.Event()
        self._clock = Clock(lambda: self.config.max_clock_skew, self._wake.set)
        self._message = "connecting to the cluster"
        self._totals: Counter[str] = Counter()
        self._retirement = Retirement(self.spool, self.config.name)
        self._followers = Followers(self._follower, self._stopped, lambda: self.config.poll)
        self._intake = Intake(
            self.spool,
            self._names,
            self.meters,
            lambda: self._directories.rules,
            self._clock.now,
        )
        self._threads = Threads(self.heartbeats)
        self._threads.add("manager", self._manage)

    # -- service --------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; the cluster need not be there yet."""
        self._server = metrics.Server(
            self.config.metrics_port, self.meters.registry, self.facts, self.heartbeats
        )
        self._threads.start()
        _LOG.info("watching by %d rules", len(self.config.rules))

    def reload(self) -> None:
        """Go by a new configuration; streams of directories that stay are not dropped."""
        if self._evidence is not None:
            self._evidence.reopen()  # it may have been rotated, whatever the configuration says
        fresh = self._load()
        self.config = merge(self.config, fresh)
        self._directories.replace(fresh.rules)
        self._wake.set()

    def tend(self) -> None:
        """Nothing to do: the manager has a thread of its own."""

    def healthy(self) -> bool:
        """Tell whether no thread hangs."""
        return not self.heartbeats.hung()

    def failure(self) -> BaseException | None:
        """Return what ended a thread, or None."""
        found: list[BaseException | None] = [self.spool.failure, self._threads.failure]
        found.append(self._workers.failure() if self._workers else None)
        found += [follower.failure for follower in self._followers.now()]
        found.append(None if self._evidence is None else self._evidence.failure)
        return next((failure for failure in found if failure is not None), None)

    def status(self) -> str:
        """Return one line about what it does."""
        if self._workers is None:
            return self._message
        counts = self.spool.counts()
        wrong = self._clock.wrong()
        states = Counter(follower.state for follower in self._followers.now())
        told = ", ".join(f"{state} {count}" for state, count in states.items())
        return (
            f"{told or 'nothing to watch'}; {counts.waiting} pending, "
            f"{self._totals['locked']} locked"
            + (f", {counts.given_up} given up" if counts.given_up else "")
            + (f"; {self._message}" if self._message else "")
            + (f"; {wrong}" if wrong else "")
            + "".join(f"; {text}" for text in self._unlisted())
            + "".join(f"; {directory} is not there" for directory in self._directories.absent())
            + "".join(f"; {sentence}" for sentence in self.spool.wrong())
        )

    def stop(self, deadline: float) -> None:
        """End; what is not done stays in the spool."""
        self._stopped.set()
        self._wake.set()
        self._followers.stop()
        if self._workers is not None:
            self._workers.stop(deadline - 1.0)
        self._followers.join(deadline - 0.5)
        self._threads.join(deadline)
        if self._server is not None:
            self._server.close()
        if self._evidence is not None:
            self._note_evidence(self._evidence)
            self._evidence.close()

    def _note_evidence(self, kept: Evidence) -> None:
        try:
            self.spool.set_notes(**kept.notes())
        except SpoolError as exc:
            _LOG.error("%s", exc)

    # -- facts ----------------------------------------------------------------------------------

    def _gauges(self) -> Gauges:
        counts = self.spool.counts()
        return Gauges(
            counts.waiting,
            counts.given_up,
            self._overdue(counts.oldest),
            self._clock.skew().total_seconds(),
            {follower.root.path: follower.state for follower in self._followers.now()},
            0 if self._evidence is None else self._evidence.gaps,
            sum(follower.unlisted for follower in self._followers.now()),
            len(self.spool.damaged()),
            self.spool.unreadable(),
        )

    def _unlisted(self) -> list[str]:
        """Return what the account may not list, a sentence for each watched directory."""
        return [follower.message for follower in self._followers.now() if follower.unlisted]

    def _overdue(self, oldest: float | None) -> float:
        if oldest is None or not self._clock.known:
            return 0.0
        return max(0.0, self._clock.now().timestamp() - oldest)

    def facts(self) -> dict[str, Any]:
        """Return what ``status`` shows."""
        gauges = self._gauges()
        return {
            "status": self.status(),
            "pending": gauges.pending,
            "given_up": gauges.given_up,
            "oldest_pending_seconds": round(gauges.oldest_pending, 3),
            "clock_skew_seconds": round(gauges.clock_skew, 3),
            "locked": self._totals["locked"],
            "already_locked": self._totals["already locked"],
            "failures": self._totals["failures"],
            "skipped": self._totals["skipped"],
            "catch_ups": self._totals["catch-ups"],
            "evidence_gaps": gauges.evidence_gaps,
            "unlisted_directories": gauges.unlisted,
            "damaged_spools": self.spool.damaged(),
            "unreadable_rows": gauges.unreadable_rows,
            "directories": {
                follower.root.path: {"state": follower.state, "message": follower.message}
                for follower in self._followers.now()
            },
        }

    # -- the manager ----------------------------------------------------------------------------

    def _manage(self) -> None:
        while not self._stopped.is_set():
            heartbeats.working("looking for the watched directories")
            self._wake.clear()
            try:
                self._look()
                self._message = ""
            except QumuloError as exc:
                if exc.message != self._message:
                    _LOG.error("%s", exc)
                self._message = exc.message
            heartbeats.waiting("waiting to look for the watched directories", LOOK)
            self._wake.wait(LOOK)

    def _look(self) -> None:
        """See that all directories that there are are followed, and none else."""
        if not self._compare_evidence():
            return
        if self._clock.is_due:
            self._clock.measure(self._manager_client)
            self._bring_forward()
        sent = self._clock.now()
        rules = self._directories.look(self._manager_client)
        self._clock.watch(sent, self._manager_client.answered_at)
        if self._workers is None:
            self._read_evidence()
            self._workers = self._start_workers()
        self._followers.ask_settings(self._manager_client, rules)
        self._followers.follow(rules.watched())
        self._retirement.look(self._manager_client, rules, self._followers.busy())

    def _compare_evidence(self) -> bool:
        """See that the evidence ends with what was stored; False if the service stops."""
        if self._evidence is None or self._compared:
            return True
        self._message = "reading the evidence"
        for _lines in self._evidence.compare():
            heartbeats.working("reading the evidence")
            if self._stopped.is_set():
                return False
        self.spool.set_notes(**self._evidence.notes())
        self._compared = True
        return True

    def _read_evidence(self) -> None:
        """Read the locked versions from the evidence if the spool is new."""
        if self._evidence is None or self._versions.complete:
            return
        self._message = "reading the evidence"
        for _lines in self._versions.read(record_files.series(self.config.evidence)):
            heartbeats.working("reading the evidence")
            if self._stopped.is_set():
                return

    def _bring_forward(self) -> None:
        """Let be due what would wait for longer than anything has to: the clock was set back."""
        now = self._clock.now().timestamp()
        quiet = max(rule.quiet.total_seconds() for rule in self.config.rules)
        self.spool.bring_forward(now + quiet + LONGEST_WAIT, now)

    def _start_workers(self) -> Workers:
        config = self.config
        context = Context(
            now=self._clock.now,
            surely=self._clock.surely,
            check_clock=self._clock.check,
            wrong_clock=self._clock.wrong,
            rules=lambda: self._directories.rules,
            refresh=self._directories.look_since,
            put=self._put,
            versions=self._versions,
            names=self._names,
            cluster=config.cluster.hosts[0],
            max_attempts=config.max_attempts,
            dry_run=self._dry_run,
        )
        workers = Workers(
            self._client,
            self.spool,
            self._record,
            context,
            config.workers,
            self._done,
            self.heartbeats,
        )
        workers.start()
        return workers

    def _follower(self, root: Root, recursive: bool, types: frozenset[str], poll: bool) -> Follower:
        config = self.config
        catch_up = CatchUp(
            self._client.clone(),
            config,
            root,
            self.spool,
            lambda: self._directories.rules,
            self._clock.now,
            self._put,
            self._names,
            all_is_new=config.existing or self._directories.was_absent(root),
            leave_no_trace=self._dry_run,
        )
        return Follower(
            self._client,
            root,
            recursive=recursive,
            types=types,
            catch_up=catch_up,
            take=self._intake.take,
            caught_up=self._caught_up,
            rotate=config.rotate.total_seconds(),
            poll=poll,
            poll_every=config.poll.total_seconds(),
            silence=config.silence.total_seconds(),
            heartbeats=self.heartbeats,
        )

    # -- what they tell -------------------------------------------------------------------------

    def _record(self, records: list[dict[str, Any]]) -> dict[str, str]:
        """Write records; return what to store of the evidence."""
        if self._evidence is None or not records:
            return {}
        self._evidence.append(records)
        return self._evidence.notes()

    def _put(self, entries: list[Entry]) -> None:
        self.spool.put(entries)

    def _caught_up(self, count: int, seconds: float) -> None:
        self.meters.catch_ups.inc()
        self.meters.caught_up.inc(count)
        self._totals["catch-ups"] += 1
        _LOG.info("caught up: %d files in %.1f s", count, seconds)

    def _done(self, outcome: Outcome) -> None:
        item = outcome.item
        if outcome.record is not None:
            path, rule = outcome.record["path"], outcome.rule
            self._totals[outcome.what.value] += 1
            self.meters.locks.labels(rule, outcome.what.value).inc()
            if outcome.what is What.LOCKED:
                self.meters.delay.observe(max(0.0, self._clock.now().timestamp() - item.due))
                _LOG.info(
                    "%s %s",
                    "would lock" if self._dry_run else "locked",
                    path,
                    extra={
                        "file_id": item.key,
                        "rule": rule,
                        "until": outcome.record["retention_until"] or "-",
                        "hold": outcome.record["legal_hold"],
                    },
                )
            return
        if outcome.what is What.SKIPPED:
            self._totals["skipped"] += 1
            self.meters.skipped.labels(outcome.kind).inc()
        if not outcome.reason:
            return
        level = logging.DEBUG
        if outcome.what is What.LATER:
            self._totals["failures"] += 1
            self.meters.failures.inc()
            level = logging.INFO
        elif outcome.what is What.GIVE_UP:
            self._totals["failures"] += 1
            self.meters.failures.inc()
            level = logging.ERROR
        extra = {"file_id": item.key}
        if outcome.due:
            again = datetime.fromtimestamp(outcome.due, timezone.utc).replace(microsecond=0)
            extra["again"] = format_rfc3339(again)
        _LOG.log(level, "%s: %s", outcome.what.value, outcome.reason, extra=extra)
