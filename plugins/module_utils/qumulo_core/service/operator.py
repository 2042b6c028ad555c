# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people ask any service: how it is, what waits, what has failed, and to try that again."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

from . import exit_codes, instance, metrics
from .logs import one_line
from .spool import Item, Key, Spool, UnreadableItemError
from .sqlite import SqliteSpool

#: Lines that are shown without being asked for more.
SHOWN = 50


class Asked(Protocol):
    """What of a service's configuration tells where the running one answers."""

    @property
    def lock_file(self) -> str:
        """The lock of this host."""

    @property
    def metrics_port(self) -> int:
        """The port of ``/status``."""


def open_spool(path: str, *, postpone: bool) -> SqliteSpool:
    """Return the spool of a service; an empty one if the service has not been started yet."""
    if not os.path.lexists(path):
        return SqliteSpool(":memory:", postpone=postpone)
    return SqliteSpool(path, postpone=postpone, create=False)


def readable(items: Iterable[Item], render: Callable[[Item], object]) -> list[Item]:
    """Return the items that make sense, and say which do not."""
    found = []
    for item in items:
        try:
            render(item)
        except UnreadableItemError as exc:
            sys.stderr.write(f"{one_line(exc.message)}\n")
            continue
        found.append(item)
    return found


def say(text: str) -> None:
    """A line for the person who asks."""
    sys.stdout.write(text + "\n")


def status(
    what: str,
    config: Asked,
    options: argparse.Namespace,
    lines: Callable[[dict[str, Any]], Iterable[str]],
) -> int:
    """Say how the running service is.

    :param what: it is called in a sentence.
    :param lines: makes lines for a person of what the service tells.
    """
    facts = metrics.fetch_status(config.metrics_port)
    holder = instance.holder_of(config.lock_file)
    if options.json:
        say(json.dumps({"running": holder is not None, **(facts or {})}))
        return exit_codes.OK if facts else exit_codes.FAILED
    if facts is None:
        running = f"no {what} runs" if holder is None else f"it runs ({holder.describe()})"
        say(f"The {what} does not answer on port {config.metrics_port}: {running}.")
        return exit_codes.FAILED
    for line in lines(facts):
        say(line)
    for hang in facts.get("hung", ()):
        say(f"  not healthy: {one_line(hang)}")
    return exit_codes.OK


def rows(pairs: Iterable[tuple[str, object]]) -> Iterable[str]:
    """Yield names and values below each other."""
    for name, value in pairs:
        yield f"  {name + ':':<20} {value}"


def show(
    items: Sequence[Item],
    options: argparse.Namespace,
    render: Callable[[Item], dict[str, Any]],
    line: Callable[[Item], str],
) -> None:
    """Show entries of a spool: JSON if that is asked for, else a line each."""
    for item in items:
        say(json.dumps(render(item)) if options.json else line(item))


def retry(spool: Spool, keys: Sequence[Key] | None) -> int:
    """Let what was given up be tried again.

    :param keys: of entries; None for all.
    """
    # They were due when they were tried: whose clock is meant here does not matter.
    count = spool.retry(keys, time.time())
    say(f"{count} will be tried again.")
    return exit_codes.OK if count or keys is None else exit_codes.FAILED
