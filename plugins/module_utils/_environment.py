# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fallbacks of options to environment variables; an empty variable counts as not set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible.module_utils.basic import AnsibleFallbackNotFound

from .qumulo_core import environment


def fallback(name: str) -> str:
    """Return an environment variable, as :func:`environment.value` reads it.

    :raises AnsibleFallbackNotFound: it is not set, or empty.
    """
    found = environment.value(name)
    if found is None or (name == "QUMULO_PORT" and not environment.is_port(found)):
        # A port that is not one is reported by `check_port`, which can name the variable.
        raise AnsibleFallbackNotFound
    return found


def host_problem(params: Mapping[str, Any]) -> str | None:
    """Return a sentence if neither a task nor the environment names a cluster, or None.

    :param params: as the task gives them.
    """
    given = params.get("host")
    hosts = given if isinstance(given, (list, tuple)) else [given]
    if any(host is not None and str(host).strip(" ,") for host in hosts):
        return None
    if "host" not in params and environment.value("QUMULO_HOST") is not None:
        return None
    return (
        "No cluster is named, because host is not set: set it to a node or the DNS name of the "
        "cluster, in the task, in module_defaults (group/lockstep.qumulo.qumulo), or in the "
        "environment variable QUMULO_HOST."
    )


def check_port(given: dict[str, Any]) -> None:
    """Check the port in the environment, unless the task sets another one.

    :param given: the options of the module.
    :raises InputError: it is not a port number.
    """
    if given["port"] == environment.DEFAULT_PORT:
        environment.port()
