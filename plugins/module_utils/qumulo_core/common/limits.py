# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Check limits on results."""

from __future__ import annotations

from ..errors import InputError


def check_max_results(max_results: int, things: str) -> None:
    """Refuse a negative limit.

    :param things: the results, such as ``files``.
    :raises InputError: it is negative.
    """
    if max_results < 0:
        raise InputError(
            f"max_results is {max_results}, and must be 0 or more: set it to the number of "
            f"{things} to return."
        )
