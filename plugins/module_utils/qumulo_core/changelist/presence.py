# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Count how many of the first names of a list exist in directories.

A mount that is missing is an empty directory, and a wrong one shows other files. Both would make a
copy that deletes what is gone delete everything, so they must be noticed before it begins.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import islice

from ..common import safe_paths
from ..errors import InputError
from .removal import names

#: What the file system answers if there is no such name.
_ABSENT = (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENAMETOOLONG)


@dataclass(frozen=True)
class Presence:
    """What a directory has of a list.

    :param found: how many of the names that were looked up exist.
    :param empty: whether it has nothing in it, except for what is ignored.
    """

    path: str
    found: int
    empty: bool


def look_up(
    list_path: str, directories: Iterable[str], *, limit: int, ignore: Collection[str] = ()
) -> tuple[int, list[Presence]]:
    """Return how many names were looked up, and what each directory has of them.

    :param list_path: a list in the ``nul`` format, which nobody else can write to.
    :param limit: how many of its first names are looked up.
    :param ignore: names that do not count for whether a directory is empty.
    :raises InputError: the list or a directory cannot be read.
    """
    if limit < 1:
        raise InputError(f"max_names is {limit}: set it to 1 or more.")
    try:
        with safe_paths.opened_list(list_path) as fd, open(fd, "rb", closefd=False) as file:
            listed = list(islice(names(file), limit))
    except OSError as exc:
        raise InputError(
            f"The list {list_path} cannot be read: {exc.strerror}. Set list to a file that "
            "qumulo_changelist wrote in the nul format."
        ) from exc
    ignored = {os.fsencode(name) for name in ignore}
    return len(listed), [_presence(path, listed, ignored) for path in directories]


def _presence(path: str, listed: Collection[bytes], ignored: Collection[bytes]) -> Presence:
    if not path.startswith("/"):
        raise InputError(f"'{path}' in paths is not an absolute path: begin it with a slash.")
    try:
        top = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            found = sum(_exists(top, name) for name in listed)
            with os.scandir(top) as entries:
                empty = all(os.fsencode(entry.name) in ignored for entry in entries)
        finally:
            os.close(top)
    except OSError as exc:
        where = path if exc.filename is None else os.path.join(path, os.fsdecode(exc.filename))
        raise InputError(
            f"{where} cannot be read: {exc.strerror}. Set paths to directories that this account "
            "can read."
        ) from exc
    return Presence(path, found, empty)


def _exists(top: int, name: bytes) -> bool:
    try:
        os.stat(name, dir_fd=top, follow_symlinks=False)
    except OSError as exc:
        if exc.errno in _ABSENT:
            return False
        raise
    return True
