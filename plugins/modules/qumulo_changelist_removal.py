#!/usr/bin/python
# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: qumulo_changelist_removal
short_description: Delete from a copy what a change list says is gone
version_added: 1.1.0
description:
  - Deletes below a directory what a list in the V(nul) format of M(lockstep.qumulo.qumulo_changelist) names, directories with all that is in them.
  - Nothing outside of the directory is touched, whatever symlinks people have made in it. Names that are not there are passed over.
  - What is mounted in the directory, bind mounts included, is not part of the copy. A name in the list that is a mount point, has one below it, or leads
    through one is an error, in check mode as well, and nothing is deleted then.
  - Trees of any depth are deleted. A directory that is read-only for the account that owns it is made writable first, as C(rsync --delete) does;
    one that stays gets its mode back.
  - No cluster is asked.
author:
  - Lockstep developers (@lockstep)
options:
  list:
    description:
      - The list, as RV(lockstep.qumulo.qumulo_changelist#module:first) of the task that wrote it.
      - A list that somebody else could have changed is refused. It must belong to the account that runs the module or to root, without write
        permission for its group or others, and so must each directory of its path. Directories with the sticky bit, such as C(/tmp),
        and directories that only the private group of their owner can write to are allowed.
    type: path
    required: true
  path:
    description:
      - Absolute path of the top directory of the copy. It must not be C(/), and no symlink of another account than this and root may lead to it.
    type: path
    required: true
  keep:
    description:
      - Names in the top directory of the copy that are not deleted although the list names them, such as a file that the copy itself has there.
    type: list
    elements: str
    default: []
    version_added: 1.1.0
attributes:
  check_mode:
    description: Counts, and deletes nothing.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
"""

EXAMPLES = r"""
- name: Delete what is gone
  lockstep.qumulo.qumulo_changelist_removal:
    list: "{{ changes.first }}"
    path: /backup/projects
"""

RETURN = r"""
msg:
  description: The answer in one sentence.
  returned: success
  type: str
  sample: "3 names were removed."
removed:
  description: How many of the names were there.
  returned: success
  type: int
  sample: 3
"""


from ansible_collections.lockstep.qumulo.plugins.module_utils import _answers
from ansible_collections.lockstep.qumulo.plugins.module_utils._failures import guarded
from ansible_collections.lockstep.qumulo.plugins.module_utils._module import QumuloModule
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import removal
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)


def main():
    module = QumuloModule(
        argument_spec={
            "list": {"type": "path", "required": True},
            "path": {"type": "path", "required": True},
            "keep": {"type": "list", "elements": "str", "default": []},
        },
        supports_check_mode=True,
    )
    removed = guarded(
        module,
        lambda: removal.apply(
            module.params["list"],
            by_path(module.params["path"]).text,
            keep=module.params["keep"],
            check_mode=module.check_mode,
        ),
    )
    result = {"changed": removed > 0, "removed": removed}
    module.exit_json(msg=_answers.removal(result, module.check_mode), **result)


if __name__ == "__main__":
    main()
