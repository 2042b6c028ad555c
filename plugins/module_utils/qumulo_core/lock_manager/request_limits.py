# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Limits on requests under way, and on bytes of forms that are being sent."""

from __future__ import annotations

from collections import Counter

from ..common.addresses import client_block

#: Bytes of a form: a page of ticked boxes has some kilobytes.
LARGEST_BODY = 1 << 20
#: Bytes of the form of the login, which anybody can send.
LARGEST_LOGIN = 1 << 16
#: Bytes of all forms that are being sent, of all clients and of one.
_BODIES = 64 << 20
_BODIES_OF_ONE = 16 << 20


class RequestLimits:
    """Requests under way. Only the event loop uses it.

    Behind a trusted proxy an address is the visitor's, not the proxy's.

    :param per_address: requests of one address, or of one IPv6 network of 64 bits.
    """

    def __init__(self, per_address: int) -> None:
        self._per_address = per_address
        self._requests: Counter[str] = Counter()
        self._bytes: Counter[str] = Counter()
        self._all_bytes = 0

    def enter(self, address: str, length: int) -> tuple[int, str]:
        """Count a request; return status and reason if there is one too many, else 0.

        :param length: of the body, in bytes. It has at most :data:`LARGEST_BODY`.
        """
        block = client_block(address)
        if self._requests[block] >= self._per_address:
            return 429, "Your address has too many requests under way: try again in a few seconds."
        too_much = self._bytes[block] + length > _BODIES_OF_ONE
        if length and (too_much or self._all_bytes + length > _BODIES):
            return 503, "Too many forms are being sent: try again in a minute. Nothing was done."
        self._requests[block] += 1
        self._bytes[block] += length
        self._all_bytes += length
        return 0, ""

    def leave(self, address: str, length: int) -> None:
        """Count a request that :meth:`enter` let in no more."""
        block = client_block(address)
        self._all_bytes -= length
        for counts, amount in ((self._requests, 1), (self._bytes, length)):
            counts[block] -= amount
            if not counts[block]:
                del counts[block]
