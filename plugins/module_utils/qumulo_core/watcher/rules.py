# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which files are to be locked, when, and how.

Of the rules that match a file, the first one that has a retention decides the retention, and the
legal holds of all of them count.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ..domain.file_refs import FileRef, by_id
from ..durations import FixedEnd, Span
from ..errors import InputError
from ..globs import NEVER_FINISHED, PathFilter, TreeFilter
from ..times import format_rfc3339

#: What becomes of a file with several hard links, of which not all are covered by rules.
LOCK, HOLD_BACK = "lock", "hold_back"
#: Groups of events that can make a file one to be locked.
ADDED, MOVED, WRITTEN = "added", "moved", "written"
GROUPS = {
    ADDED: ("child_file_added",),
    MOVED: ("child_file_moved_to", "child_dir_moved_to"),
    WRITTEN: ("child_data_written", "child_size_changed", "child_mtime_changed"),
}


@dataclass(frozen=True)
class Rule:
    """One rule.

    :param name: for people: in logs, evidence and metrics.
    :param directory: of the cluster, by its path or its ID.
    :param recursive: what is below directories in it, too.
    :param min_size: bytes; smaller files are left alone.
    :param retention: span from the time of locking, a fixed end, or None.
    :param hold: set a legal hold.
    :param quiet: how long nothing must have been written.
    :param wait_for_handles: also wait until nobody has it open for writing over SMB.
    :param events: groups of :data:`GROUPS`.
    :param hard_links: ``LOCK`` or ``HOLD_BACK`` a file that has names that no rule covers.
    """

    name: str
    directory: FileRef
    recursive: bool = True
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = NEVER_FINISHED
    min_size: int = 0
    retention: Span | FixedEnd | None = None
    hold: bool = False
    quiet: timedelta = timedelta(seconds=60)
    wait_for_handles: bool = False
    events: tuple[str, ...] = (ADDED, MOVED, WRITTEN)
    hard_links: str = HOLD_BACK
    _filter: PathFilter = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.retention is None and not self.hold:
            raise InputError(
                f"Rule '{self.name}' locks nothing: set its retention, its legal_hold, or both."
            )
        object.__setattr__(self, "_filter", PathFilter(self.include, self.exclude))

    def counts(self, event_type: str) -> bool:
        """Tell whether an event makes a file one to be locked."""
        return any(event_type in GROUPS[group] for group in self.events)

    def below(self, directory: str) -> TreeFilter:
        """Return what the patterns mean in the rule's directory, by its path."""
        return self._filter.below([directory])

    def until(self, now: datetime) -> datetime | None:
        """Return the end of the retention period for a file that is locked at ``now``."""
        if isinstance(self.retention, FixedEnd):
            return self.retention.end
        return None if self.retention is None else self.retention.after(now.replace(microsecond=0))

    @property
    def has_fixed_end(self) -> bool:
        """True if the retention period ends at the same moment for all files."""
        return isinstance(self.retention, FixedEnd)

    def over(self, now: datetime) -> str:
        """Return why the rule cannot lock files any more, or an empty string."""
        if not isinstance(self.retention, FixedEnd) or self.retention.end > now:
            return ""
        return (
            f"Rule '{self.name}' retains files until {self.retention}, which is in the past: "
            "set a later date, or remove the rule."
        )

    def describe(self, now: datetime) -> str:
        """Return what the rule means, for a person."""
        what = "files in and below" if self.recursive else "files directly in"
        parts = [f"{self.name}: {what} {self.directory}"]
        if self.include:
            parts.append(f"that match {' or '.join(self.include)}")
        if self.min_size:
            parts.append(f"of at least {self.min_size} bytes")
        until = self.until(now)
        how = []
        if until is not None:
            if self.has_fixed_end:
                how.append(f"retained until {format_rfc3339(until)}")
            else:
                how.append(f"retained for {self.retention} (today: until {format_rfc3339(until)})")
        if self.hold:
            how.append("put under legal hold")
        quiet = self.quiet.total_seconds()
        when = f"{quiet:g} s after the last write" if quiet else "at once"
        if self.wait_for_handles:
            when += " and when nobody has them open for writing"
        parts.append(f"are {' and '.join(how)} {when}")
        if self.hard_links == LOCK:
            parts.append("even if they have other names (hard links) that no rule covers")
        text = " ".join(parts)
        if self.exclude:
            text += f"; never {', '.join(self.exclude)}"
        return text + "."


@dataclass(frozen=True)
class Root:
    """A watched directory as it is on the cluster."""

    id: str
    path: str

    @property
    def ref(self) -> FileRef:
        """The directory by its ID, which survives a rename."""
        return by_id(self.id)

    def relative(self, path: str) -> str | None:
        """Return a path relative to the directory, or None if it is not below it."""
        above = "/" if self.path == "/" else self.path + "/"
        return path[len(above) :] if path.startswith(above) else None


@dataclass(frozen=True)
class Decision:
    """The decision of the rules about a file, with the reason if no rule locks it.

    :param rule: all rules that match, combined into one, named after the rule that decides the
        retention, or after the first one.
    :param covered: some rule watches the place, whatever its patterns are.
    :param matches: numbers of the rules that are combined.
    :param holds: names of the other rules that put it under legal hold.
    :param held_back: why it must not be locked, because of its other names.
    """

    rule: Rule | None
    reason: str
    covered: bool
    matches: tuple[int, ...] = ()
    holds: tuple[str, ...] = ()
    held_back: str = ""


