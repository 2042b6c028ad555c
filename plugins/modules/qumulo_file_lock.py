#!/usr/bin/python
# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: qumulo_file_lock
short_description: WORM-lock files with a retention period and/or a legal hold
version_added: 1.0.0
description:
  - Locks files of a Qumulo cluster against any change, until a time (retention period) or until further notice (legal hold).
  - B(A retention period can be extended, but never shortened or removed.) Two safety limits stop mistakes before anything is locked,
    O(max_retention) and O(max_clock_skew).
  - Relative periods count from the cluster's clock. A lock that already lasts as long, within O(slack), is left unchanged. A date or a time is set exactly.
  - An option that would have no effect is an error, such as O(exclude) without O(recurse).
  - Files that are named one by one are all read first. If one of them cannot be locked, none is.
    With O(recurse) each file is locked independently, and the files that could not be locked are listed at the end.
    Files with names elsewhere are held back (O(hard_links)).
  - Files are locked by their ID, so a rename in the meantime makes no difference.
  - The account needs C(PRIVILEGE_FS_FILE_LOCK_WRITE) and permission to read the files' attributes and ACLs
    (C(PRIVILEGE_FILE_READ_ACCESS) gives it for all of them).
author:
  - Lockstep developers (@lockstep)
extends_documentation_fragment:
  - lockstep.qumulo.connection
  - lockstep.qumulo.file_ages
  - lockstep.qumulo.attributes
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
      - Lock all files below the directories. Symlinks are not followed.
    type: bool
    default: false
  include:
    description:
      - With O(recurse), shell patterns of files to lock. By default, all files are locked. A string is one pattern, including any commas.
      - A pattern without a slash is compared with the name, one that begins with a slash with the whole path, any other with the end of the path.
    type: list
    elements: str
    default: []
  exclude:
    description:
      - With O(recurse), shell patterns of files and directories to leave out. A string is one pattern, including any commas.
      - A directory that matches is left out with everything below it. Write V(cache) for all directories (and files) of this name, V(/projects/apollo/cache)
        for one. Directories in O(path) themselves, and those above, do not count for patterns that do not begin with a slash.
      - A pattern without wildcards that matches nothing gives a warning that names it, here and in O(include), because locks cannot be undone.
    type: list
    elements: str
    default: []
  hard_links:
    description:
      - With O(recurse), what to do with a file that has other names (hard links) outside of the directories, or names that O(include) and O(exclude) leave
        out. A lock applies to all names of a file.
      - V(hold_back) does not lock it, and lists it in RV(held_back_files). V(lock) locks it.
      - A file that is named in O(path) or O(file_id) is locked whatever other names it has.
    type: str
    choices: [hold_back, lock]
    default: hold_back
    version_added: 2.0.0
  retention:
    description:
      - End of the retention period, as a span from now (V(90s), V(5min), V(12h), V(30d), V(6w), V(6mo) for months, V(2y)),
        a date (V(2027-12-31), including that day, in UTC), or an RFC 3339 time.
      - Months and years follow the calendar. If the resulting day does not exist, the period ends at the beginning of the next month.
        One month after 31 January is 1 March, 0:00 UTC. A later start never gives an earlier end, so the task can be run again at any time.
    type: str
  legal_hold:
    description:
      - Whether the files are under a legal hold. V(false) releases it.
    type: bool
  slack:
    description:
      - With a relative O(retention), a retention period that ends earlier or later by no more than this is left unchanged, so that
        a play that is run again soon changes nothing. Increase it for a play that takes longer or runs often.
      - The default is V(1h), or a tenth of the period if that is less. A retention period that is over is set again in any case.
      - A slack that is not shorter than the period is an error.
    type: str
  on_longer:
    description:
      - What to do with a file that is retained longer than O(retention). V(fail) is an error that shows both times,
        V(keep) leaves the retention period unchanged.
    type: str
    choices: [fail, keep]
    default: fail
  max_retention:
    description:
      - A O(retention) that ends later than this span from now is an error, and nothing is locked. Longer periods must be confirmed here.
    type: str
    default: 1y
  max_clock_skew:
    description:
      - Maximum difference between the clocks of the cluster and of the host that the module runs on. If they differ by more, one of them is wrong,
        and no retention period is set.
    type: str
    default: 5min
  workers:
    description:
      - Number of parallel workers, each with its own connection.
    type: int
    default: 32
  max_results:
    description:
      - Maximum number of files to return in RV(files). Counts always cover all files.
    type: int
    default: 1000
seealso:
  - module: lockstep.qumulo.qumulo_file_lock_info
"""

EXAMPLES = r"""
- name: Keep the signed contract for half a year
  lockstep.qumulo.qumulo_file_lock:
    path: /legal/contract.pdf
    retention: 6mo

- name: Lock a finished project except its temporary files
  lockstep.qumulo.qumulo_file_lock:
    path: /projects/apollo
    recurse: true
    exclude: ["*.tmp", "~$*", ".DS_Store"]
    retention: 2030-12-31
    max_retention: 10y

- name: Lock archived files that have not been written for a day
  lockstep.qumulo.qumulo_file_lock:
    path: /archive
    recurse: true
    older_than: 1d
    retention: 1y
    on_longer: keep

