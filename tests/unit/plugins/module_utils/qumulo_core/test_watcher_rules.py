# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_id,
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.durations import (
    parse_span,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.events import (
    Event,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.spool import Item
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.pending import (
    Pending,
    directory_entry,
    file_entry,
    translate,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.rules import (
    ADDED,
    MOVED,
    WRITTEN,
    Root,
    Rule,
    RuleSet,
)

WEEK = parse_span("7d")
ROOT = Root("5", "/w")


def rule(name: str = "r", directory: str = "/w", **options: object) -> Rule:
    values: dict[str, object] = {"retention": WEEK, "quiet": timedelta(0), **options}
    ref = by_path(directory) if directory.startswith("/") else by_id(directory)
    return Rule(name=name, directory=ref, **values)  # type: ignore[arg-type]


def rules(*listed: Rule, roots: list[Root | None] | None = None) -> RuleSet:
    return RuleSet(listed, [ROOT] * len(listed) if roots is None else roots)


# -- rules --------------------------------------------------------------------------------------


def test_a_rule_that_locks_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="locks nothing"):
        rule(retention=None)
    assert rule(retention=None, hold=True).until(datetime.now(timezone.utc)) is None


def test_the_first_rule_that_matches_wins() -> None:
    decide = rules(
        rule("pdf", include=("*.pdf",), min_size=10),
        rule("top", recursive=False),
        rule("deep", directory="/w/a/b"),
    ).decide
    assert [
        (d.rule.name if d.rule else None)
        for d in (
            decide("/w/x.pdf"),
            decide("/w/x.pdf", 10),
            decide("/w/x.pdf", 9),
            decide("/w/d/x.txt"),
            decide("/w/a/b/x.txt"),
            decide("/w/x.tmp"),
            decide("/ww/x"),
            decide("/w"),
        )
    ] == ["pdf", "pdf", "top", None, "deep", None, None, None]
    assert "smaller than rule 'pdf'" in decide("/w/d/x.pdf", 9).reason
    assert decide("/w/d/x.txt").covered
    assert not decide("/ww/x").covered


def test_a_rule_by_id_goes_with_its_directory_and_one_by_path_does_not() -> None:
    by_id = rules(rule(directory="5"), roots=[Root("5", "/elsewhere")])
    assert by_id.decide("/elsewhere/x").rule is not None
    assert by_id.decide("/w/x").rule is None
    by_path = rules(rule(directory="/w"), roots=[None])
    assert by_path.decide("/w/x").rule is not None
    assert rules(rule(directory="5"), roots=[None]).decide("/w/x").rule is None


def test_the_top_directory_holds_everything() -> None:
    everything = rules(rule(directory="/"), roots=[Root("2", "/")])
    assert everything.decide("/a/b").rule is not None
    assert translate(
        [Event("child_file_added", "a/b", ("3", "4"))], Root("2", "/"), everything, 0.0
    ).starts["4"].payload == json.dumps(["/a/b", 0.0])


def test_directories_are_watched_once_for_all_of_their_rules() -> None:
    watched = rules(
        rule("a", recursive=False, events=(ADDED,)),
        rule("b", directory="5", events=(MOVED,)),
        rule("c", directory="/gone"),
        roots=[ROOT, ROOT, None],
    ).watched()
    assert len(watched) == 1
    root, recursive, types = watched[ROOT.id]
    assert (root, recursive) == (ROOT, True)
    assert {"child_file_added", "child_file_moved_to", "child_data_written"} <= types


# -- events -------------------------------------------------------------------------------------


def item_of(key: str, payload: str) -> Item:
    return Item(key, payload, 0, 0.0, 1, 0, 0, "")


def test_what_is_put_comes_back() -> None:
    entry = file_entry("7", "/w/\ud800\n", 5.0, 60.0)
    assert entry.due == 65.0
    assert Pending.of(item_of(entry.key, entry.payload)) == Pending("7", "/w/\ud800\n", 5.0, False)
    entry = directory_entry("7", "/w/d", 5.0)
    assert Pending.of(item_of(entry.key, entry.payload)) == Pending("7", "/w/d", 5.0, True)


def test_only_what_the_rule_wants_makes_a_file_one_to_be_locked() -> None:
    some = rules(rule(events=(ADDED,)))
    done = translate(
        [
            Event("child_data_written", "old", ("8",)),
            Event("child_file_added", "new", ("9",)),
            Event("child_data_written", "new", ("9",)),
            Event("child_dir_moved_to", "d", ("10",)),
            Event("child_file_added", "x.tmp", ("11",)),
            Event("child_data_written", "new", ("12",), "stream"),
            Event("child_acl_changed", "new", ("13",)),
        ],
        ROOT,
        some,
        5.0,
    )
    assert (set(done.starts), set(done.restarts), done.removed) == ({"9"}, {"8"}, False)
    moved = [Event("child_dir_moved_to", "d", ("10",)), Event("self_removed", "", ())]
    done = translate(moved, ROOT, rules(rule(events=(MOVED,))), 5.0)
    assert (set(done.starts), done.removed) == ({"d10"}, True)
    assert not translate(moved, ROOT, rules(rule(recursive=False)), 5.0).starts


def test_a_file_whose_size_is_not_known_may_fall_under_the_next_rule() -> None:
    some = rules(
        rule("big", min_size=1000, events=(MOVED,), quiet=timedelta(hours=1)),
        rule("rest", quiet=timedelta(seconds=9)),
        rule("never", quiet=timedelta(0)),
    )
    done = translate([Event("child_file_added", "a", ("7",))], ROOT, some, 5.0)
    assert done.starts["7"].due == 5.0 + 9.0
    assert [each.name for each in some.may_take("/w/a")] == ["big", "rest"]
    assert some.may_take("/w/a.tmp") == []


KINDS = st.sampled_from(
    [
        "child_file_added",
        "child_file_moved_to",
        "child_file_moved_from",
        "child_file_removed",
        "child_data_written",
        "child_size_changed",
        "child_mtime_changed",
        "child_dir_moved_to",
        "child_atime_changed",
    ]
)
SEEN = st.lists(
    st.builds(
        lambda kind, name, number: Event(kind, name, (str(number),)),
        KINDS,
        st.sampled_from(["a.pdf", "b.tmp", "d/c.pdf", "d/e.part", "legal/f"]),
        st.integers(1, 4),
    ),
    max_size=25,
)
CANDIDATES = {
    ADDED: {"child_file_added"},
    MOVED: {"child_file_moved_to"},
    WRITTEN: {"child_data_written", "child_size_changed", "child_mtime_changed"},
}


@given(SEEN, st.sets(st.sampled_from([ADDED, MOVED, WRITTEN]), min_size=1), st.data())
def test_no_order_and_no_split_of_events_loses_a_file(
    events: list[Event], groups: set[str], data: st.DataObject
) -> None:
    """Against a model that takes one event after the other."""
    some = rules(
        rule("legal", directory="/w/legal", quiet=timedelta(9)), rule(events=tuple(groups))
    )
    starting = {kind for group in groups for kind in CANDIDATES[group]}
    any_file = {kind for kinds in CANDIDATES.values() for kind in kinds}
    expected: dict[str, tuple[str, float]] = {}
    for now, event in enumerate(events):
        legal = event.path.startswith("legal")
        if event.type not in any_file or event.path.endswith((".tmp", ".part")):
            continue
        if event.type in starting or legal or event.file_id in expected:
            expected[event.file_id] = (f"/w/{event.path}", float(now))

    spool: dict[str, tuple[str, float]] = {}
    at = 0
    while at < len(events):
        size = data.draw(st.integers(1, len(events) - at))
        # One batch: all its events have the time of its last one.
        done = translate(events[at : at + size], ROOT, some, float(at + size - 1))
        for key, entry in done.restarts.items():
            if key in spool and key not in done.starts:
                spool[key] = tuple(json.loads(entry.payload))
        for key, entry in done.starts.items():
            spool[key] = tuple(json.loads(entry.payload))
            assert entry.due >= float(at)
        at += size
    files = {key: value for key, value in spool.items() if not key.startswith("d")}
    assert set(files) == set(expected)
    for key, (path, seen) in files.items():
        assert path == expected[key][0]  # the newest name
        assert seen >= expected[key][1]  # never quiet earlier than it was
