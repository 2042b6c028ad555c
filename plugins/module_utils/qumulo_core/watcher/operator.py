# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people ask a watcher: how it is, what waits, what has failed, is all locked."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from .. import files
from ..client import Client
from ..cluster_clock import ClusterClock
from ..common import record_files
from ..common.hash_chain import GENESIS
from ..domain.file_refs import by_id
from ..domain.pruning import Pruned
from ..errors import InputError, NotFoundError, QumuloError
from ..pool import map_unordered
from ..service import exit_codes, instance, operator
from ..service.logs import one_line
from ..service.operator import say
from ..service.spool import Item
from ..service.sqlite import SqliteSpool
from ..times import format_rfc3339
from . import audit, verification
from .checkpoints import suffix
from .comparison import Comparison, Times, Verdict, compare
from .config import Config
from .hidden import hidden
from .lock_index import LockIndex, RecordedLock
from .pending import Pending
from .retirement import Retirement
from .versions import Versions


def check(config: Config) -> int:
    """Say what each rule means, and which rules cannot have an effect."""
    now = datetime.now(timezone.utc)
    for rule in config.rules:
        say(rule.describe(now))
    first = "too" if config.existing else "not unless they change"
    say(f"On the first start, files that are there already are locked {first}.")
    wrong = [*filter(None, (rule.over(now) for rule in config.rules)), *hidden(config.rules)]
    for sentence in wrong:
        sys.stderr.write(f"{sentence}\n")
    return exit_codes.USAGE if wrong else exit_codes.OK


def _spool(config: Config) -> SqliteSpool:
    return operator.open_spool(config.spool, postpone=True)


def _versions(config: Config, spool: SqliteSpool) -> Versions:
    return Versions(spool, lambda: record_files.series(config.evidence))


def status(config: Config, options: argparse.Namespace) -> int:
    """Say how the running watcher is."""
    return operator.status("watcher", config, options, _lines)


def _lines(facts: dict[str, Any]) -> Iterable[str]:
    yield one_line(facts["status"])
    pairs = [
        ("pending", facts["pending"]),
        ("longest unlocked", f"{facts['oldest_pending_seconds']:.1f} s after it was finished"),
        ("locked since start", facts["locked"]),
        ("found locked", facts["already_locked"]),
        ("given up", facts["given_up"]),
        ("skipped, no files", facts["skipped"]),
        ("failed attempts", facts["failures"]),
        ("caught up", f"{facts['catch_ups']} times"),
        ("evidence changed", f"{facts['evidence_gaps']} times"),
        ("directories not listed", facts["unlisted_directories"]),
        ("damaged spools", len(facts["damaged_spools"])),
        ("unreadable rows", facts["unreadable_rows"]),
        ("clock skew", f"{facts['clock_skew_seconds']:+.1f} s (cluster to host)"),
    ]
    yield from operator.rows(pairs)
    for path, facts_of in facts["directories"].items():
        trouble = f" ({facts_of['message']})" if facts_of["message"] else ""
        yield f"  {one_line(path)}: {facts_of['state']}{one_line(trouble)}"


def listing(config: Config, options: argparse.Namespace) -> int:
    """Show what waits, or what was given up."""
    given_up = options.command == "failed"
    found = _spool(config).items(given_up=given_up, limit=options.limit)
    items = operator.readable(found, Pending.of)
    operator.show(items, options, _render, _failed_line if given_up else _pending_line)
    if not options.json:
        if not items:
            say("Nothing has failed." if given_up else "Nothing waits.")
        elif given_up:
            say("'retry FILE_ID' or 'retry --all' tries again.")
    return exit_codes.OK


def _render(item: Item) -> dict[str, Any]:
    pending = Pending.of(item)
    return {
        "file_id": pending.file_id,
        "path": pending.path,
        "directory": pending.is_directory,
        "seen": format_rfc3339(pending.seen_at),
        "due": format_rfc3339(datetime.fromtimestamp(item.due, timezone.utc)),
        "attempts": item.attempts,
        "error": item.error,
    }


def _failed_line(item: Item) -> str:
    pending = Pending.of(item)
    return f"{pending.file_id}  {one_line(pending.path)}: {one_line(item.error)}"


def _pending_line(item: Item) -> str:
    pending = Pending.of(item)
    due = datetime.fromtimestamp(item.due, timezone.utc).replace(microsecond=0)
    why = f" ({one_line(item.error)})" if item.error else ""
    return f"{pending.file_id}  {one_line(pending.path)}  due {format_rfc3339(due)}{why}"


