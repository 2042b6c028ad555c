# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTTP/1.1 on asyncio with access to the connection, which faults and event streams need."""

from __future__ import annotations

import asyncio
from collections import deque
from email.utils import formatdate
from functools import lru_cache, partial
from typing import Any, Protocol

import httptools

from .faults import Rule
from .messages import REASONS, Answer, ApiError, Request, failure

#: Bytes of one piece of a slow body.
_DRIP = 16


class Stream(Protocol):
    """An answer that goes on: it is started with its connection and told of the end."""

    def start(self, connection: Connection) -> None:
        """Begin to send."""

    def stop(self) -> None:
        """The connection is gone."""

    def resume(self) -> None:
        """There is room to write again."""

    def pause(self) -> None:
        """The client reads too slowly; hold back."""


class Service(Protocol):
    """What answers the requests of a listener."""

    def now_ns(self) -> int:
        """The time for the Date header."""

    def fault(self, request: Request) -> tuple[Rule | None, float]:
        """The fault for a request, and the latency in seconds."""

    def answer(self, request: Request) -> Answer | Stream:
        """The answer."""

    def refuse(self, request: Request, reply: Answer) -> None:
        """Note an answer that a fault gave without asking."""


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, service: Service, node: str, connections: set[Connection]) -> None:
        self._service = service
        self._node = node
        self._connections = connections
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[Request] = deque()
        self._busy = False
        self._stream: Stream | None = None
        self._uri = b""
        self._headers: dict[str, str] = {}
        self._body: list[bytes] = []
        self._peer = ""
        self.transport: Any = None

    # -- asyncio ----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        peer = transport.get_extra_info("peername")
        self._peer = peer[0] if peer else ""
        self._connections.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._connections.discard(self)
        if self._stream is not None:
            self._stream.stop()
            self._stream = None

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._send(failure(ApiError(400, "that is no HTTP request")), keep_alive=False)

    def pause_writing(self) -> None:
        if self._stream is not None:
            self._stream.pause()

    def resume_writing(self) -> None:
        if self._stream is not None:
            self._stream.resume()

    # -- httptools --------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._uri = b""
        self._headers = {}
        self._body = []

    def on_url(self, url: bytes) -> None:
        self._uri += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, body: bytes) -> None:
        self._body.append(body)

    def on_message_complete(self) -> None:
        request = Request(
            self._parser.get_method().decode("ascii"),
            self._uri.decode("latin-1"),
            self._headers,
            b"".join(self._body),
            node=self._node,
            peer=self._peer,
            keep_alive=self._parser.should_keep_alive(),
        )
        if self._busy:
            self._waiting.append(request)
        else:
            self._begin(request)

    # -- one request after the other --------------------------------------------------------

    def _begin(self, request: Request) -> None:
        self._busy = True
        rule, latency = self._service.fault(request)
        if rule is not None and rule.kind == "delay":
            latency += rule.delay
        if latency:
            asyncio.get_running_loop().call_later(latency, self._handle, request, rule)
        else:
            self._handle(request, rule)

    def _handle(self, request: Request, rule: Rule | None) -> None:
        if self.transport.is_closing():
            return
        kind = rule.kind if rule is not None else ""
        if kind == "reset_before":
            self.transport.abort()
            return
        if rule is not None and kind.isdigit():
            headers = {} if rule.retry_after is None else {"Retry-After": f"{rule.retry_after:g}"}
            error = ApiError(int(kind), "an ordered fault")
            reply: Answer | Stream = failure(error, headers)
            assert isinstance(reply, Answer)
            self._service.refuse(request, reply)
        else:
            reply = self._service.answer(request)
        if kind == "reset_after":
            self.transport.abort()
        elif not isinstance(reply, Answer):
            self._stream = reply
            reply.start(self)
        elif kind == "cut_body" and reply.body:
            head = self._head(reply, keep_alive=False)
            self.transport.write(head + reply.body[: len(reply.body) // 2])
            self.transport.close()
        elif rule is not None and kind == "slow_body":
            self.transport.write(self._head(reply, keep_alive=request.keep_alive))
            pieces = [reply.body[at : at + _DRIP] for at in range(0, len(reply.body), _DRIP)]
            # However long the answer is, it comes within the delay.
            step = max(1, len(pieces) // 20)
            chunks = [b"".join(pieces[at : at + step]) for at in range(0, len(pieces), step)]
            self._drip(deque(chunks), rule.delay / max(1, len(chunks)), request.keep_alive)
        else:
            self._send(reply, keep_alive=request.keep_alive)

    def _drip(self, chunks: deque[bytes], pause: float, keep_alive: bool) -> None:
        if self.transport.is_closing():
            return
        if chunks:
            self.transport.write(chunks.popleft())
            loop = asyncio.get_running_loop()
            loop.call_later(pause, self._drip, chunks, pause, keep_alive)
        else:
            self._finish(keep_alive)

    def _head(self, reply: Answer, *, keep_alive: bool) -> bytes:
        lines = [
            f"HTTP/1.1 {reply.status} {REASONS.get(reply.status, 'Unknown')}",
            f"Date: {_http_date(self._service.now_ns() // 1_000_000_000)}",
            f"Content-Type: {reply.content_type}",
            f"Content-Length: {len(reply.body)}",
        ]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        if not keep_alive:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def _send(self, reply: Answer, *, keep_alive: bool) -> None:
        self.transport.write(self._head(reply, keep_alive=keep_alive) + reply.body)
        self._finish(keep_alive)

    def _finish(self, keep_alive: bool) -> None:
        self._busy = False
        if not keep_alive:
            self.transport.close()
        elif self._waiting:
            self._begin(self._waiting.popleft())


@lru_cache(maxsize=64)
def _http_date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


class Listener:
    """One address that can be stopped and started again."""

    def __init__(self, service: Service, address: str, port: int, ssl: Any = None) -> None:
        self.address = address
        self.port = port
        self._service = service
        self._ssl = ssl
        self._server: asyncio.Server | None = None
        self._connections: set[Connection] = set()

    @property
    def is_up(self) -> bool:
        """Whether it takes connections."""
        return self._server is not None

    async def start(self) -> None:
        """Listen; an own port is chosen at the first time if none was given."""
        if self._server is not None:
            return
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            partial(Connection, self._service, self.address, self._connections),
            self.address,
            self.port,
            ssl=self._ssl,
            backlog=1024,
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and reset every connection."""
        if self._server is None:
            return
        self._server.close()
        self.reset_connections()
        self._server = None

    def reset_connections(self) -> None:
        """Reset every connection, as a node that dies."""
        for connection in tuple(self._connections):
            connection.transport.abort()
