#!/usr/bin/python
# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: qumulo_changelist_report
short_description: Show what changed over the last checkpoints as a page
version_added: 1.1.0
description:
  - Writes an HTML page of what changed between the last committed snapshots of a checkpoint of M(lockstep.qumulo.qumulo_changelist),
    by directory, by type, by owner, and the biggest files. It loads nothing from elsewhere.
  - The account needs the privileges of M(lockstep.qumulo.qumulo_changelist), and C(PRIVILEGE_IDENTITY_READ) for the names of owners.
author:
  - Lockstep developers (@lockstep)
extends_documentation_fragment:
  - lockstep.qumulo.connection
  - lockstep.qumulo.attributes
options:
  checkpoint:
    description:
      - Name of the checkpoint. It has to keep more than one snapshot; see O(lockstep.qumulo.qumulo_changelist#module:keep).
    type: str
    required: true
  path:
    description:
      - Directory of the checkpoint.
    type: str
    required: true
  dest:
    description:
      - File to write, on the host that the module runs on.
      - It is replaced as a whole by a new file that belongs to the account that runs the module.
        Its mode is 0640, or less if the file that was there had less. To let a group read it, write it to a directory with the setgid bit.
      - A file of another account than this and root is an error, as is a device, a FIFO, a socket or a directory.
        A symlink is replaced by the file and not followed, as C(ansible.builtin.copy) does by default.
    type: path
    required: true
  last:
    description:
      - How many checkpoints to look back, if there are so many.
    type: int
    default: 7
  workers:
    description:
      - Requests at a time, each with its own connection.
    type: int
    default: 16
seealso:
  - module: lockstep.qumulo.qumulo_changelist
"""

EXAMPLES = r"""
- name: What changed in the last week
  lockstep.qumulo.qumulo_changelist_report:
    checkpoint: archive
    path: /projects
    dest: /var/www/html/changes.html
"""

RETURN = r"""
msg:
  description: The answer in one sentence.
  returned: success
  type: str
  sample: "/var/www/html/changes.html shows 12 created, 3 modified, 0 deleted in 1 interval."
dest:
  description: The page.
  returned: success
  type: str
  sample: /var/www/html/changes.html
intervals:
  description: What changed up to each checkpoint, oldest first.
  returned: success
  type: list
  elements: dict
  sample: [{created: 12, modified: 3, deleted: 0, bytes: 40960}]
"""

from ansible_collections.lockstep.qumulo.plugins.module_utils import _answers
from ansible_collections.lockstep.qumulo.plugins.module_utils._module import run
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import report


def main():
    run(
        report.report,
        {
            "checkpoint": {"type": "str", "required": True},
            "path": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
            "last": {"type": "int", "default": 7},
            "workers": {"type": "int", "default": 16},
        },
        answer=_answers.report,
        supports_check_mode=True,
    )


if __name__ == "__main__":
    main()
