# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find rules without effect, because earlier rules match all of their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from .rules import Root, Rule


def hidden(rules: Sequence[Rule]) -> Iterator[str]:
    """Yield a sentence for each rule that is hidden by rules before it.

    The first matching rule with a retention decides the retention, and all legal holds count. So a
    rule is hidden if an earlier one decides the retention of all of its files, unless it adds a
    legal hold.
    """
    for number, rule in enumerate(rules):
        earlier = [each for each in rules[:number] if _covers(each, rule)]
        retaining = [each for each in earlier if each.retention is not None]
        holding = [each for each in earlier if each.hold]
        if (rule.retention is not None and not retaining) or (rule.hold and not holding):
            continue
        by = (retaining if rule.retention is not None else holding)[0]
        yield (
            f"Rule '{rule.name}' is hidden by rule '{by.name}', which matches all of its files and "
            "comes first: put the narrower rule first, or remove one of the two."
        )


def _covers(wide: Rule, narrow: Rule) -> bool:
    """Tell whether a rule certainly matches all files that another one matches."""
    return (
        _holds(wide, narrow)
        and (
            not wide.include or (bool(narrow.include) and set(narrow.include) <= set(wide.include))
        )
        and set(wide.exclude) <= set(narrow.exclude)
        and wide.min_size <= narrow.min_size
    )


def _holds(wide: Rule, narrow: Rule) -> bool:
    """Tell whether all of a rule's places are places of another one.

    The location of a directory that is named by its ID is known only to the cluster.
    """
    if wide.directory == narrow.directory:
        return wide.recursive or not narrow.recursive
    if not (wide.recursive and wide.directory.is_path and narrow.directory.is_path):
        return False
    inside = Root("", wide.directory.text).relative(narrow.directory.text) is not None
    # The narrower rule's own directory does not count for its patterns, but for those of the other.
    return inside and not wide.below(wide.directory.text).excludes_all_in(narrow.directory.text)
