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
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.hidden import (
    hidden,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.pending import (
    Pending,
    directory_entry,
    file_entry,
    translate,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.rules import (
    ADDED,
    HOLD_BACK,
    LOCK,
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


def test_holds_of_all_rules_count_and_the_first_retention() -> None:
    some = rules(
        rule("case", include=("*.doc",), retention=None, hold=True, quiet=timedelta(minutes=9)),
        rule("week", include=("*.pdf", "*.doc"), hard_links=LOCK),
        rule("rest", retention=parse_span("30d"), quiet=timedelta(minutes=1)),
        rule("mail", include=("*.eml",), hold=True, hard_links=LOCK),
        rule("never"),
    )
    found = {}
    for name in ("a.doc", "b.pdf", "c.eml", "d.txt"):
        decision = some.decide(f"/w/{name}")
        assert decision.rule is not None
        found[name] = (decision.rule.name, decision.rule.hold, decision.holds)
    assert found == {
        "a.doc": ("week", True, ("case",)),
        "b.pdf": ("week", False, ()),
        "c.eml": ("rest", True, ("mail",)),
        "d.txt": ("rest", False, ()),
    }
    combined = some.decide("/w/a.doc").rule
    assert combined is not None
    # A file is locked no earlier than each rule allows, and as carefully.
    assert (combined.retention, combined.quiet) == (WEEK, timedelta(minutes=9))
    assert combined.hard_links == HOLD_BACK
    assert some.decide("/w/b.pdf").rule == some.rules[1]
    several = some.combine(some.decide(f"/w/{name}") for name in ("d.txt", "b.pdf", "a.doc"))
    assert several.rule is not None
    assert (several.rule.name, several.matches) == ("week", (0, 1))
    assert [each.name for each in some.may_take("/w/c.eml")] == ["rest", "mail"]


@pytest.mark.parametrize(
    ("first", "second", "is_hidden"),
    [
        ({}, {}, True),
        ({}, {"directory": "/w/deep"}, True),
        ({"directory": "/"}, {}, True),
        ({"directory": "/w"}, {"directory": "/ww"}, False),
        ({"directory": "/w/deep"}, {}, False),
        ({"recursive": False}, {}, False),
        ({"recursive": False}, {"recursive": False}, True),
        ({"recursive": False}, {"directory": "/w/deep"}, False),
        ({"include": ("*.pdf",)}, {}, False),
        ({"include": ("*.pdf", "*.doc")}, {"include": ("*.pdf",)}, True),
        ({"exclude": ("*.x",)}, {"exclude": ()}, False),
        ({"exclude": ()}, {}, True),
        ({"exclude": ("deep",)}, {"directory": "/w/deep", "exclude": ("deep",)}, False),
        ({"exclude": ("w",)}, {"directory": "/w/deep", "exclude": ("w",)}, True),
        ({"min_size": 10}, {"min_size": 9}, False),
        ({"min_size": 10}, {"min_size": 10}, True),
        ({}, {"hold": True}, False),
        ({}, {"hold": True, "retention": None}, False),
        ({"hold": True}, {"hold": True, "retention": None}, True),
        ({"hold": True, "retention": None}, {}, False),
        ({"hold": True, "retention": None}, {"hold": True, "retention": None}, True),
        ({"directory": "5"}, {"directory": "5"}, True),
        ({"directory": "5"}, {"directory": "/w"}, False),
    ],
)
def test_a_rule_that_has_no_effect_is_found(
    first: dict[str, object], second: dict[str, object], is_hidden: bool
) -> None:
    found = list(hidden([rule("first", **first), rule("second", **second)]))  # type: ignore[arg-type]
    assert len(found) == is_hidden
    if found:
        assert "Rule 'second' is hidden by rule 'first'" in found[0]


PLACES = st.sampled_from(["/", "/w", "/w/a", "/w/a/b"])
SOME_RULES = st.lists(
    st.builds(
        lambda number, directory, recursive, include, exclude, size, kind: rule(
            str(number),
            directory,
            recursive=recursive,
            include=include,
            exclude=exclude,
            min_size=size,
            retention=WEEK if kind != "hold" else None,
            hold=kind != "retention",
        ),
        st.integers(),
        PLACES,
        st.booleans(),
        st.sampled_from([(), ("*.pdf",), ("*.pdf", "*.x")]),
        st.sampled_from([(), ("*.x",), ("a",), ("/w/a",)]),
        st.sampled_from([0, 5]),
        st.sampled_from(["retention", "hold", "both"]),
    ),
    min_size=2,
    max_size=4,
    unique_by=lambda each: each.name,
)
PATHS = st.sampled_from(["/f.pdf", "/w/f.pdf", "/w/f.x", "/w/a/f.pdf", "/w/a/b/f.x", "/w/a/b/f.y"])


@given(SOME_RULES, PATHS, st.sampled_from([0, 5]))
def test_rules_lock_as_a_simple_model_says(listed: list[Rule], path: str, size: int) -> None:
    roots = [Root(str(number), str(each.directory)) for number, each in enumerate(listed)]
    some = RuleSet(listed, list(roots))

    def matches(each: Rule) -> bool:
        relative = Root("", str(each.directory)).relative(path)
        inside = relative is not None and (each.recursive or "/" not in relative)
        named = each.below(str(each.directory)).matches(path)
        return inside and named and size >= each.min_size

    matching = [each for each in listed if matches(each)]
    decision = some.decide(path, size)
    assert (decision.rule is None) == (not matching)
    if decision.rule is not None:
        retaining = [each for each in matching if each.retention is not None]
        assert decision.rule.name == (retaining or matching)[0].name
        assert decision.rule.hold == any(each.hold for each in matching)
        assert decision.rule.retention == (WEEK if retaining else None)
    # What is said to be hidden has no part in any decision.
    told = [sentence.split("'")[1] for sentence in hidden(listed)]
    for name in told:
        (number,) = [n for n, each in enumerate(listed) if each.name == name]
        rest = [each for n, each in enumerate(listed) if n != number]
        without = RuleSet(rest, [root for n, root in enumerate(roots) if n != number])
        other = without.decide(path, size)
        assert (other.rule and (other.rule.name, other.rule.hold)) == (
            decision.rule and (decision.rule.name, decision.rule.hold)
        )


@pytest.mark.parametrize("pattern", ["cache", "a/cache", "/w/a", "ca*"])
def test_an_excluded_directory_excludes_what_is_below_it(pattern: str) -> None:
    some = rules(rule(exclude=(pattern,)))
    assert some.decide("/w/a/cache/deep/x").rule is None
    assert some.may_take("/w/a/cache/x") == []
    assert some.decide("/w/b/x").rule is not None


def test_the_directory_of_a_rule_does_not_count_for_its_patterns() -> None:
    by_path = rules(rule(directory="/w/cache", exclude=("cache", "w")))
    assert by_path.decide("/w/cache/x").rule is not None
    assert by_path.decide("/w/cache/cache/x").rule is None
    by_id = rules(rule(directory="5", exclude=("moved",)), roots=[Root("5", "/moved/here")])
    assert by_id.decide("/moved/here/x").rule is not None


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
