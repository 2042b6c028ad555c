# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Faults that tests order: which requests, which kind, how often."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass, field
from typing import Any

from .messages import ApiError, Json

KINDS = (
    "429",  # Too Many Requests, with Retry-After
    "503",  # Service Unavailable, with Retry-After if one is given
    "500",
    "401",
    "403",  # as after a change of privileges or of an ACL
    "reset_before",  # the connection is reset, nothing was done
    "reset_after",  # what was asked for is done, then the connection is reset
    "cut_body",  # done, and the answer ends in the middle
    "slow_body",  # done, and the answer comes in small pieces over `delay` seconds
    "delay",  # done `delay` seconds late
)


@dataclass
class Rule:
    """One order.

    :param route: regular expression, searched in ``METHOD /path?query``
    :param probability: of each request that matches, with ``seed``
    :param count: after so many faults the rule is over (None: never)
    :param skip: the first so many matches are spared
    """

    route: str
    kind: str
    probability: float = 1.0
    count: int | None = None
    skip: int = 0
    seed: int = 0
    retry_after: float | None = None
    delay: float = 0.1
    hits: int = 0
    _pattern: re.Pattern[str] = field(init=False, repr=False)
    _random: random.Random = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ApiError(400, f"{self.kind!r} is none of {', '.join(KINDS)}")
        try:
            self._pattern = re.compile(self.route)
        except re.error as error:
            raise ApiError(400, f"{self.route!r} is no regular expression: {error}") from error
        self._random = random.Random(self.seed)

    def strikes(self, line: str) -> bool:
        """Whether this request is hit; counts it if so."""
        if self.count is not None and self.hits >= self.count:
            return False
        if self._pattern.search(line) is None:
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self._random.random() >= self.probability:
            return False
        self.hits += 1
        return True

    def render(self) -> Json:
        """The rule as the control API shows it."""
        return {"route": self.route, "kind": self.kind, "hits": self.hits}


class Faults:
    """All orders that are in force, and the latency of every answer."""

    def __init__(self) -> None:
        self.rules: list[Rule] = []
        self.latency = 0.0  # seconds

    def add(self, order: dict[str, Any]) -> Rule:
        """Put an order in force.

        :raises ApiError: 400 if it makes no sense
        """
        try:
            rule = Rule(**order)
        except TypeError as error:
            raise ApiError(400, f"that is no fault: {error}") from error
        self.rules.append(rule)
        return rule

    def strike(self, method: str, uri: str) -> Rule | None:
        """The first rule that hits this request."""
        if self.rules:
            line = f"{method} {uri}"
            for rule in self.rules:
                if rule.strikes(line):
                    return rule
        return None
