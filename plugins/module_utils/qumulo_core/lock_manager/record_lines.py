# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parse the lines of the record of closed handles, whoever has written them.

What the page shows of a record is what :func:`parse` returns: known names with values of known
types. Everything else is a line that cannot be read.
"""

from __future__ import annotations

import json
from typing import Any

from ..common.hash_chain import MISSING, PREVIOUS

#: Kinds of records: asked for, done, and records that were found to be missing.
ASKED, OUTCOME, GAP = "asked", "outcome", "gap"
#: A line that is longer was not written by the page.
LONGEST = 1 << 20
_EVENTS = (ASKED, OUTCOME, GAP)
_TEXTS = (
    "time",
    "closing",
    "who",
    "who_id",
    "from",
    "reason",
    "what",
    "outcome",
    "error",
    "path",
    "file_id",
    "user",
    "user_auth_id",
    "location",
    "message",
    PREVIOUS,
    MISSING,
)
_LISTS = ("clients", "could_lose_work")
_MOST_HANDLES = 1 << 53


def parse(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line, or None if it cannot be read.

    A text or list that is not there is left out.
    """
    try:
        # Earlier releases wrote half of a surrogate pair in a file name as it was.
        found = json.loads(line.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("event") not in _EVENTS:
        return None
    record: dict[str, Any] = {"event": found["event"]}
    for name in _TEXTS:
        if name in found:
            if not isinstance(found[name], str):
                return None
            record[name] = _encodable(found[name])
    for name in _LISTS:
        if name in found:
            texts = found[name]
            if not isinstance(texts, list) or not all(isinstance(each, str) for each in texts):
                return None
            record[name] = [_encodable(each) for each in texts]
    handles = found.get("handles", 0)
    if isinstance(handles, bool) or not isinstance(handles, int):
        return None
    if not 0 <= handles < _MOST_HANDLES:
        return None
    if "handles" in found:
        record["handles"] = handles
    return record


def _encodable(text: str) -> str:
    """Return a text that UTF-8 can hold."""
    return text.encode("utf-8", "backslashreplace").decode()
