# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The receiving side of RELP, as rsyslog's omrelp speaks it. Bytes in, bytes out, no sockets.

A frame is ``TXNR SP COMMAND SP LENGTH [SP DATA] LF``. The sender keeps every message until it is
acknowledged, and sends it again over its next connection otherwise: so a message is acknowledged
when it is safe, not when it is here, and nothing is lost whichever side dies in between. What was
safe but not yet acknowledged then arrives twice.
"""

from __future__ import annotations

import re
from collections import deque
from itertools import islice

from ..errors import QumuloError

#: As long as librelp takes by itself; a line has at most two paths of 4 KiB, in JSON with escapes.
DEFAULT_MAX_DATA = 128 * 1024

_HEADER = re.compile(rb"(\d{1,9}) ([a-zA-Z]{1,32}) (\d{1,9})([ \n])")
#: The beginning of a header; its bounds keep what is held of one below 53 bytes.
_PARTIAL = re.compile(rb"\d{1,9}(?: (?:[a-zA-Z]{1,32}(?: \d{0,9})?)?)?")
#: Commands beside those of RELP's core that are answered: rsyslog sends none.
_UNSUPPORTED = 100
_OFFER = b"relp_version=0\nrelp_software=lockstep-qumulo\ncommands=syslog"


class RelpError(QumuloError):
    """The other side does not speak RELP; its connection has to be closed."""


class Session:
    """One connection, from its first byte to its end.

    Feed what arrives, make the messages safe, acknowledge as many, and send :meth:`output` after
    each step. Close the connection when :attr:`closed` is set and the output is sent.

    :param max_data: of a message with more bytes only these are handed out. The sender would send
        a message that is refused for ever, and nothing after it.
    """

    def __init__(self, *, max_data: int = DEFAULT_MAX_DATA) -> None:
        self._max_data = max_data
        self._rest = bytearray()
        self._needed = 0
        #: Number and beginning of a message that is too long, and bytes of its end to come.
        self._long: tuple[bytes, bytes] = (b"", b"")
        self._excess = 0
        self._unacknowledged: deque[bytes] = deque()
        self._output: list[bytes] = []
        self._opened = False
        self._unsupported = 0
        self._close_number: bytes | None = None
        #: Nothing more will come or be answered.
        self.closed = False

    @property
    def opened(self) -> bool:
        """Whether the other side has introduced itself."""
        return self._opened

    @property
    def pending(self) -> int:
        """Number of messages that are not acknowledged yet."""
        return len(self._unacknowledged)

    @property
    def incomplete(self) -> bool:
        """Whether a frame has begun whose end has not come yet."""
        return bool(self._rest or self._excess)

    def end(self) -> bytes:
        """End the session; return what has to be sent before the connection is closed.

        The sender keeps what is not acknowledged, and sends it over its next connection.
        """
        self.closed = True
        self._rest.clear()
        return self.output() + (b"0 serverclose 0\n" if self._opened else b"")

    def output(self) -> bytes:
        """Return what has to be sent now, in one piece; it is empty if there is nothing."""
        joined = b"".join(self._output)
        self._output.clear()
        return joined

    def feed(self, data: bytes) -> list[bytes]:
        """Take bytes from the connection, however they are cut; return the messages they complete.

        :raises RelpError: they are no RELP, and the session is over. Messages of the same piece
            that came before the mistake are not handed out: they are not acknowledged, so the
            sender sends them again.
        """
        if not data:
            return []
        if self.closed:
            raise RelpError("The RELP session is over: close the connection.")
        if self._rest:
            self._rest += data
            # A long frame in many pieces is looked at again only when all of it is here.
            if len(self._rest) < self._needed:
                return []
            data = bytes(self._rest)
        try:
            messages, used = self._parse(data)
        except RelpError:
            self.closed = True
            self._rest.clear()
            raise
        self._rest = bytearray(memoryview(data)[used:])
        return messages

    def acknowledge(self, count: int) -> None:
        """Tell the sender that the oldest ``count`` messages are safe.

        :raises ValueError: there are not as many.
        """
        waiting = self._unacknowledged
        if not 0 <= count <= len(waiting):
            raise ValueError(f"{count} messages to acknowledge, {len(waiting)} are waiting")
        self._output += [b"%b rsp 6 200 OK\n" % number for number in islice(waiting, count)]
        if count == len(waiting):
            waiting.clear()
        else:
            for _turn in range(count):
                waiting.popleft()
        self._finish()

    # -- frames -----------------------------------------------------------------------------

    def _parse(self, data: bytes) -> tuple[list[bytes], int]:
        """Return the messages of all complete frames, and where these end."""
        messages: list[bytes] = []
        numbers: list[bytes] = []
        header, limit, end = _HEADER.match, self._max_data, len(data)
        at = self._drop(data, 0, messages, numbers) if self._excess else 0
        self._needed = 0
        while at < end and not self.closed:
            match = header(data, at)
            if match is None:
                if _PARTIAL.fullmatch(data, at) is None:
                    raise RelpError(
                        f"These bytes are no RELP frame: {data[at : at + 60]!r}. Only rsyslog's "
                        "omrelp, without TLS, may send here."
                    )
                break
            number, command, digits, separator = match.groups()
            start, length = match.end(), int(digits)
            is_message = command == b"syslog" and self._opened and self._close_number is None
            if length > limit:
                if not is_message:
                    raise RelpError(
                        f"A RELP frame of {length} bytes is longer than the {limit} that are taken."
                    )
                if end - start < limit:
                    self._needed = start - at + limit
                    break
                self._long = number, data[start : start + limit]
                self._excess = length + 1 - limit
                at = self._drop(data, start + limit, messages, numbers)
                continue
            if separator == b"\n":
                if length:
                    raise RelpError("A RELP frame has no data although its length says so.")
                stop = start
            else:
                stop = start + length + 1
                if stop > end:
                    self._needed = stop - at
                    break
                if data[stop - 1] != 10:
                    raise RelpError("A RELP frame does not end where its length says so.")
            if is_message:
                messages.append(data[start : stop - 1] if length else b"")
                numbers.append(number)
            else:
                self._control(number, command, data[start : stop - 1] if length else b"")
            at = stop
        self._unacknowledged += numbers
        self._finish()
        return messages, at

    def _drop(self, data: bytes, at: int, messages: list[bytes], numbers: list[bytes]) -> int:
        """Leave out what a message has too much; return where that ends."""
        stop = min(len(data), at + self._excess)
        self._excess -= stop - at
        if not self._excess:
            if data[stop - 1] != 10:
                raise RelpError("A RELP frame does not end where its length says so.")
            number, message = self._long
            self._long = (b"", b"")
            messages.append(message)
            numbers.append(number)
        return stop

    def _control(self, number: bytes, command: bytes, data: bytes) -> None:
        if self._close_number is not None:
            raise RelpError(f"A RELP frame {command.decode()!r} follows the end of its session.")
        if command == b"open":
            self._open(number, data)
        elif not self._opened:
            raise RelpError(f"A RELP session begins with {command.decode()!r} and not with open.")
        elif command == b"close":
            self._close_number = number
        elif command in (b"rsp", b"serverclose"):
            raise RelpError(f"A RELP client has sent {command.decode()!r}, which servers send.")
        elif self._unsupported < _UNSUPPORTED:
            self._unsupported += 1
            self._reply(number, b"500 this command is not supported")
        else:
            raise RelpError(f"A RELP client repeats {command.decode()!r}, which is not supported.")

    def _open(self, number: bytes, data: bytes) -> None:
        if self._opened:
            raise RelpError("A RELP session was opened twice.")
        offers = dict(line.partition(b"=")[::2] for line in data.split(b"\n"))
        if b"syslog" not in offers.get(b"commands", b"").split(b","):
            # The sender shall read why; after that there is nothing to talk about.
            self._reply(number, b"500 the command syslog is required")
            self.closed = True
            return
        self._opened = True
        self._reply(number, b"200 OK\n" + _OFFER)

    def _reply(self, number: bytes, data: bytes) -> None:
        self._output.append(b"%b rsp %d %b\n" % (number, len(data), data))

    def _finish(self) -> None:
        """Answer the close of the sender once every message is acknowledged."""
        if self._close_number is not None and not self._unacknowledged and not self.closed:
            self._output.append(b"%b rsp 0\n0 serverclose 0\n" % self._close_number)
            self.closed = True
