# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Operations and protocols of the audit log, as the vendor's guide lists them.

This is the only place that knows these words. A word that is not here matches no line, so that an
option with one is a mistake.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Iterable

from ..errors import InputError

#: What an operation counts as.
READ, WRITE, LOOK, CHANGE, SESSION, SERVICE, ADMINISTRATION = (
    "read",
    "write",
    "look",
    "change",
    "session",
    "service",
    "administration",
)

#: Operations on files, the only ones that have a file to set a time of.
_ON_FILES = {
    READ: "fs_read_data fs_list_directory fs_read_link",
    WRITE: "fs_write_data fs_copy_chunk",
    LOOK: "fs_fsstat fs_open fs_read_metadata fs_read_user_metadata",
    CHANGE: (
        "fs_create fs_create_directories fs_create_directory fs_create_file fs_create_hard_link "
        "fs_create_stream fs_create_symlink fs_delete fs_rename fs_set_quota fs_tree_delete "
        "fs_write_file_lock fs_write_metadata fs_write_user_metadata"
    ),
}
#: All others: they have no file.
_WITHOUT_FILE = {
    SESSION: (
        "ftp_login nfs_mount rest_login share_connect smb_close_handle smb_close_session smb_login "
        "smb2_notify_req"
    ),
    SERVICE: "remote_syslog_shutdown remote_syslog_startup",
    ADMINISTRATION: """
        smb_create_share smb_modify_share smb_delete_share
        ad_cancel_operation ad_dismiss_error ad_join ad_kerberos_renew_ticket ad_leave
        ad_modify_settings ad_reconfigure
        audit_modify_cloudwatch_config audit_modify_syslog_config
        auth_add_group auth_add_member_to_group auth_assign_role auth_create_access_token
        auth_create_role auth_create_user auth_delete_access_token auth_delete_group
        auth_delete_identity_attributes auth_delete_role auth_delete_user auth_get_access_token
        auth_get_access_tokens auth_modify_access_token auth_modify_group
        auth_modify_identity_attributes auth_modify_role auth_modify_user
        auth_modify_user_password auth_remove_member_from_group auth_set_user_defined_mappings
        auth_unassign_role
        cluster_add_nodes cluster_calculate_node_add_capacity cluster_generate_vpn_private_key
        cluster_initiate_node_replacement_plan cluster_install_vpn_keys cluster_locate_disk_slot
        cluster_modify_config cluster_modify_monitoring_config cluster_modify_nodes
        cluster_modify_nodes_dry_run cluster_modify_upgrade_config
        cluster_nodes_resolve_indeterminate_modification
        dns_create dns_delete dns_modify dns_set_lookup_overrides
        encryption_create_key encryption_rotate_keys encryption_update_config
        fs_create_public_key fs_delete_public_key fs_modify_atime_settings
        fs_modify_notify_settings fs_modify_permissions_settings fs_modify_public_key
        fs_release_nlm_locks_by_client fs_release_nlm_locks_by_file fs_replace_public_key fs_sample
        ftp_modify_settings identity_create identity_delete identity_modify
        kerberos_delete_keytab kerberos_modify_settings kerberos_set_keytab ldap_modify_settings
        network_create_config network_delete_config network_modify_config network_modify_interface
        nfs_create_export nfs_delete_export nfs_delete_settings nfs_modify_export
        nfs_modify_settings node_halt node_restart node_set_identify_light
        reboot_pause reboot_resume reboot_start
        replication_abort replication_abort_object_relationship
        replication_authorize_target_relationship replication_create_object_relationship
        replication_create_source_relationship replication_delete_object_relationship
        replication_delete_source_relationship replication_delete_target_relationship
        replication_dismiss_source_relationship_error
        replication_dismiss_target_relationship_error replication_make_target_writable
        replication_modify_source_relationship replication_reconnect_target_relationship
        replication_release_queued_snapshot replication_replicate_object_relationship
        replication_reverse_target_relationship replication_start
        replication_target_relationship_lock
        s3_abort_upload s3_add_bucket s3_bucket_policy_explain_access s3_create_key
        s3_delete_bucket s3_delete_key s3_get_bucket_policy s3_modify_bucket s3_modify_settings
        s3_put_bucket_policy saml_modify_settings session_change_password shutdown_halt
        smb_delete_settings smb_modify_settings
        snapshot_create_policy snapshot_create_snapshot snapshot_delete_policy
        snapshot_delete_snapshot snapshot_lock_snapshot snapshot_modify_policy
        snapshot_modify_snapshot snapshot_unlock_snapshot snapshot_unlock_snapshot_challege
        ssl_delete_ca_certificate ssl_modify_ca_certificate ssl_modify_certificate
        tenant_create tenant_delete tenant_modify time_modify_config
        tree_delete_cancel tree_delete_start web_ui_modify_settings
    """,
}

