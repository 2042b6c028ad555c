# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The access-time syncer as a service: receiver, setter, spool, and what they share."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..client import Client
from ..common import heartbeats
from ..common.heartbeats import Heartbeats
from ..errors import InputError
from ..service import metrics
from ..service.reload import merge
from ..service.retries import LONGEST_WAIT
from ..service.spool import Counts, SpoolError
from ..service.sqlite import SqliteSpool
from .advice import Advisor
from .batches import NAMELESS, OUTSIDE, Batch, Plan, gather
from .beneath import Outcome
from .coalesce import LastSet, by_id, by_path_below, shown
from .config import API, MOUNT, Config
from .meters import Gauges, Totals, registry
from .readers import noted_account
from .readers import warnings as reader_warnings
from .receiver import Receiver
from .rules import compile_rules
from .setting import Backend, Result, Setter
from .through_api import ThroughApi
from .through_mount import ThroughMount

_LOG = logging.getLogger("lockstep.atime")
#: Malformed lines that are kept for people.
SAMPLES = 20
#: Counting a large spool takes a while: it is done so seldom that it takes this part of the time.
_COUNTING = 0.05
_LEAST_COUNTING = 0.2  # seconds
#: No more than this part of the spool's room is asked for at once.
_PARTS = 10


class Syncer:
    """All of it; :class:`..service.daemon.Service`.

    :param load: reads the configuration; called again on a reload.
    :raises InputError: the spool is for another way to set times.
    """

    def __init__(self, load: Callable[[], Config]) -> None:
        self._load = load
        self.config = load()
        self.spool = SqliteSpool(
            self.config.spool, postpone=False, limit=self.config.max_files, own=True
        )
        self._counts = self.spool.counts()
        self._counted_at, self._counting = time.monotonic(), 0.0
        there = self._counts.waiting + self._counts.given_up
        before = self.spool.note("set")
        if there and before in (API, MOUNT) and before != self.config.way:
            raise InputError(
                f"The spool {self.config.spool} holds {there} files to be set with 'set: {before}',"
                f" not with 'set: {self.config.way}': let them be worked off first, or name "
                "another spool."
            )
        self.spool.set_notes(set=self.config.way)
        cluster = self.config.cluster
        self.heartbeats = Heartbeats()
        if cluster is not None:
            patience = heartbeats.allowance(cluster.timeout, cluster.retry_deadline)
            self.heartbeats = Heartbeats(patience)
        self._client = None if cluster is None else Client(cluster)
        self._account = noted_account(self.spool.note("account"))
        self._forms: set[str] = set()
        #: Options that cannot work with the lines that arrive.
        self.warnings: list[str] = []
        self._warn(self.config.warnings())
        self._last_set = LastSet()
        self._planning = threading.Lock()
        self._plan = self._make_plan(self.config)
        self.totals = Totals(there)
        self._samples: deque[str] = deque(maxlen=SAMPLES)
        self._setter = Setter(
            self.spool,
            self._backend(),
            self._done,
            max_attempts=self.config.max_attempts,
            heartbeats=self.heartbeats,
            longest=lambda: self.config.window.total_seconds() + LONGEST_WAIT,
        )
        self._advisor: Advisor | None = None
        if self._client is not None:
            self._advisor = Advisor(self._client.clone(), self._set_account, self.heartbeats)
        self._receiver: Receiver | None = None
        self._server: metrics.Server | None = None

    # -- service --------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin; neither the cluster nor the mount need be there yet."""
        config = self.config
        self._receiver = Receiver(
            config.address,
            config.port,
            self._gather,
            self._keep,
            [config.sender],
            self.heartbeats,
        )
        self._server = metrics.Server(
            config.metrics_port,
            registry(self.totals, self._gauges, self.heartbeats),
            self.facts,
            self.heartbeats,
        )
        self._setter.start()
        if self._advisor is not None:
            self._advisor.start()
        self._receiver.start()
        _LOG.info("taking lines on %s port %d", config.address, self._receiver.port)

    def reload(self) -> None:
        """Go by a new configuration; nothing that waits is lost."""
        fresh = self._load()
        # What the setter does not know of yet must not decide about keys: it would throw them away.
        with self._planning:
            self.config = merge(self.config, fresh)
            self._plan = self._make_plan(self.config)
            self.warnings = []
            self._warn(self.config.warnings())
            self._forms.clear()

    def tend(self) -> None:
        """Nothing to do: each part has a thread of its own."""

    def healthy(self) -> bool:
        """Tell whether no thread hangs.

        One that waits for a mount does not: a new process would wait there, too, and take no lines
        meanwhile.
        """
        return not self.heartbeats.hung()

    def failure(self) -> BaseException | None:
        """Return what ended a thread, or None."""
        parts = (self._receiver, self._setter, self._advisor)
        found = [self.spool.failure, *(part.failure() for part in parts if part is not None)]
        return next((failure for failure in found if failure is not None), None)

    def status(self) -> str:
        """Return one line about what it does."""
        counts = self._count()
        told = [
            f"{self._setter.state}: {counts.waiting} waiting, "
            f"{self.totals.outcomes[Outcome.SET.value]} set"
            + (f", {counts.given_up} given up" if counts.given_up else "")
        ]
        if self._setter.message:
            told.append(self._setter.message)
        if self._receiver is not None and self._receiver.trouble:
            told.append(f"no line is taken: {self._receiver.trouble}")
        told += self.spool.wrong()
        return "; ".join(told)

    def stop(self, deadline: float) -> None:
        """End; what is not done stays in the spool."""
        if self._receiver is not None:
            self._receiver.stop(deadline - 2.0)
        self._setter.stop(deadline - 0.5)
        if self._advisor is not None:
            self._advisor.stop(deadline - 0.4)
        if self._server is not None:
            self._server.close()

    # -- lines ----------------------------------------------------------------------------------

    def _make_plan(self, config: Config) -> Plan:
        rules = config.rules
        own = (*rules.own, *self._account)
        mount = config.mount
        return Plan(
            judge=compile_rules(replace(rules, own=own)),
            key=by_id if mount is None else by_path_below(mount.export),
            no_key=NAMELESS if mount is None else OUTSIDE,
            with_path=mount is None,
            window=config.window.total_seconds(),
            least_ns=max(1, int(config.granularity.total_seconds() * 1e9)),
            ahead_ns=int(config.max_future.total_seconds() * 1e9),
        )

    def _set_account(self, names: list[str]) -> None:
        """Let what the account does that is in use never count."""
        if names != self._account:
            with self._planning:
                self._account = names
                self._plan = self._make_plan(self.config)
            try:
                self.spool.set_notes(account="\n".join(names))
            except SpoolError as exc:
                _LOG.warning("%s", exc)  # it is asked for again after the next start

    def _warn(self, sentences: list[str]) -> None:
        """Log what was not said before, and keep it for ``status``."""
        for sentence in sentences:
            if sentence not in self.warnings:
                self.warnings.append(sentence)
                _LOG.warning("%s", sentence)

    def _see(self, form: str) -> None:
        """Warn, at the first lines of this form, of options that cannot work with it."""
        with self._planning:
            if form and form not in self._forms:
                self._forms.add(form)
                self._warn(reader_warnings(self.config.rules.users, form))

    def _gather(self, lines: list[bytes]) -> Batch:
        return gather(lines, self._plan, self._last_set, time.time_ns())

    def _keep(self, batch: Batch) -> None:
        # A batch can be larger than all the room that there is. What was put is not put again.
        most = self.config.max_files // _PARTS
        while batch.entries:
            self.spool.put(batch.entries[:most])
            del batch.entries[:most]
        self.totals.take(batch)
        if batch.form not in self._forms:
            self._see(batch.form)
        self._samples.extend(batch.samples[-SAMPLES:])

    # -- files ----------------------------------------------------------------------------------

    def _backend(self) -> Backend:
        def least_ns() -> int:
            return self._plan.least_ns

        if self.config.mount is not None:
            return ThroughMount(self.config.mount, least_ns, self.totals.ignore)
        if self._client is None:
            raise InputError("Times are to be set through the API: name the cluster in 'cluster'.")
        return ThroughApi(self._client, self.config.workers, least_ns, self.heartbeats)

    def _done(self, results: list[Result], gone: int) -> None:
        self.totals.done(results, gone)
        for result in results:
            item = result.item
            if result.outcome is Outcome.SET:
                self._last_set.note(item.key, item.stamp, item.payload)
            elif result.outcome is Outcome.REFUSED:
                _LOG.warning("a path leads out of the mount", extra={"file": shown(item.key)})
            elif result.outcome is None:
                _LOG.warning("%s", result.error, extra={"file": shown(item.key)})

    # -- facts ----------------------------------------------------------------------------------

    def _count(self) -> Counts:
        """Return how much waits, as it was a moment ago if counting takes long."""
        now = time.monotonic()
        if now - self._counted_at > max(_LEAST_COUNTING, self._counting / _COUNTING):
            self._counts = self.spool.counts()
            self._counted_at = time.monotonic()
            self._counting = self._counted_at - now
        return self._counts

    def _gauges(self) -> Gauges:
        counts = self._count()
        receiver = self._receiver
        return Gauges(
            counts.waiting,
            counts.given_up,
            0.0 if counts.oldest is None else max(0.0, time.time() - counts.oldest),
            self._setter.state,
            0 if receiver is None else receiver.connected,
            receiver is not None and not receiver.trouble,
            {} if receiver is None else dict(receiver.closed),
            len(self.spool.damaged()),
            self.spool.unreadable(),
        )

    def facts(self) -> dict[str, Any]:
        """Return what ``status`` shows."""
        now, totals = self._gauges(), self.totals
        return {
            "status": self.status(),
            "state": now.state,
            "message": self._setter.message,
            "taking": now.taking,
            "port": None if self._receiver is None else self._receiver.port,
            "connections": now.connected,
            "closed_connections": now.closed,
            "waiting": now.waiting,
            "given_up": now.given_up,
            "damaged_spools": self.spool.damaged(),
            "unreadable_rows": now.unreadable_rows,
            "overdue_seconds": round(now.overdue, 3),
            "lines": totals.lines,
            "operations": dict(totals.operations),
            "counted": totals.counted,
            "skipped": dict(totals.skipped),
            "clamped": totals.clamped,
            "coalesced": totals.coalesced(now.waiting + now.given_up),
            "files": dict(totals.outcomes),
            "ignored": totals.ignored,
            "malformed": dict(totals.malformed),
            "malformed_lines": list(self._samples),
            "warnings": list(self.warnings),
            "findings": [] if self._advisor is None else [vars(f) for f in self._advisor.findings],
        }
