# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints: up to where a consumer has got all changes, remembered by the cluster alone.

A checkpoint is a series of snapshots of one directory, with a name of their own. When a snapshot
expires says how far it is:

- it never expires: *committed*; the consumer has everything up to here
- long after it was taken: *delivered*; a list up to here is complete, and not yet confirmed
- soon: *running*; a list up to here is being written. As long as that goes on the moment is put
  off. A run that is killed gives its snapshot up so, and with it the claim to be the only one.

Each step is one request that happens or not. What is wrong with a step leaves the newest committed
snapshot in its place, and so the next list holds at least the same changes.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from .. import snapshots
from ..client import Client
from ..domain.pruning import Left, divide, prune
from ..errors import ConflictError, InputError, NotFoundError, QumuloError
from ..snapshots import Expiration, Snapshot
from ..times import format_rfc3339

PREFIX = "changelist-"
#: A run that has not been heard of for so long is over.
LEASE = timedelta(minutes=5)
_RENEW = 60.0  # seconds
#: To take a snapshot when the connection breaks meanwhile.
_ATTEMPTS = 5
#: How long a list waits to be confirmed; after that its changes are merely listed again.
WAIT = timedelta(days=90)
#: Between what a run can take and what a delivered list waits.
_BORDER = timedelta(days=60)
_SNAPSHOT = re.compile(r"(?:\d+_)?changelist-(.+)\.[0-9a-f]{16}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class State:
    """The snapshots of a checkpoint by how far they are, oldest first each."""

    committed: list[Snapshot] = field(default_factory=list)
    delivered: list[Snapshot] = field(default_factory=list)
    running: list[Snapshot] = field(default_factory=list)

    @property
    def base(self) -> Snapshot | None:
        """Up to where the consumer has got everything; None: it has got nothing yet."""
        return self.committed[-1] if self.committed else None

    @property
    def waiting(self) -> list[Snapshot]:
        """Deliveries that hold more than what is committed."""
        base = self.base
        return [s for s in self.delivered if base is None or s.id > base.id]


def check_name(name: str) -> None:
    """Refuse a name that can not be told from others in the name of a snapshot.

    :raises InputError: it is one.
    """
    if not _NAME.fullmatch(name):
        raise InputError(
            f"'{name}' can not name a checkpoint: use up to 64 letters, digits, dots, underscores "
            "and hyphens, with a letter or digit in front."
        )
    snapshot = _SNAPSHOT.fullmatch(name)
    if snapshot:
        raise InputError(
            f"'{name}' is the name of a snapshot of a checkpoint: use the checkpoint's name, "
            f"'{snapshot.group(1)}'."
        )


def state_of(known: Iterable[Snapshot], name: str, source_id: str, now: datetime) -> State:
    """Return where a checkpoint is.

    :param known: the snapshots of the cluster; those of others are passed over.
    :param now: by the cluster's clock.
    """
    own = re.compile(re.escape(PREFIX + name) + r"\.[0-9a-f]{16}")
    state = State()
    for snapshot in sorted(known, key=lambda one: one.id):
        if snapshot.source_id != source_id or not own.fullmatch(snapshot.suffix):
            continue
        if snapshot.expires is None:
            state.committed.append(snapshot)
        elif snapshot.expires <= now:
            continue  # given up; the cluster is about to delete it
        elif snapshot.expires - snapshot.taken >= _BORDER:
            state.delivered.append(snapshot)
        else:
            state.running.append(snapshot)
    return state


def of_checkpoint(client: Client, name: str, path: str) -> State:
    """Return where a checkpoint of a directory is.

    Needs PRIVILEGE_SNAPSHOT_READ.

    :raises InputError: the name or the directory can not be one.
    """
    check_name(name)
    return state_of(
        snapshots.list_all(client),
        name,
        snapshots.source(client, path).id,
        client.clock().now(),
    )


class Delivery:
    """The writing of one list: from a new snapshot until the list is complete.

    Used as a context manager; leaving it without :meth:`complete` gives the snapshot up, so that
    the next run begins where this one did. Needs PRIVILEGE_SNAPSHOT_WRITE.

    :raises ConflictError: another run is under way.
    """

    def __init__(self, client: Client, name: str, path: str) -> None:
        check_name(name)
        self._client = client
        self._name = name
        source = snapshots.source(client, path)
        known = snapshots.list_all(client)
        now = client.clock().now()
        _refuse(name, state_of(known, name, source.id, now).running)
        # A name that no other run has: if the answer is lost, the snapshot is found by it.
        suffix = f"{PREFIX}{name}.{secrets.token_hex(8)}"
        self.newer = _take(client, known, suffix, source.id, now + LEASE)
        try:
            state = state_of(snapshots.list_all(client), name, source.id, now)
            for twin in (s for s in state.running if s.suffix == suffix and s != self.newer):
                snapshots.delete(client, twin)  # a request that was thought lost
            # Of two that began at once the one with the older snapshot goes on.
            rivals = [s for s in state.running if s.suffix != suffix]
            _refuse(name, [s for s in rivals if s.id < self.newer.id])
        except BaseException:
            self._give_up()
            raise
        self.older = state.base
        #: deliveries that were never confirmed: what they held is listed again
        self.repeated = state.waiting
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="qumulo-lease", daemon=True)
        self._complete = False

    def __enter__(self) -> Delivery:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stop()
        if not self._complete:
            self._give_up()

    def _stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _give_up(self) -> None:
        try:
            snapshots.delete(self._client, self.newer)
        except QumuloError:
            pass  # it expires by itself

    def _renew(self) -> None:
        with self._client.clone() as own:
            while not self._stopped.wait(_RENEW):
                until = own.clock().now() + LEASE
                if until - self.newer.taken >= _BORDER:
                    return  # nothing takes months
                try:
                    snapshots.set_expiration(
                        own, self.newer, Expiration(until.replace(microsecond=0))
                    )
                except QumuloError:
                    continue  # the next one may go through; if none does the list is not delivered

    def complete(self) -> None:
        """Note that the list is complete; it waits to be committed from now on.

        :raises ConflictError: the cluster has given the snapshot up meanwhile.
        """
        self._stop()
        until = (self.newer.taken + WAIT).replace(microsecond=0)
        try:
            self.newer = snapshots.set_expiration(self._client, self.newer, Expiration(until))
        except NotFoundError as exc:
            raise ConflictError(
                f"Snapshot {self.newer.name} is gone: the cluster was out of reach for too long, "
                "or somebody deleted it. Nothing is lost; run again."
            ) from exc
        self._complete = True


