# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closing in the background: how far it has come, and what became of each handle."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from ..client import Client
from ..common import heartbeats as beats
from ..common.heartbeats import Heartbeats
from ..errors import InputError, QumuloError
from ..smb_locks import closing
from ..smb_locks.handles import Handle
from ..smb_locks.listing import list_handles
from ..times import format_rfc3339
from .accounts import Account
from .counters import Counters
from .plans import Plan
from .record_lines import ASKED, OUTCOME
from .records import Records
from .watch import Watch

log = logging.getLogger(__name__)

CLOSED, GONE, REOPENED, FAILED, UNKNOWN = "closed", "gone", "reopened", "failed", "unknown"
#: Outcomes in words.
OUTCOMES = {
    CLOSED: "Closed",
    GONE: "Was closed already",
    REOPENED: "Closed, and opened again by its client",
    FAILED: "Still open",
    UNKNOWN: "Outcome not known",
}
_WORKERS = 4
_KEPT = 200
#: Seconds between tries to write outcomes that could not be written, and how many there are.
_PAUSE, _TRIES = 2.0, 300
_KEPT_BACK = "The outcomes are not recorded yet; nothing more is closed until they are."


@dataclass(frozen=True)
class Result:
    """What became of a handle.

    :param error: the cluster's own words, if it could not be closed.
    """

    handle: Handle
    outcome: str
    error: str = ""


@dataclass(frozen=True)
class Order:
    """Who wants what closed, and why.

    :param address: of the browser.
    """

    account: Account
    address: str
    plan: Plan
    reason: str


@dataclass
class Job:
    """A closing that is under way or over.

    :param asked: handles that the cluster has been asked to close so far.
    :param error: why it ended early, or could not be recorded.
    """

    id: str
    order: Order
    began: datetime
    asked: int = 0
    results: list[Result] = field(default_factory=list)
    finished: bool = False
    error: str = ""

    @property
    def total(self) -> int:
        """How many handles are to be closed."""
        return len(self.order.plan.handles)

    def count(self, *outcomes: str) -> int:
        """Return how many handles came to one of these outcomes."""
        return sum(result.outcome in outcomes for result in self.results)

    def at_present(self) -> Job:
        """Return it as it is now: whoever asks several times may meet its end in between."""
        finished = self.finished  # first: what it ends with is there before that
        return replace(self, finished=finished)

    def render(self) -> dict[str, Any]:
        """Return it as the API shows it."""
        return {
            "id": self.id,
            "what": self.order.plan.what,
            "reason": self.order.reason,
            "began": format_rfc3339(self.began),
            "total": self.total,
            "asked": self.asked,
            "finished": self.finished,
            "error": self.error,
            "results": [
                {**r.handle.render(), "outcome": r.outcome, "error": r.error} for r in self.results
            ],
        }


def outcomes(
    handles: Sequence[Handle], present: Sequence[Handle], closed: closing.Closed
) -> list[Result]:
    """Return the outcome of each handle that was to be closed.

    :param present: what was open just before.
    """
    before = {handle.location for handle in present}
    errors = {handle.location: reason for handle, reason in closed.failed}
    again = Counter((handle.file_id, handle.holder.auth_id) for handle in closed.reopened)
    results = []
    for handle in handles:
        key = (handle.file_id, handle.holder.auth_id)
        if handle.location in errors:
            results.append(Result(handle, FAILED, errors[handle.location]))
        elif handle.location not in before:
            results.append(Result(handle, GONE))
        elif again[key]:
            again[key] -= 1
            results.append(Result(handle, REOPENED))
        else:
            results.append(Result(handle, CLOSED))
    return results


def carry_out(
    client: Client, plan: Plan, watch: Watch, job: Job
) -> Iterator[tuple[list[Result], str]]:
    """Close the handles of a plan in batches; yield what became of each, and what went wrong.

    Exactly those that were shown are closed: a handle that has come since is left alone. Nothing
    more is closed until the next batch is asked for.
    """
    names = watch.names
    try:
        present = list_handles(client, plan.wanted, names=names)
    except QumuloError as exc:
        yield [Result(handle, FAILED, exc.message) for handle in plan.handles], exc.message
        return
    open_now = {handle.location for handle in present}
    meant = {handle.location for handle in plan.handles}
    doomed = [handle for handle in present if handle.location in meant]
    gone = [handle for handle in plan.handles if handle.location not in open_now]
    if gone:
        job.asked = len(gone)
        yield outcomes(gone, present, closing.Closed()), ""
    known = list(present)
    for at in range(0, len(doomed), closing.BATCH):
        batch, rest = doomed[at : at + closing.BATCH], doomed[at + closing.BATCH :]
        error = ""
        try:
            done = closing.close(client, batch, plan.wanted, known=known, names=names)
        except QumuloError as exc:
            log.warning("the outcome of closing handles cannot be read: %s", exc.__cause__)
            error = exc.message
            results = [Result(handle, UNKNOWN, error) for handle in batch]
        else:
            known += done.reopened
            error = "" if done.broken is None else done.broken.message
            results = outcomes(batch, present, done)
        job.asked += len(batch)
        if error:
            results += [Result(handle, FAILED, error) for handle in rest]
            yield results, error
            return
        yield results, ""


