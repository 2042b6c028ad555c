# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The RELP port under attack by another account of the host: rsyslogd always gets in."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime import (
    admission,
    receiver,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.batches import (
    Batch,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.receiver import (
    Receiver,
)
from tests.tools.rsyslogd import Rsyslogd
from tests.tools.services import wait_for

OFFER = b"relp_version=0\nrelp_software=test\ncommands=syslog"
OPEN = b"1 open %d %b\n" % (len(OFFER), OFFER)
#: Accounts of the host without any rights.
STRANGER, SYSLOG = 65534, 4711
#: Becomes another account: what runs tests may be closed to that one, so it begins as root.
BECOME = """
import encodings.idna, os, socket, sys
uid = int(sys.argv.pop(1))
os.setgroups([])
os.setgid(uid)
os.setuid(uid)
"""
#: Connects as often as it is asked to, from some addresses, and sends the same bytes each time.
ATTACK = """
port, count, addresses, data = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3].split(), sys.argv[4]
kept = []
for number in range(count):
    connection = socket.create_connection(
        ("127.0.0.1", port), 60, (addresses[number % len(addresses)], 0)
    )
    try:
        connection.sendall(bytes.fromhex(data))
    except OSError:
        pass
    kept.append(connection)
print("ready", flush=True)
if sys.argv[5] == "close":
    kept.clear()
    print("closed", flush=True)
sys.stdin.read()
"""

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another account")


@contextmanager
def listening(address: str = "127.0.0.1", senders: list[int] | None = None) -> Iterator[Receiver]:
    port = Receiver(
        address, 0, lambda lines: Batch([], len(lines)), lambda _batch: None, senders or []
    )
    port.start()
    try:
        yield port
    finally:
        port.stop(time.monotonic() + 30)
    assert port.failure() is None


@contextmanager
def attack(
    port: int,
    count: int,
    data: bytes = OPEN,
    *,
    addresses: str = "127.0.0.1",
    uid: int = STRANGER,
    then: str = "stay",
) -> Iterator[None]:
    """Another account holds connections."""
    process = subprocess.Popen(
        [
            *(sys.executable, "-I", "-c", BECOME + ATTACK, str(uid)),
            *(str(port), str(count), addresses, data.hex(), then),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        assert process.stdout.readline() == b"ready\n"
        if then == "close":
            assert process.stdout.readline() == b"closed\n"
        yield
    finally:
        process.stdin.close()
        process.wait(60)
        process.stdout.close()


def opened(port: Receiver) -> socket.socket:
    """A session of this process, which is the configured sender."""
    connection = socket.create_connection(("127.0.0.1", port.port), 60)
    connection.sendall(OPEN)
    assert b"1 rsp" in connection.recv(1000)
    return connection


def sends(connection: socket.socket, number: int) -> None:
    connection.sendall(b"%d syslog 1 x\n" % number)
    assert b"%d rsp 6 200 OK" % number in connection.recv(1000)


#: What the other account sends: nothing, a session, half a frame, and a line.
DATA = [b"", OPEN, OPEN + b"2 syslog 100000 " + b"x" * 50000, OPEN + b"2 syslog 1 x\n"]
ADDRESSES = ["127.0.0.1", " ".join(f"127.0.1.{number}" for number in range(1, 100))]


@root_only
@pytest.mark.parametrize("data", DATA, ids=["silent", "opened", "half-sent", "sending"])
@pytest.mark.parametrize("addresses", ADDRESSES, ids=["one", "many"])
def test_another_account_takes_no_room_of_the_sender(data: bytes, addresses: str) -> None:
    with listening() as port, ExitStack() as stack:
        first = stack.enter_context(opened(port))
        with attack(port.port, 60, data, addresses=addresses):
            many = " " in addresses
            wait_for(
                lambda: port.connected <= 1 + (admission.OTHERS if many else admission.EACH_ADDRESS)
            )
            # Its first connection is there, and as many as it may ever need get in.
            sends(first, 2)
            for _turn in range(admission.RESERVED - 1):
                sends(stack.enter_context(opened(port)), 2)
            sends(first, 3)
            assert port.closed["crowded"] >= 60 - admission.OTHERS
            assert "not_relp" not in port.closed


@root_only
@pytest.mark.usefixtures("rsyslogd_missing")
def test_rsyslogd_gets_in_again_and_again(tmp_path: Path) -> None:
    kept: list[bytes] = []

    def gather(lines: list[bytes]) -> Batch:
        kept.extend(lines)
        return Batch([], len(lines))

    port = Receiver("127.0.0.1", 0, gather, lambda _batch: None)
    port.start()
    try:
        with attack(port.port, 200), Rsyslogd(tmp_path, port.port) as rsyslogd:
            for turn in range(3):
                line = b"<14>1 - - - - - - turn %d" % turn
                with socket.create_connection(("127.0.0.1", rsyslogd.port), 60) as cluster:
                    cluster.sendall(line + b"\n")
                wait_for(lambda line=line: line in kept)  # type: ignore[misc]
                rsyslogd.stop()
                rsyslogd.start()
    finally:
        port.stop(time.monotonic() + 30)


@root_only
def test_the_sender_can_be_another_account() -> None:
    with (
        listening(senders=[SYSLOG]) as port,
        attack(port.port, 100),
        attack(port.port, admission.RESERVED, uid=SYSLOG),
    ):
        wait_for(lambda: port.connected == admission.RESERVED + admission.EACH_ADDRESS)


@root_only
@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_the_owner_of_a_connection(address: str) -> None:
    with socket.create_server(
        (address, 0), family=socket.AF_INET6 if ":" in address else socket.AF_INET
    ) as server:
        port = server.getsockname()[1]
        script = f"c = socket.create_connection(({address!r}, {port})); sys.stdin.read()"
        process = subprocess.Popen(
            [sys.executable, "-I", "-c", BECOME + script, str(STRANGER)], stdin=subprocess.PIPE
        )
        with server.accept()[0] as connection:
            assert admission.owner(connection) == STRANGER
            process.communicate(timeout=60)
            # The kernel names root as the owner of what has none any more.
            assert admission.owner(connection) is None
        with (
            socket.create_connection(server.getsockname()[:2]),
            server.accept()[0] as connection,
        ):
            assert admission.owner(connection) == os.geteuid()


@root_only
def test_a_connection_that_is_closed_already_is_not_the_sender_s(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[int | None] = []
    find: Callable[[socket.socket], int | None] = admission.owner

    def noting(connection: socket.socket) -> int | None:
        seen.append(find(connection))
        return seen[-1]

    monkeypatch.setattr(receiver, "owner", noting)
    with listening() as port, attack(port.port, 100, then="close"):
        wait_for(lambda: len(seen) == 100)
    assert set(seen) <= {None, STRANGER}


# -- deadlines ------------------------------------------------------------------------------------


@root_only
def test_idle_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiver, "_IDLE", 0.5)
    with listening() as port, ExitStack() as stack:
        older, current = (stack.enter_context(opened(port)) for _turn in range(2))
        sends(older, 2)
        sends(current, 2)
        with attack(port.port, 5, OPEN + b"2 syslog 1 x\n"):
            wait_for(lambda: port.connected == 1)
        # rsyslogd is informed, so that it sends its next line over a new connection.
        assert older.recv(1000) == b"0 serverclose 0\n"
        assert port.closed == {"idle": 6}
        sends(current, 3)  # the sender may be silent for as long as the cluster is


@pytest.mark.parametrize(
    "piece", [b"2 syslog 10 ab", b"2 sys", b"2 syslog 200000 " + b"x" * 150000]
)
def test_half_sent_frames_are_not_waited_for(monkeypatch: pytest.MonkeyPatch, piece: bytes) -> None:
    monkeypatch.setattr(receiver, "_FRAME", 0.5)
    with listening() as port, opened(port) as connection:
        connection.sendall(piece)
        wait_for(lambda: port.closed == {"half_sent": 1})
        wait_for(lambda: port.connected == 0)
        with opened(port) as other:
            sends(other, 2)


def test_a_frame_that_comes_late_but_at_once_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening() as port, opened(port) as connection:
        monkeypatch.setattr(receiver, "_FRAME", 0.2)
        time.sleep(1.0)  # idle for longer than a frame may take
        sends(connection, 2)
        assert port.closed == {}


def test_a_stop_says_good_bye() -> None:
    with listening() as port:
        connection = opened(port)
        sends(connection, 2)
    with connection:
        assert connection.recv(1000) == b"0 serverclose 0\n"
        assert connection.recv(1000) == b""


@pytest.mark.usefixtures("rsyslogd_missing")
def test_the_next_line_after_a_restart_is_not_held_back(tmp_path: Path) -> None:
    """Without a word at the end, rsyslogd notices only at the line after the next one."""
    kept: list[bytes] = []

    def gather(lines: list[bytes]) -> Batch:
        kept.extend(lines)
        return Batch([], len(lines))

    number = 0
    port = Receiver("127.0.0.1", number, gather, lambda _batch: None)
    port.start()
    try:
        with Rsyslogd(tmp_path, port.port) as rsyslogd:
            for turn in range(3):
                line = b"<14>1 - - - - - - turn %d" % turn
                with socket.create_connection(("127.0.0.1", rsyslogd.port), 60) as cluster:
                    cluster.sendall(line + b"\n")
                wait_for(lambda line=line: line in kept)  # type: ignore[misc]
                number = port.port
                port.stop(time.monotonic() + 30)
                port = Receiver("127.0.0.1", number, gather, lambda _batch: None)
                port.start()
    finally:
        port.stop(time.monotonic() + 30)


# -- memory -----------------------------------------------------------------------------------


def peak() -> int:
    """Most memory that this process has had, in bytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


LONG = 120_000


def test_long_lines_make_small_batches() -> None:
    sizes: list[int] = []

    def gather(lines: list[bytes]) -> Batch:
        sizes.append(sum(map(len, lines)))
        return Batch([], len(lines))

    port = Receiver("127.0.0.1", 0, gather, lambda _batch: None)
    port.start()
    try:
        with opened(port) as connection:
            frames = b"".join(
                b"%d syslog %d %b\n" % (number, LONG, b"x" * LONG) for number in range(2, 502)
            )
            connection.sendall(frames)
            wait_for(lambda: sum(sizes) == 500 * LONG)
    finally:
        port.stop(time.monotonic() + 30)
    assert max(sizes) <= (8 << 20) + (1 << 18)


def test_requests_that_are_refused_take_no_memory() -> None:
    with listening() as port, opened(port) as connection:
        before = peak()
        with pytest.raises(ConnectionError):
            while True:
                connection.sendall(b"2 abc 0\n" * 10_000)
        wait_for(lambda: port.connected == 0)
        assert port.closed == {"not_relp": 1}
        assert peak() - before < 64 << 20
