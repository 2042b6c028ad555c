# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes from a copy what a list says is gone, and never anything outside of the copy.

The copy has what people on the cluster made, symlinks among it. So each name is opened relative
to the directory before it, and no symlink is followed.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from typing import BinaryIO

from ..errors import InputError

_READ = 1 << 16
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW


def names(file: BinaryIO) -> Iterator[bytes]:
    """Yield the names of a list in the ``nul`` format.

    :raises InputError: it is cut off, or has a name that leads elsewhere.
    """
    rest = b""
    while chunk := file.read(_READ):
        *found, rest = (rest + chunk).split(b"\0")
        for name in found:
            # rsync needs this mark in front of some names.
            path = name[2:] if name.startswith(b"./") else name
            if any(part in (b"", b".", b"..") for part in path.split(b"/")):
                raise InputError(
                    f"{os.fsdecode(name)!r} is not a name below the copy: write the list with a "
                    "base_path that ends in a slash."
                )
            yield path
    if rest:
        raise InputError("The list ends within a name: it is no list of the nul format.")


def remove(top: int, path: bytes, *, dry_run: bool = False) -> bool:
    """Delete what is at a path below a directory; return whether there was something.

    :param top: descriptor of the directory.
    :raises OSError: it can not be deleted.
    """
    at = os.dup(top)
    try:
        *above, name = path.split(b"/")
        for part in above:
            try:
                below = os.open(part, _DIRECTORY, dir_fd=at)
            except OSError as exc:
                if exc.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
                    return False  # what was in it can not be here
                raise
            os.close(at)
            at = below
        return _remove_at(at, name, dry_run)
    finally:
        os.close(at)


def _remove_at(directory: int, name: bytes, dry_run: bool) -> bool:
    try:
        found = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except FileNotFoundError:
        return False
    if dry_run:
        return True
    if stat.S_ISDIR(found.st_mode):
        below = os.open(name, _DIRECTORY, dir_fd=directory)
        try:
            with os.scandir(below) as listed:
                inside = [os.fsencode(entry.name) for entry in listed]
            for one in inside:
                _remove_at(below, one, dry_run)
        finally:
            os.close(below)
        os.rmdir(name, dir_fd=directory)
    else:
        os.unlink(name, dir_fd=directory)
    return True


def apply(list_path: str, copy: str, *, check_mode: bool) -> int:
    """Delete from a copy what a list names; return how many of the names were there.

    The list is read twice, so that one with a bad name deletes nothing.

    :raises InputError: the list or the copy can not be opened, or something not be deleted.
    """
    try:
        with open(list_path, "rb") as file:
            for _name in names(file):
                pass
            file.seek(0)
            top = os.open(copy, os.O_RDONLY | os.O_DIRECTORY)
            try:
                return sum(remove(top, name, dry_run=check_mode) for name in names(file))
            finally:
                os.close(top)
    except OSError as exc:
        raise InputError(
            f"{exc.filename and os.fsdecode(exc.filename)}: {exc.strerror}; what is left is "
            "deleted when this is run again."
        ) from exc
