# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever a server sends is understood exactly as the standard library understands it."""

from __future__ import annotations

import http.client
import io
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.http_response import (
    Response,
)

NAMES = st.sampled_from(
    [
        *("Content-Length", "content-length", "Transfer-Encoding", "Connection", "Date", "ETag"),
        *("Content-Type", "Retry-After", "X-a", "Keep-Alive", "Set-Cookie"),
    ]
)
VALUES = st.sampled_from(
    [
        "0",
        "3",
        "12",
        "-1",
        "1_0",
        "+5",
        "٣",
        "chunked",
        "gzip, chunked",
        "close",
        "keep-alive",
        "x y",
    ]
) | st.text(st.characters(max_codepoint=255), max_size=12)
SPACES = st.sampled_from(["", " ", "  ", "\t", "\x0b"])
LINES = st.builds(
    lambda name, before, value, after, end: f"{name}:{before}{value}{after}{end}".encode(
        "latin-1", "replace"
    ),
    NAMES,
    SPACES,
    VALUES,
    SPACES,
    st.sampled_from(["\r\n"] * 5 + ["\n", "\r\n folded\r\n", "\r"]),
)
STATUS = st.sampled_from(
    [
        *("HTTP/1.1 200 OK\r\n",) * 4,
        *("HTTP/1.1 404 Not Found\r\n", "HTTP/1.1 204 No Content\r\n", "HTTP/1.0 200 OK\r\n"),
        *("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n", "HTTP/1.1 304 Not Modified\r\n"),
        *("HTTP/1.1 200\r\n", "HTTP/1.1 200 \r\n", "HTTP/1.1  200 OK \r\n", "HTTP/1.1 2000 OK\r\n"),
        *("HTTP/2 200 OK\r\n", "garbage\r\n", "", "HTTP/1.1 200 OK\n", "HTTP/1.1 999 \xe4\r\n"),
    ]
).map(lambda text: text.encode("latin-1"))
HEADS = st.builds(
    lambda status, lines, end: status + b"".join(lines) + end,
    STATUS,
    st.lists(LINES, max_size=5),
    st.sampled_from([b"\r\n"] * 5 + [b"\n", b""]),
)


class Pieces(io.RawIOBase):
    """What arrives, cut where the network cut it."""

    def __init__(self, data: bytes, size: int) -> None:
        self._rest = data
        self._size = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = self._rest[: min(self._size, len(buffer))]
        self._rest = self._rest[len(piece) :]
        buffer[: len(piece)] = piece
        return len(piece)


class Wire:
    """What a response wants of a socket."""

    def __init__(self, data: bytes, size: int) -> None:
        self._file = io.BufferedReader(Pieces(data, size))

    def makefile(self, _mode: str) -> io.BufferedReader:
        return self._file


def taken_in(kind: type[http.client.HTTPResponse], data: bytes, size: int, method: str) -> Any:
    """All that a response knows, or how it was refused."""
    wire = Wire(data, size)
    response = kind(wire, method=method)  # type: ignore[arg-type]
    try:
        response.begin()
        facts = {
            name: getattr(response, name)
            for name in ("status", "code", "reason", "version", "chunked", "length", "will_close")
        }
        facts["headers"] = [(name, response.headers.get_all(name)) for name in response.headers]
        return facts, response.read(), wire.makefile("rb").read()
    except (http.client.HTTPException, ValueError) as exc:
        return type(exc), str(exc)


@settings(max_examples=2000)
@given(HEADS, st.binary(max_size=30), st.integers(1, 400), st.sampled_from(["GET", "HEAD", "PUT"]))
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX: a\r\n\r\n", b"{}HTTP/1.1 ", 400, "GET")
@example(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n", b"{}", 20, "GET")
def test_it_is_understood_as_the_standard_library_does(
    head: bytes, body: bytes, size: int, method: str
) -> None:
    data = head + body
    expected = taken_in(http.client.HTTPResponse, data, size, method)
    assert taken_in(Response, data, size, method) == expected


def test_a_usual_answer_is_taken_in_quickly() -> None:
    head = b"HTTP/1.1 200 OK\r\nDate: Sat, 31 Jan 2026 18:00:00 GMT\r\nContent-Length: 2\r\n\r\n"
    response = Response(Wire(head + b"{}", 1000))  # type: ignore[arg-type]
    assert response._begin_quickly()
    assert response.getheader("date") == "Sat, 31 Jan 2026 18:00:00 GMT"
    assert response.read() == b"{}"
    assert response.isclosed()
