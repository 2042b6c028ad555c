# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audit the watched directories: is each file locked as its rules require, and if not, why.

Files that were locked once are looked at wherever they are now, so that an audit also finds those
that a narrowed rule no longer covers, and those whose lock was destroyed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from .. import file_locks, files
from ..client import Client
from ..common.disk_set import DiskSet
from ..domain.file_refs import by_id
from ..errors import InputError, NotFoundError, QumuloError
from ..file_locks import LockState
from ..files import DIRECTORY, FILE, FileInfo
from ..pool import map_unordered
from ..service.sqlite import SqliteSpool
from .comparison import Times, Verdict, compare_gone, contradiction, required
from .lock_record import LockRecord
from .requests import HOLD_RELEASED, request_of, was_released
from .rules import Decision, Root, Rule, RuleSet
from .versions import Version, Versions

#: Why a file is listed. A locked one is, if no rule covers it any more.
LOCKED, PENDING, FAILED, EXCLUDED, RELEASED = "locked", "pending", "failed", "excluded", "released"
MISSED, UNCOVERED, LOST = "missed", "uncovered", "lost"
UNREADABLE, UNPROVEN, NO_DIRECTORY = "unreadable", "unproven", "no_directory"
#: What disproves that all files are locked as they should be, and what cannot be checked.
DISPROVED = (FAILED, MISSED, UNCOVERED, LOST)
UNCHECKED = (UNREADABLE, UNPROVEN, NO_DIRECTORY)
#: Recorded versions that are compared with the files that were found, at a time.
_BATCH = 1000


@dataclass(frozen=True)
class Finding:
    """A file that is not locked as its rules require, or what could not be looked at."""

    path: str
    file_id: str
    why: str
    detail: str

    def render(self) -> dict[str, Any]:
        """Return it for JSON."""
        return {"path": self.path, "file_id": self.file_id, "why": self.why, "detail": self.detail}


@dataclass
class Totals:
    """How many files there are, and what they are."""

    files: int = 0
    locked: int = 0
    pending: int = 0
    failed: int = 0
    excluded: int = 0
    released: int = 0
    missed: int = 0
    uncovered: int = 0
    lost: int = 0
    unreadable: int = 0
    unproven: int = 0
    no_directory: int = 0

    def count(self, why: str) -> None:
        """Count a finding."""
        setattr(self, why, getattr(self, why) + 1)

    def sum(self, whys: Sequence[str]) -> int:
        """Return how many findings there are of some kinds."""
        return sum(getattr(self, why) for why in whys)

    def describe(self) -> str:
        """Return the numbers for a person; of rare kinds only if there are any."""
        rare = (UNCOVERED, LOST, UNREADABLE, UNPROVEN, NO_DIRECTORY)
        parts = [
            f"{getattr(self, each.name)} {each.name.replace('_', ' ')}"
            for each in fields(self)
            if each.name != "files" and (each.name not in rare or getattr(self, each.name))
        ]
        return f"{self.files} files: {', '.join(parts)}"


def find_roots(client: Client, rules: Sequence[Rule]) -> RuleSet:
    """Return rules with the directories that they mean; one that is not there covers nothing."""
    roots: list[Root | None] = []
    for rule in rules:
        try:
            info = files.get(client, rule.directory)
        except NotFoundError:
            roots.append(None)
            continue
        roots.append(Root(info.id, info.path) if info.type == DIRECTORY else None)
    return RuleSet(rules, roots)


@dataclass(frozen=True)
class Judge:
    """Decides about files, by what the watcher knows of them."""

    rules: RuleSet
    spool: SqliteSpool
    versions: Versions
    times: Callable[[], Times]

    def judge(self, info: FileInfo) -> Finding | None:
        """Return what there is to say about a file; None if it is locked as its rules require.

        :param info: read with its lock.
        """
        found = self._judge(info, LockState.of(info))
        return None if found is None else Finding(info.path, info.id, *found)

    def _judge(self, info: FileInfo, state: LockState) -> tuple[str, str] | None:
        times = self.times()
        known = self.versions.get(info.id)
        if known is not None:
            running = known.until is not None and not times.is_over(known.until)
            wrong = contradiction(_record(info, known), known.until, info, state, running)
            if wrong:
                return LOST, wrong
        locked = state.is_locked(times.cluster)
        decision = self.rules.decide(info.path, info.size)
        if decision.rule is None:
            return self._without_rule(info, state, known, decision, locked)
        rule = decision.rule
        request, over = None, ""
        try:
            request = request_of(rule, info, state, known, times.cluster)
        except InputError as exc:  # the date of the rule is over
            over = exc.message
        todo = None if request is None else file_locks.plan(info.path, state, request)
        released = rule.hold and was_released(info, state, known)
        if locked and not released and (todo is None or not todo.changes):
            return None
        waiting = self._waiting(info)
        if waiting is not None:
            return waiting
        if todo is None:
            return MISSED, over
        if todo.changes:
            if not locked:
                return MISSED, f"rule '{rule.name}' covers it"
            return MISSED, required(rule, state, todo)
        if released:
            return RELEASED, f"{state.describe()}: {HOLD_RELEASED}"
        return EXCLUDED, "its retention period is over"

    def _waiting(self, info: FileInfo) -> tuple[str, str] | None:
        waiting = self.spool.get(info.id)
        if waiting is None:
            return None
        item, given_up = waiting
        return FAILED if given_up else PENDING, item.error or "it waits until it is quiet"

    def _without_rule(
        self,
        info: FileInfo,
        state: LockState,
        known: Version | None,
        decision: Decision,
        locked: bool,
    ) -> tuple[str, str] | None:
        """Judge a file that no rule covers; it may have been covered before."""
        if locked:
            if known is None:
                return None
            return LOCKED, f"no rule covers it any more: {decision.reason}; {state.describe()}"
        if self.spool.get(info.id) is not None:
            return UNCOVERED, f"it waits, and will not be locked: {decision.reason}"
        if known is None:
            return EXCLUDED, decision.reason
        if was_released(info, state, known):
            return RELEASED, f"{state.describe()}: {HOLD_RELEASED}"
        if known.is_of(info):
            return EXCLUDED, "its retention period is over, and no rule covers it any more"
        return UNCOVERED, f"it was locked before its data changed: {decision.reason}"

    def judge_gone(self, file_id: str, known: Version) -> Finding | None:
        """Return what there is to say about a recorded file that does not exist."""
        running = known.until is not None and not self.times().is_over(known.until)
        if not running and not known.held:
            return None
        found = compare_gone(LockRecord(file_id, "", known, None, ""), running)
        why = LOST if found.verdict is Verdict.DISPROVED else UNPROVEN
        return Finding("", file_id, why, found.text)


