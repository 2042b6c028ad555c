# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which privilege a REST route needs, to name the one that a 403 lacks.

Source: the privileges that the vendor's REST API guide and `qq auth_list_privileges` name for
each area of the API.
"""

from __future__ import annotations

import re

_READ_WRITE = (
    (r"/v1/smb/files/", "PRIVILEGE_SMB_FILE_HANDLE"),
    (r"/v1/smb/sessions/", "PRIVILEGE_SMB_SESSION"),
    (r"/v1/audit/", "PRIVILEGE_AUDIT"),
    (r"/v2/audit/", "PRIVILEGE_AUDIT"),
    (r"/v1/file-system/settings/", "PRIVILEGE_FS_SETTINGS"),
    (r"/v\d/snapshots/policies/", "PRIVILEGE_SNAPSHOT_POLICY"),
    (r"/v\d/snapshots/", "PRIVILEGE_SNAPSHOT"),
    (r"/v1/auth/access-tokens/", "PRIVILEGE_ACCESS_TOKENS"),
)
_EXACT = (
    (r"\w+ /v\d/snapshots/\d+/changes-since/.*", "PRIVILEGE_SNAPSHOT_DIFFERENCE_READ"),
    (r"\w+ /v\d/snapshots/\d+/(un)?lock.*", "PRIVILEGE_SNAPSHOT_LOCK"),
    (r"GET /v1/files/([^/]+/)?locks/.*", "PRIVILEGE_FS_LOCK_READ"),
    (r"PATCH /v1/files/[^/]+/file-lock", "PRIVILEGE_FS_FILE_LOCK_WRITE"),
    (r"GET /v1/file-system", "PRIVILEGE_FS_ATTRIBUTES_READ"),
    (r"POST /v1/identity/(find|expand)", "PRIVILEGE_IDENTITY_READ"),
    (r"GET /v\d/time/.*", "PRIVILEGE_TIME_READ"),
    (r"GET /v\d/network/.*", "PRIVILEGE_NETWORK_READ"),
)


def required_privilege(method: str, uri: str) -> str | None:
    """Return the name of the privilege that a route needs, or None if permissions decide."""
    path = uri.split("?", 1)[0]
    for pattern, privilege in _EXACT:
        if re.fullmatch(pattern, f"{method} {path}"):
            return privilege
    for pattern, prefix in _READ_WRITE:
        if re.match(pattern, path if path.endswith("/") else path + "/"):
            return prefix + ("_READ" if method == "GET" else "_WRITE")
    return None
