# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files under construction, of which nothing is left when the process is killed.

Where the file system allows it, such a file has no name until it is complete, and vanishes with
the process. Elsewhere, as on NFS, it has a name and a lock. The lock vanishes with the process, so
the next run for the same destination recognizes the file as a leftover and removes it.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
from contextlib import suppress

#: Bytes of the destination's name that the temporary name repeats.
_NAME_BYTES = 200
#: How a temporary name ends. A list may have had more parts in a former run: dest.first, dest.1.
_REST = rb"(?:(?:first|[0-9]+)\.)?[0-9a-f]{16}"
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
#: Without a name; None: this system has no such files.
_UNNAMED = getattr(os, "O_TMPFILE", None)


class Draft:
    """A new file in a directory, which is given a name when it is complete.

    :param directory: descriptor of the directory, which stays open.
    :param destination: name that the file is made for, without its directory.
    :raises OSError: it cannot be created.
    """

    def __init__(self, directory: int, destination: str) -> None:
        self._directory = directory
        self._destination = destination
        self.name: str | None = None
        number = _open_unnamed(directory, _name(destination))
        self.number = self._open_named() if number is None else _locked(number)

    def _open_named(self) -> int:
        while True:
            name = _name(self._destination)
            number = os.open(name, _FLAGS | os.O_CREAT | os.O_EXCL, 0o600, dir_fd=self._directory)
            if _is_named(self._directory, name, _locked(number)):
                self.name = name
                return number
            os.close(number)  # another run took it for a leftover before it was locked

    def appear(self) -> str:
        """Return the name under which the file can be renamed; give it one if it has none."""
        if self.name is None:
            name = _name(self._destination)
            _link(self.number, self._directory, name)
            self.name = name
        return self.name

    def vanish(self) -> None:
        """Remove the name, if the file has one."""
        if self.name is not None:
            with suppress(FileNotFoundError):
                os.unlink(self.name, dir_fd=self._directory)
            self.name = None


def remove_leftovers(directory: int, destination: str) -> None:
    """Remove what killed runs for the same destination have left.

    That is a regular file of this account, under a name that drafts have, and which nobody locks.
    What cannot be listed, opened or locked stays.

    :param directory: descriptor of the directory.
    """
    pattern = re.compile(re.escape(_begin(destination)) + _REST)
    try:
        listed = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return
    try:
        with os.scandir(listed) as entries:
            names = [e.name for e in entries if pattern.fullmatch(os.fsencode(e.name))]
    finally:
        os.close(listed)
    for name in names:
        with suppress(OSError):
            _remove_leftover(directory, name)


def _remove_leftover(directory: int, name: str) -> None:
    number = os.open(name, _FLAGS | os.O_NONBLOCK, dir_fd=directory)
    try:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode) or found.st_uid != os.geteuid() or found.st_nlink != 1:
            return
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_named(directory, name, number):
            os.unlink(name, dir_fd=directory)
    finally:
        os.close(number)


def _begin(destination: str) -> bytes:
    return b".%s." % os.fsencode(destination)[:_NAME_BYTES]


def _name(destination: str) -> str:
    return os.fsdecode(_begin(destination) + secrets.token_hex(8).encode())


def _open_unnamed(directory: int, trial: str) -> int | None:
    """Open a file without a name; None: it could not be given one later.

    :param trial: a name that another such file is given, to find out.
    """
    if _UNNAMED is None:
        return None
    flags = os.O_RDWR | os.O_CLOEXEC | _UNNAMED
    try:
        number = os.open(".", flags, 0o600, dir_fd=directory)
        try:
            _link(number, directory, trial)
        finally:
            os.close(number)
        os.unlink(trial, dir_fd=directory)
        return os.open(".", flags, 0o600, dir_fd=directory)
    except OSError as exc:
        if exc.errno in (errno.ENOSPC, errno.EDQUOT):
            raise
        return None


def _link(number: int, directory: int, name: str) -> None:
    os.link(f"/proc/self/fd/{number}", name, dst_dir_fd=directory, follow_symlinks=True)


def _locked(number: int) -> int:
    """Lock an open file, so that no other run takes it for a leftover; return its descriptor."""
    with suppress(OSError):  # not every server has locks; then nobody removes it, either
        fcntl.flock(number, fcntl.LOCK_EX)
    return number


def _is_named(directory: int, name: str, number: int) -> bool:
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return os.path.samestat(found, os.fstat(number))
