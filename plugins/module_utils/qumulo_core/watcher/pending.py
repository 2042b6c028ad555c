# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What waits to be locked: from events and listings to entries of the spool."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timezone

from ..events import Event
from ..files import FileInfo
from ..service.spool import Entry, Item, Key, UnreadableItemError
from .rules import GROUPS, MOVED, WRITTEN, Root, RuleSet

_DIRECTORY = "d"  # before the ID of a directory, in keys
_FILE_EVENTS = frozenset(
    ["child_file_added", "child_file_moved_to", *GROUPS[WRITTEN]],
)


@dataclass(frozen=True)
class Pending:
    """A file that waits until it is quiet, or a directory whose files are to be looked at.

    :param seen: seconds since 1970 on the cluster's clock at which it was last seen to change.
    """

    file_id: str
    path: str
    seen: float
    is_directory: bool

    @classmethod
    def of(cls, item: Item) -> Pending:
        """Return what an item of the spool is about.

        :raises UnreadableItemError: it makes no sense.
        """
        try:
            path, seen = json.loads(item.payload)[:2]  # an earlier release noted more
            datetime.fromtimestamp(seen, timezone.utc)
            if not isinstance(path, str):
                raise TypeError(path)
        except (LookupError, OverflowError, OSError, TypeError, ValueError) as exc:
            raise UnreadableItemError(
                f"The entry {item.key!r} of the spool makes no sense ({item.payload[:200]!r}): "
                "the service sets it aside."
            ) from exc
        key = str(item.key)  # other services have bytes
        if key.startswith(_DIRECTORY):
            return cls(key[len(_DIRECTORY) :], path, seen, is_directory=True)
        return cls(key, path, seen, is_directory=False)

    @property
    def seen_at(self) -> datetime:
        """When it was last seen to change, aware, in UTC."""
        return datetime.fromtimestamp(self.seen, timezone.utc)


def file_entry(file_id: str, path: str, seen: float, quiet: float) -> Entry:
    """Return the entry of a file that is due when it has been quiet for ``quiet`` seconds."""
    return Entry(file_id, json.dumps([path, seen]), 0, seen + quiet)


def directory_entry(file_id: str, path: str, seen: float) -> Entry:
    """Return the entry of a directory whose files are to be looked at."""
    return Entry(_DIRECTORY + file_id, json.dumps([path, seen]), 0, seen)


@dataclass
class Translated:
    """What events mean for the spool.

    :param starts: entries of files that are to be locked, now or by this event.
    :param restarts: entries that count only if the file waits already.
    :param names: of each file, all names that the events have.
    :param removed: the watched directory is gone.
    """

    starts: dict[Key, Entry]
    restarts: dict[Key, Entry]
    names: dict[Key, set[str]]
    removed: bool = False


def translate(events: Iterable[Event], root: Root, rules: RuleSet, now: float) -> Translated:
    """Decide what events mean; of several for one file the last one counts.

    :param now: seconds since 1970 on the cluster's clock.
    """
    result = Translated({}, {}, {})
    above = "" if root.path == "/" else root.path
    for event in events:
        if event.type == "self_removed":
            result.removed = True
        elif event.stream_name is not None:
            continue  # a named stream: the file's own data are as they were
        elif event.type == "child_dir_moved_to":
            path = f"{above}/{event.path}"
            if rules.takes_moved(path):
                entry = directory_entry(event.file_id, path, now)
                result.starts[entry.key] = entry
        elif event.type in _FILE_EVENTS:
            path = f"{above}/{event.path}"
            wanted = rules.may_take(path)
            if not wanted:
                continue
            # Which of them it is tells its size, and that is looked at when it is due first.
            quiet = min(rule.quiet for rule in wanted).total_seconds()
            entry = file_entry(event.file_id, path, now, quiet)
            result.names.setdefault(entry.key, set()).add(path)
            starts = any(rule.counts(event.type) for rule in wanted)
            if starts or entry.key in result.starts:
                result.starts[entry.key] = entry
            else:
                result.restarts[entry.key] = entry
    return result


def of_listing(
    found: Iterable[FileInfo], rules: RuleSet, now: float, *, moved: bool = False
) -> list[Entry]:
    """Return entries for files of a listing that some rule wants locked.

    :param moved: they came with a directory that was moved: the rule must count that.
    """
    entries = []
    for info in found:
        rule = rules.decide(info.path, info.size).rule
        if rule is not None and (not moved or MOVED in rule.events):
            quiet = rule.quiet.total_seconds()
            entries.append(file_entry(info.id, info.path, now, quiet))
    return entries
