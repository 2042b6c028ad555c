# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kinds of objects that a filter may name: SMB clients open files and directories."""

from __future__ import annotations

from ..errors import InputError
from ..files import DIRECTORY, FILE, SYMLINK, FileInfo


def is_directory(found: FileInfo, written: str, option: str) -> bool:
    """Tell whether a filter names a directory itself, and not a file.

    :param written: how the filter names it.
    :raises InputError: it is neither, so that no handle of it would say anything.
    """
    if found.type not in (FILE, DIRECTORY):
        raise InputError(f"{_sentence(found, written)}: name {_instead(found, option)}.")
    return found.type == DIRECTORY


def check_directory(found: FileInfo, written: str) -> None:
    """Refuse an object that has nothing below it.

    :raises InputError: it is not a directory.
    """
    if found.type == DIRECTORY:
        return
    if found.type == FILE:
        step = "name a directory in 'directory', or the file in 'path'"
    else:
        step = f"name {_instead(found, 'directory')}"
    raise InputError(f"{_sentence(found, written)} and not a directory: {step}.")


def itself_only(path: str) -> str:
    """Return a warning that a filter leaves out everything below a directory."""
    return (
        f"'{path}' is a directory, and only handles of the directory itself are meant. For those "
        "of the files below it, name it in 'directory' instead."
    )


def _sentence(found: FileInfo, written: str) -> str:
    return f"'{written}' is a {found.type.replace('_', ' ')}"


def _instead(found: FileInfo, option: str) -> str:
    if found.type == SYMLINK:
        return f"what it leads to in '{option}', because that is what SMB clients have open"
    return f"a file in '{option}', because SMB clients cannot open anything else"
