# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Snapshots: finding them, and what has to be done to have them as asked."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from . import files
from .client import Client
from .domain import named
from .durations import is_over, is_relative, parse_moment, parse_slack
from .errors import ConflictError, InputError, NotFoundError, ProtocolError, QumuloError
from .times import format_rfc3339, parse_rfc3339

NEVER = "never"
#: What is behind the name of a snapshot that is always a new one: the cluster's time.
_STAMP_FORMAT = "-%Y%m%dT%H%M%SZ"
_STAMP = re.compile(r"-[0-9]{8}T[0-9]{6}Z")
_NAME = re.compile(r"(\d+)_(.*)", re.DOTALL)


@dataclass(frozen=True)
class Snapshot:
    """A snapshot of a directory.

    :param name: as the cluster shows it: the ID, an underscore, and ``suffix``.
    :param expires: when the cluster deletes it; None: never.
    :param owners: what keeps the cluster from deleting it, such as replications.
    """

    id: int
    name: str
    suffix: str
    taken: datetime
    source_id: str
    source_path: str
    expires: datetime | None
    policy: str | None
    lock_key: str | None
    owners: tuple[str, ...] = ()

    @classmethod
    def of(cls, entry: dict[str, Any]) -> Snapshot:
        """Return the record of an entry of ``/v4/snapshots/status/``.

        :raises ProtocolError: it lacks a field.
        """
        try:
            name = str(entry["name"])
            match = _NAME.fullmatch(name)
            expiration = entry.get("expiration")
            return cls(
                id=int(entry["id"]),
                name=name,
                suffix=match.group(2) if match else name,
                taken=parse_rfc3339(entry["timestamp"]),
                source_id=str(entry["source_file_id"]),
                source_path=str(entry.get("source_file_path") or "").rstrip("/") or "/",
                expires=parse_rfc3339(expiration) if expiration else None,
                policy=entry.get("policy_name") or None,
                lock_key=entry.get("lock_key") or None,
                owners=tuple(str(owner["id"]) for owner in entry.get("owners") or ()),
            )
        except (KeyError, TypeError, ValueError) as exc:
            raise ProtocolError(f"The cluster described a snapshot without {exc}.") from exc

    def describe(self) -> str:
        """Return the snapshot in one line, for a person."""
        end = "never expires" if self.expires is None else f"expires {format_rfc3339(self.expires)}"
        return f"{self.name} of {self.source_path}, {end}"

    def render(self) -> dict[str, Any]:
        """Return the snapshot as modules show it."""
        return {
            "snapshot_id": self.id,
            "name": self.name,
            "suffix": self.suffix,
            "path": self.source_path,
            "source_file_id": self.source_id,
            "timestamp": format_rfc3339(self.taken),
            "expiration": NEVER if self.expires is None else format_rfc3339(self.expires),
            "policy": self.policy,
            "locked": self.lock_key is not None,
            "owners": list(self.owners),
        }


def list_all(client: Client) -> list[Snapshot]:
    """Return all snapshots that are not being deleted, oldest first.

    Needs PRIVILEGE_SNAPSHOT_READ.
    """
    answer = client.get("/v4/snapshots/status/?filter=api_snapshots_exclude_in_delete")
    try:
        found = [Snapshot.of(entry) for entry in answer["entries"] if not entry.get("in_delete")]
    except (KeyError, TypeError) as exc:
        raise ProtocolError("The cluster's list of snapshots has no entries.") from exc
    return sorted(found, key=lambda snapshot: snapshot.id)


