# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A feed: follows one directory, whatever happens in between, and hands over what it is told."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Iterable, Iterator

from .. import files
from ..client import Client
from ..domain.file_refs import by_id
from ..errors import (
    AuthenticationError,
    InputError,
    InvalidRequestError,
    MissingPrivilegeError,
    NotFoundError,
    PermissionDeniedError,
    QumuloError,
    TlsError,
)
from ..events import SELF_REMOVED, Event
from ..files import DIRECTORY
from ..notifications import Stream
from ..retry import backoff
from ..watcher.follower import Follower
from ..watcher.pace import Pace
from ..watcher.rules import Root
from .catch_up import CatchUp, NoCatchUp, Told, go_on_without
from .config import Config
from .handover import Handover, StoppedError
from .quiet import QuietFolders
from .records import ALWAYS, GAP, MOVED_IN, Record, of_event, of_quiet, of_walk

_LOG = logging.getLogger("lockstep.change_feed")
#: Seconds between looks at where the directory is.
LOOK = 5.0
#: Records that wait besides those of one batch.
SPARE = 100
#: Most seconds between looks at what is due.
_SOON = 0.5
#: What no patience mends: somebody has to change something.
_FOR_GOOD = (
    AuthenticationError,
    InputError,
    InvalidRequestError,
    MissingPrivilegeError,
    NotFoundError,
    PermissionDeniedError,
    TlsError,
)


