# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Complete the record after the service was killed while it closed handles."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from ..common import record_files
from ..common.hash_chain import MISSING, PREVIOUS
from ..errors import QumuloError
from ..times import format_rfc3339
from .jobs import UNKNOWN
from .record_lines import ASKED, LONGEST, OUTCOME, parse
from .records import Records

log = logging.getLogger(__name__)

_WHY = "The service ended before the outcome was recorded: see in the list whether it is open."


def complete(records: Records) -> int:
    """Add an outcome that is not known for each handle that was to be closed and has none.

    :returns: how many there were.
    :raises InputError: the record cannot be written.
    """
    without: dict[tuple[str, str], dict[str, Any]] = {}
    for record in _recent(records.path):
        key = (record.get("closing", ""), record.get("location", ""))
        if record["event"] == ASKED and key[1]:
            without[key] = record
        elif record["event"] == OUTCOME:
            without.pop(key, None)
    now = format_rfc3339(datetime.now(timezone.utc))
    added = {"event": OUTCOME, "time": now, "outcome": UNKNOWN, "error": _WHY}
    if without:
        log.error("the outcomes of %d handles were not recorded: they are not known", len(without))
        records.write([{**_own(record), **added} for record in without.values()])
    return len(without)


def _recent(path: str) -> Iterator[dict[str, Any]]:
    """Yield the records of the current file and of the one before, as far as they can be read."""
    try:
        for _file, _number, line in record_files.read(record_files.series(path)[-2:]):
            record = parse(line) if len(line) <= LONGEST else None
            if record is not None:
                yield record
    except QumuloError as exc:
        log.error("cannot see which outcomes are missing from the record: %s", exc)


def _own(record: dict[str, Any]) -> dict[str, Any]:
    """Return a record without its place in the chain."""
    return {name: value for name, value in record.items() if name not in (PREVIOUS, MISSING)}
