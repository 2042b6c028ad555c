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

#: What is never a finished file: half-written, hidden, or bookkeeping of programs.
NEVER_FINISHED = (
    "*.tmp",
    "*.temp",
    "*.part",
    "*.partial",
    "*.crdownload",
    "*.download",
    "*.filepart",
    "*.swp",
    "*.swx",
    "*.lock",
    "*.lck",
    "~$*",
    ".~lock.*#",
    ".~*",
    "._*",
    ".DS_Store",
    ".nfs*",
    "Thumbs.db",
    "desktop.ini",
)
#: Directories whose verdict is remembered.
_MOST_VERDICTS = 100_000


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
    if impossible is not None and impossible.group() == "/":
        raise InputError(
            f"The pattern '{pattern}' matches nothing, because no path contains '/' at its end: "
            f"write '{pattern[:-1]}', which as an exclude pattern also leaves out everything "
            "below a directory that it matches."
        )
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


def is_literal(pattern: str) -> bool:
    """Tell whether a pattern has no wildcard, so that it matches one name only."""
    sets = (_end_of_set(pattern, at) for at, c in enumerate(pattern) if c == "[")
    return not set(pattern) & set("*?") and all(close < 0 for close in sets)


class PathFilter:
    """Paths that match an include pattern, or all without one, and no exclude pattern.

    A pattern without a slash is compared with the last component, one that begins with a slash
    with the whole path, any other with the end of the path at any depth. Case counts.

    :raises InputError: a pattern makes no sense.
    """

    def __init__(self, include: Iterable[str] = (), exclude: Iterable[str] = ()) -> None:
        self.include, self.exclude = tuple(include), tuple(exclude)
        self._include = _compile(self.include)
        self._exclude = _compile(self.exclude)
        self._exclude_whole = _compile(p for p in self.exclude if p.startswith("/"))

    def matches(self, path: str) -> bool:
        """Tell whether an absolute path is meant, whatever directories it lies in."""
        if self._include is not None and self._include.fullmatch(path) is None:
            return False
        return not self.excludes(path)

    def excludes(self, path: str) -> bool:
        """Tell whether an exclude pattern matches an absolute path itself."""
        return self._exclude is not None and self._exclude.fullmatch(path) is not None

    def excludes_root(self, path: str) -> bool:
        """Tell whether a pattern of whole paths excludes a directory that was named itself."""
        return self._exclude_whole is not None and self._exclude_whole.fullmatch(path) is not None

    def below(self, roots: Iterable[str]) -> TreeFilter:
        """Return the filter for what lies below directories that were named."""
        return TreeFilter(self, roots)


class TreeFilter:
    """A path filter below directories, where an excluded directory excludes all that is in it.

    A directory that was named is itself excluded only by a pattern that begins with a slash, and
    the directories above it do not count: the pattern ``projects`` means directories of this name
    below ``/projects``.

    :param roots: absolute paths of the directories that were named.
    """

    def __init__(self, names: PathFilter, roots: Iterable[str]) -> None:
        self._names = names
        #: Whether all in a directory is excluded. One that is not below any root counts whole.
        self._verdicts: dict[str, bool] = {"": False}
        cleaned = [root.rstrip("/") for root in roots]
        self._roots = {root: names.excludes_root(root or "/") for root in cleaned}
        self._verdicts.update(self._roots)

    def excludes_all_in(self, directory: str) -> bool:
        """Tell whether a directory, or one above it, is excluded."""
        verdicts = self._verdicts
        known = verdicts.get(directory)
        if known is not None:
            return known
        unknown = []
        while known is None:
            unknown.append(directory)
            directory = directory.rpartition("/")[0]
            known = verdicts.get(directory)
        if len(verdicts) > _MOST_VERDICTS:
            self._verdicts = verdicts = {"": False, **self._roots}
        for each in reversed(unknown):
            known = known or self._names.excludes(each)
            verdicts[each] = known
        return known

    def matches(self, path: str) -> bool:
        """Tell whether an absolute path is meant."""
        if not self._names.matches(path):
            return False
        if not self._names.exclude or path in self._roots:
            return True
        return not self.excludes_all_in(path.rpartition("/")[0])


class Unmatched:
    """Patterns without wildcards that have matched nothing yet: names that were mistyped.

    The usual names of unfinished files are not counted, because people list them to be safe.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        literal = (p for p in patterns if is_literal(p) and p not in NEVER_FINISHED)
        self._left = list(dict.fromkeys(literal))
        self._any = _compile(self._left)

    def see(self, path: str) -> None:
        """Note that there is a file or directory of this path."""
        if self._any is not None and self._any.fullmatch(path) is not None:
            self._left = [p for p in self._left if re.fullmatch(_whole(p), path, re.DOTALL) is None]
            self._any = _compile(self._left)

    def warnings(self) -> list[str]:
        """Return a sentence that names what has matched nothing, if anything."""
        if not self._left:
            return []
        listed = ", ".join(map(repr, self._left))
        return [
            f"No file or directory matches the patterns without wildcards {listed}. Check them, "
            "because locks cannot be undone: each text is one pattern, and its blanks count."
        ]
