# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people ask the syncer: how it is, and what has failed."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable
from typing import Any

from ..service import exit_codes, operator
from ..service.logs import one_line
from ..service.operator import say
from ..service.spool import Item, Key
from ..times import format_rfc3339_ns
from .coalesce import shown
from .config import API, Config


def check(config: Config) -> int:
    """Say what counts."""
    say(one_line_each(config.describe()))
    for sentence in config.warnings():
        say(f"Warning: {one_line(sentence)}")
    return exit_codes.OK


def one_line_each(text: str) -> str:
    """Return a text whose lines hold nothing that ends a line or moves a cursor."""
    return "\n".join(one_line(line) for line in text.split("\n"))


def status(config: Config, options: argparse.Namespace) -> int:
    """Say how the running syncer is."""
    return operator.status("syncer", config, options, _lines)


def _lines(facts: dict[str, Any]) -> Iterable[str]:
    yield one_line(facts["status"])
    pairs = [
        ("waiting", facts["waiting"]),
        ("oldest", f"{facts['overdue_seconds']:.1f} s overdue"),
        ("lines since start", facts["lines"]),
        ("operations", _counts(facts["operations"])),
        ("counted", facts["counted"]),
        ("did not count", _counts(facts["skipped"])),
        ("coalesced away", facts["coalesced"]),
        ("from the future", facts["clamped"]),
        ("files", _counts(facts["files"])),
        ("ignored by mount", facts["ignored"]),
        ("given up", facts["given_up"]),
        ("damaged spools", len(facts["damaged_spools"])),
        ("unreadable rows", facts["unreadable_rows"]),
        ("senders", facts["connections"]),
        ("closed connections", _counts(facts["closed_connections"])),
        ("malformed", _counts(facts["malformed"])),
    ]
    yield from operator.rows(pairs)
    for line in facts["malformed_lines"]:
        yield f"    {one_line(line)}"
    for sentence in facts.get("warnings", ()):
        yield f"  warning: {one_line(sentence)}"
    for finding in facts["findings"]:
        yield f"  {finding['subject']}: {one_line(finding['text'])}"


def _counts(counts: dict[str, int]) -> str:
    return one_line(", ".join(f"{name} {count}" for name, count in counts.items())) or "none"


def failed(config: Config, options: argparse.Namespace) -> int:
    """Show what was given up."""
    spool = operator.open_spool(config.spool, postpone=False)
    items = spool.items(given_up=True, limit=options.limit)
    operator.show(items, options, _render, _line)
    if not options.json:
        say("'retry FILE' or 'retry --all' tries again." if items else "Nothing has failed.")
    return exit_codes.OK


def _render(item: Item) -> dict[str, Any]:
    return {
        "file": shown(item.key),
        "path": _path(item),
        "access_time": format_rfc3339_ns(item.stamp),
        "attempts": item.attempts,
        "error": item.error,
    }


def _line(item: Item) -> str:
    path = f"  {_path(item)}" if isinstance(item.key, str) else ""
    return one_line(f"{shown(item.key)}{path}: {item.error}")


def _path(item: Item) -> str:
    """Return the path of a file that is named by its ID, or by its path."""
    return item.payload if isinstance(item.key, str) else shown(item.key)


def retry(config: Config, options: argparse.Namespace) -> int:
    """Let what was given up be tried again."""
    if not options.files and not options.all:
        say("Name files as 'failed' shows them, or --all.")
        return exit_codes.USAGE
    keys: list[Key] = [name if config.way == API else os.fsencode(name) for name in options.files]
    spool = operator.open_spool(config.spool, postpone=False)
    return operator.retry(spool, None if options.all else keys)


COMMANDS = {"status": status, "failed": failed, "retry": retry}
