# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints of snapshots."""

from __future__ import annotations

from .cluster import Cluster
from .messages import Answer, ApiError, Json, Request, answer
from .model import Snapshot
from .router import Router, next_uri, number
from .timestamps import parse_ns

READ = "PRIVILEGE_SNAPSHOT_READ"
WRITE = "PRIVILEGE_SNAPSHOT_WRITE"
DIFF = "PRIVILEGE_SNAPSHOT_DIFFERENCE_READ"
DEFAULT_PAGE = 1000


def register(router: Router) -> None:
    """Add the endpoints of this file."""
    route = router.route
    for version in ("v2", "v3"):
        route(f"GET /{version}/snapshots/", READ)(list_snapshots)
        route(f"POST /{version}/snapshots/", WRITE)(create)
        route(f"GET /{version}/snapshots/{{id}}", READ)(get)
        route(f"PATCH /{version}/snapshots/{{id}}", WRITE)(modify)
        route(f"PUT /{version}/snapshots/{{id}}", WRITE)(modify)
        route(f"DELETE /{version}/snapshots/{{id}}", WRITE)(delete)
        changes = f"GET /{version}/snapshots/{{newer_id}}/changes-since/{{older_id}}"
        route(changes, DIFF)(tree_diff)
        route(f"{changes}/files/{{ref}}", DIFF)(file_diff)
    for version in ("v3", "v4"):
        route(f"GET /{version}/snapshots/status/", READ)(list_statuses)
        route(f"GET /{version}/snapshots/status/{{id}}", READ)(get_status)
    route("POST /v3/snapshots/{id}/lock", "PRIVILEGE_SNAPSHOT_LOCK")(lock)
    route("GET /v3/snapshots/policies/", "PRIVILEGE_SNAPSHOT_POLICY_READ")(policies)
    route("GET /v3/snapshots/policies/status/", "PRIVILEGE_SNAPSHOT_POLICY_READ")(policies)
    route("GET /v1/snapshots/total-used-capacity", READ)(total_capacity)
    route("GET /v1/snapshots/capacity-used-per-snapshot/", READ)(capacities)
    route("GET /v1/snapshots/capacity-used-per-snapshot/{id}", READ)(capacity)
    route(
        "POST /v1/snapshots/calculate-used-capacity",
        "PRIVILEGE_SNAPSHOT_CALCULATE_USED_CAPACITY_READ",
    )(calculate)


def _id(text: str) -> int:
    if not text.isdigit():
        raise ApiError(400, f"{text!r} is no snapshot ID")
    return int(text)


def _etag(cluster: Cluster, snapshot: Snapshot) -> str:
    return f'"{cluster.snapshot_revisions.get(snapshot.id, 1)}"'


def _render(cluster: Cluster, snapshot: Snapshot, *, status: bool = False) -> Json:
    entry = cluster.fs.render_snapshot(snapshot, status=status)
    if status:
        entry["lock_key"] = cluster.locked_snapshots.get(snapshot.id)
        owner, is_shown = cluster.snapshot_owners.get(snapshot.id, ("", False))
        entry["owners"] = [{"id": owner}] if is_shown else []
    return entry


def _answer(cluster: Cluster, snapshot: Snapshot, *, status: bool = False) -> Answer:
    body = _render(cluster, snapshot, status=status)
    return answer(body, etag=_etag(cluster, snapshot))


def list_snapshots(cluster: Cluster, request: Request) -> Answer:
    """All snapshots; those in deletion are gone at once here."""
    only_deleted = request.query.get("filter") == "only_in_delete"
    found = [] if only_deleted else cluster.fs.snapshots()
    return answer({"entries": [_render(cluster, snapshot) for snapshot in found]})


def list_statuses(cluster: Cluster, request: Request) -> Answer:
    """All snapshots with path and lock key."""
    filters = request.query.get("filter", "")
    found = cluster.fs.snapshots()
    if "exclude_not_in_delete" in filters:
        found = []
    if "exclude_locked" in filters:
        found = [s for s in found if s.id not in cluster.locked_snapshots]
    if "exclude_not_locked" in filters:
        found = [s for s in found if s.id in cluster.locked_snapshots]
    return answer({"entries": [_render(cluster, snapshot, status=True) for snapshot in found]})


def create(cluster: Cluster, request: Request) -> Answer:
    """Take a snapshot."""
    body = request.object()
    expiration = _expiration(body.get("expiration"))
    if expiration is not None and expiration <= cluster.now_ns():
        raise ApiError(400, "expiration is in the past", "snapshot_invalid_expiration_error")
    source = body.get("source_file_id") or "2"
    suffix = body.get("name_suffix") or "snapshot"
    snapshot = cluster.fs.take_snapshot(str(source), suffix, expiration_ns=expiration)
    return _answer(cluster, snapshot)