def retry(config: Config, options: argparse.Namespace) -> int:
    """Let what was given up be tried again."""
    if not options.ids and not options.all:
        say("Name file IDs (see 'failed'), or --all.")
        return exit_codes.USAGE
    return operator.retry(_spool(config), None if options.all else options.ids)


def forget(config: Config, options: argparse.Namespace) -> int:
    """Delete the checkpoints: the watcher is removed, or starts over."""
    with instance.SingleInstance(config.lock_file), Client(config.cluster) as client:
        try:
            pruned = _forget(config, client)
        except QumuloError as exc:
            sys.stderr.write(
                f"Cannot delete the snapshots {suffix(config.name)}: {exc} Delete them with "
                "qumulo_snapshot, or wait until they expire (60 days at most).\n"
            )
            return exit_codes.FAILED
    say(f"{len(pruned.deleted)} checkpoint snapshots were deleted.")
    for left in pruned.left:
        say(f"Snapshot {left.snapshot.name} cannot be deleted: {one_line(left.reason)}.")
    return exit_codes.FAILED if pruned.left else exit_codes.OK


def _forget(config: Config, client: Client) -> Pruned:
    with contextlib.closing(_spool(config)) as spool:
        retirement = Retirement(spool, config.name)
        retirement.retire_all()
        roots = audit.find_roots(client, config.rules).roots if config.use_snapshots else ()
        return retirement.delete_all(client, {root.id for root in roots if root is not None})


def _disagreement(clock: ClusterClock, config: Config) -> str:
    """Report it if the clocks of cluster and host disagree; return the sentence, or nothing."""
    disagreement = Times.of(clock, config.max_clock_skew).disagreement
    if disagreement:
        complain(disagreement)
    return disagreement


def run_audit(config: Config, options: argparse.Namespace) -> int:
    """Look at every file that a rule covers; 0 if all are locked as they should be."""
    totals = audit.Totals()
    try:
        with Client(config.cluster) as client:
            clock = client.clock()
            disagreement = _disagreement(clock, config)
            spool = _spool(config)
            judge = audit.Judge(
                audit.find_roots(client, config.rules),
                spool,
                _versions(config, spool),
                lambda: Times.of(clock, config.max_clock_skew),
            )
            for found in audit.audit(client, judge, totals):
                if found.why == audit.EXCLUDED and not options.excluded:
                    continue
                if options.json:
                    say(json.dumps(found.render()))
                else:
                    name = found.path or f"file {found.file_id}"
                    say(f"{found.why}: {one_line(name)} ({one_line(found.detail)})")
    except QumuloError as exc:
        complain(exc.message)
        return exit_codes.UNCHECKED
    say(json.dumps(vars(totals)) if options.json else f"{totals.describe()}.")
    if totals.sum(audit.DISPROVED):
        return exit_codes.FAILED
    unchecked = disagreement or totals.sum(audit.UNCHECKED)
    return exit_codes.UNCHECKED if unchecked else exit_codes.OK


def verify(config: Config | None, options: argparse.Namespace) -> int:
    """Check the chain of the evidence, and on request whether the cluster still holds the locks."""
    try:
        expected = None if options.expect is None else verification.check_hash(options.expect)
    except InputError as exc:
        complain(exc.message)
        return exit_codes.USAGE
    paths, stored, whole = list(options.files), None, False
    if config is None and (options.cluster or not paths):
        say("Name the configuration with --config.")
        return exit_codes.USAGE
    if config is not None and not paths:
        # Read before the files: what is written meanwhile follows it.
        stored = _stored(config)
        paths = record_files.series(config.evidence)
        whole = True
        if not paths:
            complain(f"There is no evidence at {config.evidence} to verify.")
            return exit_codes.FAILED if stored or expected else exit_codes.UNCHECKED
    looked_for = [each for each in (expected, stored) if each is not None]
    with LockIndex() if options.cluster else nullcontext() as index:
        take = None if index is None else index.add
        found = verification.verify(paths, complain, look_for=looked_for, take=take)
        code = _chain_code(found, expected, stored, paths)
        if whole and found.cut:
            complain(_beginning(found))
            code = exit_codes.FAILED
        if index is not None and config is not None and found.lines:
            code = _worse(code, _compare(config, index))
    return code


