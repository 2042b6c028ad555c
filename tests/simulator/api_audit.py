# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints of the audit log: the single receiver of old, and destinations."""

from __future__ import annotations

from .audit import AuditLog
from .cluster import Cluster
from .messages import Answer, ApiError, Json, Request, answer
from .router import Router

READ, WRITE = "PRIVILEGE_AUDIT_READ", "PRIVILEGE_AUDIT_WRITE"


def register(router: Router) -> None:
    """Add the endpoints of this file."""
    route = router.route
    route("GET /v1/audit/syslog/config", READ)(config)
    route("PATCH /v1/audit/syslog/config", WRITE)(set_config)
    route("PUT /v1/audit/syslog/config", WRITE)(set_config)
    route("GET /v1/audit/syslog/status", READ)(status)
    route("GET /v2/audit/destinations/", READ)(list_destinations)
    route("POST /v2/audit/destinations/", WRITE)(create_destination)
    route("GET /v2/audit/destinations/{id}", READ)(get_destination)
    route("PUT /v2/audit/destinations/{id}", WRITE)(modify_destination)
    route("PATCH /v2/audit/destinations/{id}", WRITE)(modify_destination)
    route("DELETE /v2/audit/destinations/{id}", WRITE)(delete_destination)
    route("GET /v2/audit/destinations/{id}/status", READ)(destination_status)


def _checked(body: dict[str, Json]) -> dict[str, Json]:
    """Settings of a receiver, if all of them are possible.

    :raises ApiError: 400 if one is not
    """
    possible: dict[str, tuple[Json, ...]] = {
        "enabled": (True, False),
        "server_address": (),
        "server_port": (),
        "format": ("csv", "json"),
        "local_enabled": (True, False),
    }
    for name, value in body.items():
        if name not in possible or (possible[name] and value not in possible[name]):
            raise ApiError(400, f"{name}: {value!r} is not possible")
    return body


def config(cluster: Cluster, request: Request) -> Answer:
    """Where the audit log goes."""
    del request
    return answer(cluster.audit.config, etag=cluster.settings_etag())


def set_config(cluster: Cluster, request: Request) -> Answer:
    """Change where the audit log goes."""
    cluster.check_etag(request, cluster.settings_etag())
    cluster.audit.configure(_checked(request.object()))
    cluster.settings_revision += 1
    return answer(cluster.audit.config, etag=cluster.settings_etag())


def status(cluster: Cluster, request: Request) -> Answer:
    """Whether the audit log arrives."""
    del request
    return answer(cluster.audit.status())


# -- destinations: as the SDK, rest/audit.py, sends them ----------------------------------------


def _render(number: int, log: AuditLog) -> Json:
    known = log.config
    return {
        "id": number,
        "config": {
            "type": "SYSLOG",
            "name": log.name,
            "enabled": known["enabled"],
            "server_address": known["server_address"],
            "server_port": known["server_port"],
            "log_format": known["format"],
        },
    }


def _find(cluster: Cluster, request: Request) -> tuple[int, AuditLog]:
    text = request.wild[0]
    log = cluster.destinations.get(int(text)) if text.isdigit() else None
    if log is None:
        raise ApiError(404, f"there is no audit destination {text}")
    return int(text), log


def _configure(log: AuditLog, body: dict[str, Json]) -> None:
    if body.get("type", "SYSLOG") != "SYSLOG":
        raise ApiError(400, f"{body['type']} destinations are not simulated")
    changes = {
        ("format" if name == "log_format" else name): value
        for name, value in body.items()
        if name not in ("type", "name")
    }
    log.configure(_checked(changes))
    log.name = str(body.get("name", log.name))


def list_destinations(cluster: Cluster, request: Request) -> Answer:
    """All destinations."""
    del request
    return answer({"entries": [_render(n, log) for n, log in cluster.destinations.items()]})


def create_destination(cluster: Cluster, request: Request) -> Answer:
    """Add a destination."""
    log = AuditLog(cluster.clock)
    body = request.object().get("config")
    if not isinstance(body, dict) or not body.get("name"):
        raise ApiError(400, "config with a name is missing")
    _configure(log, body)
    number = max(cluster.destinations, default=0) + 1
    cluster.destinations[number] = log
    return answer(_render(number, log), etag='"1"')


def get_destination(cluster: Cluster, request: Request) -> Answer:
    """One destination."""
    return answer(_render(*_find(cluster, request)), etag='"1"')


def modify_destination(cluster: Cluster, request: Request) -> Answer:
    """Change a destination."""
    number, log = _find(cluster, request)
    _configure(log, request.object())
    return answer(_render(number, log), etag='"1"')


def delete_destination(cluster: Cluster, request: Request) -> Answer:
    """Remove a destination."""
    number, log = _find(cluster, request)
    log.stop()
    del cluster.destinations[number]
    return answer(None)


def destination_status(cluster: Cluster, request: Request) -> Answer:
    """Whether the audit log arrives there."""
    return answer(_find(cluster, request)[1].status())
