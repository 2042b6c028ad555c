# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock manager's decisions, without a browser, a server or a cluster."""

from __future__ import annotations

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import (
    ConflictError,
    InputError,
    NotFoundError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager import (
    jobs,
    plans,
    views,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.accounts import (  # noqa: E501
    Account,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.board import (  # noqa: E501
    Board,
    Entry,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.export import (  # noqa: E501
    to_csv,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.plans import (  # noqa: E501
    Choice,
    Plans,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.records import (  # noqa: E501
    Records,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.search import (  # noqa: E501
    Query,
    terms,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.sessions import (  # noqa: E501
    Session,
    Sessions,
    Signer,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.shield import (  # noqa: E501
    hostname,
    objection,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.sightings import (  # noqa: E501
    Sighting,
    Sightings,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.closing import (
    Closed,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.handles import (
    Handle,
    Identity,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.smb_locks.words import (
    describe_access,
)

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=timezone.utc)
JANE, OMAR = Identity("1", "CORP\\jane"), Identity("2", "CORP\\omar")


def handle(location: str, **changes: Any) -> Handle:
    options: dict[str, Any] = {
        "file_id": "7",
        "path": "/finance/Budget.xlsx",
        "holder": JANE,
        "access": ("read",),
        "num_byte_ranges": 0,
        "addresses": ("10.0.0.9",),
        "nodes": ("10.0.0.1",),
    }
    return Handle(location, **{**options, **changes})


def board(*handles: Handle) -> Board:
    entries = [
        Entry(h, Sighting(NOON - timedelta(minutes=at), at_least=False))
        for at, h in enumerate(handles)
    ]
    return Board(entries, taken=NOON)


def found(made: Board, **options: Any) -> list[str]:
    return [entry.handle.location for entry in made.handles(made.find(Query(**options)))]


@pytest.mark.parametrize(
    ("access", "denies", "phrase"),
    [
        (("read",), (), "reading"),
        (("read",), ("write",), "reading, nobody else may write"),
        (
            ("read", "write", "append"),
            ("read", "write"),
            "reading and writing, nobody else may read or write",
        ),
        (("append",), (), "appending"),
        (
            ("delete",),
            ("delete", "write", "read"),
            "deleting, nobody else may read, write or delete",
        ),
        ((), (), "looking at attributes only"),
    ],
)
def test_access_in_words(access: tuple[str, ...], denies: tuple[str, ...], phrase: str) -> None:
    assert describe_access(access, denies) == phrase


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Budget  2026", [("budget",), ("2026",)]),
        ('"Budget 2026" jane', [("budget 2026",), ("jane",)]),
        ('"half', [("half",)]),
        ("CORP\\jane", [("corp\\jane", "corp/jane")]),
        ("\\\\files\\share\\a b\\C.xlsx", [("/a b/c.xlsx",)]),
        ('"\\\\files\\share\\a b"', [("/a b",)]),
        ("\\\\files\\share", []),
        ("Z:\\a b\\C.xlsx", [("/a b/c.xlsx",)]),
        ("Stra\u00dfe", [("strasse",)]),
        ("cafe\u0301", [("caf\u00e9",)]),
    ],
)
def test_terms(text: str, expected: list[tuple[str, ...]]) -> None:
    assert terms(text) == expected


def test_what_a_query_finds() -> None:
    made = board(
        handle("a"),
        handle("b", holder=OMAR, addresses=("10.0.0.10",)),
        handle("c", file_id="8", path="/projects/Plan.docx", holder=OMAR),
    )
    assert found(made, text="budget jane") == ["a"]
    assert found(made, text="corp\\OMAR") == ["b", "c"]
    assert found(made, path="/projects") == ["c"]
    assert found(made, user="omar", client="10.0.0.10") == ["b"]
    assert found(made, file="7") == ["a", "b"]
    assert found(made, text="nobody") == []


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("path", ["c", "a", "b"]),
        ("user", ["a", "c", "b"]),
        ("client", ["a", "c", "b"]),  # 10.0.0.9 is before 10.0.0.10
        ("access", ["b", "a", "c"]),  # who writes comes first
        ("locks", ["a", "c", "b"]),
        ("seen", ["a", "b", "c"]),
    ],
)
def test_order(sort: str, expected: list[str]) -> None:
    made = board(
        handle("a", file_id="1", path="/b"),
        handle(
            "b",
            file_id="2",
            path="/C",
            holder=OMAR,
            addresses=("10.0.0.10",),
            access=("write",),
            num_byte_ranges=1,
        ),
        handle("c", file_id="3", path="/A"),
    )
    assert found(made, sort=sort) == expected
    backwards = found(made, sort=sort, descending=True)
    assert backwards[0] == expected[-1] or sort in ("locks", "user", "client", "access")


def test_a_group_stands_where_its_first_handle_does() -> None:
    made = board(
        handle("a", file_id="1", path="/a", holder=OMAR),
        handle("b", file_id="2", path="/b", holder=JANE),
        handle("c", file_id="1", path="/a", holder=JANE),
    )
    assert found(made, sort="user") == ["b", "c", "a"]
    (group, _other) = made.page(made.find(Query(text="omar", sort="user")), 1) + [None]
    assert group is not None and (len(group.entries), group.total) == (1, 2)


def test_a_board_without_what_was_closed() -> None:
    made = board(handle("a"), handle("b"))
    assert [e.handle.location for e in made.without({"a"}).entries] == ["b"]
    assert made.at("a") is not None and made.without({"a"}).at("a") is None


def test_links_say_the_same_again() -> None:
    query = Query(text="a & b", user="CORP\\jane", sort="seen", descending=True, page=3)
    again = Query.parse(query.params())
    assert again == query
    assert Query.parse({}).link() == "?"
    assert query.sorted_by("seen").endswith("sort=seen")
    assert Query(opened=frozenset("7")).toggled("7") == "?"


@pytest.mark.parametrize(
    "params",
    [
        {"page": "0"},
        {"page": "-1"},
        {"page": "\u0663"},
        {"sort": "size"},
        {"open": "a"},
        {"file": "x"},
        {"client": "here"},
        {"user": "1000"},
        {"path": "a"},
        {"q": "x" * 1025},
    ],
)
def test_addresses_that_make_no_sense(params: dict[str, str]) -> None:
    with pytest.raises(InputError):
        Query.parse(params)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59, "59 s"),
        (60, "1 min"),
        (3600, "1 h"),
        (3720, "1 h 2 min"),
        (90000, "1 day 1 h"),
        (172800, "2 days"),
    ],
)
def test_durations(seconds: int, text: str) -> None:
    assert views.duration(timedelta(seconds=seconds)) == text


def test_how_long_seen() -> None:
    sightings = Sightings(timedelta(seconds=60))
    minute = timedelta(minutes=1)
    (first,) = sightings.note(["a"], NOON, NOON)
    assert first.at_least  # nobody had looked before
    seen = sightings.note(["a", "b"], NOON + minute, NOON + minute)
    assert seen[0] == first and not seen[1].at_least
    assert views.seen(first, NOON + 5 * minute) == "over 5 min"
    assert views.seen(seen[1], NOON + 5 * minute) == "4 min"
    (late,) = sightings.note(["c"], NOON + 5 * minute, NOON + 5 * minute)
    assert late.at_least  # after a break
    (again,) = sightings.note(["a"], NOON + 6 * minute, NOON + 6 * minute)
    assert again.since == NOON + 6 * minute  # a location that was gone is a new handle


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("-1", "'-1"),
        ("\tx", "'\tx"),
        ("a=b", "a=b"),
        (["+a", "b"], "'+a, b"),
        (3, "3"),
    ],
)
def test_cells_are_no_formulas(value: Any, text: str) -> None:
    (_mark, line) = to_csv(["a"], [[value]])
    assert line.decode() == f'"a"\r\n"{text}"\r\n'


# -- who may ------------------------------------------------------------------------------------


def test_signatures() -> None:
    signer, other = Signer(), Signer()
    signed = signer.sign("abc")
    assert signer.open(signed) == "abc"
    assert other.open(signed) is None
    for forged in ("", "abc", "abc.", ".", f"abd.{signed[4:]}", signed[:-1], signed + "\u00e9"):
        assert signer.open(forged) is None


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_sessions_end(clock: Clock) -> None:
    ended: list[str] = []

    def note(session: Session) -> None:
        ended.append(session.account.name)

    sessions = Sessions(idle=60, lifetime=200, limit=2, per_account=2, ended=note, monotonic=clock)
    client: Any = None
    account = Account("1", "jane", frozenset())
    _session, cookie = sessions.open(account, client)
    clock.now = 59
    assert sessions.find(cookie) is not None
    clock.now = 118
    assert sessions.find(cookie, active=False) is not None
    clock.now = 119  # looking by itself has not prolonged it
    assert sessions.find(cookie) is None and ended == ["jane"]
    _session, cookie = sessions.open(account, client)
    for clock.now in range(120, 319, 50):
        assert sessions.find(cookie) is not None
    clock.now = 319
    assert sessions.find(cookie) is None


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("Locks.example.com:8443", "locks.example.com"),
        ("[::1]:8443", "[::1]"),
        ("127.0.0.1", "127.0.0.1"),
        ("", ""),
    ],
)
def test_host_names(host: str, name: str) -> None:
    assert hostname(host) == name


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, 0),
        ({"host": "evil.example"}, 400),
        ({"origin": "https://locks.example.com"}, 0),
        ({"origin": "https://locks.example.com.evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "https://["}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"content-length": "1048577"}, 413),
        ({"content-length": "-1"}, 411),
        ({"transfer-encoding": "chunked"}, 411),
    ],
)
def test_what_no_browser_of_ours_sends(changes: dict[str, str], status: int) -> None:
    headers: Any = {"host": "locks.example.com", "content-length": "9", **changes}
    hosts = frozenset(["locks.example.com"])
    assert objection("POST", "/close", headers, hosts)[0] == status


