# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Audit lines: what the simulator writes is read back, and nothing else is taken for a line."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta, timezone

from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.audit_log import (
    AuditRecord,
    MalformedLineError,
    parse,
)
from tests.simulator.audit import syslog_line
from tests.simulator.identities import Identity

HEAD = b"<14>1 2026-01-31T18:00:00.123456789Z c-1 qumulo - - - "
WORDS = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=20)
ANY_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NO_NEWLINES = ANY_TEXT.map(lambda text: text.replace("\n", "").replace("\r", ""))
#: Characters of which CSV is made, so that random text is often nearly right.
TRICKY = st.text(st.sampled_from('",,"a1\n\r {\ufeffß'), max_size=40)
RAW_FIELD = st.one_of(
    st.sampled_from(["", "1", "a", '""', '"', '"a"', '"a""b"', '"a,b"', 'a"b', '"""', '""""']),
    TRICKY,
)


def slow_csv(body: str) -> list[str] | None:
    """Fields of a CSV line by RFC 4180, character by character; None if it is none."""
    fields: list[str] = []
    text, at = "", 0
    while True:
        if body[at : at + 1] == '"':
            at += 1
            while True:
                if at == len(body):
                    return None  # not closed
                if body[at] == '"':
                    if body[at + 1 : at + 2] != '"':
                        at += 1
                        break
                    at += 1
                text += body[at]
                at += 1
        else:
            while at < len(body) and body[at] not in ',"':
                text += body[at]
                at += 1
        fields.append(text)
        text = ""
        if at == len(body):
            return fields
        if body[at] != ",":
            return None
        at += 1


def expected(body: str) -> tuple[object, ...] | None:
    """What a CSV body means, from the slow parser."""
    line = body.removesuffix("\n").removesuffix("\r").removeprefix("\ufeff")
    fields = slow_csv(line)
    if fields is None or len(fields) != 8 or not fields[3] or not fields[4]:
        return None
    number = fields[5]
    if number and (set(number) - set("0123456789") or len(number) > 128):
        return None
    return (*fields[:5], str(int(number)) if number else "", *fields[6:])


def meaning(record: AuditRecord) -> tuple[object, ...]:
    return (
        record.user_ip,
        record.user,
        record.protocol,
        record.operation,
        record.status,
        record.file_id,
        record.path,
        record.target_path,
    )


def check_against_the_slow_parser(body: str) -> None:
    if body.removeprefix("\ufeff").startswith("{"):
        return
    try:
        found = meaning(parse(HEAD + body.encode("utf-8", "surrogateescape")))
    except MalformedLineError:
        found = None
    assert found == expected(body)


@settings(max_examples=2000)
@given(st.lists(RAW_FIELD, min_size=7, max_size=9))
def test_csv_is_read_as_by_a_slow_parser(fields: list[str]) -> None:
    check_against_the_slow_parser(",".join(fields))


@settings(max_examples=1000)
@given(TRICKY)
def test_any_text_is_read_as_by_a_slow_parser(body: str) -> None:
    check_against_the_slow_parser(body)


@settings(max_examples=1000)
@given(
    st.sampled_from(['i,"u",p,o,s,1,"/a","/b"', 'i,"u""",p,o,s,,"/a,""b",""', "i,u,p,o,s,1,a,b"]),
    st.lists(st.tuples(st.integers(0, 40), st.sampled_from(["", '"', ",", '""', "x", "\n"]))),
)
def test_damaged_lines_are_read_as_by_a_slow_parser(
    body: str, damages: list[tuple[int, str]]
) -> None:
    for at, text in damages:
        body = body[:at] + text + body[at + 1 :]
    check_against_the_slow_parser(body)


@given(
    st.lists(ANY_TEXT.filter(lambda text: "\0" not in text), min_size=4, max_size=4),
    st.sampled_from([csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONNUMERIC]),
)
def test_what_a_csv_library_writes_is_read_back(texts: list[str], quoting: int) -> None:
    ip, user, path, target = texts
    out = io.StringIO()
    writer = csv.writer(out, quoting=quoting, lineterminator="\n")  # type: ignore[arg-type]
    writer.writerow(["x" + ip, user, "nfs", "fs_read_data", "ok", "7", path, target])
    found = parse(HEAD + out.getvalue().encode())
    assert meaning(found) == ("x" + ip, user, "nfs", "fs_read_data", "ok", "7", path, target)