def find(
    snapshots: Sequence[Snapshot], name: str | None, snapshot_id: int | None, option: str
) -> Snapshot:
    """Return the one snapshot that is named by its name or by its ID.

    A name can be a number, such as a date, so a name is never taken for an ID.

    :param name: with or without the ID in front.
    :param option: of the name; that of the ID has ``_id`` behind it.
    :raises InputError: not exactly one of the two is given.
    :raises NotFoundError: there is no such snapshot.
    :raises ConflictError: there are several of the name; their IDs are in the message.
    """
    if (name is None) == (snapshot_id is None):
        raise InputError(f"Name one snapshot by '{option}' or by '{option}_id', not by both.")
    if name is None:
        found = [s for s in snapshots if s.id == snapshot_id]
        named = f"with the ID {snapshot_id}"
    else:
        found = [s for s in snapshots if name in (s.name, s.suffix)]
        named = f"'{name}'"
    if not found:
        is_id = any(str(s.id) == name for s in snapshots)
        step = f"give an ID as '{option}_id'" if is_id else "list them with qumulo_snapshot_info"
        raise NotFoundError(f"There is no snapshot {named}: {step}.")
    if len(found) > 1:
        raise ConflictError(
            f"{len(found)} snapshots are called '{name}' (IDs {_ids(found)}): give one ID as "
            f"'{option}_id'."
        )
    return found[0]


@dataclass(frozen=True)
class Expiration:
    """When a snapshot shall expire.

    :param at: None: never.
    :param slack: seconds that a snapshot may expire earlier or later, for relative times.
    """

    at: datetime | None
    slack: timedelta = timedelta(0)

    @classmethod
    def parse(cls, text: str, now: datetime, slack: str | None) -> Expiration:
        """Return the expiration for ``never``, a span from now on, a date, or a time.

        :param slack: of a span; a date or a time is set exactly.
        :raises InputError: it is none of these, or over already.
        """
        relative = is_relative(text)
        if slack is not None and not relative:
            raise InputError(
                f"slack applies only to a relative expiration such as 30d, and '{text}' is set "
                "exactly: leave slack out."
            )
        if text.strip().lower() == NEVER:
            return cls(None)
        at = parse_moment(text, now)
        if is_over(at, now):
            raise InputError(
                f"The expiration '{text}' is {format_rfc3339(at)}, which is in the past (the "
                f"cluster's time is {format_rfc3339(now)}): name a later one, or 'never'."
            )
        if not relative:
            return cls(at)
        return cls(at, parse_slack(slack, at - now))

    def fits(self, snapshot: Snapshot) -> bool:
        """Tell whether a snapshot expires as asked, within the slack."""
        if self.at is None or snapshot.expires is None:
            return self.at is None and snapshot.expires is None
        present = snapshot.expires.replace(microsecond=0)
        return abs(present - self.at) <= self.slack

    def text(self) -> str:
        """Return it as the API wants it: empty for never."""
        return "" if self.at is None else format_rfc3339(self.at)


def of_name(snapshots: Iterable[Snapshot], suffix: str, source_id: str) -> list[Snapshot]:
    """Return the snapshots of a name of one directory, oldest first."""
    return [s for s in snapshots if s.suffix == suffix and s.source_id == source_id]


def of_series(snapshots: Iterable[Snapshot], suffix: str, source_id: str) -> list[Snapshot]:
    """Return the snapshots of a name of one directory, with those that carry a time behind it."""

    def is_of(name: str) -> bool:
        rest = name[len(suffix) :]
        return name.startswith(suffix) and (not rest or _is_time(rest))

    return [s for s in snapshots if s.source_id == source_id and is_of(s.suffix)]


def _is_time(text: str) -> bool:
    """Tell whether a text is what :func:`timestamped` puts behind a name."""
    if _STAMP.fullmatch(text) is None:
        return False
    try:
        datetime.strptime(text, _STAMP_FORMAT)
    except ValueError:  # not in the calendar
        return False
    return True


def the_one(
    snapshots: Sequence[Snapshot], suffix: str, source_id: str, path: str
) -> Snapshot | None:
    """Return the only snapshot of a name of one directory, or None.

    :raises ConflictError: there are several.
    """
    found = of_name(snapshots, suffix, source_id)
    if len(found) > 1:
        raise ConflictError(
            f"{len(found)} snapshots of {path} are called '{suffix}' (IDs {_ids(found)}): delete "
            "all but one (state absent with keep), or name one by snapshot_id."
        )
    return found[0] if found else None


