# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Turn unexpected exceptions into sentences without their text, which may contain a secret."""

from __future__ import annotations

import os
import traceback

from ..errors import QumuloError
from . import os_reasons
from .redaction import redact

_PACKAGE = f"{os.sep}qumulo_core{os.sep}"


def sentence(exc: BaseException, step: str) -> str:
    """Return what failed and where, without values; the message of a :class:`QumuloError`.

    :param step: what to do about an unexpected exception, as the end of the sentence.
    """
    if isinstance(exc, QumuloError):
        return exc.message
    if isinstance(exc, MemoryError):
        return f"Out of memory{_where(exc)}: give the process more memory, or less work at a time."
    if isinstance(exc, OSError) and isinstance(exc.errno, int):
        if os_reasons.is_shortage(exc):
            step = os_reasons.step(exc, step)
        return f"{os.strerror(exc.errno)} ({type(exc).__name__}{_where(exc)}): {step}"
    return (
        f"Unexpected {type(exc).__name__}{_where(exc)}, a defect of the collection or an unknown "
        f"response of the cluster: {step}"
    )


def _where(exc: BaseException) -> str:
    """Return the deepest place in this library that the exception passed through."""
    place = ""
    for frame, line in traceback.walk_tb(exc.__traceback__):
        _before, found, below = frame.f_code.co_filename.rpartition(_PACKAGE)
        if found:
            place = f" in {below} line {line}"
    return place


def formatted(exc: BaseException) -> str:
    """Return the traceback with its causes, and with secrets masked."""
    return redact("".join(traceback.format_exception(type(exc), exc, exc.__traceback__)))
