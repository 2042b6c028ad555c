#!/usr/bin/python
# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: qumulo_file_lock_info
short_description: Show the WORM locks of files, or of a whole tree
version_added: 1.0.0
description:
  - Shows retention periods and legal holds of files, or of all files below a directory.
  - The API has no call to list locked files, so the module walks the tree, in parallel, with a request for each file.
  - An option that would have no effect is an error, such as O(exclude) without O(recurse).
  - With O(status=unlocked) it finds files that are B(not) locked though they should be.
  - The account needs permission to read the files' attributes and ACLs (C(PRIVILEGE_FILE_READ_ACCESS) gives it for all of them).
author:
  - Lockstep developers (@lockstep)
extends_documentation_fragment:
  - lockstep.qumulo.connection
  - lockstep.qumulo.file_ages
  - lockstep.qumulo.attributes.info_module
options:
  path:
    description:
      - Absolute paths of files, or of directories with O(recurse).
      - A string is one path, even if it contains commas. Write several paths as a list.
    type: list
    elements: str
    default: []
  file_id:
    description:
      - IDs of files, or of directories with O(recurse), which are digits only.
    type: list
    elements: str
    default: []
  recurse:
    description:
      - Look at all files below the directories.
    type: bool
    default: false
  include:
    description:
      - With O(recurse), shell patterns of files to look at. By default, all files are. A string is one pattern, including any commas.
    type: list
    elements: str
    default: []
  exclude:
    description:
      - With O(recurse), shell patterns of files and directories to leave out. A string is one pattern, including any commas.
      - A directory that matches is left out with everything below it, and is not listed. Directories in O(path) themselves, and those above, do not count for
        patterns that do not begin with a slash.
    type: list
    elements: str
    default: []
  status:
    description:
      - Files to list. The totals cover all files that were looked at.
      - V(locked) are those that cannot be changed now, V(held) those under a legal hold, V(expiring) those whose retention period ends before O(before)
        and that are not under a legal hold, V(expired) those whose retention period is over, V(unlocked) those that can be changed.
    type: str
    choices: [all, locked, held, expiring, expired, unlocked]
    default: all
  before:
    description:
      - With O(status=expiring), latest end of a retention period, as a span from now (V(30d)), a date, or an RFC 3339 time.
    type: str
  dest:
    description:
      - File for the complete list, instead of RV(files). Use it for trees of any size.
      - The list is sorted by path.
      - It is replaced as a whole by a new file that belongs to the account that runs the module.
        Its mode is 0640, or less if the file that was there had less. To let a group read it, write it to a directory with the setgid bit.
      - A file of another account than this and root is an error, as is a device, a FIFO, a socket or a directory.
        A symlink is replaced by the file and not followed, as C(ansible.builtin.copy) does by default.
    type: path
  format:
    description:
      - Format of O(dest).
    type: str
    choices: [csv, jsonl]
    default: csv
  formula_guard:
    description:
      - With O(format=csv), put an apostrophe before each cell that begins with an apostrophe, C(=), C(+), C(-), C(@), a tab, a carriage return,
        a line feed, or a full-width form of these, so that a spreadsheet does not take a file name for a formula.
      - Set it to V(false) for a program that reads the text unchanged.
      - To get the text back, remove the first character of each cell that begins with an apostrophe.
    type: bool
    default: true
    version_added: 2.0.0
  workers:
    description:
      - Number of parallel workers, each with its own connection.
    type: int
    default: 32
  max_results:
    description:
      - Maximum number of files to return in RV(files), not with O(dest). Counts always cover all files.
    type: int
    default: 1000
seealso:
  - module: lockstep.qumulo.qumulo_file_lock
"""

EXAMPLES = r"""
- name: Is the contract locked?
  lockstep.qumulo.qumulo_file_lock_info:
    path: /legal/contract.pdf

- name: What has slipped through in the archive?
  lockstep.qumulo.qumulo_file_lock_info:
    path: /archive
    recurse: true
    exclude: ["*.tmp"]
    status: unlocked
    older_than: 1d

- name: Report everything that expires within three months
  lockstep.qumulo.qumulo_file_lock_info:
    path: /archive
    recurse: true
    status: expiring
    before: 3mo
    dest: /srv/lists/expiring.csv
"""

RETURN = r"""
msg:
  description: The answer in one sentence.
  returned: success
  type: str
  sample: "1 of 1 file locked, 0 under legal hold, 0 unlocked; 1 matches."
files:
  description: The files that match, without O(dest), up to O(max_results), by path.
  returned: success
  type: list
  elements: dict
  sample:
    - path: /legal/contract.pdf
      file_id: "4711"
      size: 52000
      retention_until: "2027-05-21T09:00:00Z"
      legal_hold: false
      locked: true
      modification_time: "2026-11-20T10:00:00Z"
listed:
  description: Number of files that match.
  returned: success
  type: int
  sample: 1
truncated:
  description: Whether more files match than RV(files) shows. Always V(false) with O(dest), where all are listed.
  returned: success
  type: bool
  sample: false
totals:
  description: Numbers of all files that were looked at, and their bytes.
  returned: success
  type: dict
  sample: {files: 1, locked: 1, held: 0, expired: 0, unlocked: 0, bytes: 52000, unreadable: 0}
dest:
  description: The file that the list was written to.
  returned: if O(dest) is set
  type: str
  sample: /srv/lists/expiring.csv
"""

from ansible_collections.lockstep.qumulo.plugins.module_utils import _answers
from ansible_collections.lockstep.qumulo.plugins.module_utils._module import run
from ansible_collections.lockstep.qumulo.plugins.module_utils._option_rules import Excludes, Needs
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common.limits import (
    check_max_results,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain import (
    file_lock_report,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_options,
)


def show_locks(client, params, check_mode):
    """Show the locks of files."""
    check_max_results(params["max_results"], "files")
    wanted = file_lock_report.Wanted.make(
        now=client.clock().now(),
        status=params["status"],
        before=params["before"],
        older_than=params["older_than"],
        newer_than=params["newer_than"],
    )
    return file_lock_report.report(
        client,
        by_options(params["path"], params["file_id"]),
        wanted,
        recurse=params["recurse"],
        include=params["include"],
        exclude=params["exclude"],
        dest=params["dest"],
        form=params["format"],
        formula_guard=params["formula_guard"],
        workers=params["workers"],
        max_results=params["max_results"],
        check_mode=check_mode,
    )


def main():
    texts = {"type": "list", "elements": "str", "default": []}
    run(
        show_locks,
        {
            "path": texts,
            "file_id": texts,
            "recurse": {"type": "bool", "default": False},
            "include": texts,
            "exclude": texts,
            "status": {
                "type": "str",
                "choices": ["all", "locked", "held", "expiring", "expired", "unlocked"],
                "default": "all",
            },
            "before": {"type": "str"},
            "older_than": {"type": "str"},
            "newer_than": {"type": "str"},
            "dest": {"type": "path"},
            "format": {"type": "str", "choices": ["csv", "jsonl"], "default": "csv"},
            "formula_guard": {"type": "bool", "default": True},
            "workers": {"type": "int", "default": 32},
            "max_results": {"type": "int", "default": 1000},
        },
        required_if=[["status", "expiring", ["before"]]],
        rules=[
            Needs(("include", "exclude"), "recurse"),
            Needs(("before",), "status", ("expiring",)),
            Needs(("format", "formula_guard"), "dest"),
            Needs(("formula_guard",), "format", ("csv",)),
            Excludes(("max_results",), "dest"),
        ],
        answer=_answers.file_locks,
        supports_check_mode=True,
    )


if __name__ == "__main__":
    main()
