# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A batch of audit lines: what of it counts, and the newest time of each file in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from ..audit_log import AuditRecord, MalformedLineError, parse
from ..service.spool import Entry, Key
from .coalesce import LastSet
from .readers import CSV, JSON
from .rules import Skip

#: Characters of a malformed line that are kept.
SAMPLE = 300
#: Reasons to skip a record that no rule names: it has no file ID, its path is not below the
#: directory that is mounted, or its time is before 1970.
NAMELESS, OUTSIDE, TOO_OLD = "nameless", "outside", "time"


@dataclass(frozen=True)
class Plan:
    """How lines become entries of the spool.

    :param judge: why a record does not count, or None if it does.
    :param key: what names its file, or None if nothing does.
    :param no_key: why a record whose file nothing names does not count.
    :param with_path: entries carry the path for people, because their keys do not tell it; others
        carry the file ID, to tell files apart that have the same name one after the other.
    :param window: seconds until a file's time is set; what comes meanwhile is merged.
    :param least_ns: a time that is newer by less is not worth a write.
    :param ahead_ns: times further in the future than that are nobody's; the present counts.
    """

    judge: Callable[[AuditRecord], Skip | None]
    key: Callable[[AuditRecord], Key | None]
    no_key: str
    with_path: bool
    window: float
    least_ns: int
    ahead_ns: int


@dataclass
class Batch:
    """What a batch of lines has come to.

    :param counted: records that count; as many lines were merged as there are fewer entries.
    :param clamped: records whose time was too far in the future.
    :param form: of the lines: CSV or JSON; empty if none of them is an audit line.
    """

    entries: list[Entry]
    lines: int
    counted: int = 0
    clamped: int = 0
    operations: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)
    malformed: Counter[str] = field(default_factory=Counter)
    samples: list[str] = field(default_factory=list)
    form: str = ""


def gather(lines: Sequence[bytes], plan: Plan, last_set: LastSet, now_ns: int) -> Batch:
    """Return what a batch of lines comes to; no line, whatever is in it, raises.

    :param now_ns: this host's time in nanoseconds since 1970.
    """
    batch = Batch([], len(lines))
    operations, skipped = batch.operations, batch.skipped
    judge, key_of, latest = plan.judge, plan.key, now_ns + plan.ahead_ns
    newest: dict[Key, int] = {}
    payloads: dict[Key, str] = {}
    known_line = b""
    for line in lines:
        try:
            record = parse(line, now_ns)
        except MalformedLineError as exc:
            batch.malformed[exc.part] += 1
            # Reasons quote what is wrong, as long as the sender has made it.
            batch.samples.append(f"{exc.reason[:SAMPLE]}: {line[:SAMPLE]!r}")
            continue
        known_line = line
        operations[record.operation] += 1
        reason = judge(record)
        if reason is not None:
            skipped[reason.value] += 1
            continue
        key = key_of(record)
        if key is None:
            skipped[plan.no_key] += 1
            continue
        time_ns = record.time_ns
        if time_ns < 0:
            skipped[TOO_OLD] += 1
            continue
        if time_ns > latest:
            time_ns = now_ns
            batch.clamped += 1
        batch.counted += 1
        known = newest.get(key)
        if known is None or time_ns > known:
            newest[key] = time_ns
            payloads[key] = record.path if plan.with_path else record.file_id
    if known_line:
        # All lines of a cluster have one form, and only JSON ends with a brace.
        batch.form = JSON if known_line.rstrip()[-1:] == b"}" else CSV
    due = now_ns / 1e9 + plan.window
    batch.entries = [
        Entry(key, _shown(payloads[key]), time_ns, due)
        for key, time_ns in newest.items()
        if not last_set.is_fresh(key, time_ns, plan.least_ns, payloads[key])
    ]
    return batch


def _shown(path: str) -> str:
    """Return a path as text that a database takes."""
    if path.isascii():
        return path
    return path.encode("utf-8", "backslashreplace").decode()