@given(
    st.sampled_from(["csv", "json"]),
    st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)),
    NO_NEWLINES.map(lambda name: name.replace('"', "'")),
    st.one_of(st.none(), st.integers(0, 10**128 - 1)),
    NO_NEWLINES,
    NO_NEWLINES,
    WORDS,
)
def test_what_a_cluster_writes_is_read_back(
    form: str,
    moment: datetime,
    user: str,
    file_id: int | None,
    path: str,
    target: str,
    word: str,
) -> None:
    micros = (moment.replace(tzinfo=timezone.utc) - datetime(1970, 1, 1, tzinfo=timezone.utc)) // (
        timedelta(microseconds=1)
    )
    time_ns = micros * 1000  # a cluster sends no more digits than RFC 5424 allows
    line = syslog_line(
        time_ns,
        "c-1",
        form,
        address="10.1.2.3",
        user=Identity(501, user, "LOCAL", sid="S-1-5-21-1"),
        protocol=word,
        operation=word,
        status="ok",
        file_id=file_id,
        path=path,
        target=target,
    )
    found, number = parse(line), "" if file_id is None else str(file_id)
    assert found.time_ns == time_ns
    assert found.hostname == "c-1"
    assert meaning(found) == ("10.1.2.3", user, word, word, "ok", number, path, target)
    ids = ("501", "S-1-5-21-1") if form == "json" else ("", "")
    assert (found.auth_id, found.sid) == ids


@given(
    st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)).map(
        lambda m: m.replace(microsecond=0)
    ),
    st.text("0123456789", max_size=12),
)
def test_any_number_of_digits_of_a_second(moment: datetime, digits: str) -> None:
    fraction = f".{digits}" if digits else ""
    head = f"<14>1 {moment.isoformat()}{fraction}Z c-1 qumulo - - - "
    seconds = (moment - datetime(1970, 1, 1)) // timedelta(seconds=1)
    found = parse(head.encode() + b'i,"u",p,o,s,1,"/a",""').time_ns
    assert found == seconds * 1_000_000_000 + int(digits[:9].ljust(9, "0"))


@given(st.binary())
def test_every_byte_of_a_path_survives(raw: bytes) -> None:
    quoted = raw.replace(b'"', b'""')
    found = parse(HEAD + b'i,"u",p,o,s,1,"' + quoted + b'",""\n')
    assert found.path.encode("utf-8", "surrogateescape") == raw


@settings(max_examples=1000)
@given(
    st.one_of(
        st.binary(),
        st.binary().map(lambda raw: HEAD + raw),
        st.binary().map(lambda raw: HEAD + b'{"operation": "o", "status": "s", ' + raw),
    )
)
def test_nothing_else_than_the_typed_error_is_raised(line: bytes) -> None:
    try:
        assert isinstance(parse(line), AuditRecord)
    except MalformedLineError as exc:
        assert exc.part in {"frame", "time", "csv", "json"}


JSON_VALUES = st.one_of(
    st.sampled_from(["ok", "\ud800", None, True, 1, -1, 2**64, 1.5, [], {}, [1], {"a": 1}]),
    st.text(max_size=5),
)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "operation": JSON_VALUES,
            "status": JSON_VALUES,
            "user_ip": JSON_VALUES,
            "user_id": JSON_VALUES | st.fixed_dictionaries({"name": JSON_VALUES}),
            "details": JSON_VALUES | st.fixed_dictionaries({"path": JSON_VALUES}),
        },
    )
)
def test_no_json_raises_anything_else(data: dict[str, object]) -> None:
    try:
        record = parse(HEAD + json.dumps(data).encode())
    except MalformedLineError as exc:
        assert exc.part == "json"
    else:
        record.path.encode("utf-8", "surrogateescape")
