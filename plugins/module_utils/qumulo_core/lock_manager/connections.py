# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places for connections: how many there are, who gets one, and who makes room.

A connection whose client is expected to do something (handshake, head or body of a request, reading
an answer) can make room for another one. A connection whose request is being answered cannot. So
an address that opens thousands of connections and never sends a request locks nobody out.
"""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from ..common.addresses import canonical, client_block

log = logging.getLogger(__name__)

#: Connections in all; each browser keeps a few.
MOST = 1000
#: Descriptors that everything else needs: connections to the cluster, files, libraries.
RESERVED = 256
_FEWEST = 16
#: Seconds after which the same warning is logged again.
_WARN_AGAIN = 300.0
_WARNINGS_KEPT = 1000


@dataclass(frozen=True)
class Deadlines:
    """Seconds that a client has for each step, however steadily it sends or reads.

    :param handshake: for the TLS handshake.
    :param head: for the head of a request.
    :param body: for the body of a request.
    :param answer: from the end of a request until the answer is made and read.
    :param stall: to read on when the buffers of an answer are full.
    :param leave: for the connection to end after it was closed.
    """

    handshake: float = 10.0
    head: float = 10.0
    body: float = 30.0
    answer: float = 300.0
    stall: float = 30.0
    leave: float = 2.0


DEADLINES = Deadlines()


class Place:
    """One connection, as far as it matters when there are too many."""

    def __init__(self, places: Places, block: str, drop: Callable[[], object]) -> None:
        self.block = block
        #: Ends the connection at once.
        self.drop = drop
        #: Acts on deadlines; gets the time.
        self.check: Callable[[float], None] = lambda now: None
        #: Since when its client is waited for; None while a request is being answered.
        self.waits_since: float | None = places.now()
        self._places = places

    def leave(self) -> None:
        """Give the place back; more than once does no harm."""
        self._places.remove(self)


class Places:
    """All connections of the page. Only the event loop uses it.

    :param most: connections in all.
    :param per_address: connections of one address, or of one IPv6 network of 64 bits.
    :param unlimited: addresses without a limit of their own: trusted proxies.
    :param refused: is called for each connection for which there was no place.
    :param dropped: is called for each connection that made room for another one.
    """

    def __init__(
        self,
        *,
        most: int,
        per_address: int,
        unlimited: Iterable[str] = (),
        refused: Callable[[], None] = lambda: None,
        dropped: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._per_address = per_address
        self._unlimited = frozenset(map(canonical, unlimited))
        self._refused = refused
        self._dropped = dropped
        self.now = monotonic
        self._blocks: dict[str, set[Place]] = {}
        self._count = 0
        self._warned: dict[str, float] = {}

    def __len__(self) -> int:
        return self._count

    def take(self, address: str, drop: Callable[[], object]) -> Place | None:
        """Return a place for a connection, or None if there is none for it.

        :param drop: ends the connection at once.
        """
        block = client_block(address)
        limited = canonical(address) not in self._unlimited
        if limited and len(self._blocks.get(block, ())) >= self._per_address:
            self.warn(
                f"{block} has {self._per_address} connections, as many as one address may have: "
                "see what runs there, or raise 'max_connections_per_address' if many people share "
                "it. Idle connections of this address are closed for new ones."
            )
            if not self._make_room(self._blocks[block]):
                self._refused()
                return None
        if self._count >= self._most and not self.make_room():
            self._refused()
            return None
        place = Place(self, block, drop)
        self._blocks.setdefault(block, set()).add(place)
        self._count += 1
        return place

    def remove(self, place: Place) -> None:
        """Take a place back."""
        own = self._blocks.get(place.block, set())
        if place in own:
            own.remove(place)
            self._count -= 1
            if not own:
                del self._blocks[place.block]

    def make_room(self) -> bool:
        """End the connection that is needed least, of the address that has most of those."""
        self.warn(
            f"The page has {self._count} connections, as many as it can have: idle ones are closed "
            "for new ones. See which addresses they come from (ss -tn)."
        )
        waiting = [
            (len(idle), block)
            for block, own in self._blocks.items()
            if (idle := [place for place in own if place.waits_since is not None])
        ]
        return bool(waiting) and self._make_room(self._blocks[max(waiting)[1]])

    def _make_room(self, places: Collection[Place]) -> bool:
        waiting = [
            (place.waits_since, id(place), place)
            for place in places
            if place.waits_since is not None
        ]
        if not waiting:
            return False
        _since, _id, place = min(waiting)
        self.remove(place)
        self._dropped()
        place.drop()
        return True

    def check(self) -> None:
        """Let each connection act on its deadlines."""
        now = self.now()
        for place in [place for own in self._blocks.values() for place in own]:
            place.check(now)

    def warn(self, text: str) -> None:
        """Log a warning, but the same one only from time to time."""
        now = self.now()
        if now - self._warned.get(text, float("-inf")) >= _WARN_AGAIN:
            if len(self._warned) >= _WARNINGS_KEPT:
                self._warned.clear()
            self._warned[text] = now
            log.warning("%s", text)


def capacity() -> int:
    """Return how many connections the process has file descriptors for, :data:`MOST` at most."""
    soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= MOST + RESERVED:
        return MOST
    found = max(_FEWEST, soft - RESERVED)
    log.warning(
        "The process may open %d files, so that the page takes %d connections instead of %d: "
        "set LimitNOFILE=%d or more.",
        soft,
        found,
        MOST,
        MOST + RESERVED,
    )
    return found
