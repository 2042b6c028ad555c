# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Following one directory: open the stream, then catch up, then go by what it tells."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from typing import Protocol

from ..client import Client
from ..common import heartbeats as beats
from ..common.heartbeats import Heartbeats
from ..errors import InvalidRequestError, PermissionDeniedError, QumuloError
from ..notifications import SILENCE, Stream, StreamEnd
from ..retry import backoff
from ..service.spool import SpoolError
from ..service.threads import Threads
from .pace import Pace
from .rules import Root
from .unlisted import UnlistedError

_LOG = logging.getLogger("lockstep.watcher")
CONNECTING, CATCHING_UP, FOLLOWING, WAITING, POLLING = (
    "connecting",
    "catching up",
    "following",
    "waiting",
    "polling",
)
#: Seconds of following after which the next failure is the first again.
CALM = 60.0
#: Most seconds between two tries to open the stream.
MAX_WAIT = 30.0
#: Seconds without anything to read that tell that all is read; a busy stream has no longer ones.
LULL = 0.02
#: Seconds between looks at whether there was such a lull.
LOOK = 0.5
#: Seconds between looks at directories that may not be listed: the first wait, doubled each time,
#: and the longest.
LIST_AGAIN, LIST_AGAIN_MOST = 5.0, 600.0


class CatchesUp(Protocol):
    """What a follower wants of a catch-up."""

    def run(self) -> int:
        """Find what has happened since the last checkpoint; return how much that is."""

    def take(self) -> int | None:
        """Take a snapshot that may become the checkpoint; return its ID, None without any."""

    def settle(self, snapshot_id: int) -> None:
        """Let a snapshot be the checkpoint."""

    def cancel(self) -> None:
        """Let a run that is under way end soon."""


