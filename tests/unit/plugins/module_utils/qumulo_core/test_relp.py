# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.relp import (
    RelpError,
    Session,
)

#: As librelp sends it.
OFFER = b"relp_version=0\nrelp_software=librelp,1.11.0,http://librelp.adiscon.com\ncommands=syslog"


def frame(number: int, command: bytes, data: bytes = b"") -> bytes:
    middle = b" " + data if data else b""
    return b"%d %b %d%b\n" % (number, command, len(data), middle)


def opened(**options: int) -> Session:
    session = Session(**options)
    assert session.feed(frame(1, b"open", OFFER)) == []
    session.output()
    return session


def test_open_is_answered_with_what_is_offered() -> None:
    session = Session()
    session.feed(frame(1, b"open", OFFER))
    answer = session.output()
    header, _newline, data = answer.partition(b"\n")
    assert header == b"1 rsp %d 200 OK" % (len(b"200 OK\n" + data) - 1)
    assert data == b"relp_version=0\nrelp_software=lockstep-qumulo\ncommands=syslog\n"
    assert not session.closed


def test_messages_are_handed_out_and_not_yet_acknowledged() -> None:
    session = opened()
    assert session.feed(frame(2, b"syslog", b"one") + frame(3, b"syslog", b"two\n")) == [
        b"one",
        b"two\n",
    ]
    assert session.output() == b""
    assert session.pending == 2


def test_acknowledgements_keep_the_order_and_go_in_one_piece() -> None:
    session = opened()
    session.feed(b"".join(frame(number, b"syslog", b"x") for number in (2, 3, 4)))
    session.acknowledge(2)
    assert session.output() == b"2 rsp 6 200 OK\n3 rsp 6 200 OK\n"
    session.acknowledge(1)
    assert session.output() == b"4 rsp 6 200 OK\n"
    assert session.pending == 0


def test_numbers_may_begin_anew() -> None:
    session = opened()
    session.feed(frame(999_999_999, b"syslog", b"x") + frame(1, b"syslog", b"y"))
    session.acknowledge(2)
    assert session.output() == b"999999999 rsp 6 200 OK\n1 rsp 6 200 OK\n"


@pytest.mark.parametrize("count", [-1, 2])
def test_only_what_is_here_can_be_acknowledged(count: int) -> None:
    session = opened()
    session.feed(frame(2, b"syslog", b"x"))
    with pytest.raises(ValueError):
        session.acknowledge(count)


def test_an_empty_message() -> None:
    assert opened().feed(b"2 syslog 0\n3 syslog 0 \n") == [b"", b""]


def test_close_is_answered_at_once_when_nothing_waits() -> None:
    session = opened()
    session.feed(frame(2, b"close"))
    assert session.output() == b"2 rsp 0\n0 serverclose 0\n"
    assert session.closed


def test_close_is_answered_after_the_last_acknowledgement() -> None:
    session = opened()
    session.feed(frame(2, b"syslog", b"x") + frame(3, b"syslog", b"y") + frame(4, b"close"))
    session.acknowledge(1)
    assert session.output() == b"2 rsp 6 200 OK\n"
    assert not session.closed
    session.acknowledge(1)
    assert session.output() == b"3 rsp 6 200 OK\n4 rsp 0\n0 serverclose 0\n"
    assert session.closed


def test_a_sender_without_syslog_is_told_so() -> None:
    session = Session()
    assert session.feed(frame(1, b"open", b"relp_version=0\ncommands=eventlog")) == []
    assert session.output() == b"1 rsp 34 500 the command syslog is required\n"
    assert session.closed


def test_an_unknown_command_is_told_so() -> None:
    session = opened()
    session.feed(frame(2, b"starttls") + frame(3, b"syslog", b"x"))
    assert session.output() == b"2 rsp 33 500 this command is not supported\n"
    assert session.pending == 1


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00\x01",
        b"<14>1 ",
        b"\n",
        b" ",
        b"1  ",
        b"1 a1",
        b"1 open x",
        b"1 open 1x",
        b"1 open -1 x",
        b"1 open 1\n",
        b"1 open 1 xy\n",
        b"1 open 1 x ",
        b"1234567890 open",
        b"1 " + b"a" * 33,
        b"1 open 1234567890",
        b"1 syslog 1 x\n",
        b"1 close 0\n",
    ],
)
def test_what_is_no_relp(data: bytes) -> None:
    session = Session()
    with pytest.raises(RelpError):
        session.feed(data)
    assert session.closed
    with pytest.raises(RelpError):
        session.feed(frame(1, b"open", OFFER))


@pytest.mark.parametrize(
    "data",
    [
        frame(2, b"open", OFFER),
        frame(2, b"rsp", b"200 OK"),
        frame(2, b"serverclose"),
        frame(2, b"close") + frame(3, b"syslog", b"x"),
        frame(2, b"close") + frame(3, b"close"),
        frame(2, b"syslog", b"x") + frame(3, b"close") + frame(4, b"syslog", b"y"),
    ],
)
def test_what_has_no_place_in_a_session(data: bytes) -> None:
    session = opened()
    with pytest.raises(RelpError):
        for part in data.splitlines(keepends=True):
            session.feed(part)


@pytest.mark.parametrize("piece", [1, 7, 99, 10_000])
def test_of_a_message_that_is_too_long_only_the_beginning_is_taken(piece: int) -> None:
    session = opened(max_data=100)
    stream = b"".join(
        frame(number, b"syslog", data)
        for number, data in enumerate((b"a" * 100, b"b" * 101, b"c" * 5000, b"d"), 2)
    )
    messages = []
    for at in range(0, len(stream), piece):
        messages += session.feed(stream[at : at + piece])
        assert len(session._rest) < 200
    assert messages == [b"a" * 100, b"b" * 100, b"c" * 100, b"d"]
    session.acknowledge(4)
    assert session.output() == b"".join(b"%d rsp 6 200 OK\n" % number for number in (2, 3, 4, 5))


def test_a_long_message_ends_where_its_length_says_so() -> None:
    session = opened(max_data=100)
    assert session.feed(b"2 syslog 200 " + b"x" * 200) == []
    assert session.pending == 0
    with pytest.raises(RelpError):
        session.feed(b"x")
    assert session.pending == 0


def test_other_frames_have_a_bound() -> None:
    for session in (Session(max_data=100), opened(max_data=100)):
        with pytest.raises(RelpError, match="longer than the 100"):
            session.feed(b"3 open 101 ")


def test_what_comes_after_a_mistake_in_one_piece_is_not_acknowledged() -> None:
    session = opened()
    with pytest.raises(RelpError):
        session.feed(frame(2, b"syslog", b"x") + b"3 syslog 1 xy")
    assert session.pending == 0
    assert session.output() == b""
