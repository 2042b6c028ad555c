# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Closing in the background: how far it has come, and what became of each handle."""

from __future__ import annotations

import logging
import secrets
import threading
from collections import Counter, OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from ..client import Client
from ..common.heartbeats import Heartbeats
from ..errors import QumuloError
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
    UNKNOWN: "Not known",
}
_WORKERS = 4
_KEPT = 200


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


def carry_out(client: Client, plan: Plan, watch: Watch, job: Job) -> tuple[list[Result], str]:
    """Close the handles of a plan; return what became of each, and what went wrong in all.

    Exactly those that were shown are closed: a handle that has come since is left alone.
    """
    names = watch.names
    try:
        present = list_handles(client, plan.wanted, names=names)
    except QumuloError as exc:
        return [Result(handle, FAILED, exc.message) for handle in plan.handles], exc.message
    meant = {handle.location for handle in plan.handles}
    doomed = [handle for handle in present if handle.location in meant]

    def progress(asked: int) -> None:
        job.asked = len(plan.handles) - len(doomed) + asked

    if not doomed:
        return outcomes(plan.handles, present, closing.Closed()), ""
    try:
        done = closing.close(
            client, doomed, plan.wanted, known=present, names=names, progress=progress
        )
    except QumuloError as exc:
        log.warning("what became of handles can not be seen: %s", exc.__cause__)
        return [Result(handle, UNKNOWN, exc.message) for handle in plan.handles], exc.message
    error = "" if done.broken is None else done.broken.message
    return outcomes(plan.handles, present, done), error


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
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="closing")

    def start(self, order: Order, client: Client, watch: Watch) -> Job:
        """Begin to close; it is recorded first.

        :param client: one for this job alone; it is closed after it.
        :raises InputError: it can not be recorded, so nothing is closed.
        """
        job = Job(secrets.token_urlsafe(9), order, datetime.now(timezone.utc))
        self._records.write([_asked(job)])
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
        self._pool.shutdown(wait=True)

    def _run(self, job: Job, client: Client, watch: Watch) -> None:
        try:
            with client:
                job.results, job.error = carry_out(client, job.order.plan, watch, job)
            job.asked = job.total
            watch.forget(
                [r.handle.location for r in job.results if r.outcome not in (FAILED, UNKNOWN)]
            )
            self._counters.add("handles_closed", job.count(CLOSED, REOPENED))
            self._counters.add("handles_failed", job.count(FAILED, UNKNOWN))
            self._counters.add("handles_reopened", job.count(REOPENED))
            self._records.write([_outcome(job, result) for result in job.results])
        except QumuloError as exc:
            log.error("closing %s: %s", job.id, exc)
            job.error = exc.message
        except Exception:
            log.exception("closing %s ended by a defect", job.id)
            job.error = "Something went wrong inside: look into the log, and at the list."
            raise
        finally:
            job.finished = True


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


def _asked(job: Job) -> dict[str, Any]:
    plan = job.order.plan
    return {**_common(job), "event": ASKED, "what": plan.what, "handles": job.total}


def _outcome(job: Job, result: Result) -> dict[str, Any]:
    handle = result.handle
    return {
        **_common(job),
        "event": OUTCOME,
        "outcome": result.outcome,
        "error": result.error,
        "path": handle.path,
        "file_id": handle.file_id,
        "user": handle.holder.label,
        "user_auth_id": handle.holder.auth_id,
        "clients": list(handle.addresses),
        "could_lose_work": list(handle.reasons),
        "location": handle.location,
    }
