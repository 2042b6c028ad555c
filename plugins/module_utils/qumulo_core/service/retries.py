# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a service tries again what has failed, and what is no failure of the file at all."""

from __future__ import annotations

from ..errors import AuthenticationError, BusyError, TlsError, UnreachableError

#: Failures of the cluster or the way to it, not of the file: never a reason to give up.
FOR_NOW = (AuthenticationError, BusyError, TlsError, UnreachableError)
#: Seconds until what has failed is tried again: twice as long each time, up to a bound.
_FIRST, _LAST = 2.0, 300.0
#: Most seconds that an entry waits besides its quiet period or window: longer than between two
#: tries. If its due time is later, a clock was set back.
LONGEST_WAIT = 600.0


def retry_after(attempts: int) -> float:
    """Return the seconds until the next try after ``attempts`` failed ones."""
    return float(min(_FIRST * 2 ** min(attempts, 20), _LAST))
