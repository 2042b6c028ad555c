# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""uvicorn's server, which takes connections only where there is a place for them."""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from .connections import Deadlines, Place, Places
from .http_protocol import DeadlineProtocol

if TYPE_CHECKING:
    import uvicorn

    _Base = uvicorn.Server
else:
    try:
        import uvicorn

        _Base = uvicorn.Server
    except ImportError:  # the page says so when it is made
        _Base = object

log = logging.getLogger(__name__)

#: Seconds between looks at the deadlines, and after a failure to take a connection.
_TICK = 0.25
_ROUNDS = 0.01
#: The process, or the host, has no more descriptors or memory for a connection.
_EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class PlacedServer(_Base):
    """Takes the connections of a listening socket by itself.

    asyncio tells nobody about a connection before its TLS handshake is done, so that those which
    never do it could not be counted.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        listener: socket.socket,
        places: Places,
        deadlines: Deadlines,
    ) -> None:
        super().__init__(config)
        self._listener = listener
        self._places = places
        self._deadlines = deadlines
        self._tasks: set[asyncio.Task[None]] = set()
        #: What ended a task that was not to end, or None.
        self.defect: BaseException | None = None
        self._watcher: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start the application, then take connections."""
        await super().startup(sockets=[])
        if self.started:
            self._listener.setblocking(False)
            self._begin(self._accept())
            self._watcher = self._begin(self._watch())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and end those that there are."""
        await self._cancel(self._tasks - {self._watcher})
        self._listener.close()
        await super().shutdown(sockets=[])
        await self._cancel(self._tasks)

    @staticmethod
    async def _cancel(tasks: Iterable[asyncio.Task[None] | None]) -> None:
        ending = [task for task in tasks if task is not None]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    def _begin(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self.defect = task.exception()
            self.should_exit = True

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_TICK)
            self._places.check()

    async def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, address = await loop.sock_accept(self._listener)
            except OSError as exc:  # others concern this one connection: it has gone already
                if exc.errno in _EXHAUSTED:
                    self._places.warn(
                        f"The page cannot take connections at the moment ({exc.strerror}): raise "
                        "LimitNOFILE, or give the host more memory."
                    )
                    # What makes room gives its descriptor back in the loop's next rounds.
                    await asyncio.sleep(_ROUNDS if self._places.make_room() else _TICK)
                continue
            place = self._places.take(address[0], connection.close)
            if place is None:
                connection.close()
                continue
            task = self._begin(self._open(connection, place))
            task.add_done_callback(partial(_tidy, connection, place))
            place.drop = task.cancel

    async def _open(self, connection: socket.socket, place: Place) -> None:
        """Do the TLS handshake; the protocol looks after the connection from there on."""
        loop = asyncio.get_running_loop()
        protocol = DeadlineProtocol(
            config=self.config,
            server_state=self.server_state,
            app_state=self.lifespan.state,
            _loop=loop,
        )
        protocol.occupy(place, self._deadlines)
        tls = self.config.ssl
        try:
            connection.setblocking(False)
            await loop.connect_accepted_socket(
                lambda: protocol,
                connection,
                ssl=tls,
                ssl_handshake_timeout=self._deadlines.handshake if tls else None,
            )
        except OSError as exc:  # those of TLS and of its deadline are, too
            log.debug("a connection was not opened: %s", exc)
            place.leave()
            connection.close()


def _tidy(connection: socket.socket, place: Place, task: asyncio.Task[None]) -> None:
    """Close a connection whose handshake was cancelled, perhaps before it began."""
    if task.cancelled():
        place.leave()
        connection.close()
