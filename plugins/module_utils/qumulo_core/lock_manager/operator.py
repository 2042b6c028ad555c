# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands for the operator of the lock manager."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..common import hash_chain, record_files
from ..service import exit_codes
from ..service.logs import one_line
from ..service.operator import say
from . import records
from .config import Config
from .record_verification import verify as verify_record


def verify(config: Config, files: Sequence[str], expected: str | None) -> int:
    """Check the record of closed handles; return the exit code.

    :param files: of the record, the oldest first; none for the configured ones.
    :param expected: hash of a line that must be there.
    """
    if expected is not None and not hash_chain.is_hash(expected.strip().lower()):
        say(
            f"'{expected}' is not a hash: give the 64 hexadecimal digits that 'verify' prints last."
        )
        return exit_codes.USAGE
    wanted = {} if expected is None else {expected.strip().lower(): "expected hash"}
    paths = list(files)
    if not paths:
        # Read before the files: what is written meanwhile follows it.
        stored = records.stored_hash(config.audit_file)
        if stored is not None:
            wanted.setdefault(stored, "hash of the last record that the page has written,")
        paths = record_files.series(config.audit_file)
    found = verify_record(paths, _complain, list(wanted))
    missing = [name for name in wanted if name not in found.found]
    for each in missing:
        if found.unreadable:
            _complain(
                f"The {wanted[each]} {each} was not found; it may be in a file that could not be "
                "read."
            )
            continue
        _complain(
            f"The {wanted[each]} {each} is not in the record: records were changed or are missing. "
            "Restore the files from a backup, and find out who has changed them."
        )
    if found.lines:
        say(found.describe())
    elif not missing:
        say(f"There are no records at {', '.join(paths) or config.audit_file}.")
    if found.unreadable and not found.faults:
        return exit_codes.UNCHECKED
    if found.faults or missing:
        return exit_codes.FAILED
    return exit_codes.OK if found.lines else exit_codes.UNCHECKED


def _complain(text: str) -> None:
    sys.stderr.write(f"{one_line(text)}\n")
