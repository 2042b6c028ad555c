# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module does: from options to what it reports."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from .. import snapshots
from ..client import Client
from ..common import safe_paths
from ..common.termination import Terminated, raised_on_sigterm
from ..domain.pruning import describe_left
from ..errors import InputError, QumuloError
from ..snapshots import Snapshot
from . import checkpoints
from .build import Result, build
from .order import Order, check_order
from .progress import Progress, check_status, journal

LISTED, COMMITTED = "listed", "committed"
_STOPPED = "the run was stopped by SIGTERM; run it again"
#: The two snapshots that are compared.
_PAIR = ("newer", "older")
_ORDER = (
    "dest",
    "format",
    "attributes",
    "deletes",
    "expand_deleted",
    "base_path",
    "map_to",
    "index",
    "workers",
    "renames",
    "ranges",
    "file_locks",
    "separate_deletes",
    "split",
    "compress",
    "owner_names",
    "formula_guard",
)


def run(client: Client, params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Write a list, or commit one.

    :raises InputError: the options do not go together.
    :raises QumuloError: it was stopped by SIGTERM, or another of its kind.
    """
    if params["state"] == COMMITTED:
        return _commit(client, params, check_mode)
    try:
        with raised_on_sigterm():
            return _list(client, params, check_mode)
    except Terminated as exc:
        raise QumuloError(f"{params['dest']} is not complete: {_STOPPED}.") from exc


def _list(client: Client, params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    if params["dest"] is None:
        raise InputError("dest is missing: name the file to write.")
    if params["delivery"] is not None:
        raise InputError("delivery is for state: committed; leave it out.")
    order = Order(**{name: params[name] for name in _ORDER})
    check_order(order)
    if params["status"] is not None:
        check_status(params["status"], order.dest)
    if params["checkpoint"] is not None:
        return _deliver(client, params, order, check_mode)
    if any(params[name] is None and params[f"{name}_id"] is None for name in _PAIR):
        raise InputError("Name two snapshots (newer and older), or a checkpoint and its path.")
    known = snapshots.list_all(client)
    newer, older = (
        snapshots.find(known, params[name], params[f"{name}_id"], name) for name in _PAIR
    )
    with _progress(params, order) as progress:
        result = build(client, newer, older, order, check_mode=check_mode, progress=progress)
    reported = _report(result, order, newer, older)
    return {**progress.warned(reported), "changed": result.changed}


@contextmanager
def _progress(params: Mapping[str, Any], order: Order) -> Iterator[Progress]:
    progress = Progress(os.path.basename(order.dest), params["status"], journal)
    begun = False
    try:
        progress.begin()
        begun = True
        yield progress
    except QumuloError as exc:
        if begun:  # otherwise the status file is what cannot be written
            progress.end(exc.message)
        raise
    except Terminated:
        progress.end(_STOPPED)
        raise
    except BaseException as exc:
        progress.end(type(exc).__name__)
        raise
    progress.end()


def _report(
    result: Result, order: Order, newer: Snapshot, older: Snapshot | None
) -> dict[str, Any]:
    before = "the list of other changes, or none\n" if result.changed else ""
    return {
        "dest": safe_paths.absolute(order.dest),
        "newer": newer.render(),
        "older": None if older is None else older.render(),
        "warnings": result.warnings,
        "diff": {"before": before, "after": "".join(f"{line}\n" for line in result.sample)},
        **result.render(),
    }


def _path(params: Mapping[str, Any]) -> str:
    if any(params[name] is not None for name in (*_PAIR, *(f"{name}_id" for name in _PAIR))):
        raise InputError("A checkpoint knows its snapshots: leave newer and older out.")
    if params["path"] is None:
        raise InputError("A checkpoint needs the path of its directory.")
    return str(params["path"])


def _deliver(
    client: Client, params: Mapping[str, Any], order: Order, check_mode: bool
) -> dict[str, Any]:
    name, path = params["checkpoint"], _path(params)
    checkpoints.check_keep(params["keep"])
    if check_mode:
        base = checkpoints.of_checkpoint(client, name, path).base
        since = "everything in it" if base is None else f"what has changed since {base.name}"
        return {
            "changed": True,
            "older": None if base is None else base.render(),
            "diff": {"before": "", "after": f"a snapshot of {path}, and a list of {since}\n"},
        }
    with checkpoints.Delivery(client, name, path) as delivery, _progress(params, order) as progress:
        result = build(
            client,
            delivery.newer,
            delivery.older,
            order,
            check_mode=False,
            progress=progress,
            perhaps=delivery.repeated,
        )
        delivery.complete()
    reported = progress.warned(_report(result, order, delivery.newer, delivery.older))
    if delivery.repeated:
        ids = ", ".join(str(snapshot.id) for snapshot in delivery.repeated)
        reported["warnings"] = [
            *reported["warnings"],
            f"An earlier list of this checkpoint was not committed (delivery {ids}): its changes "
            "are in this one as well, without renames and ranges, so that it does not matter how "
            "much of it was worked off.",
        ]
    if params["auto_commit"]:
        state = checkpoints.of_checkpoint(client, name, path)
        plan = checkpoints.plan_commit(state, name, delivery.newer.id, params["keep"])
        plan = checkpoints.commit(client, plan)
        reported["newer"] = plan.base.render()
        left = [one.render() for one in plan.left]
        if left:
            reported["warnings"] = [
                *reported.get("warnings", ()),
                f"Old snapshots of this checkpoint cannot be deleted: {describe_left(left)}",
            ]
    return {
        **reported,
        "changed": True,
        "delivery": delivery.newer.id,
        "committed": bool(params["auto_commit"]),
    }


def _commit(client: Client, params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    if params["checkpoint"] is None:
        raise InputError("state: committed needs a checkpoint and its path.")
    name, path = params["checkpoint"], _path(params)
    state = checkpoints.of_checkpoint(client, name, path)
    plan = checkpoints.plan_commit(state, name, params["delivery"], params["keep"])
    newer = {**plan.base.render(), "expiration": snapshots.NEVER}
    if not check_mode:
        plan = checkpoints.commit(client, plan)
        newer = plan.base.render()
    before = [*state.committed, *state.delivered]
    gone = {snapshot.id for snapshot in plan.deleted}
    return {
        "changed": plan.target is not None or bool(plan.deleted),
        "delivery": plan.base.id,
        "committed": True,
        "newer": newer,
        "deleted": [snapshot.render() for snapshot in plan.deleted],
        "not_deleted": [left.render() for left in plan.left],
        "diff": {
            "before": "".join(f"{one.describe()}\n" for one in before),
            "after": "".join(
                f"{one.name} of {one.source_path}, never expires\n"
                if one is plan.target
                else f"{one.describe()}\n"
                for one in before
                if one.id not in gone
            ),
        },
    }
