# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Name the cause of an operating system error, and what to do about it."""

from __future__ import annotations

import errno
import os

from .safe_paths import describe_owner

#: Cause and next step, by error number. Others have the system's own words.
_KNOWN = {
    errno.EMFILE: (
        "this process has too many files open",
        "Raise its limit (LimitNOFILE= of the unit, or 'ulimit -n') and start it again.",
    ),
    errno.ENFILE: (
        "this host has too many files open",
        "Find the process that holds them, or raise fs.file-max.",
    ),
    errno.ENOLCK: (
        "the file system has no locks available",
        "Use a local file system, or start the lock service of the network file system.",
    ),
    errno.EROFS: (
        "the file system is read-only",
        "Mount it for writing. If it became read-only on its own, check the disk and the kernel "
        "log first.",
    ),
    errno.ENOSPC: ("the disk is full", "Free some space or inodes on it."),
    errno.EDQUOT: ("the quota is used up", "Free some space, or raise the quota."),
    errno.EIO: ("the disk reports an I/O error", "Check the disk and the kernel log."),
    errno.ENOMEM: ("memory is exhausted", "Give the process more memory."),
}
_DENIED = (errno.EACCES, errno.EPERM)


def is_known(exc: BaseException) -> bool:
    """Tell whether the error has a cause that calls for a step of its own."""
    return isinstance(exc, OSError) and exc.errno in (*_KNOWN, *_DENIED)


def is_shortage(exc: BaseException) -> bool:
    """Tell whether this process or its host lacks the means, whatever it works on."""
    shortages = (errno.EMFILE, errno.ENFILE, errno.ENOMEM)
    return isinstance(exc, OSError) and exc.errno in shortages


def cause(exc: OSError) -> str:
    """Return the cause in words."""
    if exc.errno in _KNOWN:
        return _KNOWN[exc.errno][0]
    return (exc.strerror or str(exc)).lower()


def step(exc: OSError, otherwise: str) -> str:
    """Return what to do, as a sentence.

    :param otherwise: what to do about other causes.
    """
    if exc.errno in _KNOWN:
        return _KNOWN[exc.errno][1]
    if exc.errno in _DENIED:
        return f"Grant access to {describe_owner(os.geteuid())}, the account that runs this."
    return otherwise


def explain(failure: str, exc: OSError, otherwise: str) -> str:
    """Return what failed, why, and what to do.

    :param failure: beginning of a sentence, such as ``Cannot open the lock file /x``.
    :param otherwise: what to do about causes that need nothing special.
    """
    return f"{failure}: {cause(exc)}. {step(exc, otherwise)}"
