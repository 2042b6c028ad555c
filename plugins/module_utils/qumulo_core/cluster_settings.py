# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a cluster that the services of this collection depend on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from .client import Client
from .domain.granted import check_granted
from .errors import InputError, ProtocolError
from .rest.hosts import parse_address_of

#: Name -> (URI, method that changes it, privilege to change it).
_SETTINGS = {
    "access_times": ("/v1/file-system/settings/atime", "PATCH", "PRIVILEGE_FS_SETTINGS_WRITE"),
    "audit_syslog": ("/v1/audit/syslog/config", "PATCH", "PRIVILEGE_AUDIT_WRITE"),
    "notifications": ("/v1/file-system/settings/notify", "PUT", "PRIVILEGE_FS_SETTINGS_WRITE"),
}


@dataclass(frozen=True)
class Change:
    """One setting before and after.

    :param wanted: members that were asked for.
    :param confirmed: the setting after the change, as the cluster returned it; None: unchanged.
    """

    name: str
    before: dict[str, Any]
    wanted: dict[str, Any]
    confirmed: dict[str, Any] | None = None

    @property
    def after(self) -> dict[str, Any]:
        """The setting as it is now, or would be in check mode."""
        return {**self.before, **self.wanted} if self.confirmed is None else self.confirmed

    @property
    def changes(self) -> bool:
        """True if there is anything to do."""
        return self.before != self.after


def plan(name: str, before: Mapping[str, Any], wanted: Mapping[str, Any]) -> Change:
    """Decide what has to change; members that are not requested stay unchanged.

    :raises InputError: no member is requested.
    """
    asked = {key: value for key, value in wanted.items() if value is not None}
    if not asked:
        raise InputError(f"{name} is empty: name at least one setting in it, or leave it out.")
    return Change(name, _without_etag(before), asked)


def confirm(change: Change, answer: Mapping[str, Any]) -> Change:
    """Return a change with the setting as the cluster has it now.

    :raises ProtocolError: it is not the requested one.
    """
    for key, value in change.wanted.items():
        if answer.get(key) != value:
            raise ProtocolError(
                f"The cluster did not set {change.name}: {key} is {answer.get(key)!r}, not "
                f"{value!r}. Check the setting on the cluster."
            )
    return replace(change, confirmed=_without_etag(answer))


def _without_etag(setting: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in setting.items() if key != "etag"}


def ensure(client: Client, params: Mapping[str, Any], check_mode: bool) -> dict[str, Any]:
    """Bring settings to what is asked for; return what a module reports.

    What is not asked for is neither read nor changed.
    """
    changes = []
    if params.get("audit_syslog") is not None:
        params = {**params, "audit_syslog": _checked(params["audit_syslog"])}
    for name, (uri, method, privilege) in _SETTINGS.items():
        if params.get(name) is None:
            continue
        change = plan(name, client.get(uri), params[name])
        if name == "audit_syslog":
            _check_receiver(change)
        if change.changes and check_mode:
            check_granted(client, privilege)
        elif change.changes:
            body = change.wanted if method == "PATCH" else change.after
            answer = client.rest.request(method, uri, body=body)
            if not isinstance(answer, dict) or not answer.keys() >= change.wanted.keys():
                answer = client.get(uri)
            change = confirm(change, answer)
        changes.append(change)
    return {
        "changed": any(change.changes for change in changes),
        "before": {change.name: change.before for change in changes},
        "settings": {change.name: change.after for change in changes},
        "diff": {
            "before": _shown({change.name: change.before for change in changes}),
            "after": _shown({change.name: change.after for change in changes}),
        },
    }


def _checked(wanted: Mapping[str, Any]) -> dict[str, Any]:
    """Return the audit log's settings with the address in its usual form.

    :raises InputError: address or port cannot be one.
    """
    checked = dict(wanted)
    if checked.get("server_address") is not None:
        checked["server_address"] = parse_address_of(
            checked["server_address"], "audit_syslog.server_address", "audit_syslog.server_port"
        )
    port = checked.get("server_port")
    if port is not None and not 0 < port < 65536:
        raise InputError(f"audit_syslog.server_port {port} is not a TCP port: use 1 to 65535.")
    return checked


def _check_receiver(change: Change) -> None:
    if change.after.get("enabled") and not change.after.get("server_address"):
        raise InputError(
            "audit_syslog is enabled without an address to send the log to: set server_address."
        )


def _shown(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, indent=2, sort_keys=True) + "\n"
