# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prune old snapshots; one that cannot be deleted does not stop the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .. import snapshots
from ..client import Client
from ..errors import ConflictError, InvalidRequestError, PermissionDeniedError, QumuloError
from ..snapshots import Snapshot

_SHOWN = 5


@dataclass(frozen=True)
class Left:
    """A snapshot that cannot be deleted, and why."""

    snapshot: Snapshot
    reason: str

    def render(self) -> dict[str, Any]:
        """Return it as modules show it."""
        return {**self.snapshot.render(), "reason": self.reason}


@dataclass(frozen=True)
class Pruned:
    """What became of snapshots that were to be deleted."""

    deleted: list[Snapshot] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)


def obstacle(snapshot: Snapshot) -> str | None:
    """Return why the cluster would refuse to delete a snapshot, as far as its record shows."""
    if snapshot.lock_key is not None:
        return "locked with a key"
    if snapshot.owners:
        return f"owned by {', '.join(snapshot.owners)}, for instance a replication"
    return None


def check_deletable(snapshot: Snapshot) -> None:
    """Refuse to delete a snapshot that is named individually and cannot be deleted.

    :raises ConflictError: it is locked with a key, or has an owner.
    """
    reason = obstacle(snapshot)
    if reason is None:
        return
    step = "end that first"
    if snapshot.lock_key is not None:
        step = "unlock it (qq snapshot_unlock_snapshot) or wait until it expires"
    raise ConflictError(f"Snapshot {snapshot.name} is {reason}: {step}. Nothing was deleted.")


def divide(doomed: Iterable[Snapshot]) -> Pruned:
    """Divide snapshots into those that can be deleted and others, as far as records show."""
    divided = Pruned()
    for snapshot in doomed:
        reason = obstacle(snapshot)
        if reason is None:
            divided.deleted.append(snapshot)
        else:
            divided.left.append(Left(snapshot, reason))
    return divided


def prune(client: Client, doomed: Iterable[Snapshot]) -> Pruned:
    """Delete snapshots, and leave those that the cluster refuses to delete.

    Needs PRIVILEGE_SNAPSHOT_WRITE.

    :raises QumuloError: the cluster failed, or the account may not delete snapshots; ``details``
        lists what was deleted before.
    """
    divided = divide(doomed)
    pruned = Pruned(left=list(divided.left))
    for snapshot in divided.deleted:
        try:
            snapshots.delete(client, snapshot)
        except (ConflictError, InvalidRequestError, PermissionDeniedError) as exc:
            pruned.left.append(Left(snapshot, exc.message.rstrip(".")))
        except QumuloError as exc:
            exc.details["deleted"] = [one.render() for one in pruned.deleted]
            raise
        else:
            pruned.deleted.append(snapshot)
    pruned.left.sort(key=lambda one: one.snapshot.id)
    return pruned


def describe_left(left: Sequence[Mapping[str, Any]]) -> str:
    """Return some of the snapshots that were left, with the reasons.

    :param left: as :meth:`Left.render` returns them.
    """
    shown = ", ".join(f"{one['name']} ({one['reason']})" for one in left[:_SHOWN])
    return shown if len(left) <= _SHOWN else f"{shown} and {len(left) - _SHOWN} more"