#: Each operation with what it counts as.
OPERATIONS: dict[str, str] = {
    name: kind
    for kinds in (_ON_FILES, _WITHOUT_FILE)
    for kind, names in kinds.items()
    for name in names.split()
}
#: Those that can set an access time.
FILE_OPERATIONS = frozenset(name for names in _ON_FILES.values() for name in names.split())

#: Protocols, with the versions that are known of them. Releases differ in whether and how they
#: write a version: nfs, nfs3, nfsv3 and nfsv4.1 have all been seen.
PROTOCOLS: dict[str, tuple[str, ...]] = {
    "api": (),
    "ftp": (),
    "internal": (),
    "nfs": ("3", "4", "4.0", "4.1", "4.2"),
    "s3": (),
    "smb": ("1", "2", "2.0", "2.1", "3", "3.0", "3.0.2", "3.1.1"),
}
NFS = "nfs"
_VERSIONED = re.compile(r"(nfs|smb)(?:v?([0-9]+(?:\.[0-9]+)*))?", re.ASCII)


def check_operations(names: Iterable[str]) -> None:
    """Make sure that operations can have a file whose time is set.

    :raises InputError: one is not on the vendor's list, or has no file.
    """
    for name in names:
        if name in FILE_OPERATIONS:
            continue
        if name in OPERATIONS:
            raise InputError(
                f"The operation '{name}' has no file whose time could be set: remove it."
            )
        listed = f"the operations on files are {', '.join(sorted(FILE_OPERATIONS))}."
        raise InputError(
            f"'{name}' is not an operation of the audit log: {_near(name, FILE_OPERATIONS, listed)}"
        )


def family(protocol: str) -> str:
    """Return a protocol of a line without its version, in lower case."""
    name = protocol.casefold()
    match = _VERSIONED.fullmatch(name)
    return match[1] if match else name


def protocol_filter(names: Iterable[str]) -> Callable[[str], bool]:
    """Return a function that tells whether a line's protocol is one of some.

    ``nfs`` is every version of it, ``nfs4`` is ``nfsv4.1`` as well. Case does not matter.

    :raises InputError: a name is not a protocol.
    """
    wanted = [_protocol(name) for name in names]

    def matches(protocol: str) -> bool:
        name, version = _split(protocol)
        return any(
            name == known and (not least or version == least or version.startswith(f"{least}."))
            for known, least in wanted
        )

    return matches


def _split(protocol: str) -> tuple[str, str]:
    name = protocol.casefold()
    match = _VERSIONED.fullmatch(name)
    return (match[1], match[2] or "") if match else (name, "")


def _protocol(text: str) -> tuple[str, str]:
    name, version = _split(text.strip())
    known = PROTOCOLS.get(name)
    if known is None:
        every = [*PROTOCOLS, *(f"{kind}{v}" for kind, all_v in PROTOCOLS.items() for v in all_v)]
        listed = f"there are {', '.join(PROTOCOLS)}."
        raise InputError(
            f"'{text}' is not a protocol of the audit log: {_near(name, every, listed)}"
        )
    if version and version not in known:
        raise InputError(
            f"'{text}' is not a version of {name}: write {name} for all of them, or one of "
            f"{', '.join(f'{name}{one}' for one in known)}."
        )
    return name, version


def _near(name: str, known: Collection[str], otherwise: str) -> str:
    near = difflib.get_close_matches(name.casefold(), known, 1)
    return f"did you mean '{near[0]}'?" if near else otherwise