class Feed:
    """What happens below a directory.

    Begin it with :meth:`start`. :meth:`take` and :meth:`done` belong to one thread, which may
    block; :meth:`stop` can be called from any.

    :param config: what is watched.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._names = config.names.below(())
        self._client = Client(config.cluster)
        self._handover = Handover(config.batch + SPARE)
        self._pace = Pace()
        self._quiet: QuietFolders | None = None
        if config.quiet is not None:
            self._quiet = QuietFolders(config.quiet.total_seconds(), config.quiet_depth)
        self._quiet_lock = threading.Lock()
        self._stopped = threading.Event()
        self._follower: Follower | None = None
        self._manager = threading.Thread(target=self._guard, name="change-feed", daemon=True)

    # -- for the one who takes ------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._manager.start()

    def take(self) -> list[Record]:
        """Return the next records, as many as a batch holds; wait for them.

        :returns: nothing if the feed was stopped.
        :raises QumuloError: something is wrong that somebody has to change.
        """
        return self._handover.take(self._config.batch, self._config.gather.total_seconds())

    def done(self, count: int) -> None:
        """Confirm that so many records have arrived where they should."""
        self._handover.done(count)

    @property
    def settled(self) -> bool:
        """True while the stream is open and all that was before it is told."""
        follower = self._follower
        return follower is not None and follower.settled

    def stop(self) -> None:
        """End it; :meth:`take` returns, and :meth:`join` waits for the rest."""
        self._stopped.set()
        self._handover.stop()
        follower = self._follower
        if follower is not None:
            follower.stop()

    def join(self, timeout: float) -> None:
        """Wait until its threads have ended, for ``timeout`` seconds at the most."""
        deadline = time.monotonic() + timeout
        self._manager.join(timeout)
        follower = self._follower
        if follower is not None:
            follower.join(deadline)

    # -- the manager ----------------------------------------------------------------------------

    def _guard(self) -> None:
        try:
            self._manage()
        except StoppedError:
            pass
        except BaseException as exc:  # pylint: disable=broad-exception-caught
            self._handover.fail(exc)  # raised again where records are taken

    def _manage(self) -> None:
        root = self._first_look()
        if root is None:
            return
        poll = self._must_poll()
        absent = False
        looked = time.monotonic()
        self._follow(root, poll, all_is_new=False)
        while not self._stopped.wait(self._tell_quiet()):
            follower = self._follower
            if follower is not None and follower.failure is not None:
                if isinstance(follower.failure, StoppedError):
                    return
                raise follower.failure
            if time.monotonic() < looked + LOOK and not (follower and follower.gone):
                continue
            looked = time.monotonic()
            try:
                found = self._look()
            except NotFoundError:
                absent = True
                self._unfollow()
                continue
            except QumuloError as exc:
                _LOG.warning("%s can not be looked at: %s", self._config.directory, exc)
                continue
            gone = self._follower is None or self._follower.gone
            if gone or found != root:
                self._unfollow()
                # What stands now where it stood before has never been told of.
                self._follow(found, poll, all_is_new=absent or found.id != root.id)
                root, absent = found, False

    def _first_look(self) -> Root | None:
        """Return the directory; wait for a cluster that can not be reached.

        :raises QumuloError: waiting does not help.
        """
        waits = backoff(random.Random())
        while not self._stopped.is_set():
            try:
                return self._look()
            except _FOR_GOOD:
                raise
            except QumuloError as exc:
                _LOG.warning("%s can not be looked at yet: %s", self._config.directory, exc)
            self._stopped.wait(next(waits))
        return None

    def _look(self) -> Root:
        info = files.get(self._client, self._config.directory)
        if info.type != DIRECTORY:
            raise InputError(f"{info.path} is a {info.type}: name a directory to watch.")
        return Root(info.id, info.path)

    def _must_poll(self) -> bool:
        """Tell whether the cluster says nothing of what is below directories.

        :raises InputError: it does not, and nothing can be caught up.
        """
        if not self._config.recursive:
            return False
        try:
            answer = self._client.get("/v1/file-system/settings/notify")
        except (MissingPrivilegeError, NotFoundError, PermissionDeniedError):
            return False  # cannot be read; the stream refuses if it is off
        mode = str(answer.get("recursive_mode", ""))
        if mode == "ENABLED":
            return False
        step = "switch it on (qq fs_set_notify_settings --recursive-mode ENABLED)"
        told = f"The cluster tells nothing of what is below directories (recursive_mode {mode})"
        if self._config.checkpoint is None:
            raise InputError(f"{told}: {step}, or name a checkpoint to catch up by.")
        _LOG.warning("%s: catching up every %s instead; %s", told, self._config.poll, step)
        return True

    # -- following ------------------------------------------------------------------------------

    def _follow(self, root: Root, poll: bool, *, all_is_new: bool) -> None:
        config = self._config
        self._names = config.names.below([root.path])
        if not poll:
            self._probe(root)
        catch_up = self._catch_up(root, all_is_new)
        follower = Follower(
            self._client,
            root,
            recursive=config.recursive,
            types=config.types,
            catch_up=catch_up,
            take=self._take,
            caught_up=_caught_up,
            rotate=config.rotate.total_seconds(),
            poll=poll,
            poll_every=config.poll.total_seconds(),
            silence=config.silence.total_seconds(),
            meanwhile=catch_up.meanwhile,
        )
        self._pace.reading()
        self._follower = follower
        if not self._stopped.is_set():
            follower.start()
            _LOG.info("following %s", root.path)

    def _unfollow(self) -> None:
        follower, self._follower = self._follower, None
        if follower is not None:
            follower.stop()
            follower.join(time.monotonic() + LOOK)

    def _probe(self, root: Root) -> None:
        """See whether the cluster lets us watch at all.

        :raises QumuloError: it never will, unless somebody changes something.
        """
        config = self._config
        try:
            with Stream(self._client, root.ref, recursive=config.recursive, types=config.types):
                pass
        except NotFoundError:
            pass  # it has just gone, and may come back
        except _FOR_GOOD:
            raise
        except QumuloError as exc:
            _LOG.warning("%s can not be watched yet: %s", root.path, exc)

    def _catch_up(self, root: Root, all_is_new: bool) -> CatchUp | NoCatchUp:
        config = self._config
        if config.checkpoint is None:
            return NoCatchUp()
        half = config.silence.total_seconds() / 2
        return CatchUp(
            self._client.clone(),
            root,
            config.checkpoint,
            config.types,
            self._client.clock().now,
            Told(
                put=self._tell,
                arrived=self._arrived,
                # A checkpoint counts when the stream has not broken for ``silence`` after it.
                kept_up=lambda: self._pace.kept_up_since(time.monotonic() - half),
                refused=self._handover.fail,
            ),
            all_is_new=all_is_new,
        )

    # -- what is told ---------------------------------------------------------------------------

    def _take(self, root: Root, events: list[Event]) -> bool:
        """Hand over what the stream tells; False if the directory is gone."""
        self._pace.handing_over()
        try:
            self._tell(record for event in events for record in self._records(event, root))
        finally:
            self._pace.reading()
        return all(event.type != SELF_REMOVED for event in events)

    def _records(self, event: Event, root: Root) -> Iterator[Record]:
        yield of_event(event, root)
        if event.type == MOVED_IN and self._quiet is None and self._config.recursive:
            # All that is in it has come with it, without an event of its own.
            yield from self._moved_in(event.file_id, root)

    def _moved_in(self, directory_id: str, root: Root) -> Iterator[Record]:
        with self._client.clone() as client:
            # With a checkpoint, what can not be listed breaks the stream, to be caught up.
            on_error = _not_listed if self._config.checkpoint is None else _not_listed_now
            for info in files.walk(client, [by_id(directory_id)], on_error=on_error):
                relative = root.relative(info.path)
                if relative:
                    yield of_walk(info.type, root, relative, info.id)

    def _tell(self, records: Iterable[Record]) -> None:
        """Hand records over, or let them begin a quiet period.

        :raises StoppedError: nobody takes them any more.
        """
        matches = self._names.matches
        wanted = (r for r in records if r["type"] in ALWAYS or matches(r["path"]))
        if self._quiet is None:
            self._handover.put(wanted)
            return
        with self._quiet_lock:
            now = time.monotonic()
            for record in wanted:
                if record["type"] == GAP:
                    self._handover.put([record])
                elif record["type"] != SELF_REMOVED:
                    self._quiet.note(record, now)

    def _tell_quiet(self) -> float:
        """Hand over which folders are quiet; return the seconds until the next look."""
        follower = self._follower
        if self._quiet is None or follower is None:
            return _SOON
        with self._quiet_lock:
            for path, changes in self._quiet.due(time.monotonic()):
                self._handover.put([of_quiet(follower.root, path, changes)])
            wait = self._quiet.wait(time.monotonic())
        return _SOON if wait is None else min(wait, _SOON)

    def _arrived(self) -> bool:
        """Wait until all that was told has arrived; False if a restart would have to tell it."""
        if self._quiet is not None:
            with self._quiet_lock:
                if len(self._quiet):
                    return False
        return self._handover.wait_done()


def _caught_up(count: int, seconds: float) -> None:
    if count:
        _LOG.info("caught up: %d changes in %.1f s", count, seconds)


def _not_listed_now(path: str, error: QumuloError) -> None:
    if not isinstance(error, NotFoundError):  # what is gone again can not be told
        go_on_without(path, error)


def _not_listed(path: str, error: QumuloError) -> None:
    if not isinstance(error, NotFoundError):
        _LOG.warning("what came with %s can not be told: %s", path, error)
