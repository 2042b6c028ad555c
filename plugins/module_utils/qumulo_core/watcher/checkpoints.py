# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checkpoints: snapshots up to which everything that happened is in the spool.

They are found by name, so that a host that takes the place of a dead one finds them. The newest
is what the next tree diff begins at. An older one is kept as long as files from before the newest
are still not locked: if host and spool are lost together, it tells what was.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from .. import snapshots
from ..client import Client
from ..errors import InputError
from ..service.spool import Spool
from ..snapshots import Expiration, Snapshot
from ..times import parse_rfc3339
from .rules import Root

_LOG = logging.getLogger("lockstep.watcher")
#: A host that is gone for good leaves nothing behind for longer.
EXPIRES_AFTER = timedelta(days=60)


def suffix(name: str) -> str:
    """Return the name of the snapshots of a watcher."""
    return f"lockstep-watcher-{name}"


@dataclass(frozen=True)
class Mark:
    """What is noted of a checkpoint.

    :param number: last number that the spool had given when everything before it was in.
    """

    snapshot_id: int
    number: int


def walked(root_id: str) -> str:
    """Return the name of the note of the time up to which everything is in the spool."""
    return f"walked:{root_id}"


def retired(root_id: str) -> str:
    """Return the name of the note that a directory was watched before, and starts over."""
    return f"retired:{root_id}"


def is_retired(spool: Spool, root: Root) -> bool:
    """Tell whether a directory starts over: checkpoints that are left do not count."""
    return bool(spool.note(retired(root.id)))


def load(spool: Spool, root: Root) -> list[Mark] | None:
    """Return what is noted of a directory's checkpoints, oldest first; None on a first start."""
    return load_by_id(spool, root.id)


def load_by_id(spool: Spool, root_id: str) -> list[Mark] | None:
    """Return what is noted of the checkpoints of a directory by its ID; None if nothing is."""
    # Without a note that can be read, the oldest checkpoint counts, as after a lost spool.
    return spool.parsed_note(f"checkpoints:{root_id}", _marks, instead="[]")


def _marks(note: str) -> list[Mark]:
    return [Mark(int(snapshot_id), int(number)) for snapshot_id, number in json.loads(note)]


def walked_until(spool: Spool, root: Root) -> datetime | None:
    """Return the time up to which everything is in the spool; None if it is unknown."""

    def parse(note: str) -> datetime:
        try:
            return parse_rfc3339(note)
        except InputError:
            _LOG.error(
                "the time of the last catch-up with directory %s cannot be read. Without a "
                "checkpoint, files that changed while the watcher was off are locked only when "
                "they change again. 'lockstep-watcher audit' lists them",
                root.id,
            )
            raise

    return spool.parsed_note(walked(root.id), parse)


def save(spool: Spool, root: Root, marks: Sequence[Mark], **notes: str) -> None:
    """Note the checkpoints of a directory, durably, together with other notes."""
    pairs = [[mark.snapshot_id, mark.number] for mark in marks]
    spool.set_notes(**{f"checkpoints:{root.id}": json.dumps(pairs)}, **notes)


def present(client: Client, name: str, root: Root) -> list[Snapshot]:
    """Return the checkpoints of this watcher that the cluster has, oldest first."""
    return snapshots.of_name(snapshots.list_all(client), suffix(name), root.id)


def take(client: Client, name: str, root: Root, now: datetime) -> Snapshot:
    """Take a snapshot of a directory that may become a checkpoint."""
    expiration = Expiration(now.replace(microsecond=0) + EXPIRES_AFTER)
    known = snapshots.list_all(client)
    return snapshots.create(client, known, suffix(name), root.id, expiration)


def begin_at(found: Sequence[Snapshot], marks: Sequence[Mark] | None) -> Snapshot | None:
    """Decide from which checkpoint to catch up; None if there is none.

    That is the newest one that was noted, or an older one if somebody has deleted it. A newer
    one may have been taken and never have become a checkpoint: what was before it may be in no
    spool. Without notes, as on a host that takes the place of another, it is the oldest: what
    lies before the newer ones may have been in a lost spool.
    """
    if not marks:
        return found[0] if found else None
    newest = max(mark.snapshot_id for mark in marks)
    return next((s for s in reversed(found) if s.id <= newest), None)


def spare(
    found: Sequence[Snapshot],
    marks: Sequence[Mark],
    first_waiting: int | None,
    *,
    oldest_taken: datetime,
) -> list[Snapshot]:
    """Decide which checkpoints are no longer needed.

    :param found: of this watcher and directory, oldest first.
    :param marks: what is noted, oldest first; the last one is the newest checkpoint.
    :param first_waiting: least number of the entries that wait; None if none does.
    :param oldest_taken: an older one is not kept, whatever waits.
    """
    if not marks:
        return []
    newest = marks[-1].snapshot_id
    there = {snapshot.id for snapshot in found}
    marks = [mark for mark in marks if mark.snapshot_id in there]  # somebody may have deleted one
    behind = [m for m in marks if first_waiting is None or m.number < first_waiting]
    keep = {newest}
    if behind:
        keep.add(behind[-1].snapshot_id)  # all that was before it is locked
    else:
        # Nothing is settled: the oldest one still counts, unless it is too old.
        keep |= {s.id for s in found[:1] if s.taken >= oldest_taken}
    return [s for s in found if s.id not in keep and s.id <= newest]
