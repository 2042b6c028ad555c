#!/usr/bin/python
# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: qumulo_changelist
short_description: Write what changed between two snapshots, or since last time, to a file
version_added: 1.0.0
description:
  - Writes a list of files and directories that were created, modified, renamed or deleted between two snapshots of a directory,
    for whoever copies, archives or indexes them.
  - With O(checkpoint) it takes the newer snapshot itself and lists what has changed since the consumer was last known to have everything.
    A list that is not committed afterwards, for whatever reason, comes again next time, together with what is new. The first one is the whole tree.
  - A created directory is listed with everything in it, whether the cluster lists that or not.
  - Memory does not grow with the list. It is sorted on disk, beside O(dest).
  - The file appears whole or not at all. If it holds the same already, it is left alone.
  - On SIGTERM the run cleans up and fails. A run that is killed leaves nothing behind where the file system has files without names, as ext4, XFS and
    Btrfs do. Elsewhere, as on NFS, it leaves a file called O(dest) with a dot in front and 16 hexadecimal digits behind, which the next run for the
    same O(dest) removes. To be sure that no run is at work on such a file, runs lock their files.
  - The account needs C(PRIVILEGE_SNAPSHOT_READ), C(PRIVILEGE_SNAPSHOT_DIFFERENCE_READ) and permission to read the files' attributes
    (C(PRIVILEGE_FILE_READ_ACCESS) gives it for all of them), C(PRIVILEGE_SNAPSHOT_WRITE) for a O(checkpoint), and C(PRIVILEGE_IDENTITY_READ) for
    O(owner_names).
author:
  - Lockstep developers (@lockstep)
extends_documentation_fragment:
  - lockstep.qumulo.connection
  - lockstep.qumulo.attributes