# -- closing ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("choice", "locations"),
    [
        (Choice(locations=("a", "gone")), ["a"]),
        (Choice(files=("7",)), ["a"]),  # of what the query finds
        (Choice(file="7"), ["a", "b"]),
        (Choice(user="omar"), ["b", "c"]),
        (Choice(client="10.0.0.9"), ["a", "c"]),
    ],
)
def test_what_is_chosen(choice: Choice, locations: list[str]) -> None:
    made = board(
        handle("a"),
        handle("b", holder=OMAR, addresses=("10.0.0.10",)),
        handle("c", file_id="8", path="/c", holder=OMAR),
    )
    chosen, spared = plans.choose(made, choice, Query(text="jane"))
    assert sorted(h.location for h in chosen) == locations and spared == []


def test_uncertain_handles_are_spared() -> None:
    made = board(handle("a"), handle("b", addresses=("10.0.0.9", "10.0.0.10")))
    chosen, spared = plans.choose(made, Choice(client="10.0.0.9"), Query())
    assert ([h.location for h in chosen], [h.location for h in spared]) == (["a"], ["b"])


def test_plans_are_ones_own_and_good_once(clock: Clock) -> None:
    made = Plans(2, monotonic=clock)
    choice = Choice(locations=("a",))
    plan = made.make("mine", choice, [handle("a")], [], "/")
    with pytest.raises(ConflictError):
        made.take(plan.id, "theirs")
    assert made.take(plan.id, "mine") == plan
    with pytest.raises(ConflictError):
        made.take(plan.id, "mine")
    old = made.make("mine", choice, [handle("a")], [], "/")
    clock.now = plans.GOOD_FOR + 1
    with pytest.raises(ConflictError):
        made.take(old.id, "mine")
    with pytest.raises(NotFoundError):
        made.make("mine", choice, [], [], "/")
    with pytest.raises(ConflictError, match="3 handles"):
        made.make("mine", choice, [handle("a"), handle("b"), handle("c")], [], "/")


