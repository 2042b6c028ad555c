# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings of a cluster that the services of this collection depend on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .client import Client

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
    """

    name: str
    before: dict[str, Any]
    wanted: dict[str, Any]

    @property
    def after(self) -> dict[str, Any]:
        """The setting as it shall be."""
        return {**self.before, **self.wanted}

    @property
    def changes(self) -> bool:
        """True if there is anything to do."""
        return self.before != self.after


def plan(name: str, before: Mapping[str, Any], wanted: Mapping[str, Any]) -> Change:
    """Decide what has to change; members that are not asked for stay as they are."""
    asked = {key: value for key, value in wanted.items() if value is not None}
    return Change(name, {k: v for k, v in before.items() if k != "etag"}, asked)


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
            client.rest.request(method, uri, body=body)
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
