# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.spool import (
    Counts,
    Entry,
    Item,
    SpoolError,
    SpoolFullError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.sqlite import (
    SqliteSpool,
)


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[SqliteSpool]:
    made = SqliteSpool(str(tmp_path / "spool.db"), postpone=True)
    yield made
    made.close()


def put(spool: SqliteSpool, key: str, due: float = 0.0, payload: str = "", stamp: int = 0) -> None:
    spool.put([Entry(key, payload, stamp, due)])


def keys(items: list[Item]) -> list[str]:
    return [str(item.key) for item in items]


def test_what_is_due_comes_in_order_and_no_more_than_asked_for(spool: SqliteSpool) -> None:
    spool.put([Entry("late", "", 0, 9.0), Entry("b", "", 0, 2.0), Entry("a", "", 0, 1.0)])
    assert keys(spool.due(2.0, 10)) == ["a", "b"]
    assert keys(spool.due(2.0, 1)) == ["a"]
    assert keys(spool.due(0.5, 10)) == []
    assert spool.counts() == Counts(3, 0, 1.0)
    spool.done(spool.due(2.0, 10))
    assert spool.counts() == Counts(1, 0, 9.0)


ENTRIES = st.builds(
    Entry,
    st.sampled_from(["a", "b", "é", b"a", b"b", b"\xff"]),
    st.sampled_from(["one", "two"]),
    st.integers(0, 2),
    st.sampled_from([0.0, 1.0]),
)


# A hundred rows go by one statement; others that come before them move where it ends.
@given(st.lists(ENTRIES, max_size=12), st.sampled_from([0, 97, 98, 99]), st.booleans())
def test_a_batch_comes_to_the_same_as_its_entries_one_by_one(
    some: list[Entry], others: int, postpone: bool
) -> None:
    batch = [Entry(f"Other {number:02}", "", 0, 0.0) for number in range(others)] + some
    together, apart = (SqliteSpool(":memory:", postpone=postpone) for _spool in range(2))
    together.put(batch)
    for entry in batch:
        apart.put([entry])
    for key in {entry.key for entry in batch}:
        assert together.get(key) == apart.get(key)
    assert together.counts() == apart.counts()
    done = together.due(9.0, 999)
    assert together.done(done) == len(done) == len({entry.key for entry in batch})
    assert together.counts() == Counts(0, 0, None)


@pytest.mark.parametrize("end", ["done", "later", "give_up"])
def test_what_is_put_again_while_it_is_worked_on_is_not_lost(spool: SqliteSpool, end: str) -> None:
    put(spool, "a", payload="old")
    (item,) = spool.due(0.0, 1)
    put(spool, "a", due=5.0, payload="new")
    if end == "done":
        spool.done([item])
    elif end == "later":
        spool.later([(item, 100.0, "why")])
    else:
        spool.give_up([(item, "why")])
    (again,) = spool.due(5.0, 1)
    assert (again.payload, again.attempts, again.error) == ("new", 0, "")
    spool.done([again])
    assert spool.counts() == Counts(0, 0, None)


@pytest.mark.parametrize("reopened", [False, True])
@pytest.mark.parametrize("end", ["done", "later", "give_up"])
def test_an_old_item_is_not_taken_for_a_new_entry_of_its_key(
    tmp_path: Path, end: str, reopened: bool
) -> None:
    path = str(tmp_path / "spool.db")
    spool = SqliteSpool(path, postpone=True)
    put(spool, "a", payload="old")
    (old,) = spool.due(0.0, 1)
    spool.done([old])
    if reopened:
        spool.close()
        spool = SqliteSpool(path, postpone=True)
    put(spool, "a", payload="new")
    if end == "done":
        assert spool.done([old]) == 0
    elif end == "later":
        spool.later([(old, 100.0, "why")])
    else:
        spool.give_up([(old, "why")])
    (new,) = spool.due(0.0, 1)
    assert (new.payload, new.attempts, new.error) == ("new", 0, "")
    assert new.number > old.number
    assert spool.done([new]) == 1
    spool.close()


def test_two_processes_give_no_number_twice(tmp_path: Path) -> None:
    one, other = (SqliteSpool(str(tmp_path / "spool.db"), postpone=True) for _each in range(2))
    put(one, "a")
    (old,) = other.due(0.0, 1)
    one.done([old])
    put(other, "a", payload="new")
    assert one.done([old]) == 0
    put(one, "b")
    assert sorted(item.number for item in one.due(0.0, 9)) == [2, 3]
    one.close()
    other.close()


def test_a_newer_stamp_wins_in_any_order(spool: SqliteSpool) -> None:
    put(spool, "a", payload="two", stamp=2)
    put(spool, "a", payload="one", stamp=1)
    put(spool, "a", payload="two again", stamp=2)
    assert [item.payload for item in spool.due(0.0, 9)] == ["two again"]


