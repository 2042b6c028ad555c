#!/usr/bin/python
# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: qumulo_smb_lock
short_description: Break SMB locks by closing open handles
version_added: 1.0.0
description:
  - Makes sure that no open SMB handle matches the filters. Every handle of a file is closed, not only the first.
  - After closing, the module lists the handles again. A handle that is gone counts as closed, whatever the cluster answered.
    If a handle is still open, the module fails with the cluster's reason.
  - A client whose handle is closed by force keeps a stale copy and can lose unsaved work. A check run (C(--check)) lists the handles that
    would be closed, their holders, and whether work can be lost.
  - The account needs C(PRIVILEGE_SMB_FILE_HANDLE_READ), C(PRIVILEGE_SMB_FILE_HANDLE_WRITE), C(PRIVILEGE_FS_LOCK_READ)
    and C(PRIVILEGE_IDENTITY_READ). With C(PRIVILEGE_SMB_SESSION_READ) clients are told apart better.
author:
  - Lockstep developers (@lockstep)
extends_documentation_fragment:
  - lockstep.qumulo.connection
  - lockstep.qumulo.smb_filters
  - lockstep.qumulo.attributes
options:
  state:
    description:
      - V(absent) closes the handles. It is the only state, because a handle cannot be opened for another user.
    type: str
    choices: [absent]
    default: absent
  max_close:
    description:
      - If more handles match, none is closed and the module fails. Safety limit against closing far more handles than intended.
    type: int
    default: 100
  exclude_users:
    description:
      - Users whose handles are not closed, in the same form as O(user). A user that the cluster does not know is an error, and nothing is closed.
      - A holder whose name the cluster cannot resolve is spared as well, because it could be one of these users.
    type: list
    elements: str
    default: []
  only_idle:
    description:
      - Spare handles that can lose work, which are those open for writing or with byte-range locks.
    type: bool
    default: false
  plan:
    description:
      - The RV(plan) of an earlier check run; anything else is an error. If another handle matches, none is closed and the module fails.
    type: list
    elements: str
  max_results:
    description:
      - Maximum number of handles to return in each of RV(closed), RV(failed_handles), RV(reopened) and RV(spared), and of lines in a diff. V(0) returns none.
        RV(totals) and RV(plan) always cover all handles.
    type: int
    default: 1000
    version_added: 2.0.0
seealso:
  - module: lockstep.qumulo.qumulo_smb_lock_info
"""

EXAMPLES = r"""
- name: Look at who would lose what
  lockstep.qumulo.qumulo_smb_lock:
    path: /finance/Budget 2026.xlsx
  check_mode: true
  register: planned

- name: Show who holds the file
  ansible.builtin.debug:
    msg: "{{ [planned.msg] + planned.holders }}"

- name: Close exactly what was shown
  lockstep.qumulo.qumulo_smb_lock:
    path: /finance/Budget 2026.xlsx
    plan: "{{ planned.plan }}"

- name: Close all handles of an abandoned workstation that cannot lose work
  lockstep.qumulo.qumulo_smb_lock:
    client: 10.1.2.3
    only_idle: true
"""

RETURN = r"""
msg:
  description: The answer in one sentence.
  returned: success
  type: str
  sample: "2 handles were closed, 1 was spared; work could be lost through 2."
closed:
  description: Handles that were (or would be) closed. See M(lockstep.qumulo.qumulo_smb_lock_info) for their members.
  returned: success
  type: list
  elements: dict
  sample: []
failed_handles:
  description: Handles that could not be closed, with the cluster's C(reason).
  returned: always, after closing was tried
  type: list
  elements: dict
  sample: []
reopened:
  description: Handles that the same users opened on the same files in the meantime. They are not closed.
  returned: success
  type: list
  elements: dict
  sample: []
spared:
  description: Handles that match and were spared because of O(exclude_users) or O(only_idle).
  returned: success
  type: list
  elements: dict
  sample: []
holders:
  description: Holders of the handles that were (or would be) closed, one line per user, client and risk.
  returned: success
  type: list
  elements: str
  sample: ["CORP\\jane from 10.1.2.3: 2 handles, open for writing"]
totals:
  description: Number of handles in each list, and number of handles to close that can lose work.
  returned: always, after closing was tried
  type: dict
  sample: {closed: 2, failed_handles: 0, reopened: 0, spared: 1, can_lose_work: 2}
