# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock manager under thousands of connections: nobody locks the others out."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import resource
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.connections import (  # noqa: E501
    MOST,
    Deadlines,
)
from tests.simulator.harness import Simulator
from tests.tools.lock_manager_page import configuration, running_page
from tests.tools.services import start_service, wait_for
from tests.tools.visitor import Visitor, until

#: Where attackers and visitors come from: each has an address of its own on loopback.
ATTACKER, OTHER, VISITOR = "127.0.0.66", "127.0.0.67", "127.0.0.20"
#: Connections of one address, and a few that the attacker opens on top of all that there are.
OF_ONE, HALF_OPEN = 250, 1500
PLAIN = {"certificate": None, "private_key": None}
#: Deadlines that a test can wait for; none of the others gets in the way.
LONG = 600.0
HEAD = b"GET /login HTTP/1.1\r\nHost: 127.0.0.1\r\n"
BODY = b"POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 60000\r\n\r\ncsrf="


class Crowd:
    """Open connections of an attacker."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.sockets: list[socket.socket] = []

    def join(self, count: int, data: bytes = b"", address: str = ATTACKER) -> list[socket.socket]:
        """Open connections from an address, and send some bytes on each."""
        new = []
        for _ in range(count):
            one = socket.create_connection(
                ("127.0.0.1", self._port), timeout=120, source_address=(address, 0)
            )
            with contextlib.suppress(OSError):  # it had to make room already
                one.sendall(data)
            new.append(one)
        self.sockets += new
        return new

    def close(self) -> None:
        """Leave."""
        for one in self.sockets:
            one.close()


def closed(connection: socket.socket) -> bool:
    """Tell whether the page has closed a connection that it never answered."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def status(port: int, address: str, tls: ssl.SSLContext | None = None) -> int:
    """Ask for the login page from an address; return the status."""
    options: dict[str, Any] = {"timeout": 120, "source_address": (address, 0)}
    connection = (
        http.client.HTTPSConnection("127.0.0.1", port, context=tls, **options)
        if tls
        else http.client.HTTPConnection("127.0.0.1", port, **options)
    )
    with contextlib.closing(connection):
        connection.request("GET", "/login")
        return connection.getresponse().status