class Follower:
    """Two threads for one watched directory: one reads the stream, one catches up.

    The stream is read while catching up, so that the cluster never has to queue for us.

    :param recursive: watch what is below directories, too.
    :param types: events to listen to.
    :param take: puts what happened into the spool, durably; returns False if the directory is gone.
    :param caught_up: is told how many files a catch-up found, and how many seconds it took.
    :param poll: no stream can be had that tells everything: catch up again and again instead.
    :param poll_every: seconds between these catch-ups.
    :param meanwhile: said with a warning that the stream broke: what becomes of what happens then.
    """

    def __init__(
        self,
        client: Client,
        root: Root,
        *,
        recursive: bool,
        types: frozenset[str],
        catch_up: CatchesUp,
        take: Callable[[Root, list], bool],  # type: ignore[type-arg]
        caught_up: Callable[[int, float], None],
        rotate: float,
        poll: bool,
        poll_every: float,
        silence: float = SILENCE,
        meanwhile: str = "What happens meanwhile is caught up.",
        heartbeats: Heartbeats | None = None,
    ) -> None:
        self.root = root
        self.recursive = recursive
        self.types = types
        self.poll = poll
        self._poll_every = poll_every
        self.state = CONNECTING
        self.message = ""
        self.gone = False
        self._client = client
        self._catch_up = catch_up
        self._take = take
        self._caught_up = caught_up
        self._rotate = rotate
        self._silence = silence
        self._meanwhile = meanwhile
        self._random = random.Random()
        self._stopped = threading.Event()
        self._stream: Stream | None = None
        self._pace = Pace(lull=LULL)
        #: Streams that were opened, and the one up to which all is caught up.
        self._opened = self._settled = 0
        #: Directories that the last catch-up may not list, and when to look at them again.
        self._unlisted: UnlistedError | None = None
        self._list_again, self._list_wait = float("inf"), LIST_AGAIN
        self._change = threading.Condition()
        self._threads = Threads(heartbeats)
        self._threads.add(f"follow-{root.id}", self._follow)
        self._threads.add(f"catch-up-{root.id}", self._keep_up)

    def start(self) -> None:
        """Begin."""
        self._threads.start()

    def stop(self) -> None:
        """Tell both threads to end; :meth:`join` waits for it."""
        self._stopped.set()
        self._catch_up.cancel()
        with self._change:
            self._change.notify_all()
        stream = self._stream
        if stream is not None:
            stream.close()

    def join(self, deadline: float) -> None:
        """Wait for the end until ``deadline`` (``time.monotonic()``)."""
        self._threads.join(deadline)

    @property
    def ended(self) -> bool:
        """True when none of its threads is left."""
        return not self._threads.alive

    @property
    def failure(self) -> BaseException | None:
        """What ended a thread, or None."""
        return self._threads.failure

    @property
    def settled(self) -> bool:
        """True if all that has happened is known."""
        return self.state == FOLLOWING

    @property
    def unlisted(self) -> int:
        """Number of directories that the last catch-up may not list."""
        return 0 if self._unlisted is None else self._unlisted.count

    # -- the stream -----------------------------------------------------------------------------

    def _follow(self) -> None:
        if self.poll:
            self._poll_for_ever()
            return
        waits = backoff(self._random)
        with self._client.clone() as client:
            while not self._stopped.is_set():
                began = time.monotonic()
                try:
                    self._session(client)
                    return  # the directory is gone, or we are told to stop
                except (StreamEnd, SpoolError) as exc:
                    self._note(exc)
                except QumuloError as exc:
                    self._note(exc)
                    if exc.status == 404:
                        self.gone = True
                        return
                    if isinstance(exc, (InvalidRequestError, PermissionDeniedError)):
                        # Refused for good, unless somebody grants it: look at what is there.
                        self._request_catch_up()
                        self._wait(self._poll_every)
                if time.monotonic() - began > CALM:
                    waits = backoff(self._random)
                self._wait(min(next(waits), MAX_WAIT))

    def _wait(self, seconds: float) -> None:
        beats.waiting("waiting to try again", seconds)
        self._stopped.wait(seconds)

    def _session(self, client: Client) -> None:
        """Follow one stream to its end.

        :raises StreamEnd: it ended; what happens from now on has to be caught up.
        :raises SpoolError: what it told could not be kept.
        """
        self.state = CONNECTING
        beats.waiting(f"opening the stream of {self.root.path}", self._silence)
        with Stream(
            client,
            self.root.ref,
            recursive=self.recursive,
            types=self.types,
            silence=self._silence,
        ) as stream:
            self._stream = stream
            try:
                self._request_catch_up()
                reading = f"reading the stream of {self.root.path}"
                beats.waiting(reading, self._silence)
                for events in stream:
                    beats.working(f"storing the events of {self.root.path}")
                    self._pace.handing_over()
                    if events and not self._take(self.root, events):
                        _LOG.warning("%s is gone; waiting for it to come back", self.root.path)
                        self.gone = True
                        return
                    if self._stopped.is_set():
                        return
                    self._pace.reading()
                    beats.waiting(reading, self._silence)
            finally:
                self._pace.handing_over()
                self._stream = None

    def _note(self, error: QumuloError) -> None:
        if self._stopped.is_set():
            return
        self.state, self.message = WAITING, error.message
        _LOG.warning("not following %s: %s %s", self.root.path, error, self._meanwhile)

    def _poll_for_ever(self) -> None:
        while not self._stopped.is_set():
            self._request_catch_up()
            self._wait(self._poll_every)

    # -- catching up ----------------------------------------------------------------------------

    def _request_catch_up(self) -> None:
        with self._change:
            # Together: one that is just ending must not count for this stream.
            self.state = CATCHING_UP
            self._opened += 1
            self._change.notify_all()

    def _keep_up(self) -> None:
        rotated = time.monotonic()
        waits = backoff(self._random)
        while not self._stopped.is_set():
            opened = self._wait_until(min(rotated + self._rotate, self._list_again))
            try:
                if self._stopped.is_set():
                    return
                if opened != self._settled:
                    self._run(opened)
                elif self._unlisted is not None and time.monotonic() >= self._list_again:
                    self._try_to_list(self._unlisted, opened)
                    continue
                elif time.monotonic() < rotated + self._rotate:
                    continue  # woken up for nothing
                elif self.settled and self._unlisted is None:
                    self._rotate_checkpoint(opened)
                rotated = time.monotonic()
                waits = backoff(self._random)
            except QumuloError as exc:
                if self._stopped.is_set():
                    return
                self.message = exc.message
                _LOG.warning("catching up with %s has failed: %s", self.root.path, exc)
                self._wait(min(next(waits), MAX_WAIT))

    def _wait_until(self, deadline: float) -> int:
        """Wait until there is something to catch up with; return the number of the stream."""
        with self._change:
            if self._opened == self._settled:
                rest = max(0.0, deadline - time.monotonic())
                beats.waiting("waiting to take the next checkpoint", rest)
                self._change.wait(rest)
            return self._opened

    def _run(self, opened: int) -> None:
        """Catch up with everything before a stream was opened."""
        began = time.monotonic()
        beats.working(f"catching up with {self.root.path}")
        try:
            count = self._catch_up.run()
            self._unlisted, self._list_again = None, float("inf")
        except UnlistedError as exc:
            # What the stream tells is followed all the same; only the checkpoint has to stay.
            count = exc.found
            self._put_off(exc)
        self._caught_up(count, time.monotonic() - began)
        with self._change:
            self._settled = opened
            if opened == self._opened and self.state == CATCHING_UP:
                self.state = POLLING if self._stream is None else FOLLOWING
            if self._unlisted is not None:
                self.message = self._unlisted.message
            elif self.state == FOLLOWING:
                self.message = ""

    def _put_off(self, unlisted: UnlistedError) -> None:
        """Look at what may not be listed again after a while, each time a longer one."""
        before, self._unlisted = self._unlisted, unlisted
        longer = min(2 * self._list_wait, LIST_AGAIN_MOST)
        self._list_wait = LIST_AGAIN if before is None else longer
        self._list_again = time.monotonic() + self._list_wait

    def _try_to_list(self, unlisted: UnlistedError, opened: int) -> None:
        """Catch up again once a directory that may not be listed can be."""
        beats.working(f"listing directories of {self.root.path}")
        if unlisted.may_list_now():
            self._run(opened)
        else:
            self._put_off(unlisted)
            self.message = unlisted.message

    def _rotate_checkpoint(self, opened: int) -> None:
        """Take a new checkpoint while the stream tells everything.

        What happened just before the snapshot may still be on its way through the stream. So it
        counts only after a while in which the stream did not break, longer than it may be silent,
        and when all that had come by then was read: while that waits, a break would lose it.
        """
        beats.working(f"taking a checkpoint of {self.root.path}")
        taken = self._catch_up.take()
        if taken is None:
            return
        deadline = time.monotonic() + self._silence
        with self._change:
            while self._opened == opened and not self._stopped.is_set():
                left = deadline - time.monotonic()
                if left <= 0 and self._pace.kept_up_since(deadline - self._silence / 2):
                    break
                seconds = left if left > 0 else LOOK
                beats.waiting("waiting for all events from before a checkpoint", seconds)
                self._change.wait(seconds)
        if self._opened == opened and self.settled and not self._stopped.is_set():
            beats.working(f"noting a checkpoint of {self.root.path}")
            self._catch_up.settle(taken)
