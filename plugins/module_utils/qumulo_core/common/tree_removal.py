# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Delete directory trees of any depth, without ever leaving them.

A tree may be deeper than the recursion limit, the limit of open files and PATH_MAX allow: at any
moment a few directories are open, and a directory is left through ``..``. No symlink is followed,
no mount is entered, and what a directory is left to must be the one that it was entered from.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from .mounts import mount_id

_T = TypeVar("_T")

_FLAGS = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_SEARCH = getattr(os, "O_PATH", os.O_RDONLY) | _FLAGS
_READ = os.O_RDONLY | _FLAGS
#: Subdirectories that are remembered for each level.
_AT_A_TIME = 1000
#: There is nothing of this name, or it is not a directory.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


@dataclass
class _Level:
    """A directory between the first one and the one that is open."""

    name: bytes
    identity: tuple[int, int]
    below: list[bytes]


def remove(top: int, path: bytes, *, dry_run: bool = False) -> bool:
    """Delete a file or tree at a path below a directory; return whether it existed.

    Directories that this account owns but may not write to are made writable, as ``rsync
    --delete`` does. Those that stay get their mode back.

    :param top: descriptor of the directory.
    :raises OSError: it cannot be deleted.
    """
    *above, name = path.split(b"/")
    with ExitStack() as restored:
        at = os.dup(top)
        try:
            for part in above:
                try:
                    below = _open(at, part, restored, dry_run)
                except OSError as exc:
                    if exc.errno in _ABSENT:
                        return False  # nothing can exist below it
                    raise
                try:
                    _check_mount(at, below, subvolumes=True)
                finally:
                    os.close(at)
                    at = below
            return _remove_at(at, name, restored, dry_run)
        except PermissionError:
            if dry_run and os.fstat(at).st_uid == os.geteuid():
                return True  # it would be made writable
            raise
        finally:
            os.close(at)


def _granted(at: int, restored: ExitStack, dry_run: bool, action: Callable[[], _T]) -> _T:
    """Do something in a directory; if permission is denied, make it writable and try again."""
    try:
        return action()
    except PermissionError:
        if dry_run or not _make_writable(at, restored):
            raise
    return action()


def _open(at: int, part: bytes, restored: ExitStack, dry_run: bool) -> int:
    return _granted(at, restored, dry_run, lambda: os.open(part, _SEARCH, dir_fd=at))


def _remove_at(at: int, name: bytes, restored: ExitStack, dry_run: bool) -> bool:
    """Delete an entry of a directory that stays."""
    look = partial(os.stat, name, dir_fd=at, follow_symlinks=False)
    try:
        found = _granted(at, restored, dry_run, look)
    except OSError as exc:
        if exc.errno in _ABSENT:
            return False
        raise
    if dry_run:
        return True
    is_directory = stat.S_ISDIR(found.st_mode)
    if is_directory:
        _empty(at, name)
    _granted(at, restored, dry_run, partial(_unlink, at, name, is_directory))
    return True


def _unlink(at: int, name: bytes, is_directory: bool) -> None:
    if is_directory:
        os.rmdir(name, dir_fd=at)
    else:
        os.unlink(name, dir_fd=at)


def _make_writable(descriptor: int, restored: ExitStack | None = None) -> bool:
    """Give the owner all permissions on an open directory; return whether any was missing.

    :param restored: gives the mode back when it is closed.
    """
    mode = stat.S_IMODE(os.fstat(descriptor).st_mode)
    if mode & stat.S_IRWXU == stat.S_IRWXU:
        return False
    try:
        # A descriptor that was opened by O_PATH takes no fchmod.
        os.chmod(f"/proc/self/fd/{descriptor}", mode | stat.S_IRWXU)
    except FileNotFoundError as exc:  # without /proc; it must not count as a missing file
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES)) from exc
    if restored is not None:
        kept = os.dup(descriptor)
        restored.callback(os.close, kept)
        restored.callback(os.chmod, f"/proc/self/fd/{kept}", mode)
    return True


def _check_mount(at: int, below: int, *, subvolumes: bool = False) -> None:
    """Refuse a directory that something is mounted on: what is in it belongs elsewhere.

    This finds what was mounted after the list of mounts was read.

    :param subvolumes: allow those of Btrfs, which have device numbers without being mounted.
    """
    mounted = mount_id(below)
    same = mounted == mount_id(at)
    if mounted is None or not subvolumes:
        same = same and os.fstat(below).st_dev == os.fstat(at).st_dev
    if not same:
        raise OSError(errno.EXDEV, "another file system is mounted in it; unmount that first")


def _enter(at: int, name: bytes) -> int:
    """Open a directory that is to be deleted, whatever its mode."""
    below = os.open(name, _SEARCH, dir_fd=at)
    try:
        _check_mount(at, below)
        with suppress(PermissionError):  # it is another account's; it may be open to this one
            _make_writable(below)
        return os.open(".", _READ, dir_fd=below)
    finally:
        os.close(below)


def _empty(at: int, name: bytes) -> None:
    """Delete everything in a directory, but not the directory."""
    levels: list[_Level] = []
    current = _enter(at, name)
    try:
        below = _delete_files(current)
        while True:
            if below:
                entered = below.pop()
                found = os.fstat(current)
                inner = _enter(current, entered)
                levels.append(_Level(entered, (found.st_dev, found.st_ino), below))
                os.close(current)
                current = inner
                below = _delete_files(current)
                continue
            below = _delete_files(current)
            if below:
                continue  # more than _AT_A_TIME
            if not levels:
                return
            level = levels.pop()
            outer = os.open("..", _READ, dir_fd=current)
            os.close(current)
            current = outer
            found = os.fstat(current)
            if (found.st_dev, found.st_ino) != level.identity:
                raise OSError(errno.ESTALE, "it was moved while it was being deleted")
            os.rmdir(level.name, dir_fd=current)
            below = level.below
    finally:
        os.close(current)


def _delete_files(descriptor: int) -> list[bytes]:
    """Delete the files of an open directory; return up to _AT_A_TIME of its subdirectories."""
    below: list[bytes] = []
    with os.scandir(descriptor) as listed:
        for entry in listed:
            name = os.fsencode(entry.name)
            if entry.is_dir(follow_symlinks=False):
                below.append(name)
                if len(below) == _AT_A_TIME:
                    break
                continue
            with suppress(FileNotFoundError):
                os.unlink(name, dir_fd=descriptor)
    return below
