# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Deletes from a copy what a list says is gone, and never anything outside of the copy.

The copy has what people on the cluster made, symlinks among it. So each name is opened relative
to the directory before it, and no symlink is followed. What is mounted in the copy is not part of
it: a name that leads there, or has it below, is an error before anything is deleted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from ..common import mounts, safe_paths, tree_removal
from ..errors import InputError

_READ = 1 << 16


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
        raise InputError("The list ends within a name: it is not a whole list of the nul format.")


def apply(list_path: str, copy: str, *, keep: Iterable[str] = (), check_mode: bool) -> int:
    """Delete from a copy what a list names; return how many of the names were there.

    The list is read twice, so that one with a bad name, or with one where something is mounted,
    deletes nothing. Both times it is the same
    open file, which nobody but this account and root can write to.

    :param keep: names in the top directory that stay although the list names them.
    :raises InputError: the list or the copy cannot be opened, or something cannot be deleted.
    """
    removed = 0
    kept = {_kept(name) for name in keep}
    try:
        top, real = _open_copy(copy)
    except OSError as exc:
        raise InputError(
            f"The copy {copy} cannot be opened: {exc.strerror}. Set path to its top directory."
        ) from exc
    try:
        with safe_paths.opened_list(list_path) as number, open(number, "rb", closefd=False) as file:
            mounted = mounts.below(real)
            for name in _listed(file, kept):
                _check_mounts(mounted, copy, name)
            file.seek(0)
            for name in _listed(file, kept):
                try:
                    removed += tree_removal.remove(top, name, dry_run=check_mode)
                except OSError as exc:
                    raise InputError(
                        f"{os.path.join(copy, os.fsdecode(name))} cannot be deleted: "
                        f"{exc.strerror}. {removed} names were removed before it; correct this and "
                        "run again."
                    ) from exc
    except OSError as exc:
        raise InputError(
            f"The list {list_path} cannot be read: {exc.strerror}. Nothing more was deleted; set "
            "list to a file that qumulo_changelist wrote."
        ) from exc
    finally:
        os.close(top)
    return removed


def _kept(name: str) -> bytes:
    if not name or "/" in name or name in (".", ".."):
        raise InputError(
            f"'{name}' in keep is not the name of something in the top directory of the copy: "
            "write one name without slashes, or leave it out."
        )
    return os.fsencode(name)


def _listed(file: BinaryIO, kept: set[bytes]) -> Iterator[bytes]:
    return (name for name in names(file) if name not in kept)


def _check_mounts(mounted: mounts.Mounts, copy: str, name: bytes) -> None:
    point = mounted.obstacle(name)
    if point is not None:
        path, place = (os.path.join(copy, os.fsdecode(one)) for one in (name, point))
        raise InputError(
            f"{path} cannot be deleted: something is mounted on {place}, and it is not part of the "
            f"copy. Nothing was deleted; unmount {place} and run again."
        )


def _open_copy(copy: str) -> tuple[int, str]:
    """Open the top directory, and return its real path as well.

    A symlink of somebody else on the way to it is refused.
    """
    top, real, _name = safe_paths.resolve(os.path.join(copy, "name"))
    if real == "/":
        os.close(top)
        raise InputError("path is /, and a copy is never the whole host: name its top directory.")
    return top, real
