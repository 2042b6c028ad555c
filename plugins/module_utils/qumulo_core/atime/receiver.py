# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The RELP port: lines are read, made durable, and only then acknowledged."""

from __future__ import annotations

import ipaddress
import logging
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from ..errors import InputError
from ..service.spool import SpoolError
from ..service.threads import Threads
from .batches import Batch
from .relp import RelpError, Session

_LOG = logging.getLogger("lockstep.atime")
#: Bytes that are read at once, and most lines that become one batch; more is not waited for.
_CHUNK, _BATCH = 1 << 18, 20_000
#: Milliseconds between looks at whether to stop.
_POLL = 500
#: Seconds until a batch that found no room is tried again.
AGAIN = 1.0
#: Seconds that a sender may take to read its acknowledgements.
_SEND = 30.0
#: rsyslog needs one connection; a few more are those that it has left behind.
_MOST = 32
#: Seconds that a connection may take until it speaks RELP.
_OPEN = 10.0
#: Seconds that a connection which makes room for another may take to end.
_LEAVE = 5.0
#: Seconds after which the same complaint about a sender is worth another line.
_SAY_AGAIN = 300.0
#: Seconds without a move after which the receiver counts as stuck.
STUCK = 60.0
_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


@dataclass
class _Peer:
    """One connection, as far as it matters when there are too many."""

    socket: socket.socket
    #: It has sent a line: only rsyslog does.
    sends: bool = False
    #: Its lines are being made durable.
    busy: bool = False
    moved: float = field(default_factory=time.monotonic)


