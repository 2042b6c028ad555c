# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sets access times through a mount of the cluster."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from ..common.heartbeats import ENDLESS
from ..service.spool import Item, Key
from .beneath import Beneath, Outcome, relative
from .config import MountPoint
from .mounts import NFS, Mount, MountError
from .setting import Result

#: Seconds for which an opened directory is used again where looking it up goes over the network.
_PARENT_AGE = 1.0
#: Seconds after which the time of one file is read back. Once it is not there, it is read back of
#: each file until it is, and of this one each time.
READ_BACK = 60.0
#: Files in turn whose time is not there after which it is the mount that ignores times.
_ENOUGH = 3


class ThroughMount:
    """A :class:`.setting.Backend`; keys of items are paths on the cluster, as bytes.

    Some servers report success for a change of the access time only, and ignore it. So a time is
    read back now and then. If a single file loses its time, it fails; if all do, nothing is set.

    :param least_ns: gives the granularity of the moment.
    :param ignored: is called for each time that is not there when it is read back.
    """

    #: A mount waits for its server for as long as that is away.
    allowance: float | None = ENDLESS

    def __init__(
        self,
        point: MountPoint,
        least_ns: Callable[[], int],
        ignored: Callable[[], None] = lambda: None,
    ) -> None:
        self._point = point
        self._least_ns = least_ns
        self._ignored = ignored
        self._read_back = float("-inf")
        #: Files whose time was not there, since one had its time; no more than are enough.
        self._without: set[Key] = set()
        self._mount: Mount | None = None
        self._beneath: Beneath | None = None
        self._granularity = 0

    def apply(self, items: Sequence[Item], stopped: threading.Event) -> Iterator[Result]:
        """Set the times of some files."""
        mount, beneath = self._working()
        export = self._point.export
        without: list[Item] = []
        for item in items:
            if stopped.is_set():
                return
            key = item.key
            text = key if isinstance(key, str) else key.decode("utf-8", "surrogateescape")
            path = relative(text, export)
            if path is None:  # the export was another one when it was put
                yield Result(item, Outcome.REFUSED)
                continue
            read_back = (
                bool(self._without or item.attempts)
                or time.monotonic() - self._read_back >= READ_BACK
            )
            try:
                outcome = beneath.set_access_time(path, item.stamp, read_back=read_back)
            except MountError as exc:
                self._probe(mount)
                # Only this file fails: it must not hold up all others.
                yield Result(item, None, exc.message)
                continue
            if outcome is Outcome.IGNORED:
                self._ignored()
                without.append(item)
                if len(self._without) < _ENOUGH:
                    self._without.add(item.key)
                if len(without) >= _ENOUGH:
                    break
                continue
            if outcome is Outcome.SET and read_back:
                self._read_back = time.monotonic()
                self._without.clear()
            yield Result(item, outcome)
        if without and len(self._without) >= _ENOUGH:
            raise MountError(
                f"{self._point.path} ignores access times: it reports success, and the files keep "
                "their old times. Correct the server or the options of the mount, or set times "
                "through the API; what is to be done is kept."
            )
        for item in without:
            yield Result(item, None, "The file system reported success and kept the old time.")

    def look(self) -> None:
        """See whether the mount is there."""
        mount, _beneath = self._working()
        mount.check()

    def rest(self) -> None:
        """Let the mount go."""
        if self._beneath is not None:
            self._beneath.close()
            self._beneath = None
        if self._mount is not None:
            self._mount.close()
            self._mount = None

    def _working(self) -> tuple[Mount, Beneath]:
        if self._beneath is not None and self._granularity != self._least_ns():
            self.rest()
        if self._mount is None or self._beneath is None:
            self.rest()
            self._mount = Mount(
                self._point.path, fstypes=self._point.types, source=self._point.source
            )
            self._granularity = self._least_ns()
            self._beneath = Beneath(
                self._mount.descriptor,
                granularity_ns=self._granularity,
                parent_age=_PARENT_AGE if self._mount.entry.fstype in NFS else 0.0,
                check=self._mount.check,
            )
        return self._mount, self._beneath

    def _probe(self, mount: Mount) -> None:
        """Make sure that the mount as a whole is well.

        :raises MountError: it is not.
        """
        mount.check()
        try:
            # A network file system asks its server for this, whatever it remembers of files.
            found = os.fstatvfs(mount.descriptor)
            os.fstat(mount.descriptor)
        except OSError as exc:
            raise MountError(
                f"{self._point.path} does not answer ({exc.strerror}): look at the network and "
                "the cluster; what is to be done is kept."
            ) from exc
        if found.f_flag & os.ST_RDONLY:
            raise MountError(f"{self._point.path} is mounted read-only: mount it for writing.")