def check_name(suffix: str) -> None:
    """Refuse a name that a cluster does not take.

    :raises InputError: it is empty or holds a slash or a NUL.
    """
    if not suffix or "/" in suffix or "\0" in suffix:
        raise InputError(f"'{suffix}' can not name a snapshot: leave out slashes.")


def source(client: Client, path: str) -> files.FileInfo:
    """Return the directory that is to be snapshotted.

    :raises InputError: it is not a directory.
    :raises NotFoundError: it does not exist.
    """
    info = named.existing(client, path)
    if info.type != files.DIRECTORY:
        raise InputError(f"{info.path} is a {info.type}: snapshots are taken of directories.")
    return info


def create(
    client: Client,
    before: Sequence[Snapshot],
    suffix: str,
    source_id: str,
    expiration: Expiration | None,
) -> Snapshot:
    """Take a snapshot; needs PRIVILEGE_SNAPSHOT_WRITE.

    If the answer is lost, the cluster is asked whether the snapshot has come about, so that a
    broken connection neither loses it nor takes it twice.

    :param before: the snapshots that were there.
    """
    last = max((snapshot.id for snapshot in before), default=0)
    try:
        entry = client.rest.snapshot.create_snapshot(
            name=suffix,
            expiration="" if expiration is None else expiration.text(),
            source_file_id=source_id,
        )
    except QumuloError as exc:
        if not exc.maybe_applied:
            raise
        new = [s for s in of_name(list_all(client), suffix, source_id) if s.id > last]
        if len(new) != 1:
            raise
        return new[0]
    return get(client, int(entry["id"]))


def get(client: Client, snapshot_id: int) -> Snapshot:
    """Return a snapshot by its ID.

    :raises NotFoundError: there is none.
    """
    try:
        return Snapshot.of(client.get(f"/v3/snapshots/status/{snapshot_id}"))
    except NotFoundError as exc:
        raise NotFoundError(
            f"There is no snapshot with ID {snapshot_id}: see what there is with "
            "qumulo_snapshot_info.",
            status=exc.status,
            error_class=exc.error_class,
        ) from exc


def set_expiration(client: Client, snapshot: Snapshot, expiration: Expiration) -> Snapshot:
    """Change when a snapshot expires, in place."""
    client.rest.snapshot.modify_snapshot(snapshot_id=snapshot.id, expiration=expiration.text())
    return get(client, snapshot.id)


def check_extends(snapshot: Snapshot, expiration: Expiration) -> None:
    """Refuse what a cluster refuses: to let a locked snapshot expire earlier.

    :raises ConflictError: it is locked with a key, and would expire earlier.
    """
    if snapshot.lock_key is None or expiration.at is None:
        return
    if snapshot.expires is None or expiration.at < snapshot.expires.replace(microsecond=0):
        raise ConflictError(
            f"Snapshot {snapshot.name} is locked with a key, so it cannot expire earlier, at "
            f"{format_rfc3339(expiration.at)} (at present: {snapshot.render()['expiration']}): "
            "name a later time, or unlock it first (qq snapshot_unlock_snapshot)."
        )


def delete(client: Client, snapshot: Snapshot) -> None:
    """Delete a snapshot; one that is gone already is as wished."""
    try:
        client.rest.snapshot.delete_snapshot(snapshot_id=snapshot.id)
    except NotFoundError:
        pass


def beyond_newest(snapshots: Sequence[Snapshot], keep: int) -> list[Snapshot]:
    """Return all but the newest ``keep`` snapshots.

    Their IDs tell which are newer, because the cluster's clock may have been set back.

    :raises InputError: ``keep`` is negative.
    """
    if keep < 0:
        raise InputError(f"keep can not be negative ({keep}).")
    ordered = sorted(snapshots, key=lambda snapshot: snapshot.id)
    return ordered[: max(0, len(ordered) - keep)]


def timestamped(suffix: str, now: datetime) -> str:
    """Return a name for a snapshot that is always a new one: with the cluster's time in it."""
    return f"{suffix}{now.strftime(_STAMP_FORMAT)}"


def _ids(snapshots: Iterable[Snapshot]) -> str:
    return ", ".join(str(snapshot.id) for snapshot in snapshots)