options:
  state:
    description:
      - V(listed) writes the list.
      - V(committed) says that the consumer has worked off a list of the O(checkpoint), and moves it there. Only then are older snapshots of the
        checkpoint deleted, and never others. Those that are locked or in use are kept, and RV(not_deleted) gives the reason.
    type: str
    choices: [listed, committed]
    default: listed
    version_added: 1.1.0
  checkpoint:
    description:
      - Name of the consumer, instead of two snapshots. Each consumer's position is stored on the cluster itself, as snapshots
        called C(changelist-NAME.RANDOM), so it does not matter which host runs the module.
      - A committed snapshot never expires. A snapshot whose list was not committed expires after 90 days.
        If a run is killed, its snapshot expires after five minutes; until then another run is refused.
    type: str
    version_added: 1.1.0
  path:
    description:
      - Directory whose changes a O(checkpoint) lists.
    type: str
    version_added: 1.1.0
  auto_commit:
    description:
      - Commit as soon as the list is written. For consumers that keep the list until they have worked it off.
    type: bool
    default: false
    version_added: 1.1.0
  delivery:
    description:
      - With O(state=committed), which list was worked off, as RV(delivery) of the task that wrote it. If not set, the newest.
      - Set it wherever another run could have started meanwhile; to commit a list that somebody else still works on would lose its changes.
    type: int
    version_added: 1.1.0
  keep:
    description:
      - Committed snapshots of the checkpoint to keep when it moves, for reports over several of them. Set it in the task that commits the list
        (O(state=committed) or O(auto_commit)).
    type: int
    default: 1
    version_added: 1.1.0
  newer:
    description:
      - Name of the newer snapshot, with or without the ID in front. A number is a name, and never an ID.
    type: str
  newer_id:
    description:
      - ID of the newer snapshot, instead of O(newer).
    type: int
    version_added: 2.0.0
  older:
    description:
      - Name of the older snapshot, of the same directory, with or without the ID in front. A number is a name, and never an ID.
    type: str
  older_id:
    description:
      - ID of the older snapshot, instead of O(older).
    type: int
    version_added: 2.0.0
  dest:
    description:
      - File to write, on the host that the module runs on. Required unless O(state=committed).
      - It is replaced as a whole by a new file that belongs to the account that runs the module.
        Its mode is 0640, or less if the file that was there had less. To let a group read it, write it to a directory with the setgid bit.
      - A file of another account than this and root is an error, as is a device, a FIFO, a socket or a directory.
        A symlink is replaced by the file and not followed, as C(ansible.builtin.copy) does by default.
      - This applies to all files that the module writes. Choose a directory that only this account can write to, because
        M(lockstep.qumulo.qumulo_changelist_removal) refuses lists that others could have changed.
    type: path
  format:
    description:
      - V(jsonl), V(csv) and V(parquet) have all deletions first, then everything else by path, so that they can be applied from top to bottom.
      - V(parquet) needs the Python library C(pyarrow). It has no times before 1677 or after 2262; they are null.
      - V(xml) is the format of StorageDNA, in reverse order of path.
      - V(nul) has paths that are ended by NUL, for C(rsync --from0 --files-from).
      - V(rclone) has files by the line, for C(rclone copy --files-from-raw). Deletions are in a list of their own (RV(first)), for C(rclone delete).
      - V(bulk) has requests for C(_bulk) of OpenSearch and Elasticsearch, two lines an entry, with the SHA-256 of the path as the document's ID,
        so that each hard link of a file is a document. Deletions are in a list of their own (RV(first)), one line each, with everything that was in
        deleted directories. M(lockstep.qumulo.qumulo_changelist_index) sends the lists.
      - See the notes for how each format writes times, sizes and owners.
    type: str
    choices: [jsonl, csv, xml, nul, parquet, rclone, bulk]
    default: jsonl
  formula_guard:
    description:
      - With O(format=csv), put an apostrophe before each cell that begins with an apostrophe, C(=), C(+), C(-), C(@), a tab, a carriage return,
        a line feed, or a full-width form of these, so that a spreadsheet does not take a file name for a formula.
      - Set it for lists that people open in a spreadsheet. Without it, programs read the text unchanged.
      - To get the text back, remove the first character of each cell that begins with an apostrophe.
    type: bool
    default: false
    version_added: 2.0.0
  compress:
    description:
      - Compress the list. V(zstd) needs the Python library C(zstandard). Parquet is compressed inside.
    type: str
    choices: [gzip, zstd]
    version_added: 1.1.0
  split:
    description:
      - Write so many lists of about equal bytes (of equal numbers of entries with O(attributes=none)), for movers that work in parallel.
        They are called as O(dest) with C(.1), C(.2) and so on behind it; see RV(lists).
      - With O(deletes), what is gone stands in a list of its own (RV(first)), which has to be worked off before the others. With O(renames) that also
        has the renames and the new directories.
    type: int
    default: 1
    version_added: 1.1.0
  attributes:
    description:
      - Where sizes, times and owners come from.
      - V(api) asks the cluster, at the newer snapshot, by the directory where that takes fewer requests. V(mount) looks at O(map_to).
        V(none) leaves them out, which is by far the fastest.
    type: str
    choices: [api, mount, none]
    default: api
  file_locks:
    description:
      - Include the WORM locks of files. That takes a request for each file, and permission to read their ACLs.
        Needs O(format=jsonl), V(csv), V(parquet) or V(bulk).
    type: bool
    default: false
    version_added: 1.1.0
  deletes:
    description:
      - List what was deleted, too.
      - With O(format=nul), give rsync C(--delete-missing-args --force). Some distributions have a rsync that fails with this; see O(separate_deletes).
    type: bool
    default: false
  expand_deleted:
    description:
      - List everything that was in a deleted directory, and not only the directory.
      - For a directory that was deleted and made again this is always so.
    type: bool
    default: false
  owner_names:
    description:
      - Include the names of owners and groups beside their IDs, as C(owner_name) and C(group_name). A name that the cluster does not know is null
        (empty in V(csv)).
      - Each identity is looked up once. That needs C(PRIVILEGE_IDENTITY_READ).
      - Needs O(attributes=api) or O(attributes=mount), and one of the formats V(jsonl), V(csv), V(parquet) and V(bulk).
    type: bool
    default: false
    version_added: 2.0.0
  separate_deletes:
    description:
      - Write what is gone to a list of its own (RV(first)), O(dest) with C(.first) behind it, which has to be worked off before O(dest).
    type: bool
    default: false
    version_added: 1.1.0
  renames:
    description:
      - List a file or directory that was moved or renamed as such, so that nothing has to be copied. Needs O(deletes). The old path is V(from).
      - The list is right if it is applied from top to bottom, line by line. So what lies in the way, or in a directory that moves too, is first moved
        aside to a name that begins with C(.lockstep-moved-) in the top directory.
      - Everything in deleted and created directories has to be read to find out.
      - Only V(jsonl), V(csv) and V(parquet) can express renames. With another O(format) this is an error.
      - After a list of a O(checkpoint) that was not committed, the next has no renames, as nobody knows how much of it was worked off.
    type: bool
    default: false
    version_added: 1.1.0
  ranges:
    description:
      - With the bytes that changed of modified files, as offset, length, and whether it is data or a hole. After them the file ends where its size says.
        Files without ranges must be copied in full. Needs O(attributes=api), and one of V(jsonl), V(csv) and V(parquet).
    type: bool
    default: false
    version_added: 1.1.0
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
  status:
    description:
      - File that says every few seconds how far the run is, as JSON (C(state), C(phase), C(entries), C(rate), C(remaining_seconds)), for whoever
        waits for it with C(async) and C(poll). The journal gets a line at the same time.
      - After a run that was killed, C(state) is still C(running), and C(pid) names a process that does not exist any more. The next run with the same
        file replaces it and warns.
      - It must not be O(dest) or another file of the list, such as O(dest) followed by C(.first) or C(.1).
    type: path
    version_added: 1.1.0
