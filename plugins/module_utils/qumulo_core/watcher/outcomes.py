# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Outcomes of processing an item of the spool."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

from ..service.spool import Item
from .versions import Version


class What(Enum):
    """How an item was processed."""

    LOCKED = "locked"
    ALREADY = "already locked"
    DONE = "done"
    GONE = "gone"
    SKIPPED = "skipped"
    LATER = "later"
    GIVE_UP = "given up"
    UNREADABLE = "unreadable"


@dataclass(frozen=True)
class Outcome:
    """The outcome of processing an item.

    :param record: for the evidence.
    :param due: when to try again; seconds of the cluster's clock.
    :param reason: for people; for ``LATER`` empty if the attempt does not count as failed.
    :param rule: name of the rule that locked it.
    :param version: to remember.
    :param kind: of what was skipped because it is not a regular file.
    """

    item: Item
    what: What
    reason: str = ""
    record: dict[str, Any] | None = None
    due: float = 0.0
    rule: str = ""
    version: Version | None = None
    kind: str = ""