def test_postponing_is_a_choice(tmp_path: Path) -> None:
    for postpone, expected in ((True, 7.0), (False, 3.0)):
        spool = SqliteSpool(str(tmp_path / f"{postpone}.db"), postpone=postpone)
        put(spool, "a", due=3.0)
        put(spool, "a", due=7.0)
        assert spool.counts().oldest == expected
        spool.close()


def test_later_counts_only_what_was_in_vain(spool: SqliteSpool) -> None:
    put(spool, "a")
    spool.later([(spool.due(0.0, 1)[0], 1.0, "")])
    (item,) = spool.due(1.0, 1)
    assert (item.attempts, item.error) == (0, "")
    spool.later([(item, 2.0, "busy")])
    (item,) = spool.due(2.0, 1)
    assert (item.attempts, item.error) == (1, "busy")
    assert spool.due(1.9, 1) == []


def test_what_was_tried_in_vain_has_been_due_since_it_first_was(tmp_path: Path) -> None:
    path = str(tmp_path / "spool.db")
    spool = SqliteSpool(path, postpone=True)
    put(spool, "a", due=3.0)
    for again in (10.0, 20.0, 40.0):
        spool.later([(spool.items(given_up=False, limit=1)[0], again, "busy")])
    assert spool.counts().oldest == 3.0
    spool.close()
    spool = SqliteSpool(path, postpone=True)
    assert spool.counts().oldest == 3.0
    spool.give_up([(spool.due(40.0, 1)[0], "no right")])
    assert spool.counts().oldest is None
    spool.retry(None, 50.0)
    assert [item.due for item in spool.due(50.0, 9)] == [3.0]
    put(spool, "a", due=60.0)  # written to again: it is not finished
    assert spool.counts().oldest == 60.0
    spool.later([(spool.due(60.0, 1)[0], 70.0, "")])
    assert spool.counts().oldest == 70.0
    spool.close()


def test_a_spool_of_an_earlier_release_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "spool.db"
    earlier = sqlite3.connect(path)
    earlier.execute(
        "CREATE TABLE item (key TEXT PRIMARY KEY, payload TEXT NOT NULL, stamp INTEGER NOT NULL, "
        "due REAL NOT NULL, number INTEGER NOT NULL, version INTEGER NOT NULL DEFAULT 0, "
        "attempts INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '', "
        "state INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID"
    )
    earlier.execute("INSERT INTO item VALUES ('a', 'p', 0, 3.0, 1, 0, 2, 'busy', 0)")
    earlier.commit()
    earlier.close()
    spool = SqliteSpool(str(path), postpone=True)
    spool.later([(spool.due(3.0, 9)[0], 9.0, "busy")])
    assert spool.counts() == Counts(1, 0, 3.0)
    spool.close()


def test_what_was_given_up_waits_for_an_operator_or_for_news(spool: SqliteSpool) -> None:
    for key in ("a", "b", "c"):
        put(spool, key, due=1.0)
    spool.give_up([(item, "no right") for item in spool.due(1.0, 9)])
    assert spool.counts() == Counts(0, 3, None)
    assert spool.due(9.0, 9) == []
    assert [item.error for item in spool.items(given_up=True, limit=9)] == ["no right"] * 3
    found = spool.get("a")
    assert found is not None
    assert found[1] is True
    assert spool.retry(["a", "nothing"], 9.0) == 1  # it has been due since 1.0
    put(spool, "b", due=1.0)
    assert spool.counts() == Counts(2, 1, 1.0)
    assert {item.attempts for item in spool.due(1.0, 9)} == {0}
    assert spool.retry(None, 1.0) == 1
    assert spool.counts() == Counts(3, 0, 1.0)


def test_what_is_retried_is_not_ended_by_the_try_before(spool: SqliteSpool) -> None:
    put(spool, "a")
    (item,) = spool.due(0.0, 1)
    spool.give_up([(item, "no")])
    spool.retry(None, 0.0)
    spool.done([item])
    assert keys(spool.due(0.0, 1)) == ["a"]


def test_reasons_may_hold_what_is_no_unicode(spool: SqliteSpool) -> None:
    put(spool, "a")
    put(spool, "b")
    one, two = spool.due(0.0, 9)
    spool.later([(one, 1.0, "/w/\udcff\ud800: busy")])
    spool.give_up([(two, "/w/\udcff: no")])
    assert spool.due(1.0, 9)[0].error == "/w/\\udcff\\ud800: busy"
    assert spool.items(given_up=True, limit=9)[0].error == "/w/\\udcff: no"