notes:
  - "Times: V(jsonl) has seconds since 1970 as text with nine decimals, because a floating-point number would lose some of them.
    V(csv) and V(bulk) have RFC 3339 dates with nine decimals, null (empty in V(csv)) outside of the years 1 to 9999.
    V(parquet) has timestamps in nanoseconds. V(xml) has whole seconds. The retention period is an RFC 3339 date everywhere."
  - "Sizes and numbers of links are numbers (text in V(csv) and V(xml)). File IDs are text everywhere, because they may exceed 64 bits."
  - "Owners and groups: auth IDs of the cluster with O(attributes=api), and UIDs and GIDs with O(attributes=mount), both as text.
    V(xml) has UIDs and GIDs. See O(owner_names) for names."
  - In O(format=xml), deleted files show the time of the newer snapshot as their times, so that the same two snapshots give the same file.
    Symlinks and devices are left out. Names that XML can not hold, and files that can not be read, become C(bad-dir) entries.
  - To give a checkpoint up, delete its snapshots.
seealso:
  - module: lockstep.qumulo.qumulo_snapshot
  - module: lockstep.qumulo.qumulo_changelist_index
"""

EXAMPLES = r"""
- name: What changed since yesterday
  lockstep.qumulo.qumulo_changelist:
    newer: today
    older: yesterday
    dest: /srv/lists/changes.jsonl
    deletes: true

- name: The same for rsync
  lockstep.qumulo.qumulo_changelist:
    newer: today
    older: yesterday
    dest: /srv/lists/changes.nul
    format: nul
    attributes: none

- name: What changed since the archive was last complete
  lockstep.qumulo.qumulo_changelist:
    checkpoint: archive
    path: /projects
    dest: /srv/lists/archive.jsonl
    deletes: true
    renames: true
  register: changes

- name: Archive it
  ansible.builtin.command: /usr/local/bin/archive {{ changes.dest }}

- name: Say that the archive is complete
  lockstep.qumulo.qumulo_changelist:
    state: committed
    checkpoint: archive
    path: /projects
    delivery: "{{ changes.delivery }}"

- name: Eight lists for eight movers
  lockstep.qumulo.qumulo_changelist:
    newer: today
    older: yesterday
    dest: /srv/lists/changes.jsonl
    split: 8
    compress: zstd
    ranges: true

- name: A list that takes hours
  lockstep.qumulo.qumulo_changelist:
    checkpoint: index
    path: /
    dest: /srv/lists/index.bulk
    format: bulk
    status: /run/index.json
    auto_commit: true
  async: 86400
  poll: 60
"""

RETURN = r"""
msg:
  description: The answer in one sentence.
  returned: success
  type: str
  sample: "3 created, 1 modified, 1 deleted, 0 renamed since 17_yesterday; listed in /srv/lists/changes.jsonl."
dest:
  description: The file.
  returned: O(state=listed), but not in check mode with O(checkpoint)
  type: str
  sample: /srv/lists/changes.jsonl
lists:
  description: The files that were written; several with O(split).
  returned: O(state=listed), but not in check mode with O(checkpoint)
  type: list
  elements: str
  sample: [/srv/lists/changes.jsonl]
first:
  description: The list of what is gone, which has to be worked off before the others, if there is one.
  returned: O(state=listed), but not in check mode with O(checkpoint)
  type: str
  sample: /srv/lists/changes.jsonl.first
