# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passwords that were written into a host by mistake, as in ``https://admin:secret@node``.

Such a host is refused, and Ansible shows the options of a module that failed.
"""

from __future__ import annotations

import os
from typing import Any


def of(value: Any, variable: str) -> set[str]:
    """Return the passwords in hosts, as texts to mask.

    :param value: of the option: a text or a list.
    :param variable: of the environment, which holds hosts if the option does not.
    """
    texts = value if isinstance(value, (list, tuple)) else [value]
    found: set[str] = set()
    for text in (*texts, os.environ.get(variable)):
        if not isinstance(text, str):
            continue
        before, at, _host = text.rpartition("@")
        _user, colon, password = before.rpartition("://")[2].partition(":")
        if at and colon:
            # Where Ansible splits a text at its commas, it shows the parts.
            found.update(part for part in (password, *password.split(",")) if part)
    return found
