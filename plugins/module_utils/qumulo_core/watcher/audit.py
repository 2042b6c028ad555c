# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The answer to "prove that nothing slipped through": each file that is not locked, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from .. import file_locks, files
from ..client import Client
from ..errors import InputError, NotFoundError, QumuloError
from ..file_locks import LockState
from ..files import DIRECTORY, FILE, FileInfo
from ..pool import map_unordered
from ..service.spool import Spool
from .requests import HOLD_RELEASED, request_of, was_released
from .rules import Root, Rule, RuleSet
from .versions import Versions

PENDING, FAILED, EXCLUDED, RELEASED, MISSED, UNREADABLE = (
    "pending",
    "failed",
    "excluded",
    "released",
    "missed",
    "unreadable",
)


@dataclass(frozen=True)
class Unlocked:
    """A file in a watched directory that is not locked, or what could not be looked at."""

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
    unreadable: int = 0

    def describe(self) -> str:
        """Return the numbers for a person."""
        return (
            f"{self.files} files: {self.locked} locked, {self.pending} pending, "
            f"{self.failed} failed, {self.excluded} excluded, {self.released} released, "
            f"{self.missed} missed"
            + (f"; {self.unreadable} could not be looked at" if self.unreadable else "")
        )


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


def judge(
    info: FileInfo,
    state: LockState,
    rules: RuleSet,
    spool: Spool,
    versions: Versions,
    now: datetime,
) -> Unlocked | None:
    """Decide about one file; None if it is locked, with the hold that its rule requires."""
    rule = rules.decide(info.path, info.size).rule
    locked = state.is_locked(now)
    if locked and (rule is None or state.hold or not rule.hold):
        return None
    waiting = spool.get(info.id)
    if waiting is not None:
        item, given_up = waiting
        why, detail = FAILED if given_up else PENDING, item.error
        return Unlocked(info.path, info.id, why, detail or "it waits until it is quiet")
    if rule is None:
        reason = rules.decide(info.path, info.size).reason
        return Unlocked(info.path, info.id, EXCLUDED, reason)
    known = versions.get(info.id)
    try:
        request = request_of(rule, info, state, known, now)
    except InputError as exc:  # the date of the rule is over
        return Unlocked(info.path, info.id, MISSED, exc.message)
    if file_locks.plan(info.path, state, request).changes:
        lacking = "requires a legal hold" if locked else "covers it"
        return Unlocked(info.path, info.id, MISSED, f"rule '{rule.name}' {lacking}")
    if was_released(info, state, known):
        return Unlocked(info.path, info.id, RELEASED, f"{state.describe()}: {HOLD_RELEASED}")
    return Unlocked(info.path, info.id, EXCLUDED, "its retention period is over")


def audit(
    client: Client,
    rules: RuleSet,
    spool: Spool,
    versions: Versions,
    totals: Totals,
    *,
    workers: int = 32,
) -> Iterator[Unlocked]:
    """Walk the watched directories; yield each file that is not locked, and count all."""
    now = client.clock().now()
    troubles: list[Unlocked] = []

    def on_error(path: str, error: QumuloError) -> None:
        troubles.append(Unlocked(path, "", UNREADABLE, error.message))

    def watched() -> Iterator[FileInfo]:
        seen: set[str] = set()
        for root, recursive, _types in _outermost(rules):
            listing = (
                files.walk(client, [root.ref], on_error=on_error)
                if recursive
                else files.entries(client, root.ref)
            )
            for info in listing:
                if info.type != FILE or not rules.decide(info.path).covered:
                    continue
                if info.num_links > 1:
                    if info.id in seen:
                        continue
                    seen.add(info.id)
                yield info

    def read(own: Client, info: FileInfo) -> FileInfo:
        # By the name it was found under, whichever of its hard links the cluster names it by.
        return replace(files.get(own, info.ref, lock=True), path=info.path)

    for outcome in map_unordered(client, read, watched(), workers=workers):
        if outcome.error is not None:
            if isinstance(outcome.error, NotFoundError):
                continue  # deleted meanwhile
            troubles.append(
                Unlocked(outcome.item.path, outcome.item.id, UNREADABLE, outcome.error.message)
            )
        elif outcome.value is not None:
            totals.files += 1
            info = outcome.value
            unlocked = judge(info, LockState.of(info), rules, spool, versions, now)
            if unlocked is not None and unlocked.why == MISSED:
                # Between the look at the file and that into the spool it may have been locked.
                unlocked = _look_again(client, info, rules, spool, versions)
            if unlocked is None:
                totals.locked += 1
            else:
                setattr(totals, unlocked.why, getattr(totals, unlocked.why) + 1)
                yield unlocked
        while troubles:
            totals.unreadable += 1
            yield troubles.pop()
    while troubles:
        totals.unreadable += 1
        yield troubles.pop()


def _look_again(
    client: Client, info: FileInfo, rules: RuleSet, spool: Spool, versions: Versions
) -> Unlocked | None:
    try:
        fresh = replace(files.get(client, info.ref, lock=True), path=info.path)
    except NotFoundError:
        return None  # deleted meanwhile
    now = client.clock().now()
    return judge(fresh, LockState.of(fresh), rules, spool, versions, now)


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