totals:
  description:
    - What the list holds.
    - C(changed_since) are files of a mount that have changed since the newer snapshot.
  returned: O(state=listed), but not in check mode with O(checkpoint)
  type: dict
  sample:
    created: 3
    modified: 1
    deleted: 1
    renamed: 0
    files: 3
    directories: 1
    bytes: 4096
    unreadable: 0
    left_out: 0
    changed_since: 0
sample:
  description: The first few entries, in words.
  returned: O(state=listed), but not in check mode with O(checkpoint)
  type: list
  elements: str
  sample: [delete draft.txt, create report.pdf]
newer:
  description: The newer snapshot; with O(state=committed) the one that the checkpoint is at.
  returned: success, but not in check mode with O(checkpoint) and O(state=listed)
  type: dict
  sample: {snapshot_id: 18, name: 18_today}
older:
  description: The older snapshot; none in the first list of a checkpoint.
  returned: O(state=listed)
  type: dict
  sample: {snapshot_id: 17, name: 17_yesterday}
delivery:
  description: What O(delivery) of O(state=committed) is to be set to.
  returned: with O(checkpoint), but not in check mode with O(state=listed)
  type: int
  sample: 18
committed:
  description: Whether the checkpoint is there already.
  returned: with O(checkpoint), but not in check mode with O(state=listed)
  type: bool
  sample: false
deleted:
  description: Snapshots of the checkpoint that were deleted.
  returned: O(state=committed)
  type: list
  elements: dict
  sample: [{snapshot_id: 17}]
not_deleted:
  description: Old snapshots of the checkpoint that cannot be deleted, because they are locked or in use, with the C(reason).
  returned: O(state=committed)
  type: list
  elements: dict
  sample: []
"""

from ansible_collections.lockstep.qumulo.plugins.module_utils import _answers
from ansible_collections.lockstep.qumulo.plugins.module_utils._module import run
from ansible_collections.lockstep.qumulo.plugins.module_utils._option_rules import Excludes, Needs
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import runs

_OF_LISTS = (
    *("dest", "format", "formula_guard", "compress", "split", "attributes", "file_locks"),
    *("deletes", "expand_deleted", "separate_deletes", "renames", "ranges", "base_path", "map_to"),
    *("index", "workers", "status", "auto_commit", "owner_names"),
)
RULES = [
    Excludes(("newer", "older", "newer_id", "older_id"), "checkpoint"),
    Needs(("path", "auto_commit", "keep"), "checkpoint"),
    Needs(("keep",), "auto_commit", when=("state", "listed")),
    Excludes(_OF_LISTS, "state", ("committed",)),
    Needs(("map_to",), "attributes", ("mount",)),
    Needs(("index",), "format", ("xml",)),
    Needs(("renames",), "format", ("jsonl", "csv", "parquet")),
    Needs(("formula_guard",), "format", ("csv",)),
    Needs(("file_locks",), "format", ("jsonl", "csv", "parquet", "bulk")),
]


def main():
    run(
        runs.run,
        {
            "state": {"type": "str", "choices": ["listed", "committed"], "default": "listed"},
            "checkpoint": {"type": "str"},
            "path": {"type": "str"},
            "auto_commit": {"type": "bool", "default": False},
            "delivery": {"type": "int"},
            "keep": {"type": "int", "default": 1},
            "newer": {"type": "str"},
            "newer_id": {"type": "int"},
            "older": {"type": "str"},
            "older_id": {"type": "int"},
            "dest": {"type": "path"},
            "format": {
                "type": "str",
                "choices": ["jsonl", "csv", "xml", "nul", "parquet", "rclone", "bulk"],
                "default": "jsonl",
            },
            "formula_guard": {"type": "bool", "default": False},
            "compress": {"type": "str", "choices": ["gzip", "zstd"]},
            "split": {"type": "int", "default": 1},
            "attributes": {"type": "str", "choices": ["api", "mount", "none"], "default": "api"},
            "file_locks": {"type": "bool", "default": False},
            "deletes": {"type": "bool", "default": False},
            "expand_deleted": {"type": "bool", "default": False},
            "separate_deletes": {"type": "bool", "default": False},
            "renames": {"type": "bool", "default": False},
            "ranges": {"type": "bool", "default": False},
            "base_path": {"type": "str"},
            "map_to": {"type": "path"},
            "index": {"type": "int", "default": 1},
            "workers": {"type": "int", "default": 16},
            "status": {"type": "path"},
            "owner_names": {"type": "bool", "default": False},
        },
        rules=RULES,
        answer=_answers.changelist,
        supports_check_mode=True,
    )


if __name__ == "__main__":
    main()