def _expiration(text: Json) -> int | None:
    if not text:
        return None
    try:
        return parse_ns(text)
    except ValueError as error:
        raise ApiError(400, f"expiration makes no sense: {error}") from error


def get(cluster: Cluster, request: Request) -> Answer:
    """One snapshot."""
    return _answer(cluster, cluster.fs.snapshot(_id(request.wild[0])))


def get_status(cluster: Cluster, request: Request) -> Answer:
    """One snapshot with path and lock key."""
    return _answer(cluster, cluster.fs.snapshot(_id(request.wild[0])), status=True)


def modify(cluster: Cluster, request: Request) -> Answer:
    """Change when a snapshot expires."""
    snapshot = cluster.fs.snapshot(_id(request.wild[0]))
    cluster.check_etag(request, _etag(cluster, snapshot))
    body = request.object()
    if "expiration" in body:
        expiration = _expiration(body["expiration"])
        if snapshot.id in cluster.locked_snapshots:
            before = snapshot.expiration_ns
            if before is None or (expiration is not None and expiration < before):
                raise ApiError(409, f"snapshot {snapshot.id} is locked", "snapshot_locked_error")
        snapshot = cluster.fs.set_snapshot_expiration(snapshot.id, expiration)
        cluster.snapshot_revisions[snapshot.id] = cluster.snapshot_revisions.get(snapshot.id, 1) + 1
    return _answer(cluster, snapshot)


def delete(cluster: Cluster, request: Request) -> Answer:
    """Delete a snapshot."""
    snapshot = cluster.fs.snapshot(_id(request.wild[0]))
    cluster.check_etag(request, _etag(cluster, snapshot))
    if snapshot.id in cluster.locked_snapshots:
        raise ApiError(409, f"snapshot {snapshot.id} is locked", "snapshot_locked_error")
    if snapshot.id in cluster.snapshot_owners:
        raise ApiError(409, f"snapshot {snapshot.id} is in use", "snapshot_in_use_error")
    cluster.fs.delete_snapshot(snapshot.id)
    return answer(None, status=202)


def lock(cluster: Cluster, request: Request) -> Answer:
    """Lock a snapshot with a key."""
    snapshot = cluster.fs.snapshot(_id(request.wild[0]))
    key = str(request.object().get("lock_key_ref"))
    cluster.locked_snapshots[snapshot.id] = key
    return answer({"lock_key_ref": key})


def tree_diff(cluster: Cluster, request: Request) -> Answer:
    """What changed between two snapshots."""
    newer, older = _id(request.wild[0]), _id(request.wild[1])
    asked = number(request, "limit")
    page = cluster.fs.tree_diff(
        newer,
        older,
        after=request.query.get("after", ""),
        limit=min(asked if asked is not None else DEFAULT_PAGE, cluster.page_caps["diff"]),
    )
    following = next_uri(request, page.next) if page.next else ""
    return answer({"entries": page.items, "paging": {"next": following}})


def file_diff(cluster: Cluster, request: Request) -> Answer:
    """Which bytes of a file changed."""
    newer, older = _id(request.wild[0]), _id(request.wild[1])
    asked = number(request, "limit")
    page = cluster.fs.file_diff(
        newer,
        older,
        request.wild[2],
        after=request.query.get("after", ""),
        limit=min(asked if asked is not None else DEFAULT_PAGE, cluster.page_caps["diff"]),
        version=int(request.segments[0][1:]),
    )
    following = next_uri(request, page.next) if page.next else ""
    return answer({"entries": page.items, "paging": {"next": following}})


def policies(cluster: Cluster, request: Request) -> Answer:
    """Snapshot policies: there are none."""
    del cluster, request
    return answer({"entries": []})


def total_capacity(cluster: Cluster, request: Request) -> Answer:
    """Bytes that all snapshots use: nothing is written twice here."""
    del cluster, request
    return answer({"bytes": "0"})


def capacities(cluster: Cluster, request: Request) -> Answer:
    """Bytes that each snapshot uses."""
    del request
    entries = [{"id": s.id, "capacity_used_bytes": "0"} for s in cluster.fs.snapshots()]
    return answer({"entries": entries})


def capacity(cluster: Cluster, request: Request) -> Answer:
    """Bytes that one snapshot uses."""
    snapshot = cluster.fs.snapshot(_id(request.wild[0]))
    return answer({"id": snapshot.id, "capacity_used_bytes": "0"})


def calculate(cluster: Cluster, request: Request) -> Answer:
    """Bytes that a set of snapshots uses."""
    ids = request.json()
    for snapshot_id in ids if isinstance(ids, list) else []:
        cluster.fs.snapshot(int(snapshot_id))
    return answer({"bytes": "0"})