def test_a_limit_refuses_a_batch_as_a_whole(tmp_path: Path) -> None:
    spool = SqliteSpool(str(tmp_path / "spool.db"), postpone=True, limit=10)
    spool.put([Entry(str(number), "", 0, 0.0) for number in range(8)])
    for _turn in range(50):  # the same ones again need no room
        spool.put([Entry(str(number), "", 0, 0.0) for number in range(2)])
    with pytest.raises(SpoolFullError, match="may hold 10"):
        spool.put([Entry(key, "", 0, 0.0) for key in ("x", "y", "z")])
    assert spool.counts().waiting == 8
    spool.done(spool.due(0.0, 3))
    spool.put([Entry(key, "", 0, 0.0) for key in ("x", "y", "z")])
    assert spool.counts().waiting == 8
    spool.close()


def test_what_was_given_up_makes_room_for_what_comes(tmp_path: Path) -> None:
    spool = SqliteSpool(str(tmp_path / "spool.db"), postpone=True, limit=10)
    spool.put([Entry(str(number), "", 0, float(number)) for number in range(10)])
    spool.give_up([(item, "no right") for item in spool.due(3.0, 9)])
    assert spool.counts() == Counts(6, 4, 4.0)
    with pytest.raises(SpoolFullError, match="holds 10 entries"):
        spool.put([Entry(f"new {number}", "", 0, 9.0) for number in range(5)])
    assert spool.counts() == Counts(6, 4, 4.0)
    spool.put([Entry(f"new {number}", "", 0, 9.0) for number in range(3)])
    assert spool.counts() == Counts(9, 1, 4.0)
    assert keys(spool.items(given_up=True, limit=9)) == ["3"]
    spool.put([Entry("last", "", 0, 9.0)])
    with pytest.raises(SpoolFullError):
        spool.put([Entry("one more", "", 0, 9.0)])
    assert spool.counts() == Counts(10, 0, 4.0)
    spool.close()


def test_what_was_taken_is_there_after_a_kill(tmp_path: Path, spool: SqliteSpool) -> None:
    put(spool, "a", payload="p", due=3.0)
    put(spool, "b")
    spool.done(spool.due(0.0, 1))
    spool.set_notes(name="value")
    # Not closed: what a killed process leaves is the file and its log as they are now.
    other = tmp_path / "after"
    other.mkdir()
    for name in ("spool.db", "spool.db-wal"):
        (other / name).write_bytes((tmp_path / name).read_bytes())
    after = SqliteSpool(str(other / "spool.db"), postpone=True)
    assert [(i.key, i.payload, i.due) for i in after.due(3.0, 9)] == [("a", "p", 3.0)]
    assert after.counts() == Counts(1, 0, 3.0)
    assert after.note("name") == "value"
    assert after.last_number == 2
    after.close()


def test_numbers_never_fall_below_a_noted_one(tmp_path: Path) -> None:
    path = str(tmp_path / "spool.db")
    spool = SqliteSpool(path, postpone=True)
    spool.put([Entry(key, "", 0, 0.0) for key in "abc"])
    noted = spool.last_number
    spool.set_notes(checkpoint="here")
    spool.done(spool.due(0.0, 9))
    spool.close()
    spool = SqliteSpool(path, postpone=True)
    put(spool, "d")
    first = spool.first_number()
    assert first is not None
    assert first > noted
    assert spool.known(["a", "d"]) == ["d"]
    spool.close()


#: What the tables of earlier releases had else.
_BEFORE_ITS_TALLY = """
DROP TRIGGER item_out;
DROP TRIGGER item_moved;
DROP TABLE tally;
"""
_COUNTED_BY_A_TRIGGER = """
CREATE TRIGGER item_in AFTER INSERT ON item
    BEGIN UPDATE tally SET n = n + 1 WHERE state = NEW.state; END;
INSERT INTO item (key, payload, stamp, due, number) VALUES ('d', '', 0, 0.0, 4);
"""


def test_numbers_of_an_earlier_release_are_not_given_again(tmp_path: Path) -> None:
    path = str(tmp_path / "spool.db")
    spool = SqliteSpool(path, postpone=True)
    spool.put([Entry(key, "", 0, 0.0) for key in "abc"])
    spool.close()
    database = sqlite3.connect(path)
    with database:
        database.execute("DELETE FROM note")  # an earlier release noted no number with what is put
    database.close()
    spool = SqliteSpool(path, postpone=True)
    assert keys(spool.due(0.0, 9)) == ["a", "b", "c"]
    spool.done(spool.due(0.0, 9))
    spool.close()
    spool = SqliteSpool(path, postpone=True)
    put(spool, "a")
    assert spool.first_number() == 4
    spool.close()


