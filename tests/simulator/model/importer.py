# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Loading a real directory tree."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import ModelError
from .inode import (
    BLOCK_DEVICE,
    CHARACTER_DEVICE,
    DIRECTORY,
    FILE,
    PIPE,
    SOCKET,
    SYMLINK,
    TYPE_NAMES,
    Inode,
)
from .namespace import NAME_LIMIT
from .render import NFS_GID, NFS_UID

if TYPE_CHECKING:
    from .filesystem import FileSystem

_KINDS = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: DIRECTORY,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFIFO: PIPE,
    stat.S_IFCHR: CHARACTER_DEVICE,
    stat.S_IFBLK: BLOCK_DEVICE,
    stat.S_IFSOCK: SOCKET,
}


@dataclass
class ImportResult:
    """How much was loaded; ``links``: further names of files, ``skipped``: what was unreadable."""

    files: int = 0
    directories: int = 0
    symlinks: int = 0
    others: int = 0
    links: int = 0
    skipped: int = 0


def unicode_name(name: str, taken: dict[str, Inode]) -> str:
    """The name under which a file of the host appears.

    Bytes that are no UTF-8 become U+FFFD each. If that is no longer unique among ``taken``, ``~2``,
    ``~3`` and so on follows.
    """
    clean = os.fsencode(name).decode("utf-8", "replace")
    if clean == name:
        return name
    unique, number = clean, 1
    while unique in taken:
        number += 1
        unique = f"{clean[: NAME_LIMIT - 1 - len(str(number))]}~{number}"
    return unique


def import_tree(
    file_system: FileSystem, directory: Path, into: int | str, content_limit: int
) -> ImportResult:
    """Copy the content of ``directory`` into the directory ``into``.

    Times, modes, owners (as NFS UIDs and GIDs), symlinks and hard links are kept; no symlink is
    followed. Names are as `unicode_name` says. An unreadable directory is there, but empty, and
    counted as skipped.

    :param content_limit: how many bytes of each file are read
    :raises ModelError: if ``into`` is not a directory
    :raises OSError: if ``directory`` itself cannot be read
    """
    result = ImportResult()
    by_host_inode: dict[tuple[int, int], int] = {}
    top = file_system.resolve(into)
    source = str(directory)
    pending = [(source, top.id)]
    # A directory's times are set when all its children are there, which change them.
    times: list[tuple[int, os.stat_result]] = []
    while pending:
        path, parent_id = pending.pop()
        taken = file_system.resolve(parent_id).directory.entries
        try:
            found = _scan(path)
        except OSError:
            if path == source:
                raise
            result.skipped += 1
            continue
        for entry in found:
            try:
                status = entry.stat(follow_symlinks=False)
                inode = _copy(
                    file_system, parent_id, taken, entry, status, by_host_inode, content_limit
                )
            except (OSError, ModelError):
                result.skipped += 1
                continue
            if inode is None:
                result.links += 1
                continue
            _count(result, inode)
            if inode.kind == DIRECTORY:
                pending.append((entry.path, inode.id))
                times.append((inode.id, status))
            else:
                _set_times(file_system, inode.id, status)
    for file_id, status in times:
        _set_times(file_system, file_id, status)
    return result


def _scan(path: str) -> list[os.DirEntry[str]]:
    """Valid names first, so that a mended one never takes the name of another."""
    with os.scandir(path) as scan:
        return sorted(scan, key=lambda entry: (not _is_unicode(entry.name), entry.name))


def _is_unicode(name: str) -> bool:
    return name.isascii() or not any("\udc80" <= character <= "\udcff" for character in name)


def _copy(
    file_system: FileSystem,
    parent: int,
    taken: dict[str, Inode],
    entry: os.DirEntry[str],
    status: os.stat_result,
    by_host_inode: dict[tuple[int, int], int],
    content_limit: int,
) -> Inode | None:
    """Create one file; None if it is a further link of one that is there already."""
    name = unicode_name(entry.name, taken)
    kind = _KINDS[stat.S_IFMT(status.st_mode)]
    mode = stat.S_IMODE(status.st_mode)
    owner, group = NFS_UID + status.st_uid, NFS_GID + status.st_gid
    key = (status.st_dev, status.st_ino)
    if kind != DIRECTORY and key in by_host_inode:
        file_system.create_link(parent, name, by_host_inode[key])
        return None
    if kind == DIRECTORY:
        inode = file_system.create_directory(parent, name, owner=owner, group=group, mode=mode)
    elif kind == SYMLINK:
        target = os.fsencode(os.readlink(entry.path)).decode("utf-8", "replace")
        inode = file_system.create_symlink(parent, name, target, owner=owner, group=group)
    elif kind == FILE:
        content = b""
        if content_limit and status.st_size:
            with open(entry.path, "rb") as file:
                content = file.read(content_limit)
        inode = file_system.create_file(parent, name, owner=owner, group=group, mode=mode)
        if content:
            file_system.write(inode.id, 0, content)
        if inode.size != status.st_size:
            file_system.truncate(inode.id, status.st_size)
    else:
        is_device = kind in (CHARACTER_DEVICE, BLOCK_DEVICE)
        inode = file_system.create_unix_file(
            parent,
            name,
            TYPE_NAMES[kind],
            major=os.major(status.st_rdev) if is_device else 0,
            minor=os.minor(status.st_rdev) if is_device else 0,
            owner=owner,
            group=group,
            mode=mode,
        )
    if kind != DIRECTORY and status.st_nlink > 1:
        by_host_inode[key] = inode.id
    return inode


def _set_times(file_system: FileSystem, file_id: int, status: os.stat_result) -> None:
    file_system.set_attributes(
        file_id,
        access_time=status.st_atime_ns,
        modification_time=status.st_mtime_ns,
        change_time=status.st_ctime_ns,
        creation_time=min(status.st_mtime_ns, status.st_ctime_ns),
    )


def _count(result: ImportResult, inode: Inode) -> None:
    if inode.kind == FILE:
        result.files += 1
    elif inode.kind == DIRECTORY:
        result.directories += 1
    elif inode.kind == SYMLINK:
        result.symlinks += 1
    else:
        result.others += 1
