# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sentence in which a module answers."""

from __future__ import annotations

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils import _answers

HANDLE = {"file_id": "1", "can_lose_work": True}
HANDLES = {"handles": 2, "users": 1, "files": 1, "can_lose_work": 1}
SNAPSHOT = {"name": "17_a", "suffix": "a", "path": "/p", "expiration": "never"}
LOCKED = {"locked": 2, "unchanged": 1, "left_out": 0, "held_back": 0, "truncated": False}
LEFT = {"name": "9_a", "reason": "locked"}
LOCKS = {"files": 5, "locked": 3, "held": 1, "unlocked": 2}
CHANGES = {"created": 3, "modified": 1, "deleted": 0, "renamed": 0}
LISTED = {"totals": CHANGES, "older": {"name": "17_a"}, "dest": "/l"}


@pytest.mark.parametrize(
    ("answer", "result", "done", "planned"),
    [
        (
            _answers.smb_locks,
            {"totals": {"handles": 0}, "truncated": False},
            "No handle matches.",
            None,
        ),
        (
            _answers.smb_locks,
            {"totals": HANDLES, "handles": [HANDLE] * 2, "truncated": False},
            "2 handles of 1 user on 1 file; work can be lost through 1.",
            None,
        ),
        (
            _answers.smb_locks,
            {"totals": HANDLES, "handles": [HANDLE], "truncated": True},
            "2 handles of 1 user on 1 file; work can be lost through 1; 1 returned.",
            None,
        ),
        (
            _answers.smb_locks,
            {"totals": HANDLES, "handles": [], "truncated": False, "dest": "/l"},
            "2 handles of 1 user on 1 file; work can be lost through 1; all listed in /l.",
            "2 handles of 1 user on 1 file; work can be lost through 1; all to be listed in /l.",
        ),
        (
            _answers.smb_break,
            {"totals": {"closed": 1, "spared": 2, "reopened": 0, "can_lose_work": 1}},
            "1 handle was closed, 2 were spared; work could be lost through 1.",
            "1 handle would be closed, 2 would be spared; work can be lost through 1.",
        ),
        (
            _answers.smb_break,
            {"totals": {"closed": 0, "spared": 0, "reopened": 0}},
            "No handle matches; nothing was closed.",
            "No handle matches; nothing would be closed.",
        ),
        (
            _answers.smb_break,
            {"totals": {"closed": 0, "spared": 0, "reopened": 1}},
            "0 handles were closed, 1 was reopened immediately.",
            "0 handles would be closed, 1 would be reopened immediately.",
        ),
        (
            _answers.file_lock,
            {**LOCKED, "retention_until": "2027", "retention_until_latest": "2027"},
            "2 locks were changed, 1 was already correct; the retention period ends at 2027.",
            "2 locks would be changed, 1 was already correct; the retention period would end at "
            "2027.",
        ),
        (
            _answers.file_lock,
            {**LOCKED, "retention_until": "2027", "retention_until_latest": "2028", "left_out": 4},
            "2 locks were changed, 1 was already correct; the retention periods end between 2027 "
            "and 2028; 4 left out because of their age.",
            "2 locks would be changed, 1 was already correct; the retention periods would end "
            "between 2027 and 2028; 4 left out because of their age.",
        ),
        (
            _answers.file_lock,
            {**LOCKED, "locked": 1, "unchanged": 0, "legal_hold": True},
            "1 lock was changed, 0 were already correct; all files are under legal hold.",
            "1 lock would be changed, 0 were already correct; all files would be under legal hold.",
        ),
        (
            _answers.file_lock,
            {
                "locked": 0,
                "unchanged": 0,
                "left_out": 0,
                "held_back": 3,
                "retention_until": None,
                "truncated": False,
            },
            "No file was locked; 3 held back because of names elsewhere (hard links).",
            "No file would be locked; 3 held back because of names elsewhere (hard links).",
        ),
        (
            _answers.file_lock,
            {**LOCKED, "locked": 0, "unchanged": 0},
            "No file matches, so none was locked.",
            "No file matches, so none would be locked.",
        ),
        (
            _answers.file_locks,
            {"totals": LOCKS, "listed": 2},
            "3 of 5 files locked, 1 under legal hold, 2 unlocked; 2 match.",
            None,
        ),
        (
            _answers.file_locks,
            {"totals": LOCKS, "listed": 2, "dest": "/l"},
            "3 of 5 files locked, 1 under legal hold, 2 unlocked; 2 were listed in /l.",
            "3 of 5 files locked, 1 under legal hold, 2 unlocked; 2 would be listed in /l.",
        ),
        (
            _answers.snapshot,
            {"changed": True, "snapshot": SNAPSHOT},
            "The snapshot 17_a of /p exists and never expires.",
            "The snapshot 17_a of /p would exist and never expire.",
        ),
        (
            _answers.snapshot,
            {"changed": True, "snapshot": {"suffix": "a", "path": "/p", "expiration": "2027"}},
            "The snapshot a of /p exists and expires at 2027.",
            "The snapshot a of /p would exist and expire at 2027.",
        ),
        (
            _answers.snapshot,
            {"changed": True, "deleted": [SNAPSHOT], "not_deleted": []},
            "1 snapshot was deleted.",
            "1 snapshot would be deleted.",
        ),
        (
            _answers.snapshot,
            {"changed": True, "deleted": [SNAPSHOT], "not_deleted": [LEFT] * 6},
            f"1 snapshot was deleted; 6 cannot be deleted: {', '.join(['9_a (locked)'] * 5)} "
            "and 1 more.",
            f"1 snapshot would be deleted; 6 cannot be deleted: {', '.join(['9_a (locked)'] * 5)} "
            "and 1 more.",
        ),
        (
            _answers.snapshot,
            {"changed": False, "deleted": [], "not_deleted": []},
            "No snapshot matches; nothing was deleted.",
            "No snapshot matches; nothing would be deleted.",
        ),
        (_answers.snapshots, {"snapshots": [], "total": 3}, "No snapshot matches.", None),
        (_answers.snapshots, {"snapshots": [], "total": 0}, "There are no snapshots.", None),
        (
            _answers.snapshots,
            {"snapshots": [SNAPSHOT] * 2, "count": 2},
            "2 snapshots, the newest 17_a of /p.",
            None,
        ),
        (
            _answers.changelist,
            LISTED,
            "3 created, 1 modified, 0 deleted, 0 renamed since 17_a; listed in /l.",
            "3 created, 1 modified, 0 deleted, 0 renamed since 17_a; to be listed in /l.",
        ),
        (
            _answers.changelist,
            {**LISTED, "older": None},
            "3 created, 1 modified, 0 deleted, 0 renamed in the whole tree, because the checkpoint "
            "had no committed snapshot to compare with; listed in /l.",
            "3 created, 1 modified, 0 deleted, 0 renamed in the whole tree; to be listed in /l.",
        ),
        (
            _answers.changelist,
            {
                "changed": True,
                "newer": {"name": "18_c"},
                "deleted": [SNAPSHOT] * 2,
                "not_deleted": [],
            },
            "The checkpoint is at 18_c; 2 snapshots were deleted.",
            "The checkpoint would be at 18_c; 2 snapshots would be deleted.",
        ),
        (_answers.removal, {"removed": 1}, "1 name was removed.", "1 name would be removed."),
        (
            _answers.report,
            {"changed": True, "dest": "/l", "intervals": [CHANGES, CHANGES]},
            "/l shows 6 created, 2 modified, 0 deleted in 2 intervals.",
            "/l would show 6 created, 2 modified, 0 deleted in 2 intervals.",
        ),
        (
            _answers.settings,
            {"before": {"a": 1, "b": 1, "c": 1}, "settings": {"a": 2, "b": 2, "c": 1}},
            "a and b were changed.",
            "a and b would be changed.",
        ),
        (
            _answers.settings,
            {"before": {"a": 1}, "settings": {"a": 1}},
            "The settings match already.",
            None,
        ),
    ],
)
def test_answers(answer, result, done, planned):
    assert answer(result, False) == done
    assert answer(result, True) == (planned or done)


def test_a_first_list_in_check_mode_is_not_made():
    said = "A snapshot would be taken and the whole tree listed."
    assert _answers.changelist({"changed": True, "older": None}, True) == said
