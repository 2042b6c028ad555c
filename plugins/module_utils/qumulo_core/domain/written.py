# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter files by their modification time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from ..durations import parse_timedelta
from ..errors import InputError
from ..times import parse_rfc3339


@dataclass(frozen=True)
class WrittenBetween:
    """Matches files that were last written after one moment and not after another.

    :param after: leave out files written at this moment or earlier; None: no limit.
    :param until: leave out files written after this moment; None: no limit.
    """

    after: datetime | None = None
    until: datetime | None = None

    @classmethod
    def make(
        cls, *, now: datetime, older_than: str | None = None, newer_than: str | None = None
    ) -> WrittenBetween:
        """Return the filter for the options of a module.

        :param now: the cluster's time.
        :raises InputError: a span is invalid, or no file can match both.
        """
        older, newer = _span("older_than", older_than), _span("newer_than", newer_than)
        if newer is not None and newer <= (older or timedelta(0)):
            other = "greater than zero" if older is None else f"longer than older_than {older_than}"
            raise InputError(
                f"No file can match newer_than {newer_than}: it must be {other}, so that there is "
                "a time between the two."
            )
        return cls(
            None if newer is None else _before("newer_than", newer_than, now, newer),
            None if older is None else _before("older_than", older_than, now, older),
        )

    def matches(self, modification_time: str) -> bool:
        """Tell whether a file with this modification time matches."""
        if self.after is None and self.until is None:
            return True
        written = parse_rfc3339(modification_time)
        if self.after is not None and written <= self.after:
            return False
        return self.until is None or written <= self.until


AT_ANY_TIME = WrittenBetween()


def _span(option: str, text: str | None) -> timedelta | None:
    if text is None:
        return None
    try:
        return parse_timedelta(text)
    except InputError as exc:
        raise InputError(f"{option}: {exc}") from exc


def _before(option: str, text: str | None, now: datetime, span: timedelta) -> datetime:
    try:
        return now - span
    except OverflowError as exc:
        raise InputError(f"{option} {text} is before the year 1: write a shorter span.") from exc
