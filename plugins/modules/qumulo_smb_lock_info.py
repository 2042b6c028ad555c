#!/usr/bin/python
# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: qumulo_smb_lock_info
short_description: List open SMB handles with their holders and locks
version_added: 1.0.0
description:
  - Lists open SMB file handles of a Qumulo cluster, joined with their share-mode and byte-range locks and with the names of their holders.
  - An option that would have no effect is an error, such as O(format) without O(dest).
  - Each holder is looked up once, however many handles it has.
  - The API does not report which client a handle belongs to. If a file is opened several times, RV(handles[].client_addresses)
    therefore lists every client that the handle can belong to.
  - The account needs C(PRIVILEGE_SMB_FILE_HANDLE_READ), C(PRIVILEGE_FS_LOCK_READ) and C(PRIVILEGE_IDENTITY_READ).
    With C(PRIVILEGE_SMB_SESSION_READ) clients are told apart better.
author:
  - Lockstep developers (@lockstep)
extends_documentation_fragment:
  - lockstep.qumulo.connection
  - lockstep.qumulo.smb_filters
  - lockstep.qumulo.attributes.info_module
options:
  dest:
    description:
      - File for the complete list, instead of RV(handles). Use it for tens of thousands of handles.
      - The file appears whole or not at all. A new one has mode 0640. If it holds the same already, it is left alone.
    type: path
    version_added: 2.0.0
  format:
    description:
      - Format of O(dest). V(csv) has every member of a handle except C(byte_ranges), and separates the values of a list by C(; ). V(jsonl) has all members.
    type: str
    choices: [csv, jsonl]
    default: csv
    version_added: 2.0.0
  formula_guard:
    description:
      - With O(format=csv), put an apostrophe before each cell that begins with an apostrophe, C(=), C(+), C(-), C(@), a tab, a carriage return,
        a line feed, or a full-width form of these, so that a spreadsheet does not take a file name for a formula.
      - Set it to V(false) for a program that takes the text as it is.
      - To get the text back, remove the first character of each cell that begins with an apostrophe.
    type: bool
    default: true
    version_added: 2.0.0
  max_results:
    description:
      - Maximum number of handles to return in RV(handles), not with O(dest). V(0) returns none. The counts always cover all handles.
    type: int
    default: 1000
    version_added: 2.0.0
seealso:
  - module: lockstep.qumulo.qumulo_smb_lock
"""

EXAMPLES = r"""
- name: List who has the spreadsheet open
  lockstep.qumulo.qumulo_smb_lock_info:
    path: /finance/Budget 2026.xlsx
  register: locks

- name: Show their names
  ansible.builtin.debug:
    msg: "{{ locks.handles | map(attribute='user') | unique }}"

- name: List what one person has open for writing below a directory
  lockstep.qumulo.qumulo_smb_lock_info:
    directory: /projects/apollo
    user: CORP\jane
    access: write

- name: Count handles by client
  lockstep.qumulo.qumulo_smb_lock_info:
    max_results: 0
  register: open_handles

- name: Write all handles to a file for a spreadsheet
  lockstep.qumulo.qumulo_smb_lock_info:
    dest: /srv/lists/handles.csv
"""

RETURN = r"""
msg:
  description: The answer in one sentence.
  returned: success
  type: str
  sample: "1 handle of 1 user on 1 file; work can be lost through 1."