class Jobs:
    """Closings of all people; thread-safe."""

    def __init__(
        self, records: Records, counters: Counters, heartbeats: Heartbeats | None = None
    ) -> None:
        self._heartbeats = Heartbeats() if heartbeats is None else heartbeats
        self._records = records
        self._counters = counters
        self._lock = threading.Lock()
        self._jobs: OrderedDict[str, Job] = OrderedDict()
        #: Outcomes that could not be written yet, with their closings.
        self._kept: list[tuple[dict[str, Any], Job]] = []
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="closing")

    def start(self, order: Order, client: Client, watch: Watch) -> Job:
        """Begin to close; it is recorded first.

        :param client: one for this job alone; it is closed after it.
        :raises InputError: it can not be recorded, so nothing is closed.
        """
        job = Job(secrets.token_urlsafe(9), order, datetime.now(timezone.utc))
        self._record()  # what is kept in memory has to be written first
        self._records.write(_asked(job))
        log.info("%s closes %s", order.account.name, order.plan.what)
        with self._lock:
            self._jobs[job.id] = job
            while len(self._jobs) > _KEPT:
                self._jobs.popitem(last=False)
        self._counters.add("closings")
        self._pool.submit(self._heartbeats.run, "closing", self._run, job, client, watch)
        return job

    def of(self, job_id: str, account: Account) -> Job | None:
        """Return a job of this account."""
        with self._lock:
            job = self._jobs.get(job_id)
        return job if job is not None and job.order.account.id == account.id else None

    def stop(self) -> None:
        """Let what is under way come to its end; its requests have time-outs."""
        self._stopping.set()
        self._pool.shutdown(wait=True)
        try:
            self._record()
        except QumuloError as exc:
            log.error(
                "the next start records outcomes as not known, because: %s",
                exc,
            )

    def _run(self, job: Job, client: Client, watch: Watch) -> None:
        recorded = False
        try:
            with client:
                recorded = self._try_to_record(job, [])
                batches = carry_out(client, job.order.plan, watch, job)
                while recorded:
                    results, job.error = next(batches, ([], job.error))
                    if not results:
                        break
                    self._note(job, results, watch)
                    recorded = self._try_to_record(job, results)
            if not recorded:
                recorded = self._leave_open(job)
            job.asked = job.total
        except QumuloError as exc:
            log.error("closing %s: %s", job.id, exc)
            job.error = exc.message
        except Exception:
            log.exception("closing %s ended by a defect", job.id)
            job.error = "Something went wrong inside: look into the log, and at the list."
            raise
        finally:
            order = {handle.location: at for at, handle in enumerate(job.order.plan.handles)}
            job.results = sorted(job.results, key=lambda one: order[one.handle.location])
            job.finished = True
        if not recorded:
            self._record_later()

    def _note(self, job: Job, results: list[Result], watch: Watch) -> None:
        job.results = [*job.results, *results]
        watch.forget([r.handle.location for r in results if r.outcome not in (FAILED, UNKNOWN)])
        found = Counter(result.outcome for result in results)
        self._counters.add("handles_closed", found[CLOSED] + found[REOPENED])
        self._counters.add("handles_failed", found[FAILED] + found[UNKNOWN])
        self._counters.add("handles_reopened", found[REOPENED])

    def _leave_open(self, job: Job) -> bool:
        """Give the handles that are left an outcome: they stay open. Return if it is recorded."""
        there = {result.handle.location for result in job.results}
        left = [
            Result(handle, FAILED, "It was not closed, because that could not be recorded.")
            for handle in job.order.plan.handles
            if handle.location not in there
        ]
        self._counters.add("handles_failed", len(left))
        job.results = [*job.results, *left]
        return self._try_to_record(job, left)

    def _try_to_record(self, job: Job, results: list[Result]) -> bool:
        try:
            self._record([(_outcome(job, result), job) for result in results])
        except QumuloError as exc:
            log.error("closing %s: %s", job.id, exc)
            return False
        return True

    def _record(self, found: Sequence[tuple[dict[str, Any], Job]] = ()) -> None:
        """Write outcomes, after those that could not be written before.

        :raises InputError: they cannot be written; they are kept.
        """
        with self._lock:
            self._kept += found
            if not self._kept:
                return
            try:
                self._records.write([record for record, _job in self._kept])
            except InputError as exc:
                for _record, late in self._kept:
                    late.error = f"{exc.message} {_KEPT_BACK}"
                raise
            for _record, late in self._kept:
                if late.error.endswith(_KEPT_BACK):
                    late.error = ""
            self._kept.clear()

    def _record_later(self) -> None:
        """Try again to write what is kept, for some time."""
        for _turn in range(_TRIES):
            beats.waiting("waiting to write the record again", _PAUSE)
            if self._stopping.wait(_PAUSE):
                return
            beats.working("writing the record of closed handles")
            try:
                self._record()
            except QumuloError as exc:
                log.error("the outcomes of closings are still not recorded: %s", exc)
            else:
                return


def _common(job: Job) -> dict[str, Any]:
    order = job.order
    return {
        "time": format_rfc3339(datetime.now(timezone.utc)),
        "closing": job.id,
        "who": order.account.name,
        "who_id": order.account.id,
        "from": order.address,
        "reason": order.reason,
    }


def _asked(job: Job) -> list[dict[str, Any]]:
    """Return the records of what is to be closed: one in all, and the handles that are meant."""
    plan = job.order.plan
    common = {**_common(job), "event": ASKED}
    return [
        {**common, "what": plan.what, "handles": job.total},
        *({**common, **_described(handle)} for handle in plan.handles),
    ]


def _outcome(job: Job, result: Result) -> dict[str, Any]:
    return {
        **_common(job),
        "event": OUTCOME,
        "outcome": result.outcome,
        "error": result.error,
        **_described(result.handle),
    }


def _described(handle: Handle) -> dict[str, Any]:
    return {
        "path": handle.path,
        "file_id": handle.file_id,
        "user": handle.holder.label,
        "user_auth_id": handle.holder.auth_id,
        "clients": list(handle.addresses),
        "could_lose_work": list(handle.reasons),
        "location": handle.location,
    }
