# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Absolute paths on the cluster, as users write them."""

from __future__ import annotations

from ..errors import InputError


def parent(path: str) -> str:
    """Return the directory that an absolute path is in."""
    return path.rpartition("/")[0] or "/"


def normalize(path: str, *, option: str = "") -> str:
    """Return an absolute path as the cluster spells it.

    Repeated slashes, ``.`` components and a slash at the end are dropped. Everything else is left
    alone: names can contain blanks, commas and dots. ``..`` is refused, because where it leads
    depends on symlinks.

    :param option: name of the option for the message, if there is one.
    :raises InputError: the path is relative, or contains ``..`` or a NUL.
    """
    where = f"'{option}': " if option else ""
    if not path.startswith("/"):
        if option:
            raise InputError(f"'{option}' must begin with a slash: '{path}'.")
        raise InputError(f"'{path}' is not an absolute path: begin it with a slash.")
    if "\0" in path:
        raise InputError(f"{where}{path!r} contains a NUL, which no name can: check the path.")
    if path == "/":
        return path
    components = [name for name in path.split("/") if name not in ("", ".")]
    if ".." in components:
        raise InputError(
            f"{where}'{path}' contains '..': write the path without it, from the root down."
        )
    return "/" + "/".join(components)
