# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How often somebody may try to log in."""

from __future__ import annotations

import hashlib
import re
import threading
import time
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field

from ..common.addresses import client_block


@dataclass(frozen=True)
class Limit:
    """So many tries in so many seconds."""

    tries: int
    seconds: float


#: Tries for one account from one address: slower than any lockout policy of a directory.
PER_ACCOUNT = Limit(5, 300.0)
#: Failures of an address over all accounts: an office can be behind one address.
PER_ADDRESS = Limit(200, 300.0)
#: Seconds for which an account that has logged in from an address is known there.
_KNOWN_FOR = 12 * 3600.0
_TRACKED = 10_000
#: An account is called ``jane``, ``CORP\\jane``, ``local:jane`` and ``jane@corp.example``.
_DOMAIN = re.compile(r"^.*[\\\\/:]|@.*$")


class Throttle:
    """Counts tries in sliding windows; thread-safe, and of bounded size.

    Tries are counted before the cluster is asked, so that a hundred at once are not all let
    through before the first has failed. Only failures stay counted.

    An account that has logged in from an address lately is not held up by the failures of others
    at that address, so that nobody in an office can lock the others out.

    :param monotonic: seconds, of a clock that never goes back.
    """

    def __init__(self, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lock = threading.Lock()
        # Apart, so that tries for many accounts do not push an address out.
        self._tries: dict[Limit, OrderedDict[Hashable, list[float]]] = {
            PER_ACCOUNT: OrderedDict(),
            PER_ADDRESS: OrderedDict(),
        }
        self._known: OrderedDict[Hashable, float] = OrderedDict()

    def take(self, try_: Try) -> float:
        """Count a try; if there were too many, count none.

        :returns: 0, or the seconds to wait before the next try.
        """
        now = self._monotonic()
        with self._lock:
            recent = []
            for limit, key in self._limits(try_, now):
                tries = self._tries[limit].get(key, ())
                tries = [at for at in tries if at > now - limit.seconds]
                if len(tries) >= limit.tries:
                    return tries[-limit.tries] + limit.seconds - now
                recent.append((limit, key, [*tries, now]))
            for limit, key, tries in recent:
                table = self._tries[limit]
                try_.counted.append((limit, key))
                table[key] = tries
                table.move_to_end(key)
                while len(table) > _TRACKED:
                    table.popitem(last=False)
        return 0.0

    def give_back(self, try_: Try) -> None:
        """Count a try no more: it was no guess."""
        with self._lock:
            for limit, key in try_.counted:
                tries = self._tries[limit].get(key)
                if tries:
                    tries.pop()
            try_.counted.clear()

    def succeeded(self, try_: Try) -> None:
        """Forget what an account has tried from an address: the last try was right."""
        self.give_back(try_)
        if try_.pair is None:
            return
        with self._lock:
            self._tries[PER_ACCOUNT].pop(try_.pair, None)
            self._known[try_.pair] = self._monotonic()
            self._known.move_to_end(try_.pair)
            while len(self._known) > _TRACKED:
                self._known.popitem(last=False)

    def _limits(self, try_: Try, now: float) -> Iterator[tuple[Limit, Hashable]]:
        if try_.pair is not None:
            yield PER_ACCOUNT, try_.pair
        known = None if try_.pair is None else self._known.get(try_.pair)
        if known is None or known <= now - _KNOWN_FOR:
            yield PER_ADDRESS, try_.address


@dataclass
class Try:
    """Who tries to log in, and from where.

    :param address: an IPv4 address, or an IPv6 network of 64 bits.
    :param pair: the account at that address; None for an access token, which names nobody.
    :param counted: where it is counted.
    """

    address: str
    pair: bytes | None
    counted: list[tuple[Limit, Hashable]] = field(default_factory=list)

    @classmethod
    def of(cls, address: str, username: str | None) -> Try:
        """Return the try of somebody.

        :param username: None for an access token.
        """
        block = client_block(address)
        if username is None:
            return cls(block, None)
        name = _DOMAIN.sub("", unicodedata.normalize("NFKC", username).casefold().strip())
        # Of a fixed length, however long a name is.
        return cls(block, hashlib.sha256(f"{block}\n{name}".encode("utf-8", "replace")).digest())
