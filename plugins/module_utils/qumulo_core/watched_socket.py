# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS connections that simply wait, and one thread that ends waits which take too long.

A socket with a timeout of its own reads, finds nothing, waits, and reads again; around each of
the three a thread gives up its turn and has to wait for the next one. Where dozens of threads
wait for small answers, that takes more time than the answers themselves.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
import weakref
from typing import Any

_NEVER = float("inf")
#: Looks at all connections within the time that one may wait, and most seconds between two looks.
_LOOKS, _TICK = 10, 1.0


class WatchedSocket(ssl.SSLSocket):
    """A connection for questions and answers, which waits as long as a :class:`Watchdog` lets it.

    Between :meth:`begin` and :meth:`end` no read or write takes longer than that; what does ends
    as if the other side had closed the connection, and ``expired`` is true.
    """

    expired = False
    _patience = _NEVER
    _until = _NEVER

    def begin(self) -> None:
        """Something will be written or read now."""
        self._until = time.monotonic() + self._patience

    def end(self) -> None:
        """There is nothing more to wait for."""
        self._until = _NEVER

    def recv_into(self, buffer: Any, nbytes: int | None = None, flags: int = 0) -> int:
        """Read as much as there is, once there is something: for each piece there is time anew."""
        self._until = time.monotonic() + self._patience
        return super().recv_into(buffer, nbytes, flags)

    def be_watched(self, seconds: float) -> None:
        """Let a wait take so long at the most, from now on."""
        self._patience = seconds
        self.settimeout(None)

    def look(self, now: float) -> None:
        """End what waits for too long; called by another thread than the one that waits."""
        if self._until < now and not self.expired:
            self.expired = True
            try:
                # Not that of SSLSocket, which would take away what the other thread works with.
                socket.socket.shutdown(self, socket.SHUT_RDWR)
            except OSError:
                pass  # it has just been closed


class Watchdog:
    """Looks at connections, in a thread that there is as long as there are any.

    :param timeout: seconds that a read or write may wait.
    """

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._sockets: weakref.WeakSet[WatchedSocket] = weakref.WeakSet()
        self._lock = threading.Lock()
        self._running = False

    def watch(self, sock: WatchedSocket) -> None:
        """Look at a connection until it is closed."""
        sock.be_watched(self._timeout)
        with self._lock:
            self._sockets.add(sock)
            if not self._running:
                self._running = True
                threading.Thread(target=self._run, name="qumulo-watchdog", daemon=True).start()

    def _run(self) -> None:
        tick = min(_TICK, self._timeout / _LOOKS)
        while True:
            time.sleep(tick)
            with self._lock:
                there = [sock for sock in self._sockets if sock.fileno() >= 0]
                if not there:
                    self._sockets.clear()
                    self._running = False
                    return
            now = time.monotonic()
            for sock in there:
                sock.look(now)