def _chain_code(
    found: verification.Verified, expected: str | None, stored: str | None, paths: Sequence[str]
) -> int:
    """Say what was found out about the chain; return the exit code."""
    failed = bool(found.faults)
    if not found.lines:
        complain(f"There are no records in {', '.join(paths)}.")
        wanted = expected is not None or stored is not None
        failed = failed or (wanted and not found.unreadable)
        return exit_codes.FAILED if failed else exit_codes.UNCHECKED
    say(found.describe())
    code = exit_codes.UNCHECKED if found.unreadable else exit_codes.OK
    if expected is not None:
        code = _worse(code, _say_expected(expected, "expected hash", found))
    if stored is not None and stored not in found.follow:
        code = _worse(code, _say_expected(stored, "hash that the service has stored", found))
    return exit_codes.FAILED if failed else code


def _beginning(found: verification.Verified) -> str:
    """Say that the configured evidence does not begin with its first record."""
    lost = f"{found.earlier} earlier records are" if found.earlier else "Earlier records are"
    if found.earlier == 1:
        lost = "1 earlier record is"
    return (
        f"The evidence does not begin with its first record: {lost} not in its directory. Restore "
        "the missing files from a backup, or, if you have archived them, verify them with the "
        "others: name all files, the oldest first."
    )


def complain(text: str) -> None:
    """A line about what is wrong, for the person who asks."""
    sys.stderr.write(f"{one_line(text)}\n")


def _worse(one: int, other: int) -> int:
    """Return the code that says more: what is disproved, then what could not be checked."""
    order = (exit_codes.OK, exit_codes.UNCHECKED, exit_codes.FAILED)
    return max(one, other, key=order.index)


def _say_expected(text: str, what: str, found: verification.Verified) -> int:
    """Say where a hash is in the evidence, or that it is not."""
    follow = found.follow.get(text)
    if follow is not None:
        lines = "1 line follows" if follow == 1 else f"{follow} lines follow"
        say(
            f"The {what} is that of the last line."
            if not follow
            else f"The {what} is there: {lines} it."
        )
        return exit_codes.OK
    if found.unreadable:
        complain(f"The {what} {text} was not found; it may be in a file that could not be read.")
        return exit_codes.UNCHECKED
    complain(
        f"The {what} {text} is not in the evidence: records were changed, or are missing. Restore "
        "the files from a backup, and find out who has changed them."
    )
    return exit_codes.FAILED


def _stored(config: Config) -> str | None:
    """Return the hash of the last line that the service has stored, if it has."""
    if not os.path.exists(config.spool):
        return None
    stored = _spool(config).note("evidence")
    return None if stored == GENESIS else stored  # which it stores before the first record


def _compare(config: Config, index: LockIndex) -> int:
    """Compare the recorded locks with the cluster; return the exit code."""
    counts: Counter[Verdict] = Counter()
    uncovered = 0
    try:
        with Client(config.cluster) as client:
            clock = client.clock()
            disagreement = _disagreement(clock, config)
            rules = audit.find_roots(client, config.rules)

            def look(own: Client, lock: RecordedLock) -> tuple[Comparison, bool]:
                record, info = lock.record, None
                with suppress(NotFoundError):
                    info = files.get(own, by_id(record.file_id), lock=True)
                if info is not None and info.num_links > 1:
                    info = replace(info, path=record.path)
                times = Times.of(clock, config.max_clock_skew)
                outside = info is not None and rules.decide(info.path, info.size).rule is None
                return compare(record, lock.until, info, rules, times), outside

            for outcome in map_unordered(client, look, index, workers=16):
                path = outcome.item.record.path
                if outcome.error is not None or outcome.value is None:
                    result = Comparison(Verdict.UNCHECKED, str(outcome.error))
                else:
                    result, outside = outcome.value
                    uncovered += outside
                    if outside and result.verdict is Verdict.PROVEN:
                        result = replace(result, text="no rule covers it any more")
                counts[result.verdict] += 1
                if result.text:
                    text = result.text.rstrip(".")
                    say(f"{result.verdict.value}: {one_line(path)}: {one_line(text)}.")
    except QumuloError as exc:
        complain(exc.message)
        return exit_codes.UNCHECKED
    total = sum(counts.values())
    if counts[Verdict.PROVEN] == total:
        say("All as recorded.")
    else:
        parts = [f"{counts[each]} {each.value}" for each in Verdict]
        say(f"{total} files were recorded: {', '.join(parts)}.")
    if uncovered:
        say(f"No rule covers {uncovered} of them any more.")
    if counts[Verdict.DISPROVED]:
        return exit_codes.FAILED
    unchecked = disagreement or counts[Verdict.UNCHECKED]
    return exit_codes.UNCHECKED if unchecked else exit_codes.OK


COMMANDS = {
    "status": status,
    "pending": listing,
    "failed": listing,
    "retry": retry,
    "forget": forget,
    "audit": run_audit,
    "verify": verify,
}
