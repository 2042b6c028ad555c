# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change notifications: server-sent events about what happens below a directory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from email.utils import formatdate
from typing import TYPE_CHECKING

from .messages import ApiError, Json
from .model import Event, FileSystem

if TYPE_CHECKING:
    from .http_server import Connection

#: Events of one data line, and seconds for which events are gathered before they are written.
EVENTS_A_LINE = 100
GATHER = 0.002
TYPES = frozenset(
    [f"child_{kind}_{what}" for kind in ("file", "dir") for what in ("added", "removed")]
    + [f"child_{kind}_moved_{way}" for kind in ("file", "dir") for way in ("from", "to")]
    + [
        f"child_{what}_changed"
        for what in ("acl", "atime", "btime", "mtime", "size", "extra_attrs", "owner", "group")
    ]
    + ["child_data_written", "self_removed"]
    + [
        f"child_stream_{what}"
        for what in ("added", "removed", "moved_from", "moved_to", "size_changed", "data_written")
    ]
)


class Watch:
    """One client that watches one directory."""

    def __init__(
        self, hub: Notifications, directory: int, *, recursive: bool, types: frozenset[str]
    ) -> None:
        self._hub = hub
        self.directory = directory
        self.recursive = recursive
        self.types = types
        self._connection: Connection | None = None
        self._pending: list[str] = []
        self._gathering: asyncio.TimerHandle | None = None
        self._keepalive: asyncio.TimerHandle | None = None
        self._paused = False
        self._ended = False

    # -- the connection ---------------------------------------------------------------------

    def start(self, connection: Connection) -> None:
        """Answer with an endless body of chunks."""
        self._connection = connection
        head = (
            "HTTP/1.1 200 OK\r\n"
            f"Date: {formatdate(self._hub.fs.clock.now_ns() // 1_000_000_000, usegmt=True)}\r\n"
            "Content-Type: text/event-source\r\n"
            "Cache-Control: no-cache\r\n"
            "Transfer-Encoding: chunked\r\n\r\n"
        )
        connection.transport.write(head.encode())
        self._write(f": watching {self.directory}\n\n")
        self._hub.add(self)
        self._schedule_keepalive()

    def stop(self) -> None:
        """The client has gone."""
        self._hub.remove(self)
        for timer in (self._gathering, self._keepalive):
            if timer is not None:
                timer.cancel()
        self._gathering = self._keepalive = None
        self._connection = None

    def pause(self) -> None:
        """The client reads too slowly: what comes is queued, up to a bound."""
        self._paused = True

    def resume(self) -> None:
        """Go on with what is queued."""
        self._paused = False
        self._flush()

    def end(self, *, last: Json | None = None, reset: bool = False) -> None:
        """End the stream: after a last event, or by a reset."""
        if self._connection is None or self._ended:
            return
        self._ended = True
        transport = self._connection.transport
        if reset:
            transport.abort()
            return
        if last is not None:
            self._pending.append(json.dumps(last))
        self._flush()
        transport.write(b"0\r\n\r\n")
        transport.close()

    def _write(self, text: str) -> None:
        assert self._connection is not None
        data = text.encode()
        self._connection.transport.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _schedule_keepalive(self) -> None:
        loop = asyncio.get_running_loop()
        self._keepalive = loop.call_later(self._hub.keepalive, self._send_keepalive)

    def _send_keepalive(self) -> None:
        if self._connection is not None and not self._ended:
            if not self._paused and not self._hub.silent:
                self._write(": keepalive\n\n")
            self._schedule_keepalive()

    # -- events -----------------------------------------------------------------------------

    def offer(self, event: Event) -> None:
        """Queue an event if the client wants it."""
        if event.type not in self.types or self._ended:
            return
        spine = event.spine
        if self.recursive:
            try:
                at = spine.index(self.directory, 0, len(spine) - 1)
            except ValueError:
                return
        else:
            at = len(spine) - 2
            if at < 0 or spine[at] != self.directory:
                return
        self._pending.append(
            json.dumps(
                {
                    "type": event.type,
                    "path": "/".join(event.names[at:]),
                    "spine": [str(file_id) for file_id in spine[at + 1 :]],
                    "stream_name": None,
                }
            )
        )
        if len(self._pending) > self._hub.queue_bound:
            self._hub.overflows += 1
            self.end(reset=True)
        elif self._gathering is None and not self._paused:
            self._gathering = asyncio.get_running_loop().call_later(GATHER, self._flush)

    def _flush(self) -> None:
        if self._gathering is not None:
            self._gathering.cancel()
            self._gathering = None
        if self._connection is None or self._paused or not self._pending:
            return
        lines = [
            f"data: [{', '.join(self._pending[at : at + EVENTS_A_LINE])}]\n\n"
            for at in range(0, len(self._pending), EVENTS_A_LINE)
        ]
        self._pending.clear()
        self._write("".join(lines))  # several lines in one TLS record


class Notifications:
    """All watches."""

    def __init__(self, fs: FileSystem) -> None:
        self.fs = fs
        self.keepalive = 10.0  # seconds
        self.silent = False  # no keep-alives: as a connection that is dead without a reset
        self.queue_bound = 100_000  # events that wait for a slow client
        self.recursive_mode = "ENABLED"
        self.overflows = 0
        self._watches: set[Watch] = set()
        self._listener: Callable[[Event], None] = self._dispatch

    @property
    def count(self) -> int:
        """How many streams are open."""
        return len(self._watches)

    def add(self, watch: Watch) -> None:
        """Begin to tell a watch."""
        if not self._watches:
            self.fs.listeners.append(self._listener)
        self._watches.add(watch)

    def remove(self, watch: Watch) -> None:
        """Tell a watch no more."""
        if watch in self._watches:
            self._watches.discard(watch)
            if not self._watches:
                self.fs.listeners.remove(self._listener)

    def watch(self, directory: int, *, recursive: bool, filter_: str | None) -> Watch:
        """A stream for a directory.

        :raises ApiError: 400 for an unknown type, or if recursion is switched off with an error
        """
        types = TYPES
        if filter_:
            types = frozenset(filter_.split(",")) | {"self_removed"}
            unknown = types - TYPES
            if unknown:
                raise ApiError(400, f"unknown notification types: {', '.join(sorted(unknown))}")
        if recursive and self.recursive_mode == "DISABLED_ERROR":
            raise ApiError(400, "recursive change notifications are disabled")
        if recursive and self.recursive_mode == "DISABLED_IGNORE":
            recursive = False
        return Watch(self, directory, recursive=recursive, types=types)

    def drop_all(self) -> int:
        """Reset every stream; returns how many there were."""
        watches = tuple(self._watches)
        for watch in watches:
            watch.end(reset=True)
        return len(watches)

    def _dispatch(self, event: Event) -> None:
        gone = event.spine[-1] if event.type == "child_dir_removed" else None
        for watch in tuple(self._watches):
            if watch.directory == gone:
                watch.end(
                    last={
                        "type": "self_removed",
                        "path": "",
                        "spine": [str(gone)],
                        "stream_name": None,
                    }
                )
            else:
                watch.offer(event)
