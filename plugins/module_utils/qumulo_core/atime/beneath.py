# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Access times of what lies beneath a directory; no name, whoever chose it, leads out of it.

Names come from users of the cluster, and so do the directories and symbolic links that they are
looked up in, which can change at any moment. So a path is opened first, in one step of the kernel
that follows no symbolic link and crosses no mount, and then looked at and changed through the
descriptor alone: what was checked is what is changed.
"""

from __future__ import annotations

import errno
import os
import stat
import time
from collections import OrderedDict
from collections.abc import Callable
from enum import Enum

from ..common import os_reasons
from .mounts import MountError, mount_id
from .syscalls import Syscalls

#: Longer paths are opened piece by piece: the kernel takes 4096 bytes at once.
_PATH_MAX = 4000
_MAX_PARENTS = 128
_RECHECK = 1.0
_DIRECTORY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC

_GONE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ENAMETOOLONG})
_REFUSED = frozenset({errno.ELOOP, errno.EXDEV})
#: A server also says with EINVAL and EOPNOTSUPP that it does not want this time on this file.
_DENIED = frozenset({errno.EPERM, errno.EACCES, errno.EINVAL, errno.EOPNOTSUPP})


class Outcome(Enum):
    """What became of one path."""

    SET = "set"
    #: The file has a time that is as new, or so near that it is not worth a write.
    FRESH = "fresh"
    GONE = "gone"
    #: The path leads outside, or a symbolic link or another mount is on the way.
    REFUSED = "refused"
    #: The file may not be changed: it is locked, or permissions say no.
    DENIED = "denied"
    #: The change succeeded, and the file has its old time nevertheless.
    IGNORED = "ignored"


def relative(path: str, export: str) -> bytes | None:
    """Return a path of the cluster relative to the directory that is mounted; None if not below.

    :param path: absolute, as in the audit log.
    :param export: absolute path of the mounted directory on the cluster.
    :return: bytes for :meth:`Beneath.set_access_time`; ``.`` for the directory itself.
    """
    above = export.rstrip("/")
    if path.rstrip("/") == above:
        return b"."
    if not path.startswith(above + "/"):
        return None
    return path[len(above) + 1 :].encode("utf-8", "surrogateescape")


class Beneath:
    """Sets access times beneath a directory; for one thread.

    :param root: descriptor of the directory; it stays open and the caller's.
    :param granularity_ns: a time that is newer by less is not worth a write.
    :param parent_age: seconds for which an opened parent directory is used again; 0 for never.
        That spares a network file system the look-up of every directory on the way; on a local
        one it costs more than it saves.
    :param check: is called at most each second, before a path; it raises if the mount is gone.
    :param openat2: False works as on kernels without it.
    """

    def __init__(
        self,
        root: int,
        *,
        granularity_ns: int = 0,
        parent_age: float = 0.0,
        check: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
        openat2: bool = True,
    ) -> None:
        self._root = root
        self._least = max(1, granularity_ns)
        self._parent_age = parent_age
        self._check = check
        self._clock = clock
        self._checked = float("-inf")
        #: Parent -> descriptor, and when it was opened; the least recently used one is first.
        self._parents: OrderedDict[bytes, tuple[int, float]] = OrderedDict()
        self._calls = Syscalls()
        try:
            self._device = os.fstat(root).st_dev
            self._mount = mount_id(root)
            self._shown = os.readlink(b"/proc/self/fd/%d" % root).rstrip(b"/") + b"/"
        except OSError as exc:
            raise _stop(exc) from exc
        self._openat2 = openat2 and self._has_openat2()

    def __enter__(self) -> Beneath:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the parents that are still open."""
        while self._parents:
            os.close(self._parents.popitem()[1][0])

    def set_access_time(self, path: bytes, time_ns: int, *, read_back: bool = False) -> Outcome:
        """Set the access time of a path, if that is newer than the one it has.

        :param path: relative, without ``.``, ``..`` and empty components; ``.`` alone is the root.
        :param time_ns: nanoseconds since 1970.
        :param read_back: look up the path again, and see whether its time has changed.
        :raises MountError: the mount is gone or fails; nothing is known about this path.
        """
        if not _is_plain(path):
            return Outcome.REFUSED
        if self._check is not None and self._clock() - self._checked >= _RECHECK:
            self._check()
            self._checked = self._clock()
        try:
            number = self._open(path)
        except OSError as exc:
            return self._outcome(exc)
        try:
            before = os.fstat(number)
            if time_ns - before.st_atime_ns < self._least:
                return Outcome.FRESH
            self._calls.set_access_time(number, time_ns)
        except OSError as exc:
            return self._outcome(exc)
        finally:
            os.close(number)
        if read_back and not self._is_newer(path, before):
            return Outcome.IGNORED
        return Outcome.SET

    def _is_newer(self, path: bytes, before: os.stat_result) -> bool:
        """Tell whether a file has another access time than before, as far as can be seen."""
        try:
            number = self._open(path)
        except OSError:
            return True  # it is gone meanwhile
        try:
            found = os.fstat(number)
        except OSError:
            return True
        finally:
            os.close(number)
        if (found.st_dev, found.st_ino) != (before.st_dev, before.st_ino):
            return True
        # A file system may round the time, and somebody may have read the file.
        return found.st_atime_ns > before.st_atime_ns

    # -- opening ------------------------------------------------------------------------------

    def _open(self, path: bytes) -> int:
        if self._parent_age <= 0:
            return self._resolve(self._root, path)
        above, slash, name = path.rpartition(b"/")
        if not slash:
            return self._resolve(self._root, path)
        kept = self._kept_parent(above)
        if kept is not None:
            try:
                return self._resolve(kept, name)
            except OSError as exc:
                # Perhaps there is another directory of that name by now: look for it.
                if exc.errno not in (errno.ENOENT, errno.ESTALE):
                    raise
                self._drop(above)
        return self._resolve(self._keep_parent(above), name)

    def _kept_parent(self, above: bytes) -> int | None:
        """Return the descriptor of a parent that is open already and may still be used.

        A descriptor follows its directory wherever that is moved, out of the mount too. So before
        each use the kernel is asked where the directory is now: /proc shows that for every rename
        that this host knows of, of the directory or any above it, and marks deleted ones. Renames
        by others, which a network file system learns of by looking up alone, are covered by the
        age: a path is never resolved by what was true longer ago than that, and within that time
        it leads to a directory that was beneath the mount under that very name. Between the
        question and the use remain the microseconds that each descriptor has, kept or not.
        """
        found = self._parents.get(above)
        if found is None:
            return None
        number, opened = found
        if self._clock() - opened < self._parent_age:
            try:
                if os.readlink(b"/proc/self/fd/%d" % number) == self._shown + above:
                    self._parents.move_to_end(above)
                    return number
            except OSError:
                pass  # a path that is too long to be shown is opened each time
        self._drop(above)
        return None

    def _keep_parent(self, above: bytes) -> int:
        opened = self._clock()  # before: the age counts from the look-up
        number = self._resolve(self._root, above, only_directory=True)
        self._parents[above] = number, opened
        if len(self._parents) > _MAX_PARENTS:
            os.close(self._parents.popitem(last=False)[1][0])
        return number

    def _drop(self, above: bytes) -> None:
        os.close(self._parents.pop(above)[0])

    def _resolve(self, directory: int, path: bytes, *, only_directory: bool = False) -> int:
        """Open a plain path beneath a directory that is beneath the root."""
        if self._openat2 and len(path) <= _PATH_MAX:
            return self._calls.open_beneath(directory, path, only_directory=only_directory)
        names = path.split(b"/")
        return self._walk(directory, names, len(names) if only_directory else len(names) - 1)

    def _walk(self, directory: int, names: list[bytes], directories: int) -> int:
        """Open one component after the other; so many of them must be directories."""
        current = directory
        try:
            for position, name in enumerate(names):
                number = os.open(name, _DIRECTORY, dir_fd=current)
                if current != directory:
                    os.close(current)
                current = number
                found = os.fstat(number)
                if position < directories and not stat.S_ISDIR(found.st_mode):
                    code = errno.ELOOP if stat.S_ISLNK(found.st_mode) else errno.ENOTDIR
                    raise OSError(code, os.strerror(code))
                # A directory bound from elsewhere in the same file system has its own mount.
                if found.st_dev != self._device or mount_id(number) != self._mount:
                    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        except BaseException:
            if current != directory:
                os.close(current)
            raise
        return current

    def _has_openat2(self) -> bool:
        try:
            os.close(self._calls.open_beneath(self._root, b".", only_directory=True))
        except OSError as exc:
            if exc.errno in (errno.ENOSYS, errno.EPERM):  # EPERM: sandboxes that do not know it
                return False
            raise _stop(exc) from exc
        return True

    # -- errors -------------------------------------------------------------------------------

    def _outcome(self, exc: OSError) -> Outcome:
        """Return what an error says about the path.

        :raises MountError: it says something about the mount.
        """
        code = exc.errno
        if code in _GONE:
            return Outcome.GONE
        if code in _REFUSED:
            return Outcome.REFUSED
        if code in _DENIED:
            return Outcome.DENIED
        try:
            # Some directories of a cluster are read-only, and files go stale by themselves: only
            # if the whole mount is, it is not about the path.
            if code == errno.EROFS and not os.fstatvfs(self._root).f_flag & os.ST_RDONLY:
                return Outcome.DENIED
            if code == errno.ESTALE:
                os.fstat(self._root)
                return Outcome.GONE
        except OSError as worse:
            raise _stop(worse) from exc
        raise _stop(exc) from exc


def _is_plain(path: bytes) -> bool:
    """Tell whether every component of a path is a name."""
    if not path or b"\0" in path or path[:1] == b"/" or path[-1:] == b"/" or b"//" in path:
        return False
    if path[:1] == b"." or b"/." in path:
        parts = path.split(b"/")
        return path == b"." or not (b"." in parts or b".." in parts)
    return True


def _stop(exc: OSError) -> MountError:
    step = "Check the mount, the network and the cluster."
    explained = os_reasons.explain("Cannot work on the mount", exc, step)
    return MountError(f"{explained} What is to be done is kept.")
