# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a handle does and denies, as one says it on the telephone."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from .handles import APPEND, DELETE, EXECUTE, READ, WRITE

_DOING = {
    READ: "reading",
    WRITE: "writing",
    APPEND: "appending",
    DELETE: "deleting",
    EXECUTE: "running",
}
_DENIED = (READ, WRITE, DELETE)


def describe_access(access: Collection[str], denies: Collection[str]) -> str:
    """Return a phrase such as ``reading, nobody else may write``.

    :param access: words of :data:`handles.ACCESS_WORDS`.
    :param denies: what the share mode keeps others from: read, write, delete.
    """
    doing = [
        word
        for right, word in _DOING.items()
        # Who may write may append as well: only one of them is worth a word.
        if right in access and not (right == APPEND and WRITE in access)
    ]
    phrase = _series(doing, "and") or "looking at attributes only"
    denied = [right for right in _DENIED if right in denies]
    if denied:
        phrase += f", nobody else may {_series(denied, 'or')}"
    return phrase


def _series(words: Sequence[str], last: str) -> str:
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