class Receiver:
    """Listens for RELP, with a thread for each connection.

    When there is no room nothing is acknowledged and nothing more is read, so that the lines wait
    in rsyslog's queue.

    Whoever can reach the port can open connections to it. So one that does not speak RELP is closed
    soon, and when there are too many the one that is idle makes room: first those that have never
    sent a line.

    :param gather: makes a batch of lines.
    :param keep: makes a batch durable; :class:`SpoolError` if it can not at present.
    :raises InputError: the port can not be had.
    """

    def __init__(
        self,
        address: str,
        port: int,
        gather: Callable[[list[bytes]], Batch],
        keep: Callable[[Batch], None],
    ) -> None:
        self._gather = gather
        self._keep = keep
        self._stopped = threading.Event()
        self._connections: dict[threading.Thread, _Peer] = {}
        self._told: dict[str, float] = {}
        #: Why nothing is taken at present; empty if all is well.
        self.trouble = ""
        self._beat = time.monotonic()
        six = ipaddress.ip_address(address).version == 6
        try:
            self._socket = socket.create_server(
                (address, port), family=socket.AF_INET6 if six else socket.AF_INET
            )
        except OSError as exc:
            raise InputError(
                f"The RELP port {port} of {address} can not be used ({exc.strerror}): choose "
                "another one, here and in rsyslog."
            ) from exc
        self._socket.settimeout(_POLL / 1000)
        self.port: int = self._socket.getsockname()[1]
        self._threads = Threads()
        self._threads.add("listen", self._accept)

    def start(self) -> None:
        """Begin to listen."""
        self._threads.start()

    def stop(self, deadline: float) -> None:
        """Take nothing more; what is not acknowledged stays with the sender."""
        self._stopped.set()
        self._threads.join(deadline)
        for thread in list(self._connections):
            thread.join(max(0.0, deadline - time.monotonic()))
        self._socket.close()

    def failure(self) -> BaseException | None:
        """Return what ended a thread, or None."""
        return self._threads.failure

    def healthy(self) -> bool:
        """Tell whether connections would be taken."""
        return time.monotonic() - self._beat < STUCK

    @property
    def connected(self) -> int:
        """Number of senders."""
        return len(self._connections)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            self._beat = time.monotonic()
            try:
                connection, _address = self._socket.accept()
            except socket.timeout:
                continue
            except OSError as exc:  # such as too many open files
                self._say(f"A sender could not be let in ({exc.strerror}).")
                self._stopped.wait(AGAIN)
                continue
            if len(self._connections) >= _MOST and not self._make_room():
                connection.close()
                continue
            peer = _Peer(connection)
            thread = self._threads.make("relp", partial(self._connection, peer))
            self._connections[thread] = peer
            thread.start()

    def _make_room(self) -> bool:
        """Close the connection that is needed least; False if all of them are at work."""
        self._say(
            f"{_MOST} senders are connected, and rsyslog needs one connection: see who else "
            "connects to this port. Idle connections are closed for new ones."
        )
        idle = [(p.sends, p.moved, t, p) for t, p in self._connections.copy().items() if not p.busy]
        if not idle:
            return False
        _sends, _moved, thread, peer = min(idle, key=lambda found: found[:2])
        try:
            peer.socket.shutdown(socket.SHUT_RDWR)
        except OSError as exc:
            _LOG.debug("a sender has gone (%s)", exc.strerror or exc)
        thread.join(_LEAVE)
        return not thread.is_alive()

    def _connection(self, peer: _Peer) -> None:
        try:
            with peer.socket:
                self._serve(peer)
        except RelpError as exc:
            self._say(exc.message)
        except OSError as exc:
            # The sender is gone, and sends again what was not acknowledged.
            _LOG.debug("a sender has gone (%s)", exc.strerror or exc)
        finally:
            del self._connections[threading.current_thread()]

    def _say(self, text: str) -> None:
        """Log a complaint, but not each second: senders try again for ever."""
        now = time.monotonic()
        if now - self._told.get(text, float("-inf")) >= _SAY_AGAIN:
            if len(self._told) >= _MOST:
                self._told.clear()
            self._told[text] = now
            _LOG.warning("%s", text)

    # -- one connection -------------------------------------------------------------------------

    def _serve(self, peer: _Peer) -> None:
        session, connection = Session(), peer.socket
        connection.settimeout(_SEND)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poller = select.poll()
        poller.register(connection, select.POLLIN)
        ended = False
        while not (ended or session.closed or self._stopped.is_set()):
            if not session.opened and time.monotonic() - peer.moved > _OPEN:
                raise RelpError(
                    f"A sender has not opened a RELP session within {_OPEN:g} s, and is "
                    "disconnected. Only rsyslog's omrelp may send here."
                )
            if not poller.poll(_POLL):
                continue
            messages, ended, error = self._read(connection, poller, session)
            if messages:
                peer.sends = peer.busy = True
                if not self._make_durable(connection, messages):
                    return
                session.acknowledge(len(messages))
                peer.busy, peer.moved = False, time.monotonic()
            answer = session.output()
            try:
                connection.sendall(answer)
            except socket.timeout:
                raise  # it is there and does not read: what it was told of this is in pieces
            except OSError as exc:
                # Nobody sends again what a killed rsyslogd has sent: all that came is taken,
                # although there is nobody left to tell.
                _LOG.debug("a sender has gone (%s)", exc.strerror or exc)
            if error is not None:
                raise error

    def _read(
        self, connection: socket.socket, poller: select.poll, session: Session
    ) -> tuple[list[bytes], bool, RelpError | None]:
        """Return the messages that are there, whether the sender has ended, and a mistake of it.

        What came before a mistake, or before the sender was gone, is taken: it is not sent again
        if the sender was killed.
        """
        messages: list[bytes] = []
        while len(messages) < _BATCH and not session.closed:
            try:
                data = connection.recv(_CHUNK)
            except OSError as exc:
                _LOG.debug("a sender has gone (%s)", exc.strerror or exc)
                return messages, True, None
            if not data:
                return messages, True, None
            try:
                messages += session.feed(data)
            except RelpError as exc:
                return messages, True, exc
            if not poller.poll(0):
                break
        return messages, False, None

    def _make_durable(self, connection: socket.socket, messages: list[bytes]) -> bool:
        """Keep messages, however often that has to be tried; False if the sender is gone."""
        batch = self._gather(messages)
        gone = select.poll()
        gone.register(connection, _GONE)
        while True:
            try:
                self._keep(batch)
            except SpoolError as exc:
                if not self.trouble:
                    _LOG.error("%s Nothing more is taken from rsyslog until then.", exc)
                self.trouble = exc.message
                until = time.monotonic() + AGAIN
                while (left := until - time.monotonic()) > 0 and not self._stopped.is_set():
                    if gone.poll(min(_POLL, left * 1000)):
                        return False
                if self._stopped.is_set():
                    return False
            else:
                if self.trouble:
                    self.trouble = ""
                    _LOG.info("lines are taken again")
                return True