@pytest.fixture(autouse=True)
def descriptors() -> Iterator[None]:
    """Both ends of all connections are in this process."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert before[1] >= 8192, "the tests need a hard limit of 8192 open files"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(before[0], 8192), before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


@pytest.fixture
def page(simulator: Simulator, tmp_path: Path) -> Iterator[Callable[..., tuple[Any, Crowd]]]:
    """Makes a page, and a crowd in front of it."""
    with contextlib.ExitStack() as stack:

        def make(**changes: Any) -> tuple[Any, Crowd]:
            made = stack.enter_context(running_page(simulator, tmp_path, **changes))
            crowd = Crowd(made.port)
            stack.callback(crowd.close)
            return made, crowd

        yield make


# -- how many -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "tls"),
    [(b"", True), (b"", False), (HEAD, False), (BODY, False)],
    ids=["no handshake", "silent", "half a head", "half a body"],
)
def test_half_open_connections_of_an_address_lock_nobody_out(
    page: Callable[..., Any], tmp_path: Path, data: bytes, tls: bool
) -> None:
    patient = Deadlines(LONG, LONG, LONG, LONG, LONG, LONG)
    made, crowd = page(deadlines=patient, **({} if tls else PLAIN))
    crowd.join(HALF_OPEN, data)
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.pem")) if tls else None
    for address in (VISITOR, ATTACKER):  # a colleague of the attacker gets in, too
        assert status(made.port, address, trusted) == 200
    assert len(made.places) <= OF_ONE + 2
    counted = made.services.counters.read()
    assert counted["connections_dropped"] >= HALF_OPEN - OF_ONE
    until(lambda: sum(map(closed, crowd.sockets)) >= HALF_OPEN - OF_ONE)


def test_half_open_connections_of_many_addresses_lock_nobody_out(page: Callable[..., Any]) -> None:
    made, crowd = page(deadlines=Deadlines(LONG, LONG, LONG, LONG, LONG, LONG), **PLAIN)
    for last in range(MOST // OF_ONE + 2):
        crowd.join(OF_ONE, HEAD, f"127.0.1.{last + 1}")
    assert status(made.port, VISITOR) == 200
    assert len(made.places) <= MOST


def test_a_trusted_proxy_may_have_as_many_connections_as_it_likes(
    page: Callable[..., Any],
) -> None:
    made, crowd = page(
        deadlines=Deadlines(LONG, LONG, LONG, LONG, LONG, LONG),
        trusted_proxies=[ATTACKER],
        **PLAIN,
    )
    proxied = crowd.join(2 * OF_ONE, HEAD)
    until(lambda: len(made.places) >= 2 * OF_ONE)
    assert not any(map(closed, proxied))
    assert made.services.counters.read()["connections_dropped"] == 0


def test_behind_a_proxy_requests_of_a_visitor_are_limited(
    page: Callable[..., Any], simulator: Simulator
) -> None:
    made, _crowd = page(
        trusted_proxies=["127.0.0.1"],
        max_connections_per_address=8,
        refresh_interval="10min",
        **PLAIN,
    )

    def visitor(address: str) -> Visitor:
        one = Visitor(made.url, "")
        one.http.headers.update({"X-Forwarded-For": address, "X-Forwarded-Proto": "https"})
        return one

    busy, colleague, stranger = map(visitor, ("192.0.2.7", "192.0.2.7", "192.0.2.8"))
    busy.trust_plain_http()
    busy.log_in("admin", simulator.password())
    generation = busy.json("/api/v1/status?after=0")["generation"]
    cookie = {"Cookie": str(busy.http.headers["Cookie"])}

    def wait_for_news() -> None:
        visitor("192.0.2.7").get(f"/api/v1/status?after={generation}", headers=cookie)

    def refused() -> float:
        return float(made.services.counters.read()["requests_refused"])

    before = refused()
    threads = [threading.Thread(target=wait_for_news) for _ in range(9)]
    for thread in threads:
        thread.start()
    until(lambda: refused() > before)  # eight wait
    assert colleague.get("/login").status_code == 429
    assert stranger.get("/login").status_code == 200
    form = {
        "csrf": stranger.http.get(made.url + "/", headers=cookie).text.split('csrf" value="')[1]
    }
    form["csrf"] = form["csrf"].split('"')[0]
    assert stranger.post("/logout", form, headers=cookie).status_code == 303
    for thread in threads:  # nobody waits for the news of a session that has ended
        thread.join(120)
    assert colleague.get("/login").status_code == 200


def test_a_process_without_descriptors_still_answers(simulator: Simulator, tmp_path: Path) -> None:
    path = tmp_path / "config.yml"
    options = {**PLAIN, "lock_file": str(tmp_path / "lock")}
    path.write_text(json.dumps(configuration(simulator, tmp_path, **options)))
    with start_service("lock_manager", "--config", str(path)) as process:
        process.wait_ready()
        wait_for(lambda: process.status)
        port = int(process.status.split(",")[0].rpartition(":")[2])
        used = len(os.listdir(f"/proc/{process.pid}/fd"))
        _soft, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (used + 40, hard))
        crowd = Crowd(port)
        with contextlib.closing(crowd):
            crowd.join(200, HEAD)
            assert status(port, VISITOR) == 200
        assert process.running
        assert "raise LimitNOFILE" in process.output()


# -- how long -----------------------------------------------------------------------------------


def dribble(connection: socket.socket, data: bytes) -> bytes:
    """Send byte after byte without an end, until the page closes; return what it has said."""
    said = b""
    connection.settimeout(0.02)
    deadline = time.monotonic() + 120
    for byte in itertools.cycle(data):
        assert time.monotonic() < deadline, "the page waits for ever"
        try:
            got = connection.recv(4096)
            if not got:
                return said
            said += got
        except socket.timeout:
            with contextlib.suppress(OSError):  # whether it was closed is seen above
                connection.send(bytes([byte]))
        except ConnectionError:
            return said
    raise AssertionError("an endless loop has ended")


@pytest.mark.parametrize(
    ("begin", "rest"),
    [(HEAD, b"X-A: b\r\n"), (BODY, b"x")],
    ids=["head", "body"],
)
def test_a_slow_but_steady_sender_ends(page: Callable[..., Any], begin: bytes, rest: bytes) -> None:
    quick = Deadlines(LONG, 1.0, 1.0, LONG, LONG, 1.0)
    made, crowd = page(deadlines=quick, **PLAIN)
    (slow,) = crowd.join(1, begin)
    assert dribble(slow, rest).startswith(b"HTTP/1.1 408 ")
    until(lambda: not len(made.places))
    assert status(made.port, ATTACKER) == 200


@pytest.mark.parametrize("tls", [True, False])
def test_a_silent_client_ends(page: Callable[..., Any], tls: bool) -> None:
    made, crowd = page(
        deadlines=Deadlines(1.0, 1.0, LONG, LONG, LONG, 1.0), **({} if tls else PLAIN)
    )
    crowd.join(20)
    until(lambda: all(map(closed, crowd.sockets)))
    until(lambda: not len(made.places))


def test_a_client_that_does_not_answer_to_the_end_of_tls_ends(
    page: Callable[..., Any], tmp_path: Path
) -> None:
    made, crowd = page(deadlines=Deadlines(LONG, 1.0, LONG, LONG, LONG, 1.0))
    (plain,) = crowd.join(1)
    trusted = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
    trusted.wrap_socket(plain, server_hostname="127.0.0.1").sendall(HEAD)
    until(lambda: not len(made.places))  # although nothing is read here


@pytest.mark.parametrize(
    "deadlines",
    [Deadlines(stall=1.0, answer=LONG), Deadlines(stall=LONG, answer=1.0)],
    ids=["stalls", "steady"],
)
def test_a_reader_that_never_comes_to_the_end_ends(
    page: Callable[..., Any], simulator: Simulator, deadlines: Deadlines
) -> None:
    simulator.control("smb/crowd", directory="/crowd", handles=20_000, files=5_000, users=50)
    made, _crowd = page(deadlines=deadlines, refresh_interval="10min", **PLAIN)
    visitor = Visitor(made.url, "")
    visitor.trust_plain_http()
    visitor.log_in("admin", simulator.password())
    until(lambda: visitor.json("/api/v1/status")["open_handles"])
    cookie = visitor.http.headers["Cookie"]
    request = f"GET /open-files.csv HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: {cookie}\r\n\r\n"
    slow = socket.socket()
    with contextlib.closing(slow):
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(120)
        slow.connect(("127.0.0.1", made.port))
        slow.sendall(request.encode())

        def over() -> bool:
            if deadlines.stall == LONG:
                with contextlib.suppress(ConnectionError):
                    slow.recv(1)
            return not len(made.places)

        until(over)


# -- how much -----------------------------------------------------------------------------------


def form(path: str, length: int, cookie: str = "") -> bytes:
    """The head of a form, and a part of its body."""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n"
    return (head + (f"Cookie: {cookie}\r\n" if cookie else "") + "\r\ncsrf=").encode()


def test_large_half_sent_forms_are_bounded(page: Callable[..., Any], simulator: Simulator) -> None:
    made, crowd = page(deadlines=Deadlines(LONG, LONG, LONG, LONG, LONG, LONG), **PLAIN)
    visitor = Visitor(made.url, "")
    visitor.trust_plain_http()
    visitor.log_in("admin", simulator.password())
    cookie = visitor.http.headers["Cookie"]
    largest = 1 << 20
    # Before the login a form has a few kilobytes, and no other one is read.
    for path, length, answer in (("/login", largest, b"413"), ("/close", largest, b"401")):
        (one,) = crowd.join(1, form(path, length))
        assert one.recv(12).endswith(answer)
    forms = crowd.join(150, form("/close", largest, str(cookie)))
    until(lambda: sum(map(is_refused, forms)) == 150 - 16)
    (other,) = crowd.join(1, form("/close", 6, str(cookie)) + b"x", OTHER)
    assert other.recv(12).endswith(b"403")  # it was read: the token in it is wrong


def is_refused(connection: socket.socket) -> bool:
    """Tell whether a form was refused because there are too many; the answer stays unread."""
    connection.setblocking(False)
    try:
        return connection.recv(12, socket.MSG_PEEK).endswith(b"503")
    except BlockingIOError:
        return False