@pytest.mark.parametrize(
    ("earlier", "waiting"), [(_BEFORE_ITS_TALLY, 2), (_COUNTED_BY_A_TRIGGER, 3)]
)
def test_a_spool_of_an_earlier_release_is_counted(
    tmp_path: Path, earlier: str, waiting: int
) -> None:
    path = str(tmp_path / "spool.db")
    spool = SqliteSpool(path, postpone=True)
    spool.put([Entry(key, "", 0, 0.0) for key in "abc"])
    spool.give_up([(item, "no") for item in spool.due(0.0, 1)])
    spool.close()
    database = sqlite3.connect(path)
    database.executescript(earlier)
    database.close()
    spool = SqliteSpool(path, postpone=True)
    assert spool.counts() == Counts(waiting, 1, 0.0)
    spool.put([Entry(key, "", 0, 0.0) for key in "bcde"])
    spool.done(spool.due(0.0, 1))
    assert spool.counts() == Counts(3, 1, 0.0)
    spool.close()


def test_a_place_that_can_not_be_used_is_told(tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match="nowhere does not exist. Create that directory"):
        SqliteSpool(str(tmp_path / "nowhere" / "spool.db"), postpone=True)
    (tmp_path / "text").write_text("this is no database, and long enough to be looked at" * 20)
    for own in (False, True):
        with pytest.raises(SpoolError, match="is a text file and not a database"):
            SqliteSpool(str(tmp_path / "text"), postpone=True, own=own)
    assert (tmp_path / "text").read_text().startswith("this is no")


class Raced:
    """A lock that another thread gets as soon as the first one lets it go."""

    def __init__(self, then: Callable[[], None]) -> None:
        self._lock = threading.Lock()
        self._then = [then]

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self._lock.release()
        while self._then:
            self._then.pop()()


def test_threads_that_put_the_same_key_do_not_take_each_other_for_themselves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spool = SqliteSpool(":memory:", postpone=False)
    monkeypatch.setattr(spool, "_lock", Raced(lambda: put(spool, "a", stamp=2)))
    put(spool, "a", stamp=1)
    found = spool.get("a")
    assert found is not None
    assert found[0].stamp == 2
    assert spool.last_number == 2
    spool.close()


KEYS = st.sampled_from("abcd")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["put", "take", "done", "later", "give_up", "retry"]),
        KEYS,
        st.integers(0, 5),
    ),
    max_size=40,
)


@dataclass
class Known:
    """What the model has of a key. ``since`` is when it was due before it was tried in vain."""

    version: int
    due: float
    since: float | None = None
    attempts: int = 0
    given_up: bool = False

    @property
    def oldest(self) -> float:
        return self.due if not self.attempts or self.since is None else min(self.due, self.since)


@settings(max_examples=300)
@given(STEPS)
@example([("put", "a", 0), ("take", "a", 0), ("done", "a", 0), ("put", "a", 0), ("done", "a", 0)])
@example([("put", "a", 0), ("take", "a", 0), ("done", "a", 0), ("put", "a", 0), ("later", "a", 5)])
@example(
    [("put", "a", 0), ("take", "a", 0), ("done", "a", 0), ("put", "a", 0), ("give_up", "a", 0)]
)
def test_nothing_leaves_without_being_done(steps: list[tuple[str, str, int]]) -> None:
    """Against a model."""
    spool = SqliteSpool(":memory:", postpone=True)
    model: dict[str, Known] = {}
    taken: dict[str, tuple[Item, int]] = {}
    for version, (step, key, number) in enumerate(steps):
        known, now = model.get(key), float(number)
        if step == "put":
            put(spool, key, due=now)
            model[key] = Known(version, now)
        elif step == "take":
            for item in spool.due(now, 9):
                taken[str(item.key)] = (item, model[str(item.key)].version)
        elif step == "retry":
            spool.retry([key], now)
            if known is not None and known.given_up:
                first = known.due if known.since is None else known.since
                known.version, known.due = version, min(first, now)
                known.attempts, known.given_up = 0, False
        elif key in taken:
            item, seen = taken[key]
            current = known is not None and known.version == seen
            if step == "done":
                spool.done([item])
                if current:
                    del model[key]
            elif step == "later":
                spool.later([(item, now, "x")])
                if current and known is not None:
                    if not known.attempts or known.since is None:
                        known.since = known.due
                    known.due, known.attempts = now, known.attempts + 1
            else:
                spool.give_up([(item, "x")])
                if current and known is not None:
                    known.given_up, known.attempts = True, known.attempts + 1
        waiting = {k: each for k, each in model.items() if not each.given_up}
        assert {str(i.key): i.due for i in spool.due(9.0, 9)} == {
            k: each.due for k, each in waiting.items()
        }
        assert spool.counts() == Counts(
            len(waiting),
            len(model) - len(waiting),
            min((each.oldest for each in waiting.values()), default=None),
        )
    spool.close()
