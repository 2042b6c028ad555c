# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.readers import (
    CSV,
    JSON,
    noted_account,
    own_account,
    parse_reader,
    user_filter,
    warnings,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError

# User, protocol, auth ID and SID, as lines have them.
NFS_CSV = ("1000", "nfs3", "", "")
SMB_NUMBER_CSV = ("1000", "smb2", "", "")
ANN_CSV = ("CORP\\Ann", "smb2", "", "")
UPN_CSV = ("ann@corp.example.com", "nfsv4.1", "", "")
LOCAL_CSV = ("ann", "smb", "", "")
SID_CSV = ("S-1-5-21-7-8", "smb2", "", "")
ANN_JSON = ("CORP\\Ann", "smb2", "501", "S-1-5-21-7-8")
NFS_JSON = ("1000", "nfsv3", "501", "")
EVERYBODY = [
    NFS_CSV,
    SMB_NUMBER_CSV,
    ANN_CSV,
    UPN_CSV,
    LOCAL_CSV,
    SID_CSV,
    ANN_JSON,
    NFS_JSON,
    ("", "", "", ""),
]


@pytest.mark.parametrize(
    ("text", "matched"),
    [
        ("1000", [NFS_CSV, SMB_NUMBER_CSV, NFS_JSON]),
        ("501", []),
        ("uid:1000", [NFS_CSV, NFS_JSON]),
        ("UID: 1000", [NFS_CSV, NFS_JSON]),
        ("uid:501", []),
        ("auth_id:501", [ANN_JSON, NFS_JSON]),
        ("auth_id:1000", [SMB_NUMBER_CSV]),
        ("sid:s-1-5-21-7-8", [SID_CSV, ANN_JSON]),
        ("S-1-5-21-7-8", [SID_CSV, ANN_JSON]),
        ("corp\\ann", [ANN_CSV, ANN_JSON]),
        ("ad:ann", [ANN_CSV, UPN_CSV, ANN_JSON]),
        ("ad:CORP\\ann", [ANN_CSV, ANN_JSON]),
        ("ad:Ann@corp.example.com", [UPN_CSV]),
        ("ann", [LOCAL_CSV]),
        ("name:ann", [LOCAL_CSV]),
        ("name:1000", [NFS_CSV, SMB_NUMBER_CSV, NFS_JSON]),
    ],
)
def test_prefixes_say_which_kind_is_meant(text: str, matched: list[tuple[str, ...]]) -> None:
    matches = user_filter([text])
    assert matches is not None
    assert [who for who in EVERYBODY if matches(*who)] == matched


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "leave it out"),
        ("uid:", "put a value after 'uid:'"),
        ("uid:ann", "uid takes a number"),
        ("auth_id:-1", "auth_id takes a number"),
        ("auth_id:\u0661", "takes a number"),
        ("sid:ann", "a SID has the form S-1-5-21-..."),
        ("authid:5", "did you mean 'auth_id:5'?"),
        ("local:ann", "write uid:1000"),
        ("CORP\\\\ann", "write CORP\\ann without quotes"),
        ("ad:CORP\\\\ann", "names have one backslash"),
    ],
)
def test_what_can_match_nobody_is_refused(text: str, told: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_reader(text)
    assert told in caught.value.message


def test_what_hardly_matches_is_warned_about() -> None:
    users = ["auth_id:501", "sid:S-1-5-7", "501", "CORP\\ann", "uid:7"]
    assert [text.split("'")[1] for text in warnings(users, CSV)] == ["auth_id:501", "sid:S-1-5-7"]
    assert [text.split("'")[1] for text in warnings(users, JSON)] == ["501"]


def test_the_own_account_is_nobody_else() -> None:
    own = user_filter(own_account("atime", "1000", "S-1-5-21-7-9"))
    assert own is not None
    assert not own(*NFS_CSV)
    assert own("ATIME", "api", "", "")
    assert own("", "api", "1000", "")
    assert own_account("1000") == []


def test_the_note_of_an_earlier_release_is_read() -> None:
    assert noted_account("admin\n500\nS-1-5-21-7") == [
        "name:admin",
        "auth_id:500",
        "sid:S-1-5-21-7",
    ]
    assert noted_account("name:admin\nauth_id:500") == ["name:admin", "auth_id:500"]
    assert noted_account(None) == []
