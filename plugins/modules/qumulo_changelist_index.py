#!/usr/bin/python
# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: qumulo_changelist_index
short_description: Send a change list to a search index
version_added: 2.0.0
description:
  - Sends a list in the V(bulk) format of M(lockstep.qumulo.qumulo_changelist) to an index of OpenSearch (2 or later) or Elasticsearch (7 or later).
  - If the index does not exist, it is created with a mapping. Times are dates, sizes are numbers, and IDs, names and modes are keywords.
    C(path) is text, and C(path.keyword) the exact path. Times have the type C(date), which sorts by the millisecond and holds all years.
    The type C(date_nanos) would refuse times before 1970 and after 2262.
  - If the index exists, its mapping is checked before anything is sent. Fields that are missing in it are added.
    A field with a type that does not fit is an error.
  - The task fails unless the search engine confirms every entry. Commit a checkpoint only after this task. Sending a list twice is harmless.
  - No cluster is contacted.
  - The user needs the index privileges C(create_index), C(view_index_metadata), C(manage) (to add missing fields) and C(write) of Elasticsearch, or
    C(indices:admin/create), C(indices:admin/mappings/get), C(indices:admin/mapping/put) and C(indices:data/write/*) of OpenSearch.
author:
  - Lockstep developers (@lockstep)
options:
  url:
    description:
      - URL of the index, such as V(https://search.example.com:9200/files). The path may have a prefix before the name of the index.
    type: str
    required: true
  src:
    description:
      - The list, as RV(lockstep.qumulo.qumulo_changelist#module:lists) of the task that wrote it. If not set, only the index is created or checked.
      - A list that somebody else could have changed is an error, because it determines what the search engine stores. It must belong to the account that
        runs the module or to root, without write permission for its group or others, and so must each directory of its path.
    type: path
  first:
    description:
      - The list of deletions, as RV(lockstep.qumulo.qumulo_changelist#module:first). It is sent before O(src).
    type: path
  complete:
    description:
      - Whether the list covers everything in the directory, not only changes. A missing index is created only from such a list, because an
        index that is built from changes would be incomplete.
    type: bool
    default: false
  directory:
    description:
      - Directory of the cluster whose files the index holds. It is stored in the mapping (C(_meta)), and the files of another directory are refused,
        because paths are relative to it.
    type: str
  checkpoint:
    description:
      - Checkpoint whose lists feed the index. It is stored and compared like O(directory), so that no list is skipped.
    type: str
  username:
    description:
      - User name for basic authentication.
    type: str
  password:
    description:
      - Password of O(username).
    type: str
  ca_path:
    description:
      - File with the certificates of the CAs to trust, in PEM format, for an O(url) with C(https). If not set, the trust store of the host is used.
    type: path
  request_entries:
    description:
      - Maximum number of entries in a request, from 1 to 100,000.
    type: int
    default: 10000
  request_bytes:
    description:
      - Maximum size of a request in bytes, from 65536 to 104857600. Search engines refuse requests of more than 100 MB, and hosted ones often of more
        than 10 MB. An entry is never split, so a larger one is sent in a separate request.
    type: int
    default: 8388608
  timeout:
    description:
      - Seconds to wait for the answer to a request, from 1 to 3600.
    type: float
    default: 120
  retries:
    description:
      - Maximum number of retries, from 0 to 20, of a request that the search engine is too busy for (429, 502, 503, 504) or whose connection
        breaks. The wait grows each time. A request without an answer within O(timeout) is not retried.
    type: int
    default: 5
attributes:
  check_mode:
    description: Checks the index and the list, and sends nothing.
    support: full
  diff_mode:
    description: Shows no differences.
    support: none
seealso:
  - module: lockstep.qumulo.qumulo_changelist
"""

EXAMPLES = r"""
- name: List everything, or what has changed since last time
  lockstep.qumulo.qumulo_changelist:
    checkpoint: search-index
    path: /projects
    dest: /srv/lists/index.bulk
    format: bulk
    deletes: true
    owner_names: true
  register: changes

- name: Send it to the index
  lockstep.qumulo.qumulo_changelist_index:
    url: https://search.example.com:9200/files
    username: feeder
    password: "{{ lookup('ansible.builtin.env', 'SEARCH_PASSWORD') }}"
    src: "{{ changes.dest }}"
    first: "{{ changes.first }}"
    complete: "{{ changes.older is none }}"
    directory: /projects
    checkpoint: search-index

- name: Commit the checkpoint
  lockstep.qumulo.qumulo_changelist:
    state: committed
    checkpoint: search-index
    path: /projects
    delivery: "{{ changes.delivery }}"
"""

RETURN = r"""
msg:
  description: The answer in one sentence.
  returned: success
  type: str
  sample: "2040 entries were sent to the index files, and 3 deleted, in 1 request."
index:
  description: Name of the index.
  returned: success
  type: str
  sample: files
created:
  description: Whether the index was created, or fields were added to its mapping.
  returned: success
  type: bool
  sample: false
indexed:
  description: Entries that were sent to be stored.
  returned: success
  type: int
  sample: 2040
deleted:
  description: Deletions that were sent.
  returned: success
  type: int
  sample: 3
requests:
  description: Requests that were needed.
  returned: success
  type: int
  sample: 1
"""


from ansible_collections.lockstep.qumulo.plugins.module_utils import _answers
from ansible_collections.lockstep.qumulo.plugins.module_utils._failures import guarded
from ansible_collections.lockstep.qumulo.plugins.module_utils._module import QumuloModule
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import (
    search_index,
)


def main():
    module = QumuloModule(
        argument_spec={
            "url": {"type": "str", "required": True},
            "src": {"type": "path"},
            "first": {"type": "path"},
            "complete": {"type": "bool", "default": False},
            "directory": {"type": "str"},
            "checkpoint": {"type": "str"},
            "username": {"type": "str"},
            "password": {"type": "str", "no_log": True},
            "ca_path": {"type": "path"},
            "request_entries": {"type": "int", "default": search_index.REQUEST_ENTRIES},
            "request_bytes": {"type": "int", "default": search_index.REQUEST_BYTES},
            "timeout": {"type": "float", "default": 120},
            "retries": {"type": "int", "default": 5},
        },
        supports_check_mode=True,
    )
    result = guarded(module, lambda: search_index.run(module.params, module.check_mode))
    module.exit_json(msg=_answers.search_index(result, module.check_mode), **result)


if __name__ == "__main__":
    main()
