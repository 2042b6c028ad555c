# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Open paths that only this account and root control.

Each component of a path is opened relative to the directory before it. A symlink is followed only
if it belongs to this account or to root, because its owner chooses which file is used.
"""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import InputError

#: As many links as the kernel follows in one path.
_MOST_LINKS = 40
_DIRECTORY = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def is_trusted(uid: int) -> bool:
    """Tell whether an owner is root or the account that runs this."""
    return uid in (0, os.geteuid())


def describe_owner(uid: int) -> str:
    """Return an owner for a message: name and number, or the number if it has no name."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} (UID {uid})"
    except KeyError:
        return f"UID {uid}"


def others_can_write(found: os.stat_result) -> str | None:
    """Return why another account can change a file or directory; None if none can.

    Root does not count. In a directory with the sticky bit others can only add files, which is
    harmless.

    :param found: of a regular file or a directory.
    """
    if not is_trusted(found.st_uid):
        return f"it belongs to {describe_owner(found.st_uid)}"
    sticky = stat.S_ISDIR(found.st_mode) and found.st_mode & stat.S_ISVTX
    mode = f"its mode is {stat.S_IMODE(found.st_mode):04o}"
    if found.st_mode & stat.S_IWOTH and not sticky:
        return f"everybody can write to it ({mode})"
    if found.st_mode & stat.S_IWGRP and not sticky and not _is_private_directory(found):
        return f"its group can write to it ({mode})"
    return None


def _is_private_directory(found: os.stat_result) -> bool:
    """Tell whether a directory's group has only the owner in it, as many systems set up accounts.

    With such groups, a umask of 002 is usual, and home directories are writable for the group.
    """
    if not stat.S_ISDIR(found.st_mode):
        return False
    try:
        owner, group = pwd.getpwuid(found.st_uid), grp.getgrgid(found.st_gid)
    except KeyError:
        return False
    return (
        owner.pw_gid == group.gr_gid
        and owner.pw_name == group.gr_name
        and set(group.gr_mem) <= {owner.pw_name}
    )


def resolve(path: str, *, strict: bool = False) -> tuple[int, str, str]:
    """Open the directory of a path; return its descriptor, its real path, and the last name.

    The last name is not followed. It is empty if the path is ``/``.

    :param strict: refuse directories on the path that another account can write to.
    :raises InputError: a symlink belongs to another account, or ``strict`` refuses a directory.
    :raises OSError: a directory cannot be opened.
    """
    *above, name = absolute(path)[1:].split("/")
    if name != "..":
        descriptor, real = _walk(path, above, strict)
        return descriptor, real, name
    # What lies above a directory is known once its symlinks are followed.
    below, real = _walk(path, [*above, name], strict)
    try:
        descriptor = os.open("..", _DIRECTORY, dir_fd=below)
    finally:
        os.close(below)
    return descriptor, os.path.dirname(real), os.path.basename(real)


def absolute(path: str) -> str:
    """Return an absolute path that leads where the kernel leads for the given one.

    Unlike :func:`os.path.abspath`, it keeps ``..``, because ``link/..`` is the directory above the
    target of ``link``.
    """
    whole = path if path.startswith("/") else f"{os.getcwd()}/{path}"
    parts = whole.split("/")
    return "/" + "/".join(part for part in parts if part not in ("", "."))


def _walk(path: str, parts: list[str], strict: bool) -> tuple[int, str]:
    waiting = [part for part in reversed(parts) if part]
    links = 0
    names: list[str] = []
    at = os.open("/", _DIRECTORY)
    try:
        if strict:
            _check_directory(at, path, "/")
        while waiting:
            part = waiting.pop()
            try:
                below = os.open(part, _DIRECTORY, dir_fd=at)
            except OSError as exc:
                if exc.errno not in (errno.ENOTDIR, errno.ELOOP):
                    raise
                links += 1
                target = _read_link(at, part, path, "/" + "/".join([*names, part]))
                if links > _MOST_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path) from exc
                waiting += [one for one in reversed(target.split("/")) if one not in ("", ".")]
                if target.startswith("/"):
                    root = os.open("/", _DIRECTORY)
                    os.close(at)
                    at, names = root, []
                continue
            os.close(at)
            at = below
            names = names[:-1] if part == ".." else [*names, part]
            if strict:
                _check_directory(at, path, "/" + "/".join(names))
        return at, "/" + "/".join(names)
    except BaseException:
        os.close(at)
        raise


def _check_directory(descriptor: int, path: str, real: str) -> None:
    reason = others_can_write(os.fstat(descriptor))
    if reason is not None:
        raise InputError(
            f"{path} is not safe to use: others can write to the directory {real}, because "
            f"{reason}. Use a directory that only this account can write to."
        )


def _read_link(at: int, name: str, path: str, link: str) -> str:
    """Return the target of a symlink that belongs to this account or to root."""
    before = os.stat(name, dir_fd=at, follow_symlinks=False)
    if not stat.S_ISLNK(before.st_mode):
        raise OSError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path)
    target = os.readlink(name, dir_fd=at)
    after = os.stat(name, dir_fd=at, follow_symlinks=False)
    # The link must not have been replaced between the two calls.
    same = (before.st_ino, before.st_ctime_ns) == (after.st_ino, after.st_ctime_ns)
    if not is_trusted(after.st_uid) or not same:
        raise InputError(
            f"{path} is not safe to use: the symlink {link} in it belongs to "
            f"{describe_owner(after.st_uid)}, who chooses where it leads. Use a path without it."
        )
    return target


def check_own(descriptor: int, path: str) -> None:
    """Refuse an open file that is not a regular file, or that another account can change.

    :raises InputError: the file is refused.
    """
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise InputError(f"{path} is not a regular file: name a regular file.")
    reason = others_can_write(found)
    if reason is not None:
        raise InputError(
            f"{path} is not safe to use: {reason}, so another account may have changed it. Write "
            "it again, to a directory that only this account can write to."
        )


@contextmanager
def opened_list(path: str) -> Iterator[int]:
    """Open a regular file for reading that only root and this account can change.

    The open file and each directory on the path are checked.

    :raises InputError: another account can change it, or it is not a regular file.
    :raises OSError: it cannot be opened.
    """
    links = 0
    at, real, name = resolve(path, strict=True)
    try:
        while True:
            # Without O_NONBLOCK, a FIFO would wait for a writer.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            try:
                descriptor = os.open(name or ".", flags, dir_fd=at)
                break
            except OSError as exc:
                if exc.errno != errno.ELOOP or links >= _MOST_LINKS:
                    raise
            links += 1
            target = _read_link(at, name, path, os.path.join(real, name))
            following, real, name = resolve(os.path.join(real, target), strict=True)
            os.close(at)
            at = following
    finally:
        os.close(at)
    try:
        check_own(descriptor, path)
        yield descriptor
    finally:
        os.close(descriptor)
