# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which paths are meant: shell patterns to include and to exclude."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .errors import InputError

#: Components that no path has: empty ones, ``.`` and ``..``.
_IMPOSSIBLE = re.compile(r"//|(?:^|(?<=/))\.{1,2}(?=/|\Z)|(?<=.)/\Z", re.DOTALL)


def translate(pattern: str) -> str:
    """Return the regular expression of a shell pattern, to be used with ``re.DOTALL``.

    ``*`` and ``?`` stay within a path component, ``**`` crosses them, ``[abc]`` and ``[!abc]``
    are sets. Everything else stands for itself; names with newlines are names like any other.
    """
    parts: list[str] = []
    at, end = 0, len(pattern)
    while at < end:
        character = pattern[at]
        if pattern.startswith("**/", at):
            parts.append("(?:.*/)?")
            at += 3
        elif pattern.startswith("**", at):
            parts.append(".*")
            at += 2
        elif character == "*":
            parts.append("[^/]*")
            at += 1
        elif character == "?":
            parts.append("[^/]")
            at += 1
        elif character == "[" and (close := _end_of_set(pattern, at)) > 0:
            inside = pattern[at + 1 : close].replace("\\", "\\\\").replace("[", "\\[")
            inside = re.sub(r"[&~|\]]|(?<=^[!^])-|^-", r"\\\g<0>", inside)
            negated = inside.startswith(("!", "^"))
            parts.append(f"[{'^/' if negated else ''}{inside[1:] if negated else inside}]")
            at = close + 1
        else:
            parts.append(re.escape(character))
            at += 1
    return "".join(parts)


def _end_of_set(pattern: str, at: int) -> int:
    """Return where the set that begins at ``at`` ends, or -1 if the bracket stands for itself.

    A closing bracket that comes first is in the set, also behind the mark that negates it.
    """
    first = at + 2 if pattern[at + 1 : at + 2] in ("!", "^") else at + 1
    return pattern.find("]", first + 1)


def _whole(pattern: str) -> str:
    """Return the expression that a whole path must match."""
    if not pattern:
        raise InputError("An empty pattern matches nothing: leave it out or write '*'.")
    impossible = _IMPOSSIBLE.search(pattern)
    if impossible is not None:
        raise InputError(
            f"The pattern '{pattern}' matches nothing, because no path contains "
            f"'{impossible.group()}': correct it, or leave it out."
        )
    if "/" not in pattern:
        return f"(?:.*/)?{translate(pattern)}"  # the last component
    if pattern.startswith("/"):
        return translate(pattern)
    return f"(?:.*/)?{translate(pattern)}"  # at any depth


def _compile(patterns: Iterable[str]) -> re.Pattern[str] | None:
    listed = list(patterns)
    if not listed:
        return None
    try:
        return re.compile("|".join(f"(?:{_whole(p)})" for p in listed), re.DOTALL)
    except re.error as exc:
        raise InputError(f"One of the patterns {listed} makes no sense: {exc}.") from exc


class PathFilter:
    """Paths that match an include pattern, or all without one, and no exclude pattern.

    A pattern without a slash is compared with the last component, one that begins with a slash
    with the whole path, any other with the end of the path at any depth. Case counts.

    :raises InputError: a pattern makes no sense.
    """

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        self._include = _compile(include)
        self._exclude = _compile(exclude)

    def matches(self, path: str) -> bool:
        """Tell whether an absolute path is meant."""
        if self._include is not None and self._include.fullmatch(path) is None:
            return False
        return self._exclude is None or self._exclude.fullmatch(path) is None
