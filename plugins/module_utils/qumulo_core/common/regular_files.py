# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Refuse what is not a regular file before a library opens it: a FIFO waits for a writer."""

from __future__ import annotations

import os
import stat

from ..errors import InputError

#: A larger file is not a certificate, a key or credentials, but was named by mistake.
MAX_BYTES = 1 << 24


def check_regular(path: str, what: str) -> None:
    """Refuse a path that leads to something other than a regular file of a sensible size.

    A path that leads nowhere is left to whoever opens it.

    :param what: name of the kind of file in a message, such as ``'ca_path'``.
    :raises InputError: the file is refused.
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return
    if not stat.S_ISREG(found.st_mode):
        raise InputError(
            f"{what} {path} is not a regular file: name a regular file, also instead of a process "
            "substitution such as <(command)."
        )
    if found.st_size > MAX_BYTES:
        raise InputError(f"{what} {path} is larger than {MAX_BYTES} bytes: check the path.")