def test_people_who_could_lose_most_come_first() -> None:
    writing = handle("b", holder=OMAR, access=("read", "write"))
    jane, omar = handle("a"), handle("c", holder=OMAR)
    shown = plans.people([jane, writing, omar])
    assert [(p.label, len(p.risky), len(p.harmless)) for p in shown] == [
        ("CORP\\omar", 1, 1),
        ("CORP\\jane", 0, 1),
    ]


def test_outcomes() -> None:
    closed, gone, refused, back = (handle(name, file_id=name) for name in "abcd")
    again = handle("e", file_id="d")
    result = jobs.outcomes(
        [closed, gone, refused, back],
        [closed, refused, back],
        Closed([closed, back], [(refused, "busy")], [again]),
    )
    assert [(r.outcome, r.error) for r in result] == [
        ("closed", ""),
        ("gone", ""),
        ("failed", "busy"),
        ("reopened", ""),
    ]


def test_of_two_that_closed_one_came_back() -> None:
    one, two, again = handle("a"), handle("b"), handle("c")
    result = jobs.outcomes([one, two], [one, two], Closed([one, two], [], [again]))
    assert sorted(r.outcome for r in result) == ["closed", "reopened"]


# -- the record ---------------------------------------------------------------------------------


def test_a_link_in_place_of_the_record_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError):
        Records(str(tmp_path / "link")).write([{"event": "asked"}])
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(InputError, match="is not a regular file"):
        Records(str(tmp_path / "fifo")).write([])
    with pytest.raises(InputError, match="Cannot write"):
        Records(str(tmp_path / "no" / "where.jsonl")).write([])
    (tmp_path / "open").touch()
    (tmp_path / "open").chmod(0o666)
    with pytest.raises(InputError, match="everybody can write to it"):
        Records(str(tmp_path / "open")).write([])
    assert not (tmp_path / "elsewhere").exists()
