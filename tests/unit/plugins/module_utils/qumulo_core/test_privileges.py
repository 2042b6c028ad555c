# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.privileges import (
    required_privilege,
)


@pytest.mark.parametrize(
    ("method", "uri", "privilege"),
    [
        ("GET", "/v1/smb/files/?limit=5", "PRIVILEGE_SMB_FILE_HANDLE_READ"),
        ("POST", "/v1/smb/files/close", "PRIVILEGE_SMB_FILE_HANDLE_WRITE"),
        ("GET", "/v1/smb/sessions/", "PRIVILEGE_SMB_SESSION_READ"),
        ("POST", "/v1/smb/sessions/close", "PRIVILEGE_SMB_SESSION_WRITE"),
        ("GET", "/v1/files/locks/smb/share-mode/", "PRIVILEGE_FS_LOCK_READ"),
        ("GET", "/v1/files/%2Fa/locks/smb/byte-range/?limit=1", "PRIVILEGE_FS_LOCK_READ"),
        ("PATCH", "/v1/files/17/file-lock", "PRIVILEGE_FS_FILE_LOCK_WRITE"),
        ("POST", "/v1/identity/find", "PRIVILEGE_IDENTITY_READ"),
        ("GET", "/v3/snapshots/?filter=all", "PRIVILEGE_SNAPSHOT_READ"),
        ("GET", "/v4/snapshots/status/", "PRIVILEGE_SNAPSHOT_READ"),
        ("POST", "/v3/snapshots/", "PRIVILEGE_SNAPSHOT_WRITE"),
        ("DELETE", "/v3/snapshots/3", "PRIVILEGE_SNAPSHOT_WRITE"),
        ("GET", "/v2/snapshots/4/changes-since/3?limit=1", "PRIVILEGE_SNAPSHOT_DIFFERENCE_READ"),
        ("GET", "/v1/audit/syslog/config", "PRIVILEGE_AUDIT_READ"),
        ("GET", "/v1/file-system/settings/atime", "PRIVILEGE_FS_SETTINGS_READ"),
        ("GET", "/v1/files/%2Fa/info/attributes", None),
        ("GET", "/v1/version", None),
    ],
)
def test_privilege_of_a_route(method: str, uri: str, privilege: str | None) -> None:
    assert required_privilege(method, uri) == privilege