def _relative(rule: Rule, root: Root | None, path: str) -> str | None:
    """Return a path relative to a rule's directory, or None if it is not below it.

    A rule that names a path means that path, whatever directory is there; one that names an ID
    means that directory, wherever it is.
    """
    if rule.directory.is_path:
        root = Root("", rule.directory.text)
    return None if root is None else root.relative(path)


class RuleSet:
    """Rules with the directories that they mean on the cluster.

    :param rules: in order; the first that matches and has a retention decides the retention.
    :param roots: directory of each rule, in the same order; None where there is none at present.
    """

    def __init__(self, rules: Sequence[Rule], roots: Sequence[Root | None]) -> None:
        self.rules = tuple(rules)
        self.roots = tuple(roots)
        self._names = tuple(
            rule.below(rule.directory.text if rule.directory.is_path or root is None else root.path)
            for rule, root in zip(self.rules, self.roots)
        )
        holding = [number for number, rule in enumerate(self.rules) if rule.hold]
        #: Number of the last rule that can add a legal hold.
        self._last_hold = max(holding, default=-1)
        self._combined: dict[tuple[int, ...], Decision] = {}

    def watched(self) -> dict[str, tuple[Root, bool, frozenset[str]]]:
        """Return directories to watch by ID, with whether recursively and for which events."""
        found: dict[str, tuple[Root, bool, frozenset[str]]] = {}
        for rule, root in zip(self.rules, self.roots):
            if root is None:
                continue
            types = frozenset(name for group in rule.events for name in GROUPS[group])
            # What restarts a quiet period is listened to, whatever makes a file a candidate.
            types |= frozenset(GROUPS[WRITTEN]) | frozenset(GROUPS[MOVED])
            _root, recursive, before = found.get(root.id, (root, False, frozenset()))
            found[root.id] = (root, recursive or rule.recursive, before | types)
        return found

    def now_at(self, root: Root) -> Root:
        """Return a directory as these rules know it: it may have been renamed since."""
        return next((each for each in self.roots if each is not None and each.id == root.id), root)

    def decide(self, path: str, size: int | None = None) -> Decision:
        """Decide which rules a regular file falls under.

        :param size: bytes; None if it is not known yet and must not count.
        """
        reason, covered = "no rule watches its directory", False
        matches: list[int] = []
        retained = False
        for number, (rule, root) in enumerate(zip(self.rules, self.roots)):
            if retained and number > self._last_hold:
                break  # nothing can be added
            relative = _relative(rule, root, path)
            if relative is None or (not rule.recursive and "/" in relative):
                continue
            covered = True
            if not self._names[number].matches(path):
                reason = f"rule '{rule.name}' leaves out its name"
            elif size is not None and size < rule.min_size:
                reason = f"it is smaller than rule '{rule.name}' wants ({rule.min_size} bytes)"
            elif rule.hold or not retained:
                matches.append(number)
                retained = retained or rule.retention is not None
        return self._combine(tuple(matches)) or Decision(None, reason, covered)

    def combine(self, decisions: Iterable[Decision]) -> Decision:
        """Combine the decisions about the names of one file."""
        numbers = sorted({number for each in decisions for number in each.matches})
        matches: list[int] = []
        retained = False
        for number in numbers:
            rule = self.rules[number]
            if rule.hold or not retained:
                matches.append(number)
                retained = retained or rule.retention is not None
        return self._combine(tuple(matches)) or Decision(None, "no rule covers it", covered=False)

    def _combine(self, matches: tuple[int, ...]) -> Decision | None:
        """Return the decision of the rules that match; None if there are none.

        A file is locked no earlier than each of them allows.
        """
        if not matches:
            return None
        known = self._combined.get(matches)
        if known is None:
            rules = [self.rules[number] for number in matches]
            main = next((rule for rule in rules if rule.retention is not None), rules[0])
            careful = any(rule.hard_links == HOLD_BACK for rule in rules)
            one = replace(
                main,
                hold=any(rule.hold for rule in rules),
                quiet=max(rule.quiet for rule in rules),
                wait_for_handles=any(rule.wait_for_handles for rule in rules),
                events=tuple(dict.fromkeys(event for rule in rules for event in rule.events)),
                hard_links=HOLD_BACK if careful else LOCK,
            )
            holds = tuple(rule.name for rule in rules if rule.hold and rule is not main)
            known = Decision(one, "", covered=True, matches=matches, holds=holds)
            self._combined[matches] = known
        return known

    def may_take(self, path: str) -> list[Rule]:
        """Return the rules that a file may fall under, as long as its size is not known."""
        found = []
        retained = False
        for number, (rule, root) in enumerate(zip(self.rules, self.roots)):
            if retained and number > self._last_hold:
                break
            relative = _relative(rule, root, path)
            if relative is None or (not rule.recursive and "/" in relative):
                continue
            if self._names[number].matches(path) and (rule.hold or not retained):
                found.append(rule)
                retained = retained or (rule.retention is not None and not rule.min_size)
        return found

    def takes_moved(self, path: str) -> bool:
        """Tell whether a rule may want files in a directory that was moved to ``path``."""
        for rule, root in zip(self.rules, self.roots):
            relative = _relative(rule, root, f"{path}/x")
            if relative is None or (not rule.recursive and "/" in relative):
                continue
            if MOVED in rule.events:
                return True
        return False

    def takes_from(self, directory: str) -> bool:
        """Tell whether a rule may want files in a directory or below it."""
        for number, (rule, root) in enumerate(zip(self.rules, self.roots)):
            relative = _relative(rule, root, f"{directory.rstrip('/')}/x")
            if relative is None or (not rule.recursive and "/" in relative):
                continue
            if not self._names[number].excludes_all_in(directory):
                return True
        return False
