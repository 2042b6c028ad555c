# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The RELP port and a sender that goes away: what has come is kept."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
import time

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime import receiver
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.batches import (
    Batch,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.receiver import (
    Receiver,
)
from tests.tools.services import wait_for

OFFER = b"relp_version=0\nrelp_software=test\ncommands=syslog"
FRAMES = 3000


def test_what_a_killed_sender_has_sent_is_kept() -> None:
    kept: list[bytes] = []
    began, go_on = threading.Event(), threading.Event()

    def keep(_batch: Batch) -> None:
        began.set()
        assert go_on.wait(60)

    def gather(lines: list[bytes]) -> Batch:
        kept.extend(lines)
        return Batch([], len(lines))

    port = Receiver("127.0.0.1", 0, gather, keep)
    port.start()
    try:
        sender = socket.create_connection(("127.0.0.1", port.port), 30)
        sender.sendall(b"1 open %d %b\n" % (len(OFFER), OFFER))
        sender.recv(1000)
        sender.sendall(b"2 syslog 1 0\n")
        assert began.wait(60)
        # While the first is made durable all others arrive, and the sender dies. With answers that
        # it has not read, or as here by its own wish, its kernel breaks the connection off.
        texts = [b"%d" % number for number in range(FRAMES)]
        numbered = list(enumerate(texts, 2))[1:]
        sender.sendall(b"".join(b"%d syslog %d %b\n" % (n, len(t), t) for n, t in numbered))
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sender.close()
        go_on.set()
        wait_for(lambda: len(kept) == FRAMES and not port.connected)
        assert kept == texts
    finally:
        go_on.set()
        port.stop(time.monotonic() + 30)


def test_a_sender_that_does_not_read_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    # An answer that was sent in part must not be followed by others.
    monkeypatch.setattr(receiver, "_SEND", 0.2)
    port = Receiver("127.0.0.1", 0, lambda lines: Batch([], len(lines)), lambda _batch: None)
    port.start()
    try:
        with socket.create_connection(("127.0.0.1", port.port), 30) as sender:
            sender.sendall(b"1 open %d %b\n" % (len(OFFER), OFFER))
            frames = b"2 syslog 1 0\n" * 100_000
            with pytest.raises(ConnectionError):
                while True:
                    sender.sendall(frames)
        wait_for(lambda: not port.connected)
    finally:
        port.stop(time.monotonic() + 30)


def silent(port: Receiver, opened: bool) -> socket.socket:
    """A connection that sends nothing, or opens a session and sends no line."""
    connection = socket.create_connection(("127.0.0.1", port.port), 30)
    if opened:
        connection.sendall(b"1 open %d %b\n" % (len(OFFER), OFFER))
        connection.recv(1000)
    return connection


@pytest.mark.parametrize("opened", [False, True])
def test_idle_connections_do_not_lock_out_the_sender(opened: bool) -> None:
    kept: list[bytes] = []

    def gather(lines: list[bytes]) -> Batch:
        kept.extend(lines)
        return Batch([], len(lines))

    port = Receiver("127.0.0.1", 0, gather, lambda _batch: None)
    port.start()
    others: list[socket.socket] = []
    try:
        with silent(port, opened=True) as sender:
            sender.sendall(b"2 syslog 1 0\n")
            assert b"2 rsp" in sender.recv(1000)
            others += [silent(port, opened) for _number in range(100)]
            sender.sendall(b"3 syslog 1 1\n")  # it is not the one that made room
            assert b"3 rsp" in sender.recv(1000)
            with silent(port, opened=True) as late:  # as rsyslog after a restart
                late.sendall(b"2 syslog 1 2\n")
                assert b"2 rsp" in late.recv(1000)
            assert port.connected <= 32
        assert kept == [b"0", b"1", b"2"]
    finally:
        for other in others:
            other.close()
        port.stop(time.monotonic() + 30)


def test_who_does_not_speak_relp_is_disconnected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver, "_OPEN", 0.2)
    port = Receiver("127.0.0.1", 0, lambda lines: Batch([], len(lines)), lambda _batch: None)
    port.start()
    try:
        with silent(port, opened=False) as other, silent(port, opened=True) as sender:
            # Pieces of a frame, one by one, do not help.
            other.settimeout(0.05)
            for piece in itertools.chain(b"1 o", itertools.repeat(ord("p"), 20)):
                try:
                    other.sendall(bytes([piece]))
                    assert other.recv(1) == b""
                    break
                except socket.timeout:
                    continue
                except ConnectionError:
                    break
            else:
                pytest.fail("the connection is still there")
            wait_for(lambda: port.connected == 1)
            sender.sendall(b"2 syslog 1 0\n")
            assert b"2 rsp" in sender.recv(1000)
    finally:
        port.stop(time.monotonic() + 30)
