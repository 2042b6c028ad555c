# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The RELP port: lines are read, made durable, and only then acknowledged."""

from __future__ import annotations

import ipaddress
import logging
import os
import select
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Collection
from functools import partial

from ..common import heartbeats as beats
from ..common import os_reasons
from ..common.heartbeats import Heartbeats
from ..errors import InputError
from ..service.spool import SpoolError
from ..service.threads import Threads
from .admission import Peer, dispensable, in_the_way, is_current, owner
from .batches import Batch
from .relp import RelpError, Session

_LOG = logging.getLogger("lockstep.atime")
#: Bytes that are read at once, and most lines that become one batch; more is not waited for.
_CHUNK, _BATCH = 1 << 18, 20_000
#: Bytes of one batch at most: long lines make a batch of fewer.
_BATCH_BYTES = 8 << 20
#: Milliseconds between looks at whether to stop.
_POLL = 500
#: Seconds until a batch that found no room is tried again.
AGAIN = 1.0
#: Seconds that a sender may take to read its acknowledgements.
_SEND = 30.0
#: Seconds that a connection may take until it speaks RELP.
_OPEN = 10.0
#: Seconds that a frame may take from its first byte to its last.
_FRAME = 60.0
#: Seconds without a line after which a connection is closed that the sender does not use.
_IDLE = 300.0
#: Complaints that are remembered, so that each is logged once in a while only.
_COMPLAINTS = 32
#: Seconds that a connection which makes room for another may take to end.
_LEAVE = 5.0
#: Seconds after which the same complaint about a sender is worth another line.
_SAY_AGAIN = 300.0
_GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class _Overdue(RelpError):
    """A connection is closed because nothing comes of it.

    :param reason: as the metrics have it.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Receiver:
    """Listens for RELP, with a thread for each connection.

    When there is no room nothing is acknowledged and nothing more is read, so that the lines wait
    in rsyslog's queue.

    Every account of the host can open connections to the port. So the configured sender has room
    of its own, all others have little, and a connection that does not speak RELP, leaves a frame
    unfinished or sends nothing for long is closed. When a limit is reached, the connection that
    is needed least makes room: first those that have never sent a line.

    :param gather: makes a batch of lines.
    :param keep: makes a batch durable; :class:`SpoolError` if it cannot at present.
    :param senders: UIDs of the accounts that rsyslogd may run as.
    :raises InputError: the port cannot be used.
    """

    def __init__(
        self,
        address: str,
        port: int,
        gather: Callable[[list[bytes]], Batch],
        keep: Callable[[Batch], None],
        senders: Collection[int] = (),
        heartbeats: Heartbeats | None = None,
    ) -> None:
        self._gather = gather
        self._keep = keep
        self._senders = {0, os.geteuid(), *senders}
        self._stopped = threading.Event()
        self._connections: dict[threading.Thread, Peer] = {}
        self._told: dict[str, float] = {}
        #: Why nothing is taken at present; empty if all is well.
        self.trouble = ""
        #: Connections that the receiver has closed, by reason.
        self.closed: Counter[str] = Counter()
        six = ipaddress.ip_address(address).version == 6
        try:
            self._socket = socket.create_server(
                (address, port), family=socket.AF_INET6 if six else socket.AF_INET
            )
        except OSError as exc:
            failed = f"Cannot use the RELP port {port} of {address}"
            step = "Choose another one, here and in rsyslog."
            raise InputError(os_reasons.explain(failed, exc, step)) from exc
        self._socket.settimeout(_POLL / 1000)
        self.port: int = self._socket.getsockname()[1]
        self._threads = Threads(heartbeats)
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

    @property
    def connected(self) -> int:
        """Number of senders."""
        return len(self._connections)

    def _accept(self) -> None:
        while not self._stopped.is_set():
            beats.working("waiting for senders")
            try:
                connection, address = self._socket.accept()
            except socket.timeout:
                continue
            except OSError as exc:  # such as too many open files
                step = "It is tried again."
                self._say(os_reasons.explain("Cannot accept a connection", exc, step))
                self._stopped.wait(AGAIN)
                continue
            try:
                peer = Peer(connection, address[0], owner(connection) in self._senders)
            except OSError as exc:
                _LOG.debug("a sender has gone (%s)", exc.strerror or exc)
                connection.close()
                continue
            if not self._has_room(peer):
                connection.close()
                continue
            thread = self._threads.make("relp", partial(self._connection, peer))
            self._connections[thread] = peer
            thread.start()

    def _has_room(self, fresh: Peer) -> bool:
        """Close a connection if there are too many; False if the new one has to be closed."""
        threads = {peer: thread for thread, peer in self._connections.copy().items()}
        excess, found = in_the_way(threads, fresh)
        if not excess:
            return True
        self._say(
            f"No more senders are let in because {excess}, and rsyslogd needs one: find out who "
            f"connects to port {self.port}. Idle connections are closed for new ones."
        )
        self.closed["crowded"] += 1
        peer = dispensable(found)
        if peer is None:
            return False
        try:
            peer.socket.shutdown(socket.SHUT_RDWR)
        except OSError as exc:
            _LOG.debug("a sender has gone (%s)", exc.strerror or exc)
        threads[peer].join(_LEAVE)
        return not threads[peer].is_alive()

    def _connection(self, peer: Peer) -> None:
        try:
            with peer.socket:
                self._serve(peer)
        except _Overdue as exc:
            self.closed[exc.reason] += 1
            self._say(exc.message)
        except RelpError as exc:
            self.closed["not_relp"] += 1
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
            if len(self._told) >= _COMPLAINTS:
                self._told.clear()
            self._told[text] = now
            _LOG.warning("%s", text)

    # -- one connection -------------------------------------------------------------------------

    def _serve(self, peer: Peer) -> None:
        session, connection = Session(), peer.socket
        connection.settimeout(_SEND)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        poller = select.poll()
        poller.register(connection, select.POLLIN)
        #: When the frame began that is not complete yet.
        began: float | None = None
        ended = False
        while not (ended or session.closed or self._stopped.is_set()):
            now = time.monotonic()
            overdue = self._overdue(peer, session.opened, now, began)
            if overdue is not None:
                connection.sendall(session.end())
                raise overdue
            beats.working("waiting for lines")
            if not poller.poll(_POLL):
                continue
            messages, ended, error = self._read(connection, poller, session)
            if messages or not session.incomplete:
                began = None
            elif began is None:
                began = time.monotonic()
            if messages:
                peer.sends = peer.busy = True
                if not self._make_durable(connection, messages):
                    break
                session.acknowledge(len(messages))
                peer.busy, peer.moved = False, time.monotonic()
            answer = session.output()
            beats.working("acknowledging lines")
            try:
                connection.sendall(answer)
            except socket.timeout:
                raise  # it is there and does not read: the answer it got of this is in pieces
            except OSError as exc:
                # Nobody sends again what a killed rsyslogd has sent: all that came is taken,
                # although there is nobody left to answer.
                _LOG.debug("a sender has gone (%s)", exc.strerror or exc)
            if error is not None:
                raise error
        if not ended and not session.closed:
            # rsyslogd connects again at its next line, and sends that. Without this word it writes
            # the line into a connection that is gone, and notices only at the line after it.
            connection.sendall(session.end())

    def _overdue(
        self, peer: Peer, opened: bool, now: float, began: float | None
    ) -> _Overdue | None:
        """Return why a connection has to be closed; None if it may stay."""
        if not opened:
            if now - peer.moved > _OPEN:
                return _Overdue(
                    "not_opened",
                    f"A sender has not opened a RELP session within {_OPEN:g} s, and is "
                    "disconnected. Only rsyslog's omrelp may send here.",
                )
        elif began is not None:
            if now - began > _FRAME:
                return _Overdue(
                    "half_sent",
                    f"A sender has not finished a RELP frame within {_FRAME:g} s, and is "
                    "disconnected. Only rsyslog's omrelp may send here.",
                )
        elif now - peer.moved > _IDLE and not is_current([*self._connections.values()], peer):
            return _Overdue(
                "idle", f"A sender has sent nothing for {_IDLE:g} s, and is disconnected."
            )
        return None

    def _read(
        self, connection: socket.socket, poller: select.poll, session: Session
    ) -> tuple[list[bytes], bool, RelpError | None]:
        """Return the messages that are there, whether the sender has ended, and a mistake of it.

        What came before a mistake, or before the sender was gone, is taken: it is not sent again
        if the sender was killed.
        """
        messages: list[bytes] = []
        taken = 0
        while len(messages) < _BATCH and taken < _BATCH_BYTES and not session.closed:
            try:
                data = connection.recv(_CHUNK)
            except OSError as exc:
                _LOG.debug("a sender has gone (%s)", exc.strerror or exc)
                return messages, True, None
            if not data:
                return messages, True, None
            taken += len(data)
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
            beats.working("writing lines to the spool")
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
