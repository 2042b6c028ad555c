#!/usr/bin/python
# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: qumulo_snapshot_info
short_description: List snapshots
version_added: 1.0.0
description:
  - Lists snapshots of a Qumulo cluster, newest first. Snapshots that are being deleted are left out.
  - The account needs C(PRIVILEGE_SNAPSHOT_READ).
author:
  - Lockstep developers (@lockstep)
extends_documentation_fragment:
  - lockstep.qumulo.connection
  - lockstep.qumulo.attributes.info_module
options:
  snapshot_id:
    description:
      - IDs of snapshots.
    type: list
    elements: int
  name:
    description:
      - Shell patterns for names, with or without the ID in front, such as V(nightly*). A string is one pattern, including any commas.
    type: list
    elements: str
  path:
    description:
      - Absolute path of a directory. Only snapshots of it are listed.
    type: str
  expires_before:
    description:
      - Only snapshots that expire before this time, as a span from now on (V(2d)), a date, or an RFC 3339 time.
    type: str
seealso:
  - module: lockstep.qumulo.qumulo_snapshot
"""

EXAMPLES = r"""
- name: The newest nightly snapshot
  lockstep.qumulo.qumulo_snapshot_info:
    name: nightly*
    path: /projects
  register: nightly

- name: Show it
  ansible.builtin.debug:
    msg: "{{ (nightly.snapshots | first).name | default('none') }}"
"""

RETURN = r"""
msg:
  description: The answer in one sentence.
  returned: success
  type: str
  sample: "1 snapshot, the newest 17_nightly of /projects."
snapshots:
  description: The snapshots, newest first.
  returned: success
  type: list
  elements: dict
  contains:
    snapshot_id:
      description: ID of the snapshot.
      type: int
      returned: success
    name:
      description: Name as the cluster shows it, with the ID.
      type: str
      returned: success
    suffix:
      description: Name without the ID.
      type: str
      returned: success
    path:
      description: Directory that it is of.
      type: str
      returned: success
    source_file_id:
      description: ID of that directory.
      type: str
      returned: success
    timestamp:
      description: When it was taken.
      type: str
      returned: success
    expiration:
      description: When the cluster deletes it, or V(never).
      type: str
      returned: success
    policy:
      description: Name of the policy that has taken it.
      type: str
      returned: success
    locked:
      description: Whether it is locked with a key.
      type: bool
      returned: success
    owners:
      description: IDs of its users, such as replications. A snapshot with owners cannot be deleted.
      type: list
      elements: str
      returned: success
  sample:
    - snapshot_id: 17
      name: 17_nightly
      suffix: nightly
      path: /projects
      source_file_id: "1042"
      timestamp: "2026-11-21T09:00:00.123456Z"
      expiration: never
      policy: null
      locked: false
      owners: []
count:
  description: Number of snapshots that match.
  returned: success
  type: int
  sample: 1
total:
  description: Number of snapshots on the cluster.
  returned: success
  type: int
  sample: 12
"""

from ansible_collections.lockstep.qumulo.plugins.module_utils import _answers
from ansible_collections.lockstep.qumulo.plugins.module_utils._module import run
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import snapshot_runs


def main():
    run(
        snapshot_runs.show,
        {
            "snapshot_id": {"type": "list", "elements": "int"},
            "name": {"type": "list", "elements": "str"},
            "path": {"type": "str"},
            "expires_before": {"type": "str"},
        },
        answer=_answers.snapshots,
        supports_check_mode=True,
    )


if __name__ == "__main__":
    main()
