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
from .errors import InputError, ProtocolError

#: Name -> (URI, method that changes it).
_SETTINGS = {
    "access_times": ("/v1/file-system/settings/atime", "PATCH"),
    "audit_syslog": ("/v1/audit/syslog/config", "PATCH"),
    "notifications": ("/v1/file-system/settings/notify", "PUT"),
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
    for name, (uri, method) in _SETTINGS.items():
        if params.get(name) is None:
            continue
        change = plan(name, client.get(uri), params[name])
        if change.changes and not check_mode:
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


def _shown(settings: Mapping[str, Any]) -> str:
    return json.dumps(settings, indent=2, sort_keys=True) + "\n"
