# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Privileges that a change needs, checked where the change itself is not made."""

from __future__ import annotations

from ..client import Client
from ..errors import MissingPrivilegeError, QumuloError


def check_granted(client: Client, privilege: str) -> None:
    """Refuse in check mode what the cluster would refuse for want of a privilege.

    If the cluster does not list the privileges of the account, nothing is refused.

    :raises MissingPrivilegeError: the account does not have it.
    """
    try:
        account = client.who_am_i()
    except QumuloError:
        return
    granted = account.get("privileges")
    if isinstance(granted, list) and privilege not in granted:
        raise MissingPrivilegeError(
            f"The account '{account.get('name', '')}' lacks {privilege}, so the task would fail "
            "without check mode: grant it to a role of the account (qq auth_modify_role --role "
            f"ROLE --grant {privilege}).",
            privilege=privilege,
        )
