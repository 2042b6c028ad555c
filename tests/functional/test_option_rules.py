# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An option that would have no effect is an error, before the cluster is asked for anything."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .module_calls import Call, call
from .test_examples import documented

__all__ = ["call"]

#: Nobody answers there: a module that gets as far as to ask says so.
NOWHERE = {
    "host": "127.0.0.1",
    "port": 9,
    "username": "nobody",
    "password": "Xy7-qq9",
    "retries": 0,
}
LOCK, LOCK_INFO = "qumulo_file_lock", "qumulo_file_lock_info"
SNAPSHOT, LIST = "qumulo_snapshot", "qumulo_changelist"
SMB, SMB_INFO = "qumulo_smb_lock", "qumulo_smb_lock_info"
PAIR = {"newer": "a", "older": "b", "dest": "/tmp/list"}
POINT = {"checkpoint": "c", "path": "/p"}
COMMIT = {**POINT, "state": "committed"}

CASES: list[tuple[str, dict[str, Any], dict[str, Any], str]] = [
    (LOCK, {"path": ["/a"], "retention": "1d"}, {"include": ["*.pdf"]}, "recurse: true"),
    (LOCK, {"path": ["/a"], "retention": "1d"}, {"exclude": ["*.pdf"]}, "recurse: true"),
    (LOCK, {"path": ["/a"], "legal_hold": True}, {"slack": "1h"}, "retention"),
    (LOCK, {"path": ["/a"], "legal_hold": True}, {"on_longer": "fail"}, "retention"),
    (LOCK, {"path": ["/a"], "legal_hold": False}, {"max_retention": "1y"}, "retention"),
    (LOCK, {"path": ["/a"], "legal_hold": True}, {"max_clock_skew": "5min"}, "retention"),
    (LOCK_INFO, {"path": ["/a"]}, {"include": ["*.pdf"]}, "recurse: true"),
    (LOCK_INFO, {"path": ["/a"]}, {"exclude": ["*.pdf"]}, "recurse: true"),
    (LOCK_INFO, {"path": ["/a"]}, {"before": "30d"}, r"status: expiring \(it is all\)"),
    (
        *(LOCK_INFO, {"path": ["/a"], "status": "expired"}, {"before": "30d"}),
        r"status: expiring \(it is expired\)",
    ),
    (LOCK_INFO, {"path": ["/a"]}, {"format": "csv"}, "dest"),
    (LOCK_INFO, {"path": ["/a"], "dest": "/tmp/x"}, {"max_results": 1000}, "with dest"),
    (LOCK_INFO, {"path": ["/a"]}, {"formula_guard": False}, "dest"),
    (SMB_INFO, {}, {"formula_guard": False}, "dest"),
    (
        LOCK,
        {"path": ["/a"], "retention": "1d"},
        {"max_results": -1},
        "0 or more: set it to the number of files",
    ),
    (LOCK_INFO, {"path": ["/a"]}, {"max_results": -1}, "0 or more: set it to the number of files"),
    (SMB, {"path": ["/a"]}, {"max_results": -1}, "0 or more: set it to the number of handles"),
    (SMB_INFO, {}, {"max_results": -1}, "0 or more: set it to the number of handles"),
    (SMB_INFO, {}, {"format": "csv"}, "dest"),
    (SMB_INFO, {"dest": "/tmp/x"}, {"max_results": 1000}, "with dest"),
    (SNAPSHOT, {"name": "n"}, {"slack": "1h"}, "expiration"),
    (SNAPSHOT, {"name": "n"}, {"keep": 2}, "for state absent"),
    (SNAPSHOT, {"state": "absent", "name": "n"}, {"slack": "1h"}, "expiration"),
    (SNAPSHOT, {"state": "absent", "name": "n"}, {"expiration": "1d"}, "not for state absent"),
    (SNAPSHOT, {"state": "absent", "snapshot_id": 1}, {"path": "/p"}, "with snapshot_id"),
    (SNAPSHOT, {"state": "absent", "snapshot_id": 1}, {"keep": 1}, "mutually exclusive"),
    (LIST, PAIR, {"path": "/p"}, "checkpoint"),
    (LIST, PAIR, {"auto_commit": True}, "checkpoint"),
    (LIST, PAIR, {"keep": 1}, "checkpoint"),
    (LIST, PAIR, {"delivery": 1}, "state: committed"),
    (LIST, {**POINT, "dest": "/tmp/x"}, {"keep": 1}, "auto_commit: true"),
    *[
        (LIST, right, {name: value}, f"{name} has no effect with checkpoint")
        for right in ({**POINT, "dest": "/tmp/x"}, COMMIT)
        for name, value in {"newer": "a", "older": "b", "newer_id": 2, "older_id": 1}.items()
    ],
    (LIST, PAIR, {"map_to": "/mnt"}, r"attributes: mount \(it is api\)"),
    (LIST, PAIR, {"index": 1}, r"format: xml \(it is jsonl\)"),
    (LIST, PAIR, {"expand_deleted": True}, "deletes: true"),
    (LIST, PAIR, {"separate_deletes": True}, "deletes: true"),
    (
        *(LIST, {**PAIR, "deletes": True, "format": "nul"}, {"renames": True}),
        "format: jsonl, csv or parquet",
    ),
    (LIST, {**PAIR, "format": "nul"}, {"ranges": True}, "one of the formats"),
    (LIST, {**PAIR, "format": "rclone"}, {"file_locks": True}, "format: jsonl, csv, parquet or"),
    *[
        (LIST, COMMIT, {name: value}, f"{name} has no effect with state: committed")
        for name, value in {
            "dest": "/tmp/x",
            "format": "jsonl",
            "compress": "gzip",
            "split": 1,
            "attributes": "api",
            "file_locks": True,
            "deletes": True,
            "expand_deleted": True,
            "separate_deletes": True,
            "renames": True,
            "ranges": True,
            "base_path": "/p/",
            "map_to": "/mnt",
            "index": 1,
            "workers": 16,
            "status": "/tmp/s",
            "auto_commit": True,
            "owner_names": True,
            "formula_guard": True,
        }.items()
    ],
]


@pytest.mark.parametrize(("module", "right", "more", "told"), CASES)
def test_an_option_without_effect_is_refused(
    call: Call, module: str, right: dict[str, Any], more: dict[str, Any], told: str
) -> None:
    result = call(module, **NOWHERE, **right, **more)
    assert result["failed"] is True
    (name,) = more
    message = str(result["msg"])
    assert name in message and "\n" not in message
    assert re.search(told, message), message


def test_each_option_of_a_list_is_refused_when_one_is_committed() -> None:
    options = set(documented(LIST, "DOCUMENTATION")["options"])
    refused = {name for _module, right, more, _told in CASES if right is COMMIT for name in more}
    of_both = {"state", "checkpoint", "path", "delivery", "keep"}
    assert options - of_both == refused


@pytest.mark.parametrize(
    ("module", "right", "more"),
    [
        (LOCK, {"path": ["/a"], "retention": "1d"}, {"include": [], "exclude": []}),
        (LOCK_INFO, {"path": ["/a"]}, {"exclude": [], "recurse": False}),
        (LIST, PAIR, {"auto_commit": False, "renames": False}),
    ],
)
def test_what_asks_for_nothing_is_not_refused(
    call: Call, module: str, right: dict[str, Any], more: dict[str, Any]
) -> None:
    assert "no effect" not in call(module, **NOWHERE, **right, **more)["msg"]
