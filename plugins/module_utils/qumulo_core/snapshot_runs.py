# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations of the snapshot modules: from options to results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from . import snapshots
from .client import Client
from .domain import pruning
from .domain.granted import check_granted
from .domain.snapshot_names import check_new, of_full_name
from .durations import parse_moment
from .errors import InputError
from .globs import PathFilter
from .snapshots import Expiration, Snapshot
from .times import format_rfc3339


def ensure(client: Client, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring snapshots to the requested state."""
    if params["name"] is not None:
        snapshots.check_name(params["name"])
    if params["state"] == "absent":
        return _absent(client, params, check_mode)
    if params["keep"] is not None or params["snapshot_id"] is not None:
        raise InputError("keep and snapshot_id are for state absent: leave them out.")
    now = client.clock().now()
    expiration = None
    if params["expiration"] is not None:
        expiration = Expiration.parse(params["expiration"], now, params["slack"])
    source = snapshots.source(client, params["path"])
    known = snapshots.list_all(client)
    name = params["name"]
    by_full_name = of_full_name(known, name, source)
    if params["state"] == "new":
        if by_full_name is not None:
            raise InputError(
                f"'{name}' is the full name of a snapshot: give the name without the ID, "
                f"'{by_full_name.suffix}'."
            )
        check_new(known, name, source)
        present = None
        name = snapshots.timestamped(name, now)
    else:
        present = by_full_name or snapshots.the_one(known, name, source.id, source.path)
        if present is None:
            check_new(known, name, source)
    if present is None:
        return _take(client, known, name, source.id, source.path, expiration, check_mode)
    if expiration is None or expiration.fits(present):
        return {"changed": False, "snapshot": present.render()}
    snapshots.check_extends(present, expiration)
    after = {**present.render(), "expiration": _expiration_text(expiration)}
    if check_mode:
        check_granted(client, "PRIVILEGE_SNAPSHOT_WRITE")
    else:
        after = snapshots.set_expiration(client, present, expiration).render()
    return {
        "changed": True,
        "snapshot": after,
        "diff": {
            "before": present.describe() + "\n",
            "after": f"{present.name} of {present.source_path}, expires {after['expiration']}\n",
        },
    }


def _take(
    client: Client,
    known: Sequence[Snapshot],
    name: str,
    source_id: str,
    path: str,
    expiration: Expiration | None,
    check_mode: bool,
) -> dict[str, Any]:
    if check_mode:
        check_granted(client, "PRIVILEGE_SNAPSHOT_WRITE")
        taken = {
            "suffix": name,
            "path": path,
            "source_file_id": source_id,
            "expiration": _expiration_text(expiration),
        }
    else:
        taken = snapshots.create(client, known, name, source_id, expiration).render()
    return {
        "changed": True,
        "snapshot": taken,
        "diff": {
            "before": "",
            "after": f"{name} of {path}, expires {taken['expiration']}\n",
        },
    }


def _expiration_text(expiration: Expiration | None) -> str:
    if expiration is None or expiration.at is None:
        return snapshots.NEVER
    return format_rfc3339(expiration.at)


def _absent(client: Client, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    if params["expiration"] is not None:
        raise InputError("expiration is not for state absent: leave it out.")
    known = snapshots.list_all(client)
    one: list[Snapshot] = []
    doomed: list[Snapshot] = []
    if params["snapshot_id"] is not None:
        if params["snapshot_id"] < 1:
            raise InputError(
                f"{params['snapshot_id']} is not the ID of a snapshot: IDs begin with 1."
            )
        one = [s for s in known if s.id == params["snapshot_id"]]
    else:
        source = snapshots.source(client, params["path"])
        by_full_name = of_full_name(known, params["name"], source)
        if by_full_name is not None:
            one = [by_full_name]
        elif params["keep"] is None:
            doomed = snapshots.of_name(known, params["name"], source.id)
        if params["keep"] is not None:
            if one:
                raise InputError(
                    f"'{params['name']}' is the full name of one snapshot: 'keep' needs the name "
                    f"without the ID, '{one[0].suffix}'."
                )
            series = snapshots.of_series(known, params["name"], source.id)
            doomed = snapshots.beyond_newest(series, params["keep"])
    for snapshot in one:  # named individually; of several, some may be left
        pruning.check_deletable(snapshot)
    if check_mode:
        pruned = pruning.divide([*one, *doomed])
    elif one:
        snapshots.delete(client, one[0])
        pruned = pruning.Pruned(one)
    else:
        pruned = pruning.prune(client, doomed)
    left = [each.render() for each in pruned.left]
    if pruned.deleted and check_mode:
        check_granted(client, "PRIVILEGE_SNAPSHOT_WRITE")
    result: dict[str, Any] = {
        "changed": bool(pruned.deleted),
        "deleted": [snapshot.render() for snapshot in pruned.deleted],
        "not_deleted": left,
        "diff": {
            "before": "".join(f"{s.describe()}\n" for s in [*one, *doomed]),
            "after": "".join(f"{each.snapshot.describe()}\n" for each in pruned.left),
        },
    }
    if not one and params["snapshot_id"] is not None:
        result["missing_id"] = params["snapshot_id"]
    if left and params["keep"] is None:
        result["warnings"] = [f"Cannot be deleted: {pruning.describe_left(left)}"]
    return result


def show(client: Client, params: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """List the snapshots that match."""
    del check_mode  # nothing is changed
    found = snapshots.list_all(client)
    total = len(found)
    if params["snapshot_id"] is not None:
        found = [s for s in found if s.id in params["snapshot_id"]]
    if params["name"] is not None:
        names = PathFilter(params["name"])
        found = [s for s in found if names.matches(s.name) or names.matches(s.suffix)]
    if params["path"] is not None:
        source = snapshots.source(client, params["path"])
        found = [s for s in found if s.source_id == source.id]
    if params["expires_before"] is not None:
        limit = parse_moment(params["expires_before"], client.clock().now())
        found = [s for s in found if s.expires is not None and s.expires < limit]
    found.reverse()
    return {
        "changed": False,
        "snapshots": [snapshot.render() for snapshot in found],
        "count": len(found),
        "total": total,
    }
