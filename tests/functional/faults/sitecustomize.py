# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the lowest layer of a process fail: Python runs this file at its start (``PYTHONPATH``).

``LOCKSTEP_FAULT`` names what happens when something is sent to a cluster, or received from it.
``LOCKSTEP_CLOCK`` names a file with the seconds by which the host's clock is ahead.
"""

from __future__ import annotations

import http.client
import os
import re
import time
from collections.abc import Callable
from typing import Any

#: Once the library has sent its credentials, so that the exception can hold them.
_SECRET = re.compile(rb'Bearer |Basic |"password"')


def _socket_quotes(data: bytes) -> None:
    raise OSError(f"cannot send {data!r}")


def _value_quotes(data: bytes) -> None:
    raise ValueError("cannot send", data)


def _key_quotes(data: bytes) -> None:
    raise KeyError(data.decode("latin-1"))


def _no_memory(data: bytes) -> None:
    raise MemoryError(data.decode("latin-1"))


def _not_text(data: bytes) -> None:
    raise UnicodeDecodeError("utf-8", data, 0, 1, f"in {data!r}")


_SENDING: dict[str, Callable[[bytes], None]] = {
    "socket": _socket_quotes,
    "value": _value_quotes,
    "key": _key_quotes,
    "memory": _no_memory,
    "unicode": _not_text,
}
#: Bodies that no API sends.
_ANSWERS = {"strange": b'{"strange": ["answer"]}', "list": b"[[]]", "null": b"null", "text": b'"x"'}


def _bytes_of(data: Any) -> bytes:
    """What is sent: bytes, text, or a file in memory."""
    if hasattr(data, "getvalue"):
        data = data.getvalue()
    return data.encode() if isinstance(data, str) else bytes(data)


def _install(fault: str) -> None:
    send = http.client.HTTPConnection.send
    read = http.client.HTTPResponse.read

    def failing_send(self: http.client.HTTPConnection, data: Any) -> None:
        if _SECRET.search(sent := _bytes_of(data)):
            _SENDING[fault](sent)
        send(self, data)

    def strange_read(self: http.client.HTTPResponse, amt: int | None = None) -> bytes:
        read(self, amt)
        return _ANSWERS[fault]

    if fault in _SENDING:
        http.client.HTTPConnection.send = failing_send  # type: ignore[method-assign]
    else:
        http.client.HTTPResponse.read = strange_read  # type: ignore[method-assign]


if os.environ.get("LOCKSTEP_FAULT"):
    _install(os.environ["LOCKSTEP_FAULT"])


def _set_clock(offset: str) -> None:
    now_ns = time.time_ns

    def ahead_ns() -> int:
        with open(offset, encoding="ascii") as file:
            return now_ns() + int(file.read() or 0) * 10**9

    time.time_ns = ahead_ns
    time.time = lambda: ahead_ns() / 10**9


if os.environ.get("LOCKSTEP_CLOCK"):
    _set_clock(os.environ["LOCKSTEP_CLOCK"])
