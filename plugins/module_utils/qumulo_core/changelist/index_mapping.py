# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mapping of the fields of a change list in a search index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

#: Lucene refuses terms of more than 32,766 bytes: this many characters always fit.
_MOST_CHARACTERS = 8191
_TEXT = {"type": "keyword", "ignore_above": _MOST_CHARACTERS}
#: Of the two types for dates, ``date`` holds all years; ``date_nanos`` ends at 1970 and 2262.
_DATE = {"type": "date", "format": "strict_date_optional_time"}
#: Every field of a list. With dynamic mapping, a file name that looks like a date would turn
#: ``path`` into a date field.
PROPERTIES: dict[str, dict[str, Any]] = {
    "path": {"type": "text", "fields": {"keyword": _TEXT}},
    "type": _TEXT,
    "size": {"type": "long"},
    "mtime": _DATE,
    "atime": _DATE,
    "owner": _TEXT,
    "owner_name": _TEXT,
    "group": _TEXT,
    "group_name": _TEXT,
    "mode": _TEXT,
    "num_links": {"type": "long"},
    "file_id": _TEXT,
    "retention_period": _DATE,
    "legal_hold": {"type": "boolean"},
    "error": {"type": "text"},
}
_TEXTS = ("keyword", "text", "wildcard", "match_only_text", "search_as_you_type")
#: Types that hold the same values and sort them in the same way.
_FIT = {
    "keyword": _TEXTS,
    "text": _TEXTS,
    "long": ("long", "unsigned_long"),
    "date": ("date",),
    "boolean": ("boolean",),
}
#: Formats of dates that take RFC 3339 with nanoseconds.
_FORMATS = (
    "strict_date_optional_time",
    "date_optional_time",
    "strict_date_optional_time_nanos",
    "iso8601",
)
#: Key in ``_meta`` of the mapping that describes the content of the index.
META = "lockstep_qumulo"
#: That description: ``directory`` and ``checkpoint``, each if known.
Feed = Mapping[str, str]


def definition(feed: Feed) -> dict[str, Any]:
    """Return the mapping of a new index."""
    made: dict[str, Any] = {"properties": PROPERTIES}
    if feed:
        made["_meta"] = {META: dict(feed)}
    return made


def misfit(mapping: Mapping[str, Any]) -> str | None:
    """Return why a mapping does not fit a list, as a clause; None if it fits."""
    found: Mapping[str, Any] = mapping.get("properties") or {}
    for name, wanted in PROPERTIES.items():
        if name not in found:
            continue
        kind = str(found[name].get("type", "object"))
        if kind not in _FIT[wanted["type"]]:
            return f"its field {name} has the type {kind} instead of {wanted['type']}"
        formats = found[name].get("format")
        if kind == "date" and formats and not set(str(formats).split("||")) & set(_FORMATS):
            return f"its field {name} takes dates as {formats}, and not as RFC 3339"
    return None


def known_feed(mapping: Mapping[str, Any]) -> Feed:
    """Return the description of the content of an index, as far as its mapping has one."""
    return (mapping.get("_meta") or {}).get(META) or {}


def addition(mapping: Mapping[str, Any], feed: Feed) -> dict[str, Any]:
    """Return what is missing in a mapping, as the body for ``_mapping``; empty if nothing is."""
    found = mapping.get("properties") or {}
    added: dict[str, Any] = {}
    missing = {name: kind for name, kind in PROPERTIES.items() if name not in found}
    if missing:
        added["properties"] = missing
    known = known_feed(mapping)
    if not feed.keys() <= known.keys():
        added["_meta"] = {**(mapping.get("_meta") or {}), META: {**known, **feed}}
    return added
