# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Events of the event source that say that changes were lost."""

from __future__ import annotations

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.change_feed.records import (  # noqa: E501
    events_of,
    of_gap,
    of_quiet,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.rules import Root

ROOT = Root("3", "/p")
GAP = of_gap(ROOT, "It was deleted.")
CHANGE = of_quiet(ROOT, "a", 1)


def test_a_gap_names_no_path() -> None:
    assert (GAP["change"], GAP["directory"], GAP["reason"]) == ("gap", "/p", "It was deleted.")
    assert GAP["path"] is GAP["file_id"] is GAP["name"] is None


def test_a_gap_is_never_among_changes() -> None:
    assert events_of([CHANGE, GAP, CHANGE], together=True) == [
        GAP,
        {"events": [CHANGE, CHANGE], "count": 2},
    ]
    assert events_of([GAP], together=True) == [GAP]
    assert events_of([GAP], together=False) == [GAP]
