# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.log_words import (
    FILE_OPERATIONS,
    OPERATIONS,
    READ,
    WRITE,
    check_operations,
    protocol_filter,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError

SEEN = ("nfs", "nfs3", "nfs4", "nfsv3", "nfsv4.1", "NFSv4", "smb", "smb2", "smb3", "api", "s3")


@pytest.mark.parametrize(
    ("names", "matched"),
    [
        (["nfs"], {"nfs", "nfs3", "nfs4", "nfsv3", "nfsv4.1", "NFSv4"}),
        (["smb"], {"smb", "smb2", "smb3"}),
        (["SMB2"], {"smb2"}),
        (["nfsv4"], {"nfs4", "nfsv4.1", "NFSv4"}),
        (["nfs4.1"], {"nfsv4.1"}),
        (["nfs3", "api"], {"nfs3", "nfsv3", "api"}),
        (["s3"], {"s3"}),
        ([], set()),
    ],
)
def test_a_protocol_is_each_of_its_versions(names: list[str], matched: set[str]) -> None:
    matches = protocol_filter(names)
    assert {name for name in SEEN if matches(name)} == matched
    assert not matches("")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nsf", "did you mean 'nfs'?"),
        ("smbb", "did you mean 'smb'?"),
        ("cifs", "there are api, ftp, internal, nfs, s3, smb."),
        ("nfs5", "write nfs for all of them, or one of nfs3, nfs4"),
        ("", "is not a protocol"),
    ],
)
def test_unknown_protocols_are_refused(name: str, told: str) -> None:
    with pytest.raises(InputError, match="'" + name + "'") as caught:
        protocol_filter([name])
    assert told in caught.value.message


def test_what_operations_count_as() -> None:
    assert {name for name, kind in OPERATIONS.items() if kind in (READ, WRITE)} == {
        "fs_read_data",
        "fs_list_directory",
        "fs_read_link",
        "fs_write_data",
        "fs_copy_chunk",
    }
    assert len(OPERATIONS) > 170
    check_operations(FILE_OPERATIONS)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("fs_raed_data", "did you mean 'fs_read_data'?"),
        ("FS_READ_DATA", "did you mean 'fs_read_data'?"),
        ("read", "the operations on files are fs_copy_chunk, fs_create,"),
        ("rest_login", "has no file whose time could be set"),
    ],
)
def test_unknown_operations_are_refused(name: str, told: str) -> None:
    with pytest.raises(InputError, match=name) as caught:
        check_operations(["fs_read_data", name])
    assert told in caught.value.message