def _record(info: FileInfo, known: Version) -> LockRecord:
    return LockRecord(info.id, info.path, known, None, "")


def audit(client: Client, judge: Judge, totals: Totals, *, workers: int = 32) -> Iterator[Finding]:
    """Look at each file that a rule covers or that was recorded; yield findings, and count all."""
    yield from _counted(_absent(judge.rules), totals)
    with DiskSet() as seen:
        yield from _counted(_covered(client, judge, totals, seen, workers), totals)
        yield from _counted(_others(client, judge, seen, workers), totals)


def _counted(findings: Iterator[Finding], totals: Totals) -> Iterator[Finding]:
    for finding in findings:
        totals.count(finding.why)
        yield finding


def _absent(rules: RuleSet) -> Iterator[Finding]:
    """Yield the watched directories that do not exist."""
    for rule, root in zip(rules.rules, rules.roots):
        if root is None:
            ref = rule.directory
            detail = (
                f"the directory of rule '{rule.name}' does not exist, so no file of it is checked"
            )
            path, file_id = (ref.text, "") if ref.is_path else ("", ref.text)
            yield Finding(path, file_id, NO_DIRECTORY, detail)


def _covered(
    client: Client, judge: Judge, totals: Totals, seen: DiskSet, workers: int
) -> Iterator[Finding]:
    """Walk the watched directories."""
    rules = judge.rules
    troubles: list[Finding] = []

    def on_error(path: str, error: QumuloError) -> None:
        troubles.append(Finding(path, "", UNREADABLE, error.message))

    def watched() -> Iterator[FileInfo]:
        for root, recursive, _types in _outermost(rules):
            listing = (
                files.walk(client, [root.ref], on_error=on_error)
                if recursive
                else files.entries(client, root.ref)
            )
            for info in listing:
                if info.type == FILE and rules.decide(info.path).covered and seen.add(info.id):
                    yield info

    for outcome in map_unordered(client, _read, watched(), workers=workers):
        if isinstance(outcome.error, NotFoundError):
            continue  # deleted meanwhile
        if outcome.error is not None:
            item = outcome.item
            yield Finding(item.path, item.id, UNREADABLE, outcome.error.message)
        elif outcome.value is not None:
            totals.files += 1
            found = judge.judge(outcome.value)
            if found is not None and found.why in (MISSED, LOST):
                # Between the look at the file and that into the spool it may have been locked.
                try:
                    found = judge.judge(_read(client, outcome.value))
                except NotFoundError:  # deleted meanwhile
                    totals.files -= 1
                    continue
            if found is None:
                totals.locked += 1
            else:
                yield found
        while troubles:
            yield troubles.pop()
    while troubles:
        yield troubles.pop()


def _read(client: Client, info: FileInfo) -> FileInfo:
    # By the name it was found under, whichever of its hard links the cluster names it by.
    return replace(files.get(client, info.ref, lock=True), path=info.path)


def _others(client: Client, judge: Judge, seen: DiskSet, workers: int) -> Iterator[Finding]:
    """Look at files that were recorded or wait, and are not in a watched directory."""

    def unseen() -> Iterator[tuple[str, Version | None]]:
        for some in judge.versions.batches(_BATCH):
            for file_id in seen.missing(list(some)):
                seen.add(file_id)
                yield file_id, some[file_id]
        after = ""
        while keys := judge.spool.keys(after, _BATCH):
            after = str(keys[-1])
            for file_id in seen.missing([str(key) for key in keys if str(key).isdigit()]):
                yield file_id, None

    def look(own: Client, item: tuple[str, Version | None]) -> Finding | None:
        file_id, known = item
        try:
            info = files.get(own, by_id(file_id), lock=True)
        except NotFoundError:
            info = None
        if info is None or info.type != FILE:
            return None if known is None else judge.judge_gone(file_id, known)
        return judge.judge(info)

    for outcome in map_unordered(client, look, unseen(), workers=workers):
        if outcome.error is not None:
            yield Finding("", outcome.item[0], UNREADABLE, outcome.error.message)
        elif outcome.value is not None:
            yield outcome.value


def _outermost(rules: RuleSet) -> list[tuple[Root, bool, frozenset[str]]]:
    """Return directories to walk, without those that are walked with another one."""
    watched = list(rules.watched().values())
    return [
        each
        for each in watched
        if not any(
            other is not each and other[1] and other[0].relative(each[0].path) is not None
            for other in watched
        )
    ]