- name: Release a legal hold
  lockstep.qumulo.qumulo_file_lock:
    path: /legal/mail.pst
    legal_hold: false
"""

RETURN = r"""
msg:
  description: The answer in one sentence.
  returned: success
  type: str
  sample: "1 lock was changed, 0 were already correct; the retention period ends at 2027-05-21T09:00:00Z."
files:
  description: The first O(max_results) files by path, with their locks as they are now (or would be in check mode).
  returned: success
  type: list
  elements: dict
  sample:
    - path: /legal/contract.pdf
      file_id: "4711"
      size: 52000
      retention_until: "2027-05-21T09:00:00Z"
      legal_hold: false
      changed: true
truncated:
  description: Whether there are more files than RV(files) shows.
  returned: success
  type: bool
  sample: false
locked:
  description: Number of files whose lock was (or would be) changed.
  returned: success
  type: int
  sample: 1
unchanged:
  description: Number of files whose lock was already correct.
  returned: success
  type: int
  sample: 0
left_out:
  description: Number of files that were left out because of O(older_than) or O(newer_than).
  returned: success
  type: int
  sample: 0
held_back:
  description: Number of files that were not locked because of O(hard_links).
  returned: success
  type: int
  sample: 0
held_back_files:
  description: These files, up to O(max_results), with their number of names and the reason.
  returned: success
  type: list
  elements: dict
  sample:
    - path: /projects/apollo/plan.pdf
      file_id: "4712"
      links: 2
      reason: /projects/apollo/plan.pdf has 2 names (hard links), of which only 1 is among the files to lock, and a lock applies to all names of a file.
retention_until:
  description:
    - Earliest end of the retention periods of all files, as the cluster confirmed it (or as it would be in check mode). Null if there is no file.
  returned: success, if O(retention) is set
  type: str
  sample: "2027-05-21T09:00:00Z"
retention_until_latest:
  description:
    - Latest end of the retention periods of all files. It is later than RV(retention_until) if files differ.
  returned: success, if O(retention) is set
  type: str
  sample: "2027-05-21T09:00:00Z"
retention_requested:
  description: End of the retention period that O(retention) requests, computed from the cluster's time.
  returned: success, if O(retention) is set
  type: str
  sample: "2027-05-21T09:00:00Z"
legal_hold:
  description: Whether the files are (or would be) under a legal hold.
  returned: success, if O(legal_hold) is set
  type: bool
  sample: false
failed_files:
  description: Files that could not be locked, with the reason and the HTTP status (null if there was no response), up to O(max_results).
  returned: failure, if files were tried
  type: list
  elements: dict
  sample: []
"""

from ansible_collections.lockstep.qumulo.plugins.module_utils import _answers
from ansible_collections.lockstep.qumulo.plugins.module_utils._module import run
from ansible_collections.lockstep.qumulo.plugins.module_utils._option_rules import Needs
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import file_locks
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common.limits import (
    check_max_results,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_options,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.written import (
    WrittenBetween,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.file_lock_runs import lock


def lock_files(client, params, check_mode):
    """Bring the locks to the requested state."""
    check_max_results(params["max_results"], "files")
    clock = client.clock()
    now = clock.now()
    request = file_locks.make_request(
        now=now,
        retention=params["retention"],
        legal_hold=params["legal_hold"],
        slack=params["slack"],
        max_retention=params["max_retention"],
        keep_longer=params["on_longer"] == "keep",
    )
    if request.until is not None:
        file_locks.check_clock(clock, params["max_clock_skew"])
    return lock(
        client,
        by_options(params["path"], params["file_id"]),
        request,
        recurse=params["recurse"],
        include=params["include"],
        exclude=params["exclude"],
        workers=params["workers"],
        max_results=params["max_results"],
        check_mode=check_mode,
        linked=params["hard_links"],
        written=WrittenBetween.make(
            now=now, older_than=params["older_than"], newer_than=params["newer_than"]
        ),
    )


def main():
    texts = {"type": "list", "elements": "str", "default": []}
    run(
        lock_files,
        {
            "path": texts,
            "file_id": texts,
            "recurse": {"type": "bool", "default": False},
            "include": texts,
            "exclude": texts,
            "hard_links": {"type": "str", "choices": ["hold_back", "lock"], "default": "hold_back"},
            "retention": {"type": "str"},
            "legal_hold": {"type": "bool"},
            "older_than": {"type": "str"},
            "newer_than": {"type": "str"},
            "slack": {"type": "str"},
            "on_longer": {"type": "str", "choices": ["fail", "keep"], "default": "fail"},
            "max_retention": {"type": "str", "default": "1y"},
            "max_clock_skew": {"type": "str", "default": "5min"},
            "workers": {"type": "int", "default": 32},
            "max_results": {"type": "int", "default": 1000},
        },
        required_one_of=[["retention", "legal_hold"]],
        rules=[
            Needs(("include", "exclude", "hard_links"), "recurse"),
            Needs(("slack", "on_longer", "max_retention", "max_clock_skew"), "retention"),
        ],
        answer=_answers.file_lock,
        supports_check_mode=True,
    )


if __name__ == "__main__":
    main()
