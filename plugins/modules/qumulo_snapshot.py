#!/usr/bin/python
# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: qumulo_snapshot
short_description: Take, keep and delete snapshots
version_added: 1.0.0
description:
  - Makes sure that a snapshot of a directory exists, takes a new one, or deletes some.
  - A cluster calls a snapshot by its ID, an underscore, and a name, such as C(17_nightly). O(name) is what follows the underscore.
  - If the answer to a request is lost, the module checks whether the snapshot was taken. It is neither lost nor taken twice.
  - The account needs C(PRIVILEGE_SNAPSHOT_READ) and C(PRIVILEGE_SNAPSHOT_WRITE).
author:
  - Lockstep developers (@lockstep)
extends_documentation_fragment:
  - lockstep.qumulo.connection
  - lockstep.qumulo.attributes
options:
  state:
    description:
      - V(present) makes sure that there is a snapshot called O(name) of O(path), and that it expires as O(expiration) says.
      - V(new) always takes one, called O(name) followed by the cluster's time.
      - V(absent) deletes the snapshot O(snapshot_id), or those called O(name) of O(path), all or all but the newest O(keep).
        With O(keep), those that were taken with V(new) count as called O(name) too.
      - A snapshot that is locked with a key or in use, for instance by a replication, cannot be deleted. If it is named by its ID or its full name, the module
        fails. Otherwise it is kept, the others are deleted, and RV(not_deleted) gives the reason.
    type: str
    choices: [present, new, absent]
    default: present
  name:
    description:
      - Name of the snapshot, without the ID in front of it.
      - The full name of a snapshot of O(path), such as V(17_nightly), means this one snapshot. V(new) and O(keep) refuse it.
    type: str
  path:
    description:
      - Absolute path of the directory.
    type: str
    default: /
  snapshot_id:
    description:
      - ID of a snapshot to delete, from V(1). One that does not exist counts as deleted.
    type: int
  expiration:
    description:
      - Time at which the cluster deletes the snapshot, as a span from now (V(7d), V(6mo) for months), a date, an RFC 3339 time, or V(never).
      - If it is not set, a new snapshot never expires, and the expiration of an existing one is not changed.
    type: str
  slack:
    description:
      - With a relative O(expiration), a snapshot that expires earlier or later by no more than this is left unchanged.
      - The default is V(1h), or a tenth of the span if that is less. A slack that is not shorter than the span is an error. A date or a time is set exactly.
    type: str
  keep:
    description:
      - With O(state=absent), number of newest snapshots to keep, including those that cannot be deleted.
    type: int
seealso:
  - module: lockstep.qumulo.qumulo_snapshot_info
  - module: lockstep.qumulo.qumulo_changelist
"""

EXAMPLES = r"""
- name: A snapshot before the upgrade, for a week
  lockstep.qumulo.qumulo_snapshot:
    name: before-upgrade
    path: /projects
    expiration: 7d

- name: One for tonight's change list
  lockstep.qumulo.qumulo_snapshot:
    state: new
    name: nightly
    path: /projects
    expiration: 14d
  register: tonight

- name: Keep the newest five of them
  lockstep.qumulo.qumulo_snapshot:
    state: absent
    name: nightly
    path: /projects
    keep: 5
"""

RETURN = r"""
msg:
  description: The answer in one sentence.
  returned: success
  type: str
  sample: "The snapshot 17_before-upgrade of /projects exists and expires at 2026-11-28T09:00:00Z."
snapshot:
  description: The snapshot. In check mode a new one has no ID.
  returned: O(state=present) or O(state=new)
  type: dict
  sample:
    snapshot_id: 17
    name: 17_before-upgrade
    suffix: before-upgrade
    path: /projects
    source_file_id: "1042"
    timestamp: "2026-11-21T09:00:00.123456Z"
    expiration: "2026-11-28T09:00:00Z"
    policy: null
    locked: false
    owners: []
deleted:
  description: The snapshots that were deleted, or would be in check mode.
  returned: O(state=absent)
  type: list
  elements: dict
  sample: []
not_deleted:
  description: The snapshots that were to be deleted but cannot be, with the C(reason).
  returned: O(state=absent)
  type: list
  elements: dict
  sample: []
"""

from ansible_collections.lockstep.qumulo.plugins.module_utils import _answers
from ansible_collections.lockstep.qumulo.plugins.module_utils._module import run
from ansible_collections.lockstep.qumulo.plugins.module_utils._option_rules import Excludes, Needs
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import snapshot_runs


def main():
    run(
        snapshot_runs.ensure,
        {
            "state": {"type": "str", "choices": ["present", "new", "absent"], "default": "present"},
            "name": {"type": "str"},
            "path": {"type": "str", "default": "/"},
            "snapshot_id": {"type": "int"},
            "expiration": {"type": "str"},
            "slack": {"type": "str"},
            "keep": {"type": "int"},
        },
        required_if=[
            ["state", "present", ["name"]],
            ["state", "new", ["name"]],
            ["state", "absent", ["name", "snapshot_id"], True],
        ],
        mutually_exclusive=[["snapshot_id", "name"], ["snapshot_id", "keep"]],
        rules=[Needs(("slack",), "expiration"), Excludes(("path",), "snapshot_id")],
        answer=_answers.snapshot,
        supports_check_mode=True,
    )


if __name__ == "__main__":
    main()
