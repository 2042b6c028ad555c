# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Put what the stream of a watched directory tells into the spool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime

from ..events import Event
from ..service.spool import Key, UnreadableItemError
from ..service.sqlite import SqliteSpool
from .links import Names
from .meters import Meters
from .pending import Pending, Translated, translate
from .rules import Root, RuleSet


class Intake:
    """Takes the events of streams; for any thread.

    :param names: remembers the names of files with several hard links.
    :param rules: gives the rules of the moment.
    :param now: the cluster's clock.
    """

    def __init__(
        self,
        spool: SqliteSpool,
        names: Names,
        meters: Meters,
        rules: Callable[[], RuleSet],
        now: Callable[[], datetime],
    ) -> None:
        self._spool = spool
        self._names = names
        self._meters = meters
        self._rules = rules
        self._now = now

    def take(self, root: Root, events: list[Event]) -> bool:
        """Put what happened into the spool; False if the watched directory is gone."""
        for kind, count in Counter(event.type for event in events).items():
            self._meters.events.labels(kind).inc(count)
        rules = self._rules()
        # Paths of events are relative: they must be put together as these very rules take them
        # apart, whatever the directory was called when the stream was opened.
        todo = translate(events, rules.now_at(root), rules, self._now().timestamp())
        entries = list(todo.starts.values())
        known = set(self._spool.known(list(todo.names)))
        entries += [
            entry for key, entry in todo.restarts.items() if key in known - todo.starts.keys()
        ]
        if entries:
            self._names.add(self._other_names(todo, known))
            self._spool.put(entries)
        return not todo.removed

    def _other_names(self, todo: Translated, known: set[Key]) -> Iterator[tuple[str, str]]:
        """Yield the names of files with several names, before a new event replaces them."""
        for key, names in todo.names.items():
            waiting = self._spool.get(key) if key in known else None
            if waiting is not None:
                with suppress(UnreadableItemError):  # this event replaces it
                    names = names | {Pending.of(waiting[0]).path}
            if len(names) > 1:
                yield from ((str(key), name) for name in names)
