# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RELP: however its bytes are cut, and with a real rsyslogd that is killed and left alone."""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.relp import (
    RelpError,
    Session,
)
from tests.tools.rsyslogd import Rsyslogd

LIMIT = 180.0  # seconds that a step with rsyslogd may take
OFFER = b"relp_version=0\nrelp_software=x\ncommands=syslog"
HEAD = b"<14>1 2026-01-31T18:00:00.123456789Z c-1 qumulo - - - "


def frame(number: int, command: bytes, data: bytes = b"") -> bytes:
    middle = b" " + data if data else b""
    return b"%d %b %d%b\n" % (number, command, len(data), middle)


# -- bytes ------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=200)), st.booleans(), st.data())
def test_frames_are_the_same_however_they_are_cut(
    messages: list[bytes], ends: bool, data: st.DataObject
) -> None:
    stream = frame(1, b"open", OFFER)
    for number, message in enumerate(messages, 2):
        stream += frame(number, b"syslog", message)
    if ends:
        stream += frame(len(messages) + 2, b"close")
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    session = Session()
    found: list[bytes] = []
    for begin, end in zip([0, *cuts], [*cuts, len(stream)]):
        found += session.feed(stream[begin:end])
    assert found == messages
    assert session.pending == len(messages)
    answer = session.output()
    while session.pending:
        session.acknowledge(data.draw(st.integers(1, session.pending)))
    expected = b"relp_version=0\nrelp_software=lockstep-qumulo\ncommands=syslog"
    expected = frame(1, b"rsp", b"200 OK\n" + expected)
    expected += b"".join(b"%d rsp 6 200 OK\n" % (n + 2) for n in range(len(messages)))
    if ends:
        expected += b"%d rsp 0\n0 serverclose 0\n" % (len(messages) + 2)
    assert answer + session.output() == expected
    assert session.closed is ends


@settings(max_examples=300)
@given(st.lists(st.binary(max_size=100), max_size=5), st.integers(0, 1000), st.binary(max_size=3))
def test_damage_is_found_or_harmless(messages: list[bytes], at: int, put: bytes) -> None:
    stream = frame(1, b"open", OFFER)
    for number, message in enumerate(messages, 2):
        stream += frame(number, b"syslog", message)
    at %= len(stream)
    session = Session()
    try:
        found = session.feed(stream[:at] + put + stream[at + 1 :])
    except RelpError:
        assert session.closed
    else:
        assert len(found) == session.pending


@given(st.lists(st.binary()))
def test_nothing_else_than_the_typed_error_is_raised(pieces: list[bytes]) -> None:
    session = Session(max_data=1000)
    try:
        for piece in pieces:
            session.feed(piece)
    except RelpError:
        assert session.closed


# -- rsyslogd ---------------------------------------------------------------------------------


@pytest.fixture
def receiver() -> Iterator[socket.socket]:
    """Where rsyslogd hands its lines on to."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        listening.settimeout(LIMIT)
        yield listening


@pytest.fixture
def rsyslogd(tmp_path: Path, receiver: socket.socket, rsyslogd_missing: None) -> Iterator[Rsyslogd]:
    """A running rsyslogd."""
    with Rsyslogd(tmp_path, receiver.getsockname()[1]) as running:
        yield running


class Connection:
    """One connection of rsyslogd."""

    def __init__(self, receiver: socket.socket) -> None:
        self.session = Session()
        self._socket, _address = receiver.accept()
        self._socket.settimeout(LIMIT)

    def close(self) -> None:
        self._socket.close()

    def read(self) -> list[bytes]:
        """Messages that came, after at least one read."""
        data = self._socket.recv(1 << 16)
        if not data:
            raise EOFError
        found = self.session.feed(data)
        self._send()
        return found

    def acknowledge(self, count: int) -> None:
        self.session.acknowledge(count)
        self._send()

    def _send(self) -> None:
        self._socket.sendall(self.session.output())


def send(rsyslogd: Rsyslogd, lines: list[bytes]) -> None:
    with socket.create_connection(("127.0.0.1", rsyslogd.port), LIMIT) as sender:
        sender.sendall(b"".join(line + b"\n" for line in lines))


def reconnected(rsyslogd: Rsyslogd, receiver: socket.socket) -> Connection:
    """Return its next connection: it notices by what it sends that the last one broke."""
    end = time.monotonic() + LIMIT
    while True:
        send(rsyslogd, [HEAD + b"one more"])
        if select.select([receiver], [], [], 1.0)[0]:
            return Connection(receiver)
        assert time.monotonic() < end, "rsyslogd does not connect again"


def test_rsyslogd_hands_on_every_byte(rsyslogd: Rsyslogd, receiver: socket.socket) -> None:
    paths = [b"/a", b"/tab\t", b"/\xff\xfe", b"/\x01\x1b", "/ä€𝄞".encode(), b"/" + b"x" * 9000]
    lines = [HEAD + b'10.0.0.1,"u",nfs,fs_read_data,ok,1,"' + path + b'",""' for path in paths]
    send(rsyslogd, lines)
    found: list[bytes] = []
    with closing(Connection(receiver)) as connection:
        while len(found) < len(lines):
            messages = connection.read()
            found += messages
            connection.acknowledge(len(messages))
    assert found == lines


def test_rsyslogd_closes_its_session(rsyslogd: Rsyslogd, receiver: socket.socket) -> None:
    send(rsyslogd, [HEAD + b"x"] * 1000)
    with closing(Connection(receiver)) as connection:
        count = 0
        while count < 1000:
            messages = connection.read()
            count += len(messages)
            connection.acknowledge(len(messages))
        rsyslogd.terminate()
        while not connection.session.closed:
            connection.read()
    rsyslogd.stop()


def test_rsyslogd_sends_again_what_was_not_acknowledged(
    rsyslogd: Rsyslogd, receiver: socket.socket
) -> None:
    lines = [HEAD + b"%d" % number for number in range(3000)]
    send(rsyslogd, lines)
    safe: list[bytes] = []
    again = Connection(receiver)
    for _death in range(3):
        with closing(again) as connection:
            read: list[bytes] = []
            while len(read) < 300:
                read += connection.read()
            connection.acknowledge(200)
            safe += read[:200]
        again = reconnected(rsyslogd, receiver)
    with closing(again) as connection:
        while not set(lines) <= set(safe):
            messages = connection.read()
            safe += messages
            connection.acknowledge(len(messages))


def test_rsyslogd_goes_on_as_it_is_acknowledged(
    rsyslogd: Rsyslogd, receiver: socket.socket
) -> None:
    send(rsyslogd, [HEAD + b"%d" % number for number in range(5000)])
    with closing(Connection(receiver)) as connection:
        held = 0
        while held < 512:
            held += len(connection.read())
        acknowledged = 0
        while acknowledged < 5000:
            if (
                connection.session.pending < 500
                and acknowledged + connection.session.pending < 5000
            ):
                connection.read()
            else:
                acknowledged += connection.session.pending
                connection.acknowledge(connection.session.pending)
