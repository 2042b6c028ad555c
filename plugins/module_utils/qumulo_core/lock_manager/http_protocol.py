# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""uvicorn's HTTP protocol with a deadline for each step of a connection."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .connections import Deadlines, Place

if TYPE_CHECKING:
    import h11
    from uvicorn.protocols.http.h11_impl import H11Protocol
else:
    try:
        import h11
        from uvicorn.protocols.http.h11_impl import H11Protocol
    except ImportError:  # the server says so when it is made
        h11, H11Protocol = None, object

#: Steps of a connection: connected and silent, head of a request, its body, the answer to it.
_SILENT, _HEAD, _BODY, _ANSWER = "silent", "head", "body", "answer"
_TOO_LATE = b"The request did not come in time.\n"


class DeadlineProtocol(H11Protocol):
    """One connection. :meth:`occupy` gives it its place before it is connected."""

    _place: Place
    _deadlines: Deadlines
    _step = _SILENT
    _since = 0.0
    _stalled_since: float | None = None
    _closing_since: float | None = None

    def occupy(self, place: Place, deadlines: Deadlines) -> None:
        """Take a place among the connections."""
        self._place = place
        self._deadlines = deadlines

    # -- from the event loop ----------------------------------------------------------------------

    def connection_made(self, transport: Any) -> None:
        """The connection is open, its TLS handshake done."""
        super().connection_made(transport)
        self._place.drop = transport.abort
        self._place.check = self._check
        self._enter(_SILENT)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._place.leave()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        super().data_received(data)
        self._note_step()

    def on_response_complete(self) -> None:
        """The answer is written."""
        super().on_response_complete()
        self._note_step()

    def pause_writing(self) -> None:
        """The client does not read as fast as is written."""
        super().pause_writing()
        self._stalled_since = self._place.waits_since = self.loop.time()

    def resume_writing(self) -> None:
        """It has read on."""
        super().resume_writing()
        self._stalled_since = None
        if self._step == _ANSWER:
            self._place.waits_since = None

    # -- steps ------------------------------------------------------------------------------------

    def _note_step(self) -> None:
        step = self._current_step()
        if step != self._step:
            self._enter(step)

    def _current_step(self) -> str:
        theirs = self.conn.their_state
        if theirs is h11.SEND_BODY:
            return _BODY
        if theirs is h11.IDLE:
            return _HEAD if self.conn.trailing_data[0] else _SILENT
        return _ANSWER

    def _enter(self, step: str) -> None:
        self._step = step
        self._since = self.loop.time()
        stalled = self._stalled_since is not None
        self._place.waits_since = None if step == _ANSWER and not stalled else self._since

    def _check(self, now: float) -> None:
        if self.transport.is_closing():
            # A client that does not answer to the end of TLS would keep the connection.
            if self._closing_since is None:
                self._closing_since = now
            elif now - self._closing_since > self._deadlines.leave:
                self.transport.abort()
            return
        limits = self._deadlines
        limit = {_BODY: limits.body, _ANSWER: limits.answer}.get(self._step, limits.head)
        stalled = self._stalled_since is not None and now - self._stalled_since > limits.stall
        if stalled or now - self._since > limit:
            self._end()

    def _end(self) -> None:
        """Close the connection, and say why where that is possible."""
        may_answer = self._step in (_HEAD, _BODY) and self.conn.our_state in (
            h11.IDLE,
            h11.SEND_RESPONSE,
        )
        if not may_answer:
            self.transport.abort()
            return
        if self._step == _BODY:  # whoever waits for the body waits no more, and answers nothing
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(_TOO_LATE)).encode()),
            (b"connection", b"close"),
        ]
        head = h11.Response(status_code=408, headers=headers, reason=b"Request Timeout")
        for event in (head, h11.Data(data=_TOO_LATE), h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
