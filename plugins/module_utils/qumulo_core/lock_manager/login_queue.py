# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits on logins under way, of each address and of all."""

from __future__ import annotations

from collections import Counter

from ..common.addresses import client_block
from .lib import CapacityLimiter

#: Logins that the cluster is asked about at a time; others wait.
_LOGINS = 10
#: Logins of one address that are under way or wait.
PER_ADDRESS = 3
#: Seconds after which to try again.
RETRY_AFTER = 5


class LoginQueue:
    """Logins under way. Only the event loop uses it.

    A login takes as long as the cluster needs to refuse it, so that one address with many wrong
    passwords must not take all threads and the whole queue for them.
    """

    def __init__(self) -> None:
        #: Logins have threads of their own, so that those that wait for the cluster hold nobody
        #: else up.
        self.threads = CapacityLimiter(_LOGINS)
        self._under_way: Counter[str] = Counter()

    def enter(self, address: str) -> bool:
        """Count a login; False if its address has too many."""
        block = client_block(address)
        if self._under_way[block] >= PER_ADDRESS:
            return False
        self._under_way[block] += 1
        return True

    def leave(self, address: str) -> None:
        """Count a login that :meth:`enter` let in no more."""
        block = client_block(address)
        self._under_way[block] -= 1
        if not self._under_way[block]:
            del self._under_way[block]