truncated:
  description: Whether one of the lists of handles shows fewer than RV(totals) counts.
  returned: success
  type: bool
  sample: false
plan:
  description: Identifiers of the handles that were (or would be) closed.
  returned: success
  type: list
  elements: str
  sample: [10.0.0.11/1f/2]
directories:
  description:
    - Directories that O(path) and O(file_id) name. Only handles of these directories themselves were looked at, which may be none,
      while files below them are open. For those, use O(directory).
  returned: success
  type: list
  elements: str
  sample: []
"""

from ansible_collections.lockstep.qumulo.plugins.module_utils import _answers
from ansible_collections.lockstep.qumulo.plugins.module_utils._module import run
from ansible_collections.lockstep.qumulo.plugins.module_utils._smb_filters import (
    FILTER_SPEC,
    make_filter,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common.limits import (
    check_max_results,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.granted import (
    check_granted,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import (
    ConflictError,
    MissingPrivilegeError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks import (
    closing,
    summary,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.known import (
    check_known,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.listing import (
    list_handles,
)


def break_locks(client, params, check_mode):
    """Close the handles that match."""
    limit = params["max_results"]
    check_max_results(limit, "handles")
    wanted = make_filter(client, params)
    matching = list_handles(client, wanted)
    warnings, directories = check_known(
        client,
        wanted,
        matching,
        file_ids=params["file_id"] or (),
        exclude_users=params["exclude_users"],
    )
    chosen = closing.select(
        matching, exclude_users=params["exclude_users"], only_idle=params["only_idle"]
    )
    closing.check(chosen.close, wanted, max_close=params["max_close"], plan=params["plan"])
    outcome = closing.Closed(closed=chosen.close)
    if chosen.close and check_mode:
        try:
            check_granted(client, "PRIVILEGE_SMB_FILE_HANDLE_WRITE")
        except MissingPrivilegeError as exc:
            # A check run is also how somebody who may only look sees who holds a file.
            warnings.append(exc.message)
    if chosen.close and not check_mode:
        outcome = closing.close(client, chosen.close, wanted, known=matching)
        if outcome.broken is not None and not outcome.closed:
            raise outcome.broken  # the sentence that says what to do
    gone = {handle.location for handle in outcome.closed}
    left = [handle for handle in matching if handle.location not in gone]
    result = {
        "changed": bool(outcome.closed),
        "closed": [handle.render() for handle in outcome.closed[:limit]],
        "failed_handles": [
            {**handle.render(), "reason": reason} for handle, reason in outcome.failed[:limit]
        ],
        "reopened": [handle.render() for handle in outcome.reopened[:limit]],
        "spared": [handle.render() for handle in chosen.spared[:limit]],
        "holders": summary.holders(chosen.close, limit),
        "totals": {
            "closed": len(outcome.closed),
            "failed_handles": len(outcome.failed),
            "reopened": len(outcome.reopened),
            "spared": len(chosen.spared),
            "can_lose_work": sum(handle.can_lose_work for handle in chosen.close),
        },
        "plan": [handle.location for handle in chosen.close],
        "directories": directories,
        "diff": {
            "before": summary.describe(matching, limit),
            "after": summary.describe(left, limit),
        },
        "warnings": warnings
        + [f"Reopened immediately: {handle.describe()}" for handle in outcome.reopened[:10]],
    }
    result["truncated"] = any(
        result["totals"][key] > limit for key in ("closed", "failed_handles", "reopened", "spared")
    )
    if outcome.failed:
        handle, reason = outcome.failed[0]
        raise ConflictError(
            f"{len(outcome.failed)} of {len(chosen.close)} handles could not be closed, such as "
            f"{handle.describe()}: {reason.rstrip('.')}. Close them at the client, or try again.",
            details={
                key: result[key] for key in ("closed", "failed_handles", "reopened", "totals")
            },
        )
    return result


def main():
    spec = dict(
        FILTER_SPEC,
        state={"type": "str", "choices": ["absent"], "default": "absent"},
        max_close={"type": "int", "default": 100},
        exclude_users={"type": "list", "elements": "str", "default": []},
        only_idle={"type": "bool", "default": False},
        plan={"type": "list", "elements": "str"},
        max_results={"type": "int", "default": 1000},
    )
    run(
        break_locks,
        spec,
        required_one_of=[list(FILTER_SPEC)],
        answer=_answers.smb_break,
        supports_check_mode=True,
    )


if __name__ == "__main__":
    main()
