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
  - Each holder is looked up once, however many handles it has.
  - The API does not tell which client a handle belongs to. With several opens of one file RV(handles[].client_addresses)
    therefore names every client that comes into question.
  - The account needs C(PRIVILEGE_SMB_FILE_HANDLE_READ), C(PRIVILEGE_FS_LOCK_READ) and C(PRIVILEGE_IDENTITY_READ).
    With C(PRIVILEGE_SMB_SESSION_READ) clients are told apart better.
author:
  - Lockstep developers (@lockstep)
extends_documentation_fragment:
  - lockstep.qumulo.connection
  - lockstep.qumulo.smb_filters
  - lockstep.qumulo.attributes.info_module
seealso:
  - module: lockstep.qumulo.qumulo_smb_lock
"""

EXAMPLES = r"""
- name: Who has the spreadsheet open?
  lockstep.qumulo.qumulo_smb_lock_info:
    path: /finance/Budget 2026.xlsx
  register: locks

- name: Say so
  ansible.builtin.debug:
    msg: "{{ locks.handles | map(attribute='user') | unique }}"

- name: What does one person hold below a directory, open for writing?
  lockstep.qumulo.qumulo_smb_lock_info:
    directory: /projects/apollo
    user: CORP\jane
    access: write
"""

RETURN = r"""
msg:
  description: The answer in one sentence.
  returned: success
  type: str
  sample: "1 handle of 1 user on 1 file; work can be lost through 1."
handles:
  description: The handles, by path and user.
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
      description: What nobody else may do meanwhile.
      type: list
      elements: str
      returned: success
    byte_range_locks:
      description: Number of byte-range locks of the handle.
      type: int
      returned: success
    byte_ranges:
      description: Byte-range locks on the file by the clients that come into question.
      type: list
      elements: dict
      returned: success
    can_lose_work:
      description: Whether a forced close can lose unsaved work.
      type: bool
      returned: success
    reasons:
      description: Why it can.
      type: list
      elements: str
      returned: success
    location:
      description: What names this handle and no other.
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
  description: Number of handles.
  returned: success
  type: int
  sample: 1
users:
  description: Number of handles of each holder.
  returned: success
  type: dict
  sample: {"CORP\\jane": 1}
"""

from collections import Counter

from ansible_collections.lockstep.qumulo.plugins.module_utils import _answers
from ansible_collections.lockstep.qumulo.plugins.module_utils._module import run
from ansible_collections.lockstep.qumulo.plugins.module_utils._smb_filters import (
    FILTER_SPEC,
    make_filter,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.listing import (
    list_handles,
)


def list_locks(client, params, check_mode):
    """List the handles that match."""
    del check_mode  # nothing is changed
    handles = list_handles(client, make_filter(client, params))
    return {
        "changed": False,
        "handles": [handle.render() for handle in handles],
        "count": len(handles),
        "users": dict(Counter(handle.holder.label for handle in handles).most_common()),
    }


def main():
    run(list_locks, dict(FILTER_SPEC), answer=_answers.smb_locks, supports_check_mode=True)


if __name__ == "__main__":
    main()
