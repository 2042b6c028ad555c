# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Endpoints of version, time, names and file-system settings."""

from __future__ import annotations

from .cluster import Cluster
from .messages import Answer, ApiError, Json, Request, answer
from .model import rfc3339
from .router import Router

VERSION = "Qumulo Core 7.3.0"


def register(router: Router) -> None:
    """Add the endpoints of this file."""
    route = router.route
    route("GET /v1/version", public=True)(version)
    route("POST /v1/dns/resolve-ips-to-names")(resolve_addresses)
    route("GET /v2/time/status", "PRIVILEGE_TIME_READ")(time_status)
    route("GET /v2/network/interfaces/{id}/status/", "PRIVILEGE_NETWORK_READ")(network_status)
    settings = "/v1/file-system/settings"
    route(f"GET {settings}/atime", "PRIVILEGE_FS_SETTINGS_READ")(atime)
    route(f"PATCH {settings}/atime", "PRIVILEGE_FS_SETTINGS_WRITE")(set_atime)
    route(f"PUT {settings}/atime", "PRIVILEGE_FS_SETTINGS_WRITE")(set_atime)
    route(f"GET {settings}/notify", "PRIVILEGE_FS_SETTINGS_READ")(notify)
    route(f"PUT {settings}/notify", "PRIVILEGE_FS_SETTINGS_WRITE")(set_notify)


def version(cluster: Cluster, request: Request) -> Answer:
    """Which version runs; needs no login, as on a cluster."""
    del cluster, request
    return answer(
        {
            "build_date": "2026-01-01T00:00:00Z",
            "build_id": "simulated",
            "flavor": "release",
            "revision_id": VERSION,
        }
    )


def resolve_addresses(cluster: Cluster, request: Request) -> Answer:
    """Names of addresses: the name service of the simulated network knows none."""
    del cluster
    addresses = request.json()
    if not isinstance(addresses, list):
        raise ApiError(400, "a list of addresses is wanted")
    return answer([{"ip_address": ip, "hostname": "", "result": "NOT_FOUND"} for ip in addresses])


def time_status(cluster: Cluster, request: Request) -> Answer:
    """The cluster's time."""
    del request
    return answer({"time": rfc3339(cluster.now_ns())})


def network_status(cluster: Cluster, request: Request) -> Answer:
    """Addresses of all nodes; there are no floating ones."""
    if request.wild[0] != "1":
        raise ApiError(404, f"there is no interface {request.wild[0]}")
    return answer(
        [
            {
                "interface_id": 1,
                "network_statuses": [
                    {
                        "address": address,
                        "assigned_by": "STATIC",
                        "floating_addresses": [],
                        "name": "Default",
                        "network_id": 1,
                    }
                ],
                "node_id": number,
                "node_name": f"simulated-{number}",
            }
            for number, address in enumerate(cluster.nodes, 1)
        ]
    )


def _change(cluster: Cluster, request: Request, allowed: dict[str, tuple[Json, ...]]) -> Json:
    """The body, if it has only known members with possible values."""
    cluster.check_etag(request, cluster.settings_etag())
    body = request.object()
    for name, value in body.items():
        if name not in allowed or (allowed[name] and value not in allowed[name]):
            raise ApiError(400, f"{name}: {value!r} is not possible")
    cluster.settings_revision += 1
    return body


def atime(cluster: Cluster, request: Request) -> Answer:
    """Whether the cluster keeps access times."""
    del request
    return answer(cluster.atime, etag=cluster.settings_etag())


def set_atime(cluster: Cluster, request: Request) -> Answer:
    """Switch access times on or off."""
    granularities = ("HOUR", "DAY", "WEEK")
    body = _change(cluster, request, {"enabled": (True, False), "granularity": granularities})
    cluster.atime.update(body)
    return answer(cluster.atime, etag=cluster.settings_etag())


def notify(cluster: Cluster, request: Request) -> Answer:
    """What becomes of recursive change notifications."""
    del request
    mode = cluster.notifications.recursive_mode
    return answer({"recursive_mode": mode}, etag=cluster.settings_etag())


def set_notify(cluster: Cluster, request: Request) -> Answer:
    """Change what becomes of recursive change notifications."""
    modes = ("ENABLED", "DISABLED_IGNORE", "DISABLED_ERROR")
    body = _change(cluster, request, {"recursive_mode": modes})
    cluster.notifications.recursive_mode = body["recursive_mode"]
    return notify(cluster, request)
