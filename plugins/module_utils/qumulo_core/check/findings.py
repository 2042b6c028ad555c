# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check found: a line each."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

OK, WARNING, FAILED = "ok", "warning", "failed"


@dataclass(frozen=True)
class Finding:
    """One question and its answer.

    :param subject: what was looked at, such as ``clock``.
    :param level: ``ok``, ``warning`` (it works, but not all of it) or ``failed``.
    :param text: one sentence; unless all is well, with the next step.
    """

    subject: str
    level: str
    text: str

    def line(self) -> str:
        """Return the finding as a line for people."""
        return f"{self.level:<8} {self.subject}: {self.text}"


def summary(findings: Iterable[Finding]) -> str:
    """Return one line about all findings."""
    counts = {OK: 0, WARNING: 0, FAILED: 0}
    for finding in findings:
        counts[finding.level] += 1
    parts = [f"{counts[OK]} of {sum(counts.values())} checks pass"]
    if counts[WARNING]:
        parts.append(f"{counts[WARNING]} with a warning")
    if counts[FAILED]:
        parts.append(f"{counts[FAILED]} failed")
    return ", ".join(parts)


def worst(findings: Iterable[Finding]) -> str:
    """Return the worst level of all findings."""
    levels = {finding.level for finding in findings}
    for level in (FAILED, WARNING):
        if level in levels:
            return level
    return OK
