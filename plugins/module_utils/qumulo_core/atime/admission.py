# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decides which connections to the RELP port may stay.

Every account of the host can connect to a port of the loopback interface, from any of its 16
million addresses. So an address does not tell rsyslogd from anybody else. The kernel's table of
connections does: it names the account that owns the other end.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Collection
from dataclasses import dataclass, field

#: Connections of the configured sender. rsyslogd needs one; others are left behind by a restart.
RESERVED = 16
#: Connections of all other accounts together, and from one address.
OTHERS, EACH_ADDRESS = 16, 8
#: States of a connection that has an owner; the table says 0 for the owner of all others.
_ESTABLISHED = b"01"


@dataclass(eq=False)
class Peer:
    """One connection.

    :param address: where it comes from.
    :param sender: it belongs to the configured sender.
    """

    socket: socket.socket
    address: str
    sender: bool
    #: It has sent a line.
    sends: bool = False
    #: Its lines are being made durable.
    busy: bool = False
    #: When it opened, or its last line was acknowledged.
    moved: float = field(default_factory=time.monotonic)


def owner(connection: socket.socket) -> int | None:
    """Return the UID of the account at the other end of a connection of this host.

    :return: None if the kernel does not say so, for instance because that end is closed already.
    """
    ours, theirs = connection.getsockname(), connection.getpeername()
    six = connection.family == socket.AF_INET6
    wanted = [_shown(theirs, six), _shown(ours, six), _ESTABLISHED]
    # The table below "self" is there in a sandbox that hides the rest of /proc, too.
    with open("/proc/self/net/tcp6" if six else "/proc/self/net/tcp", "rb") as table:
        for row in table:
            if wanted[0] in row:
                fields = row.split(None, 10)
                if fields[1:4] == wanted and fields[9] != b"0":
                    return int(fields[7])
    return None


def _shown(address: tuple[str, int], six: bool) -> bytes:
    """Return an address and a port as the kernel's table has them: words in its own byte order."""
    packed = socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, address[0])
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return b"%b:%04X" % (b"".join(b"%08X" % word for word in words), address[1])


def in_the_way(peers: Collection[Peer], fresh: Peer) -> tuple[str, list[Peer]]:
    """Return which limit a new connection exceeds, and the connections that this limit counts.

    The sender and the others have limits of their own: neither takes the room of the other.
    """
    if fresh.sender:
        found = [peer for peer in peers if peer.sender]
        if len(found) >= RESERVED:
            return f"rsyslogd's account has {RESERVED} connections", found
        return "", []
    others = [peer for peer in peers if not peer.sender]
    found = [peer for peer in others if peer.address == fresh.address]
    if len(found) >= EACH_ADDRESS:
        return f"{fresh.address} has {EACH_ADDRESS} connections", found
    if len(others) >= OTHERS:
        return f"other accounts than rsyslogd's have {OTHERS} connections", others
    return "", []


def dispensable(peers: Collection[Peer]) -> Peer | None:
    """Return the connection that is needed least; None if all of them are at work."""
    idle = [peer for peer in peers if not peer.busy]
    return min(idle, key=lambda peer: (peer.sends, peer.moved), default=None)


def is_current(peers: Collection[Peer], peer: Peer) -> bool:
    """Tell whether a connection is the one that the sender uses.

    It is kept however long it is idle: a cluster that nobody uses has nothing to say.
    """
    return peer.sender and not any(
        other.sender and (other.sends, other.moved) > (peer.sends, peer.moved) for other in peers
    )
