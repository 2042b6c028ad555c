#!/usr/bin/python
# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: qumulo_changelist_copy_info
short_description: Count the names of a change list that exist in a mount or a copy
version_added: 2.0.0
description:
  - Looks up the first names of a list in the V(nul) format of M(lockstep.qumulo.qumulo_changelist) in directories of the host that the module runs on.
  - Run it before a list is applied. A mount that is missing has none of the names and is empty, and a wrong one has other files.
  - No cluster is asked.
author:
  - Lockstep developers (@lockstep)
options:
  list:
    description:
      - The list, as RV(lockstep.qumulo.qumulo_changelist#module:dest) of the task that wrote it.
      - A list that somebody else could have changed is refused, as by M(lockstep.qumulo.qumulo_changelist_removal).
    type: path
    required: true
  paths:
    description:
      - Absolute paths of the directories, such as the mount and the copy.
    type: list
    elements: path
    required: true
  max_names:
    description:
      - How many names are looked up, from the beginning of the list.
    type: int
    default: 200
  ignore:
    description:
      - Names in the top directories that do not count for RV(directories[].empty).
    type: list
    elements: str
    default: []
seealso:
  - module: lockstep.qumulo.qumulo_changelist
  - module: lockstep.qumulo.qumulo_changelist_removal
attributes:
  check_mode:
    description: Changes nothing.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
"""

EXAMPLES = r"""
- name: Look up the listed names in the mount and the copy
  lockstep.qumulo.qumulo_changelist_copy_info:
    list: "{{ changes.dest }}"
    paths: [/mnt/projects, /backup/projects]
    ignore: [.snapshot]
  register: seen

- name: Check that the mount shows what the cluster lists
  ansible.builtin.assert:
    that: seen.directories[0].found > 0 or seen.listed == 0
    fail_msg: "{{ seen.msg }}"
"""

RETURN = r"""
msg:
  description: The answer in one sentence.
  returned: success
  type: str
  sample: "Of the first 200 names, 198 exist in /mnt/projects and 0 in /backup/projects."
listed:
  description: Number of names that were looked up. It is less than O(max_names) if the list has fewer.
  returned: success
  type: int
  sample: 200
directories:
  description: What each directory in O(paths) has, in the same order.
  returned: success
  type: list
  elements: dict
  contains:
    path:
      description: The directory.
      type: str
    found:
      description: How many of the names exist.
      type: int
    empty:
      description: Whether the directory has nothing in it, except for O(ignore).
      type: bool
  sample:
    - path: /mnt/projects
      found: 198
      empty: false
"""

from dataclasses import asdict

from ansible_collections.lockstep.qumulo.plugins.module_utils import _answers
from ansible_collections.lockstep.qumulo.plugins.module_utils._failures import guarded
from ansible_collections.lockstep.qumulo.plugins.module_utils._module import QumuloModule
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import presence


def main():
    module = QumuloModule(
        argument_spec={
            "list": {"type": "path", "required": True},
            "paths": {"type": "list", "elements": "path", "required": True},
            "max_names": {"type": "int", "default": 200},
            "ignore": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    listed, directories = guarded(
        module,
        lambda: presence.look_up(
            module.params["list"],
            module.params["paths"],
            limit=module.params["max_names"],
            ignore=module.params["ignore"],
        ),
    )
    result = {"listed": listed, "directories": [asdict(each) for each in directories]}
    module.exit_json(msg=_answers.copy_info(result, module.check_mode), changed=False, **result)


if __name__ == "__main__":
    main()
