# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints of SMB handles, sessions and locks."""

from __future__ import annotations

import json

from .cluster import Cluster
from .messages import Answer, ApiError, Json, Request, answer
from .router import Router, flag, next_uri, number


def register(router: Router) -> None:
    """Add the endpoints of this file."""
    route = router.route
    route("GET /v1/smb/files/", "PRIVILEGE_SMB_FILE_HANDLE_READ")(list_handles)
    route("POST /v1/smb/files/close", "PRIVILEGE_SMB_FILE_HANDLE_WRITE")(close_handles)
    route("GET /v1/smb/sessions/", "PRIVILEGE_SMB_SESSION_READ")(list_sessions)
    route("POST /v1/smb/sessions/close", "PRIVILEGE_SMB_SESSION_WRITE")(close_sessions)
    for kind in ("share-mode", "byte-range"):
        route(f"GET /v1/files/locks/smb/{kind}/", "PRIVILEGE_FS_LOCK_READ")(list_grants)
        route(f"GET /v1/files/{{ref}}/locks/smb/{kind}/", "PRIVILEGE_FS_LOCK_READ")(list_grants)


def list_handles(cluster: Cluster, request: Request) -> Answer:
    """A page of open handles."""
    members, last = cluster.smb.list_handles(
        file_id=number(request, "file_number"),
        resolve_paths=flag(request, "resolve_paths"),
        after=number(request, "after") or 0,
        limit=number(request, "limit"),
    )
    following = json.dumps(next_uri(request, last) if last else "")
    body = f'{{"file_handles": [{members}], "paging": {{"next": {following}}}}}'
    return Answer(200, body.encode())


def _locations(items: Json, member: str | None) -> list[str]:
    try:
        return [str((item[member] if member else item)["location"]) for item in items]
    except (KeyError, TypeError) as error:
        raise ApiError(400, f"an entry has no location: {error}") from error


def close_handles(cluster: Cluster, request: Request) -> Answer:
    """Close handles by their location; errors come one by one, with status 200."""
    return answer(cluster.smb.close(_locations(request.json(), "handle_info")))


def list_grants(cluster: Cluster, request: Request) -> Answer:
    """A page of grants, of one file or of all."""
    file_id = cluster.fs.resolve(request.wild[0]).id if request.wild else None
    grants, last = cluster.smb.list_grants(
        request.segments[-1],
        file_id=file_id,
        owner_address=request.query.get("owner_address"),
        after=number(request, "after") or 0,
        limit=number(request, "limit"),
    )
    return answer({"grants": grants, "paging": {"next": next_uri(request, last)}})


def list_sessions(cluster: Cluster, request: Request) -> Answer:
    """A page of sessions."""
    sessions = cluster.smb.sessions()
    identity = request.query.get("identity")
    if identity:
        wanted = identity.rpartition(":")[2].lower()
        sessions = [
            s
            for s in sessions
            if wanted in (s["user"]["auth_id"], str(s["user"]["name"]).lower(), s["user"]["sid"])
        ]
    start = number(request, "after") or 0
    end = start + cluster.smb.page(number(request, "limit"))
    following = next_uri(request, end) if end < len(sessions) else ""
    return answer({"session_infos": sessions[start:end], "paging": {"next": following}})


def close_sessions(cluster: Cluster, request: Request) -> Answer:
    """Close sessions."""
    return answer(cluster.smb.close_sessions(_locations(request.json(), None)))
