#!/usr/bin/python
# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: qumulo_changelist
short_description: Write what changed between two snapshots to a file
version_added: 1.0.0
description:
  - Writes a list of files and directories that were created, modified or deleted between two snapshots of a directory,
    for whoever copies, archives or indexes them.
  - A created directory is listed with everything in it, whether the cluster lists that or not.
  - Memory does not grow with the list. It is sorted on disk, beside O(dest).
  - The file appears whole or not at all. If it holds the same already, it is left alone.
  - The account needs C(PRIVILEGE_SNAPSHOT_READ), C(PRIVILEGE_SNAPSHOT_DIFFERENCE_READ) and permission to read the files' attributes
    (C(PRIVILEGE_FILE_READ_ACCESS) gives it for all of them).
author:
  - Lockstep developers (@lockstep)
extends_documentation_fragment:
  - lockstep.qumulo.connection
  - lockstep.qumulo.attributes
options:
  newer:
    description:
      - ID or name of the newer snapshot.
    type: str
    required: true
  older:
    description:
      - ID or name of the older snapshot, of the same directory.
    type: str
    required: true
  dest:
    description:
      - File to write, on the host that the module runs on. A new one has mode 0640.
    type: path
    required: true
  format:
    description:
      - V(jsonl) and V(csv) have all deletions first, then everything else by path, so that they can be applied from top to bottom.
      - V(xml) is the format of StorageDNA, in reverse order of path.
      - V(nul) has paths that are ended by NUL, for C(rsync --from0 --files-from).
    type: str
    choices: [jsonl, csv, xml, nul]
    default: jsonl
  attributes:
    description:
      - Where sizes, times and owners come from.
      - V(api) asks the cluster, at the newer snapshot. V(mount) looks at O(map_to). V(none) leaves them out, which is by far the fastest.
    type: str
    choices: [api, mount, none]
    default: api
  deletes:
    description:
      - List what was deleted, too.
      - With O(format=nul), give rsync C(--delete-missing-args --force).
    type: bool
    default: false
  expand_deleted:
    description:
      - List everything that was in a deleted directory, and not only the directory.
      - For a directory that was deleted and made again this is always so.
    type: bool
    default: false
  base_path:
    description:
      - What names in the list are relative to. Exactly these characters are cut off, so that names begin with a slash if it does not end in one.
      - If not set, names are relative to the directory of the snapshots.
      - With O(format=xml), deleted files have absolute names, as the consumers of that format expect.
    type: str
  map_to:
    description:
      - Directory of this host where O(base_path) is mounted, with O(attributes=mount). No symlink below it is followed.
    type: path
  index:
    description:
      - Number of the source folder, with O(format=xml).
    type: int
    default: 1
  workers:
    description:
      - Requests for attributes and directories at a time, each with its own connection.
    type: int
    default: 16
notes:
  - In O(format=xml), deleted files show the time of the newer snapshot as their times, so that the same two snapshots give the same file.
    Symlinks and devices are left out. Names that XML can not hold, and files that can not be read, become C(bad-dir) entries.
seealso:
  - module: lockstep.qumulo.qumulo_snapshot
"""

EXAMPLES = r"""
- name: What changed since yesterday
  lockstep.qumulo.qumulo_changelist:
    newer: today
    older: yesterday
    dest: /tmp/changes.jsonl
    deletes: true

- name: The same for rsync
  lockstep.qumulo.qumulo_changelist:
    newer: today
    older: yesterday
    dest: /tmp/changes.nul
    format: nul
    attributes: none
"""

RETURN = r"""
dest:
  description: The file.
  returned: success
  type: str
  sample: /tmp/changes.jsonl
totals:
  description: What the list holds.
  returned: success
  type: dict
  sample: {created: 3, modified: 1, deleted: 1, files: 3, directories: 1, bytes: 4096, unreadable: 0, left_out: 0}
sample:
  description: The first few entries, in words.
  returned: success
  type: list
  elements: str
  sample: [delete draft.txt, create report.pdf]
newer:
  description: The newer snapshot.
  returned: success
  type: dict
  sample: {snapshot_id: 18, name: 18_today}
older:
  description: The older snapshot.
  returned: success
  type: dict
  sample: {snapshot_id: 17, name: 17_yesterday}
"""

import os

from ansible_collections.lockstep.qumulo.plugins.module_utils._module import run
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import snapshots
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist.build import (
    Order,
    build,
)


def write_list(client, params, check_mode):
    """Write the list."""
    known = snapshots.list_all(client)
    newer = snapshots.find(known, params["newer"])
    older = snapshots.find(known, params["older"])
    options = (
        "dest",
        "format",
        "attributes",
        "deletes",
        "expand_deleted",
        "base_path",
        "map_to",
        "index",
        "workers",
    )
    order = Order(**{name: params[name] for name in options})
    result = build(client, newer, older, order, check_mode=check_mode)
    before = "the list of other changes, or none\n" if result.changed else ""
    return {
        "changed": result.changed,
        "dest": os.path.abspath(order.dest),
        "newer": newer.render(),
        "older": older.render(),
        "warnings": result.warnings,
        "diff": {"before": before, "after": "".join(f"{line}\n" for line in result.sample)},
        **result.render(),
    }


def main():
    run(
        write_list,
        {
            "newer": {"type": "str", "required": True},
            "older": {"type": "str", "required": True},
            "dest": {"type": "path", "required": True},
            "format": {
                "type": "str",
                "choices": ["jsonl", "csv", "xml", "nul"],
                "default": "jsonl",
            },
            "attributes": {"type": "str", "choices": ["api", "mount", "none"], "default": "api"},
            "deletes": {"type": "bool", "default": False},
            "expand_deleted": {"type": "bool", "default": False},
            "base_path": {"type": "str"},
            "map_to": {"type": "path"},
            "index": {"type": "int", "default": 1},
            "workers": {"type": "int", "default": 16},
        },
        supports_check_mode=True,
    )


if __name__ == "__main__":
    main()
