# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The watcher's configuration."""

from __future__ import annotations

import re
import socket
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone

from ..durations import FixedEnd, Span
from ..errors import InputError
from ..globs import NEVER_FINISHED
from ..notifications import SILENCE
from ..service import config, instance, logs
from ..service.reload import at_start, reloaded
from ..settings import Settings
from .rules import GROUPS, HOLD_BACK, LOCK, Rule

STATE = "/var/lib/lockstep/watcher"
DEFAULT_METRICS_PORT = 9470
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True)
class Config:
    """All that a watcher goes by.

    :param name: of this watcher in the names of its snapshots.
    :param existing: on the first start, lock what is already there.
    :param use_snapshots: catch up by tree diffs; otherwise by walking.
    :param rotate: how old a checkpoint gets while all goes well.
    :param keep_checkpoint: how old the oldest one gets, though files before it still wait.
    :param silence: without even a keep-alive, after which a stream counts as dead.
    :param poll: how often to catch up where notifications can not be had.
    """

    name: str
    cluster: Settings
    rules: tuple[Rule, ...] = field(metadata=reloaded("rules", "max_retention"))
    existing: bool = field(metadata=at_start("first_start"))
    use_snapshots: bool = field(metadata=at_start("snapshots"))
    rotate: timedelta = field(metadata=at_start("checkpoint_interval"))
    keep_checkpoint: timedelta = field(metadata=at_start("checkpoint_max_age"))
    poll: timedelta = field(metadata=at_start("poll_interval"))
    max_clock_skew: timedelta = field(metadata=reloaded())
    silence: timedelta
    spool: str
    evidence: str
    evidence_max_bytes: int
    workers: int
    max_attempts: int
    metrics_port: int
    lock_file: str
    log_format: str
    log_level: str


def parse(section: config.Section) -> Config:
    """Return the configuration of a file.

    :raises InputError: it makes no sense.
    """
    with section:
        limit = section.calendar_span("max_retention", "1y")
        rules = tuple(
            _rule(each, number, limit) for number, each in enumerate(section.sections("rules"), 1)
        )
        names = [rule.name for rule in rules]
        for name in names:
            if names.count(name) > 1:
                raise InputError(f"Two rules are called '{name}': give each a name of its own.")
        name = section.text("name", socket.gethostname().split(".")[0] or "watcher")
        if _NAME.fullmatch(name) is None:
            raise InputError(
                f"'name' is '{name}': use letters, digits, dots and dashes, for it becomes part "
                "of the names of snapshots."
            )
        return Config(
            name=name,
            cluster=replace(
                config.cluster(section.section("cluster")), retries=3, retry_deadline=20.0
            ),
            rules=rules,
            existing=section.choice("first_start", ("new", "existing"), "new") == "existing",
            use_snapshots=section.flag("snapshots", True),
            rotate=section.span("checkpoint_interval", timedelta(hours=1)),
            keep_checkpoint=section.span("checkpoint_max_age", timedelta(days=7)),
            poll=section.span("poll_interval", timedelta(minutes=5), positive=True),
            max_clock_skew=section.span("max_clock_skew", timedelta(minutes=5)),
            silence=section.span("silence", timedelta(seconds=SILENCE), positive=True),
            spool=section.text("spool", f"{STATE}/spool.db"),
            evidence=section.text("evidence", f"{STATE}/evidence.jsonl"),
            evidence_max_bytes=section.integer(
                "evidence_max_bytes", 1 << 30, least=1 << 12, most=1 << 40
            ),
            workers=section.integer("workers", 48, least=1, most=500),
            max_attempts=section.integer("max_attempts", 10, least=1, most=1000),
            metrics_port=section.integer("metrics_port", DEFAULT_METRICS_PORT, least=0, most=65535),
            lock_file=section.text("lock_file", f"{instance.DIRECTORY}/watcher.lock"),
            log_format=section.choice("log_format", logs.FORMATS, "plain"),
            log_level=section.choice("log_level", logs.LEVELS, "info"),
        )


def _retention(section: config.Section, name: str, limit: Span) -> Span | FixedEnd:
    """Return the retention of a rule, unless it exceeds ``max_retention``.

    A date in the past is not an error here, so that the other rules of a running service continue.
    """
    retention = section.period("retention")
    now = datetime.now(timezone.utc)
    if isinstance(retention, FixedEnd):
        too_long = retention.end > limit.after(now)
    else:
        retention.after(now)  # in the calendar
        too_long = retention.may_exceed(limit)
        if not retention.count:
            raise InputError(
                f"The retention of rule '{name}' is {retention}: it must be greater than zero "
                "(for example 30d)."
            )
    if too_long:
        raise InputError(
            f"The retention of rule '{name}' is {retention}, beyond max_retention {limit}, and can "
            "never be removed: if you mean it, set max_retention to a longer span."
        )
    return retention


def _rule(section: config.Section, number: int, limit: Span) -> Rule:
    with section:
        name = section.text("name", f"rule {number}")
        if section.has("path") == section.has("file_id"):
            raise InputError(
                f"Rule '{name}' must name its directory by either 'path' or 'file_id'."
            )
        directory = section.file_ref()
        retention: Span | FixedEnd | None = None
        if section.has("retention"):
            retention = _retention(section, name, limit)
        events = section.texts("events", tuple(GROUPS))
        for event in events:
            if event not in GROUPS:
                raise InputError(
                    f"'{section.name('events')}' has '{event}': choose from {', '.join(GROUPS)}."
                )
        defaults = NEVER_FINISHED if section.flag("exclude_unfinished", True) else ()
        return Rule(
            name=name,
            directory=directory,
            recursive=section.flag("recursive", True),
            include=section.texts("include", ()),
            exclude=(*section.texts("exclude", ()), *defaults),
            min_size=section.integer("min_size", 0, least=0, most=1 << 62),
            retention=retention,
            hold=section.flag("legal_hold", False),
            quiet=section.span("quiet", timedelta(seconds=60)),
            wait_for_handles=section.flag("wait_for_handles", False),
            events=events,
            hard_links=section.choice("hard_links", (LOCK, HOLD_BACK), HOLD_BACK),
        )
