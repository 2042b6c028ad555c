# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Look up paths that users wrote; the error for a missing path suggests a similar one."""

from __future__ import annotations

import difflib
import unicodedata
from itertools import islice

from .. import files
from ..client import Client
from ..errors import NotFoundError, QumuloError
from .file_refs import by_path

#: Entries of a directory that are compared with a name.
_COMPARED = 10_000
#: Least similarity of two names, from 0 to 1, if one may be a typo of the other.
_ALIKE = 0.75


def existing(client: Client, path: str, *, lock: bool = False) -> files.FileInfo:
    """Return the attributes of a path that a user wrote.

    :param lock: see :func:`files.get`.
    :raises InputError: the path cannot name anything.
    :raises NotFoundError: it does not exist; the message suggests a similar path, if any.
    """
    ref = by_path(path)
    path = ref.text
    try:
        return files.get(client, ref, lock=lock)
    except NotFoundError as exc:
        raise explained(client, path, exc) from exc


def explained(client: Client, path: str, error: NotFoundError) -> NotFoundError:
    """Return the error for a path that does not exist, with what may be meant by it."""
    parts = [part.strip() for part in path.split(",")]
    if len(parts) > 1 and all(part.startswith("/") for part in parts):
        text = (
            f"'{path}' does not exist on the cluster: a text is one path, including its commas. "
            "If several paths are meant, write a list with one path per item."
        )
    else:
        near = near_path(client, path)
        if near is None:
            return error
        case = " (names are case-sensitive)" if _fold(near) == _fold(path) else ""
        text = f"'{path}' does not exist on the cluster{case}: did you mean '{near}'?"
        if _fold(near).startswith(_fold(path) + " "):
            text += " A path with blanks needs quotes on the command line."
    return NotFoundError(text, status=error.status, error_class=error.error_class)


def near_path(client: Client, path: str) -> str | None:
    """Return an existing path that is similar to a missing one, or None.

    It is only a hint for an error message, so a request that fails gives None.
    """
    names = path.strip("/").split("/")
    try:
        found = ""
        for at, name in enumerate(names):
            if _exists(client, f"{found}/{name}"):
                found = f"{found}/{name}"
                continue
            similar = _similar(client, found or "/", name)
            if similar is None:
                return None
            found = f"{found}/{similar}"
            rest = "/".join(names[at + 1 :])
            if rest and _exists(client, f"{found}/{rest}"):
                return f"{found}/{rest}"
        return found
    except QumuloError:
        return None


def _exists(client: Client, path: str) -> bool:
    try:
        files.get(client, by_path(path))
    except NotFoundError:
        return False
    return True


def _similar(client: Client, directory: str, name: str) -> str | None:
    entries = [entry.name for entry in islice(files.entries(client, by_path(directory)), _COMPARED)]
    for entry in entries:
        if _fold(entry) == _fold(name):
            return entry
    longer = [entry for entry in entries if _fold(entry).startswith(_fold(name) + " ")]
    if longer:  # a shell or an unquoted -e has cut the name at its first blank
        return min(longer)
    alike = difflib.get_close_matches(name, entries, n=1, cutoff=_ALIKE)
    return alike[0] if alike else None


def _fold(text: str) -> str:
    return unicodedata.normalize("NFC", text.casefold())
