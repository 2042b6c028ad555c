# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes as records: one vocabulary for what a stream tells and what a tree diff finds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..changelist.entries import CREATE, DELETE
from ..errors import InputError
from ..events import SELF_REMOVED, Event
from ..files import DIRECTORY, FILE
from ..watcher.rules import Root

Record = dict[str, Any]
#: Where a record comes from.
STREAM, CATCH_UP, WALK = "stream", "catch_up", "walk"
MOVED_IN = "child_dir_moved_to"
QUIET = "quiet"
#: Changes before this moment were lost.
GAP = "gap"
#: What is told whatever paths and types were asked for.
ALWAYS = frozenset([SELF_REMOVED, GAP])
#: Groups of notifications that can be asked for by one name.
GROUPS: dict[str, tuple[str, ...]] = {
    "added": ("child_file_added", "child_dir_added"),
    "removed": ("child_file_removed", "child_dir_removed"),
    "moved": (
        "child_file_moved_from",
        "child_file_moved_to",
        "child_dir_moved_from",
        "child_dir_moved_to",
    ),
    "written": ("child_data_written", "child_size_changed"),
    "attributes": tuple(
        f"child_{what}_changed"
        for what in ("acl", "atime", "btime", "mtime", "extra_attrs", "owner", "group")
    ),
    "streams": tuple(
        f"child_stream_{what}"
        for what in ("added", "removed", "moved_from", "moved_to", "size_changed", "data_written")
    ),
}
DEFAULT_GROUPS = ("added", "removed", "moved", "written")
_CHANGES = {name: group for group, names in GROUPS.items() for name in names}
_CHANGES.update((name, name.partition("_")[2].partition("_")[2]) for name in GROUPS["moved"])
_ALL = frozenset(_CHANGES)


def expand_types(listed: Iterable[str]) -> frozenset[str]:
    """Return the types of notifications that groups and types mean.

    :raises InputError: there is no such group or type.
    """
    found: set[str] = set()
    for name in listed:
        if name in GROUPS:
            found.update(GROUPS[name])
        elif name in _ALL:
            found.add(name)
        else:
            raise InputError(
                f"'types' has '{name}': choose from {', '.join(GROUPS)}, or name types of the "
                "cluster's notifications, such as child_file_added."
            )
    return frozenset(found)


def of_event(event: Event, root: Root) -> Record:
    """Return the record of a notification."""
    if event.type == SELF_REMOVED:
        return _record("self_removed", SELF_REMOVED, DIRECTORY, root, "", root.id, STREAM)
    record = _record(
        _CHANGES.get(event.type, "other"),
        event.type,
        _kind(event.type),
        root,
        event.path,
        event.file_id,
        STREAM,
    )
    if event.stream_name is not None:
        record["stream_name"] = event.stream_name
    return record


def of_difference(
    operation: str, kind: str, root: Root, path: str, file_id: str | None, types: frozenset[str]
) -> Record | None:
    """Return the record of an entry of a tree diff, or None if its type was not asked for.

    A tree diff knows no renames: what was moved is added at one place and removed at another. And
    it does not tell what of a file has changed.

    :param kind: ``file`` or ``directory``.
    :param path: relative to the directory.
    """
    noun = "dir" if kind == DIRECTORY else "file"
    kinds: tuple[str, ...]
    if operation == CREATE:
        change, kinds = "added", (f"child_{noun}_added", f"child_{noun}_moved_to")
    elif operation == DELETE:
        change, kinds = "removed", (f"child_{noun}_removed", f"child_{noun}_moved_from")
    elif kind == DIRECTORY:
        change, kinds = "attributes", GROUPS["attributes"]
    else:
        change, kinds = "written", (*GROUPS["written"], *GROUPS["attributes"])
    if types.isdisjoint(kinds):
        return None
    name = "child_mtime_changed" if change == "attributes" else kinds[0]
    return _record(change, name, kind, root, path, file_id, CATCH_UP)


def of_walk(kind: str, root: Root, path: str, file_id: str) -> Record:
    """Return the record of something that was moved in together with its directory."""
    noun = "dir" if kind == DIRECTORY else "file"
    return _record("moved_to", f"child_{noun}_moved_to", kind, root, path, file_id, WALK)


def of_gap(root: Root, reason: str) -> Record:
    """Return the record that changes were lost, and why.

    It has no path, so that nothing takes it for a change of the watched directory itself.
    """
    record = _record(GAP, GAP, None, root, "", None, CATCH_UP)
    record.update(path=None, relative_path=None, name=None, reason=reason)
    return record


def of_quiet(root: Root, path: str, changes: int) -> Record:
    """Return the record of a folder in which nothing happens any more."""
    record = _record(QUIET, QUIET, DIRECTORY, root, path, None, STREAM)
    record["changes"] = changes
    return record


def events_of(records: Sequence[Record], *, together: bool) -> list[Record]:
    """Return the events that tell of records.

    :param together: in one event, except for gaps: what works on a list of changes must not meet
        one in it.
    """
    if not together:
        return list(records)
    gaps = [record for record in records if record["type"] == GAP]
    others = [record for record in records if record["type"] != GAP]
    return [*gaps, {"events": others, "count": len(others)}] if others else gaps


def _record(
    change: str,
    kind: str,
    object_type: str | None,
    root: Root,
    path: str,
    file_id: str | None,
    origin: str,
) -> Record:
    below = root.path.rstrip("/")
    return {
        "change": change,
        "type": kind,
        "object": object_type,
        "path": f"{below}/{path}" if path else root.path,
        "relative_path": path,
        "name": path.rpartition("/")[2] or root.path.rpartition("/")[2],
        "directory": root.path,
        "file_id": file_id,
        "origin": origin,
    }


def _kind(event_type: str) -> str | None:
    """Return what a notification is about, as far as it says so."""
    if event_type.startswith("child_dir_"):
        return DIRECTORY
    if event_type.startswith(("child_file_", "child_stream_")) or event_type in GROUPS["written"]:
        return FILE
    return None