def _take(
    client: Client, known: list[Snapshot], suffix: str, source_id: str, until: datetime
) -> Snapshot:
    """Take a snapshot whose name no other has, again if it has not come about."""
    for attempt in range(_ATTEMPTS):
        try:
            return snapshots.create(
                client, known, suffix, source_id, Expiration(until.replace(microsecond=0))
            )
        except QumuloError as exc:
            if not exc.maybe_applied or attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


def _refuse(name: str, running: list[Snapshot]) -> None:
    if not running:
        return
    first = running[0]
    until = "" if first.expires is None else format_rfc3339(first.expires)
    raise ConflictError(
        f"Another run of checkpoint '{name}' is under way (snapshot {first.name}, taken "
        f"{format_rfc3339(first.taken)}): wait for its end. If it was killed, it counts as over "
        f"from {until} on."
    )


@dataclass(frozen=True)
class Commit:
    """What a commit does.

    :param target: becomes the committed one; None: it is already.
    :param deleted: snapshots of the checkpoint that nobody needs any more, to be deleted then.
    :param left: snapshots that are no longer needed but cannot be deleted.
    """

    target: Snapshot | None
    base: Snapshot
    deleted: list[Snapshot]
    left: list[Left] = field(default_factory=list)


def check_keep(keep: int) -> None:
    """Refuse to keep nothing.

    :raises InputError: ``keep`` is below 1.
    """
    if keep < 1:
        raise InputError(f"keep is 1 or more, not {keep}: the next list begins at that snapshot.")


def plan_commit(state: State, name: str, delivery: int | None, keep: int) -> Commit:
    """Return what committing a delivery does.

    :param delivery: ID of its snapshot; None: the newest one.
    :param keep: committed snapshots to keep, this one among them.
    :raises InputError: ``keep`` is below 1.
    :raises NotFoundError: there is no such delivery.
    """
    check_keep(keep)
    base = state.base
    target: Snapshot | None = None
    if delivery is None:
        target = state.waiting[-1] if state.waiting else None
    elif base is None or delivery > base.id:
        target = next((s for s in state.delivered if s.id == delivery), None)
        if target is None:
            raise NotFoundError(
                f"Checkpoint '{name}' has no delivery {delivery}: its list was not completed, or "
                "its snapshot has expired. Write the list again; nothing is lost."
            )
    new_base = target or base
    if new_base is None:
        raise NotFoundError(
            f"Checkpoint '{name}' has delivered nothing that could be committed: write a list "
            "first."
        )
    committed = [*state.committed, *([target] if target is not None else [])]
    gone = [*committed[:-keep], *(s for s in state.delivered if s.id < new_base.id)]
    if state.running:
        gone = []  # one that is under way may read them; the next commit deletes them
    divided = divide(gone)
    return Commit(target, new_base, divided.deleted, divided.left)


def commit(client: Client, plan: Commit) -> Commit:
    """Move the checkpoint, and only then delete what it leaves behind; return what was done.

    Needs PRIVILEGE_SNAPSHOT_WRITE.

    :return: its ``base`` is the snapshot that the checkpoint is at, as the cluster has it now.
    """
    base = plan.base
    if plan.target is not None:
        base = snapshots.set_expiration(client, plan.target, Expiration(None))
    pruned = prune(client, plan.deleted)
    return replace(plan, base=base, deleted=pruned.deleted, left=[*plan.left, *pruned.left])
