# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which privileges each part of the collection needs.

The names are those of ``GET /v1/session/who-am-i`` ("Qumulo REST API guide", and
``qq auth_list_privileges``).
"""

from __future__ import annotations

from dataclasses import dataclass

SERVICES = ("modules", "watcher", "atime", "lock_manager")


@dataclass(frozen=True)
class Needs:
    """Privileges of one part.

    :param required: without these it does not work.
    :param useful: without these it does less; each with what is lost.
    """

    required: tuple[str, ...]
    useful: tuple[tuple[str, str], ...] = ()


_SNAPSHOTS = "it walks the tree to catch up, which takes longer"
NEEDS: dict[str, Needs] = {
    "modules": Needs(
        (),
        (
            ("PRIVILEGE_SMB_FILE_HANDLE_READ", "SMB locks can not be listed"),
            ("PRIVILEGE_SMB_FILE_HANDLE_WRITE", "SMB handles can not be closed"),
            ("PRIVILEGE_FS_LOCK_READ", "share modes and byte ranges are not shown"),
            ("PRIVILEGE_IDENTITY_READ", "users have no names"),
            ("PRIVILEGE_FS_FILE_LOCK_WRITE", "files can not be locked"),
            ("PRIVILEGE_SNAPSHOT_READ", "snapshots can not be listed"),
            ("PRIVILEGE_SNAPSHOT_WRITE", "snapshots can not be taken"),
            ("PRIVILEGE_SNAPSHOT_DIFFERENCE_READ", "there are no change lists"),
        ),
    ),
    "watcher": Needs(
        ("PRIVILEGE_FS_FILE_LOCK_WRITE",),
        (
            ("PRIVILEGE_SNAPSHOT_READ", _SNAPSHOTS),
            ("PRIVILEGE_SNAPSHOT_WRITE", _SNAPSHOTS),
            ("PRIVILEGE_SNAPSHOT_DIFFERENCE_READ", _SNAPSHOTS),
            ("PRIVILEGE_SMB_FILE_HANDLE_READ", "it can not wait for open handles"),
            ("PRIVILEGE_FS_SETTINGS_READ", "it can not see whether notifications are recursive"),
        ),
    ),
    "atime": Needs(
        (),
        (
            ("PRIVILEGE_AUDIT_READ", "it can not see whether the audit log reaches this host"),
            ("PRIVILEGE_FS_SETTINGS_READ", "it can not see whether the cluster writes times too"),
        ),
    ),
    "lock_manager": Needs(
        ("PRIVILEGE_SMB_FILE_HANDLE_READ", "PRIVILEGE_SMB_FILE_HANDLE_WRITE"),
        (
            ("PRIVILEGE_FS_LOCK_READ", "share modes and byte ranges are not shown"),
            ("PRIVILEGE_IDENTITY_READ", "users have no names"),
            ("PRIVILEGE_SMB_SESSION_READ", "clients of one file can not be told apart"),
        ),
    ),
}
