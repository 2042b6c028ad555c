# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""References to files: a path or an ID, and never a string that could be either.

The REST API takes both in the same place of a URI. A file name can consist of digits, and ``2`` is
the ID of the root directory: a name that is mistaken for an ID can mean the whole cluster. So every
reference states which of the two it is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import quote

from ..errors import InputError
from .paths import normalize


@dataclass(frozen=True)
class FileRef:
    """A file by its path or by its ID; made by :func:`by_path` and :func:`by_id`.

    :raises ValueError: the text is not what ``is_path`` says.
    """

    text: str
    is_path: bool

    def __post_init__(self) -> None:
        if not (_is_path(self.text) if self.is_path else _is_id(self.text)):
            raise ValueError(f"{self.text!r} is not {'a path' if self.is_path else 'a file ID'}")

    def __str__(self) -> str:
        return self.text

    @property
    def quoted(self) -> str:
        """The ``{ref}`` of a URI: every slash of a path is encoded, too.

        A path that is not Unicode text is passed on, and the cluster accepts or refuses it.
        """
        return quote(self.text, safe="", errors="surrogatepass")


def by_path(path: str, option: str = "path") -> FileRef:
    """Return the reference to an absolute path, as the cluster spells it.

    :param option: name of the option that holds the path, for the error.
    :raises InputError: the path is not absolute, or contains ``..``.
    """
    if not _is_path(path):
        step = f"begin the path in '{option}' with a slash"
        if _is_id(path):
            step += ", or give an ID as file_id"
        raise InputError(f"'{path}' is not an absolute path: {step}.")
    return FileRef(normalize(path, option=option), is_path=True)


def by_id(file_id: str, option: str = "file_id") -> FileRef:
    """Return the reference to a file ID, which is a string of any number of digits.

    :param option: name of the option that holds the ID, for the error.
    :raises InputError: the text is not an ID.
    """
    if not _is_id(file_id):
        step = f"use digits only in '{option}'"
        if _is_path(file_id):
            step += ", or give a path as path"
        raise InputError(f"'{file_id}' is not a file ID: {step}.")
    return FileRef(file_id, is_path=False)


def by_options(paths: Iterable[str], file_ids: Iterable[str]) -> list[FileRef]:
    """Return the references of the options ``path`` and ``file_id``.

    :raises InputError: a value does not fit its option.
    """
    return [*map(by_path, paths), *map(by_id, file_ids)]


def _is_path(text: str) -> bool:
    return text.startswith("/")


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit()
