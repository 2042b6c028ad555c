#!/usr/bin/python
# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: qumulo_settings
short_description: Settings of a cluster for access times, audit log and notifications
version_added: 1.1.0
description:
  - Sets what the services of this collection depend on. What is not named is neither read nor changed.
  - The account needs C(PRIVILEGE_FS_SETTINGS_READ) and C(PRIVILEGE_FS_SETTINGS_WRITE), for the audit log C(PRIVILEGE_AUDIT_READ) and
    C(PRIVILEGE_AUDIT_WRITE).
author:
  - Lockstep developers (@lockstep)
extends_documentation_fragment:
  - lockstep.qumulo.connection
  - lockstep.qumulo.attributes
options:
  access_times:
    description:
      - The cluster's own access times, for all files and protocols.
    type: dict
    suboptions:
      enabled:
        description: Whether the cluster keeps them.
        type: bool
      granularity:
        description: How fine they are.
        type: str
        choices: [HOUR, DAY, WEEK]
  audit_syslog:
    description:
      - Where the cluster sends its audit log, as RFC 5424 lines over TCP.
    type: dict
    suboptions:
      enabled:
        description: Whether it is sent.
        type: bool
      server_address:
        description: Address or name of the host that receives it, without a port. It is needed to enable the log.
        type: str
      server_port:
        description: TCP port of that host, from V(1) to V(65535).
        type: int
      format:
        description: Form of the lines.
        type: str
        choices: [csv, json]
  notifications:
    description:
      - Change notifications.
    type: dict
    suboptions:
      recursive_mode:
        description: Whether the cluster tells what happens below the directories of a watched directory.
        type: str
        choices: [ENABLED, DISABLED_IGNORE, DISABLED_ERROR]
seealso:
  - name: Roles watcher and atime
    description: The services that need these settings.
    link: https://github.com/lockstep/lockstep.qumulo
"""

EXAMPLES = r"""
- name: Let the cluster keep access times, to the hour
  lockstep.qumulo.qumulo_settings:
    access_times:
      enabled: true
      granularity: HOUR

- name: Send the audit log to the host of the access-time syncer
  lockstep.qumulo.qumulo_settings:
    audit_syslog:
      enabled: true
      server_address: 10.0.0.5
      server_port: 6514
      format: json

- name: Tell watchers what happens below directories
  lockstep.qumulo.qumulo_settings:
    notifications:
      recursive_mode: ENABLED
"""

RETURN = r"""
msg:
  description: The answer in one sentence.
  returned: success
  type: str
  sample: "access_times was changed."
before:
  description: The named settings as they were.
  returned: success
  type: dict
  sample:
    access_times:
      enabled: false
      granularity: HOUR
settings:
  description: The named settings as they are now.
  returned: success
  type: dict
  sample:
    access_times:
      enabled: true
      granularity: HOUR
"""

from ansible_collections.lockstep.qumulo.plugins.module_utils import _answers
from ansible_collections.lockstep.qumulo.plugins.module_utils._module import run
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import cluster_settings


def main():
    run(
        cluster_settings.ensure,
        {
            "access_times": {
                "type": "dict",
                "options": {
                    "enabled": {"type": "bool"},
                    "granularity": {"type": "str", "choices": ["HOUR", "DAY", "WEEK"]},
                },
            },
            "audit_syslog": {
                "type": "dict",
                "options": {
                    "enabled": {"type": "bool"},
                    "server_address": {"type": "str"},
                    "server_port": {"type": "int"},
                    "format": {"type": "str", "choices": ["csv", "json"]},
                },
            },
            "notifications": {
                "type": "dict",
                "options": {
                    "recursive_mode": {
                        "type": "str",
                        "choices": ["ENABLED", "DISABLED_IGNORE", "DISABLED_ERROR"],
                    },
                },
            },
        },
        answer=_answers.settings,
        supports_check_mode=True,
        required_one_of=[["access_times", "audit_syslog", "notifications"]],
    )


if __name__ == "__main__":
    main()
