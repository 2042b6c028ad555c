# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: taking, listing, expiring and deleting them."""

from __future__ import annotations

from .clock import Clock
from .errors import InvalidArgumentError, InvalidNameError, NoSuchSnapshotError, NotDirectoryError
from .inode import DIRECTORY
from .paths import Paths, Ref
from .render import Json, rfc3339


class Snapshot:
    """A directory tree as it was at the end of an epoch.

    Times are nanoseconds since 1970, UTC; ``expiration_ns`` None: it never expires.
    """

    __slots__ = (
        "epoch",
        "expiration_ns",
        "id",
        "name",
        "policy_id",
        "source_file_id",
        "timestamp_ns",
    )

    def __init__(
        self,
        snapshot_id: int,
        name: str,
        source_file_id: int,
        epoch: int,
        timestamp_ns: int,
        expiration_ns: int | None,
    ) -> None:
        self.id = snapshot_id
        self.name = name
        self.source_file_id = source_file_id
        self.epoch = epoch
        self.timestamp_ns = timestamp_ns
        self.expiration_ns = expiration_ns
        self.policy_id: int | None = None


class Snapshots(Paths):
    """The snapshots of a file system."""

    def __init__(self, clock: Clock) -> None:
        super().__init__(clock)
        self._snapshots: dict[int, Snapshot] = {}
        self._next_snapshot_id = 1

    def take_snapshot(
        self, ref: Ref, name_suffix: str, *, expiration_ns: int | None = None
    ) -> Snapshot:
        """Snapshot a directory; it is named ``<id>_<name_suffix>``. Costs the same for any tree.

        :param expiration_ns: when it is to be deleted (None: never)
        :raises NotDirectoryError: if ``ref`` is not a directory
        :raises InvalidNameError: if the suffix is empty or holds a slash or a NUL
        """
        source = self._resolve(ref)[0]
        if source.kind != DIRECTORY:
            raise NotDirectoryError(f"{self._path(source, None)} is not a directory")
        if not name_suffix or "/" in name_suffix or "\0" in name_suffix:
            raise InvalidNameError(f"{name_suffix!r} cannot be part of a snapshot's name")
        snapshot_id = self._next_snapshot_id
        self._next_snapshot_id += 1
        snapshot = Snapshot(
            snapshot_id,
            f"{snapshot_id}_{name_suffix}",
            source.id,
            self._epoch,
            self.clock.now_ns(),
            expiration_ns,
        )
        self._snapshots[snapshot_id] = snapshot
        self._seen_epochs.append(self._epoch)
        self._last_seen = self._epoch
        self._epoch += 1
        return snapshot

    def snapshot(self, snapshot_id: int) -> Snapshot:
        """The snapshot of this ID.

        :raises NoSuchSnapshotError: if it does not exist, or exists no more
        """
        snapshot = self._snapshots.get(snapshot_id)
        if snapshot is not None:
            expiration = snapshot.expiration_ns
            if expiration is None or expiration > self.clock.now_ns():
                return snapshot
            self._delete(snapshot)
        raise NoSuchSnapshotError(f"snapshot {snapshot_id} does not exist")

    def _epoch_of(self, snapshot: int | None) -> int | None:
        return None if snapshot is None else self.snapshot(snapshot).epoch

    def snapshots(self) -> list[Snapshot]:
        """All snapshots, in the order of their IDs; what has expired is deleted first."""
        now_ns = self.clock.now_ns()
        for snapshot in list(self._snapshots.values()):
            if snapshot.expiration_ns is not None and snapshot.expiration_ns <= now_ns:
                self._delete(snapshot)
        return list(self._snapshots.values())

    def set_snapshot_expiration(self, snapshot_id: int, expiration_ns: int | None) -> Snapshot:
        """Change when a snapshot is to be deleted (None: never).

        :raises InvalidArgumentError: if the time has passed already
        """
        snapshot = self.snapshot(snapshot_id)
        if expiration_ns is not None and expiration_ns <= self.clock.now_ns():
            raise InvalidArgumentError(f"expiration {rfc3339(expiration_ns)} is in the past")
        snapshot.expiration_ns = expiration_ns
        return snapshot

    def delete_snapshot(self, snapshot_id: int) -> None:
        """Delete a snapshot.

        Removed files that only it saw are let go of at once, former states of others with their
        next change.

        :raises NoSuchSnapshotError: if it does not exist
        """
        self._delete(self.snapshot(snapshot_id))

    def _delete(self, snapshot: Snapshot) -> None:
        del self._snapshots[snapshot.id]
        self._seen_epochs.remove(snapshot.epoch)
        self._last_seen = self._seen_epochs[-1] if self._seen_epochs else -1
        for key in [key for key in self._listings if key[1] == snapshot.epoch]:
            del self._listings[key]
        self._sweep_orphans()

    def render_snapshot(self, snapshot: Snapshot, *, status: bool = False) -> Json:
        """An entry of /v3/snapshots/, or with ``status`` of /v4/snapshots/status/."""
        entry: Json = {
            "id": snapshot.id,
            "name": snapshot.name,
            "timestamp": rfc3339(snapshot.timestamp_ns),
            "source_file_id": str(snapshot.source_file_id),
            "policy_id": snapshot.policy_id,
            "expiration": (
                "" if snapshot.expiration_ns is None else rfc3339(snapshot.expiration_ns)
            ),
            "in_delete": False,
        }
        if status:
            entry["source_file_path"] = self.source_path(snapshot)
            entry["policy_name"] = None
            entry["lock_key"] = None
            entry["owners"] = []
        return entry

    def source_path(self, snapshot: Snapshot) -> str:
        """Where the source directory is now, or was at the time of the snapshot if it is gone.

        It ends with a slash, as every path of a directory in the API.
        """
        source = self._table[snapshot.source_file_id]
        if source is None:
            raise NoSuchSnapshotError(f"snapshot {snapshot.id} has lost its source")
        if source.num_links:
            path = self._path(source, None)
        else:
            state = self._state(source, snapshot.epoch)
            assert state is not None
            path = self._path(state, snapshot.epoch)
        return path if path == "/" else path + "/"
