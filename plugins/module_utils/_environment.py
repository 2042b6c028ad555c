# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options that are taken from the environment: an empty variable counts as not set."""

from __future__ import annotations

from typing import Any

from ansible.module_utils.basic import AnsibleFallbackNotFound

from .qumulo_core import environment


def fallback(name: str) -> str:
    """Return a variable of the environment, as :func:`environment.value` reads it.

    :raises AnsibleFallbackNotFound: it is not set, or empty.
    """
    found = environment.value(name)
    if found is None or (name == "QUMULO_PORT" and not environment.is_port(found)):
        # A port that is not one is reported by `check_port`, which can name the variable.
        raise AnsibleFallbackNotFound
    return found


def check_port(given: dict[str, Any]) -> None:
    """See that the port in the environment is one, unless another one is used.

    :param given: the options of the module.
    :raises InputError: it is not a port.
    """
    if given["port"] == environment.DEFAULT_PORT:
        environment.port()
