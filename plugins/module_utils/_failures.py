# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""End a module that fails: one sentence, and no secret in the rest of the result."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from ansible.module_utils.basic import AnsibleModule

from .qumulo_core.common import redaction, unexpected
from .qumulo_core.errors import QumuloError

Value = TypeVar("Value")
#: From this verbosity on (``-vvv``) a failed task shows the traceback.
_VERBOSE = 3
_STEP = "run the task again with -vvv and report the traceback."


def guarded(module: AnsibleModule, work: Callable[[], Value]) -> Value:
    """Return the value of ``work``, or end the module with ``fail_json``.

    A :class:`QumuloError` becomes its message, with the cluster's ``status`` and ``error_class``,
    if any. Any other exception becomes a sentence without its text, because that could contain a
    secret.
    """
    try:
        return work()
    except Exception as exc:  # pylint: disable=broad-exception-caught
        failure = _failure(exc)
        traceback = unexpected.formatted(exc)
    # Ansible masks the options as they were given; this adds the forms that lower layers make of
    # them. Outside of the handler, because Ansible adds the traceback of a handled exception.
    module.no_log_values.update(redaction.forms())
    if module._verbosity >= _VERBOSE:
        failure["exception"] = traceback
        if "exception" in inspect.signature(AnsibleModule.fail_json).parameters:
            # From ansible-core 2.19 on it is shown only where a setting asks for it.
            failure["traceback"] = traceback.splitlines()
    module.fail_json(**failure)
    raise AssertionError("fail_json does not return")


def _failure(exc: Exception) -> dict[str, Any]:
    failure: dict[str, Any] = {"msg": unexpected.sentence(exc, _STEP)}
    if isinstance(exc, QumuloError):
        failure.update(exc.details)
        if exc.status is not None:
            failure["status"] = exc.status
        if exc.error_class is not None:
            failure["error_class"] = exc.error_class
        if exc.maybe_applied:
            failure["maybe_applied"] = True
    return failure