handles:
  description: The handles, by path and user, without O(dest), up to O(max_results).
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: Path of the file, empty if it has been deleted while it was open.
      type: str
      returned: success
    file_id:
      description: ID of the file.
      type: str
      returned: success
    user:
      description: Name of the holder, or its SID or auth ID if it has no name.
      type: str
      returned: success
    user_sid:
      description: SID of the holder.
      type: str
      returned: success
    user_uid:
      description: UID of the holder.
      type: int
      returned: success
    user_auth_id:
      description: Auth ID of the holder, by which the cluster knows it.
      type: str
      returned: success
    client_addresses:
      description: Addresses of the clients that the handle can belong to.
      type: list
      elements: str
      returned: success
    nodes:
      description: Addresses of the nodes that the client can be connected to.
      type: list
      elements: str
      returned: success
    access:
      description: What the holder may do with the content.
      type: list
      elements: str
      returned: success
    denies:
      description: Access that the handle denies to others.
      type: list
      elements: str
      returned: success
    byte_range_locks:
      description: Number of byte-range locks of the handle.
      type: int
      returned: success
    byte_ranges:
      description: Byte-range locks on the file held by the clients that the handle can belong to.
      type: list
      elements: dict
      returned: success
    can_lose_work:
      description: Whether a forced close can lose unsaved work.
      type: bool
      returned: success
    reasons:
      description: Why a forced close can lose unsaved work.
      type: list
      elements: str
      returned: success
    location:
      description: Identifier of the handle.
      type: str
      returned: success
  sample:
    - path: /finance/Budget 2026.xlsx
      file_id: "4711"
      user: CORP\jane
      user_sid: S-1-5-21-1-2-3-1103
      user_uid: 51103
      user_auth_id: "8589935695"
      client_addresses: [10.1.2.3]
      nodes: [10.0.0.11]
      access: [read, write]
      denies: [write]
      byte_range_locks: 1
      byte_ranges: [{offset: 0, size: 100, exclusive: true}]
      can_lose_work: true
      reasons: [open for writing, 1 byte-range lock]
      location: 10.0.0.11/1f/2
count:
  description: Number of all handles that match.
  returned: success
  type: int
  sample: 1
truncated:
  description: Whether more handles match than RV(handles) shows. Always V(false) with O(dest), where all are listed.
  returned: success
  type: bool
  sample: false
users:
  description: Number of all handles of each holder, largest first.
  returned: success
  type: dict
  sample: {"CORP\\jane": 1}
clients:
  description: Number of all handles of each client address, largest first. A handle that can belong to several counts for each of them.
  returned: success
  type: dict
  sample: {"10.1.2.3": 1}
nodes:
  description: Number of all handles of each node address, largest first. A handle that can belong to several counts for each of them.
  returned: success
  type: dict
  sample: {"10.0.0.11": 1}
totals:
  description: Numbers of all handles that match, of their files, users and clients, and of those that can lose work.
  returned: success
  type: dict
  sample: {handles: 1, files: 1, users: 1, clients: 1, can_lose_work: 1}
directories:
  description:
    - Directories that O(path) and O(file_id) name. Only handles of these directories themselves were looked at, which may be none,
      while files below them are open. For those, use O(directory).
  returned: success
  type: list
  elements: str
  sample: []
dest:
  description: The file that the list was written to.
  returned: if O(dest) is set
  type: str
  sample: /srv/lists/handles.csv
"""

from ansible_collections.lockstep.qumulo.plugins.module_utils import _answers
from ansible_collections.lockstep.qumulo.plugins.module_utils._module import run
from ansible_collections.lockstep.qumulo.plugins.module_utils._option_rules import Excludes, Needs
from ansible_collections.lockstep.qumulo.plugins.module_utils._smb_filters import (
    FILTER_SPEC,
    make_filter,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common.limits import (
    check_max_results,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks import summary
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.export import (
    write_list,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.known import (
    check_known,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.listing import (
    list_handles,
)


def list_locks(client, params, check_mode):
    """List the handles that match."""
    check_max_results(params["max_results"], "handles")
    wanted = make_filter(client, params)
    handles = list_handles(client, wanted)
    warnings, directories = check_known(client, wanted, handles, file_ids=params["file_id"] or ())
    result = {
        "changed": False,
        "handles": [],
        "count": len(handles),
        "truncated": False,
        **summary.count(handles),
        "directories": directories,
        "warnings": warnings,
    }
    if params["dest"] is not None:
        result.update(
            write_list(
                handles,
                params["format"],
                params["dest"],
                guard=params["formula_guard"],
                dry_run=check_mode,
            )
        )
    else:
        shown = handles[: params["max_results"]]
        result["handles"] = [handle.render() for handle in shown]
        result["truncated"] = len(handles) > len(shown)
    return result


def main():
    spec = dict(
        FILTER_SPEC,
        dest={"type": "path"},
        format={"type": "str", "choices": ["csv", "jsonl"], "default": "csv"},
        formula_guard={"type": "bool", "default": True},
        max_results={"type": "int", "default": 1000},
    )
    run(
        list_locks,
        spec,
        rules=[
            Needs(("format", "formula_guard"), "dest"),
            Needs(("formula_guard",), "format", ("csv",)),
            Excludes(("max_results",), "dest"),
        ],
        answer=_answers.smb_locks,
        supports_check_mode=True,
    )


if __name__ == "__main__":
    main()
