# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.audit_log import (
    AuditRecord,
    MalformedLineError,
    parse,
)

HEAD = b"<14>1 2026-01-31T18:00:00.123456789Z c-1 qumulo - - - "
TIME = 1769882400123456789
CSV = b'10.0.0.1,"AD\\ann",smb2,fs_read_data,ok,42,"/a/b.txt",""'


def record(body: bytes) -> AuditRecord:
    return parse(HEAD + body)


def of_json(**changes: object) -> AuditRecord:
    known: dict[str, object] = {"operation": "fs_read_data", "status": "ok", **changes}
    return record(json.dumps(known).encode())


def test_csv() -> None:
    assert parse(HEAD + CSV) == AuditRecord(
        time_ns=TIME,
        hostname="c-1",
        user_ip="10.0.0.1",
        user="AD\\ann",
        auth_id="",
        sid="",
        protocol="smb2",
        operation="fs_read_data",
        status="ok",
        file_id="42",
        path="/a/b.txt",
        target_path="",
    )


def test_json() -> None:
    found = of_json(
        user_ip="::1",
        user_id={"name": "ann", "auth_id": "501", "sid": "S-1-5-21-1"},
        protocol="nfsv3",
        details={"path": "/a/ä\n", "file_id": "42", "offset": 0, "size": 10},
    )
    assert found == AuditRecord(
        time_ns=TIME,
        hostname="c-1",
        user_ip="::1",
        user="ann",
        auth_id="501",
        sid="S-1-5-21-1",
        protocol="nfsv3",
        operation="fs_read_data",
        status="ok",
        file_id="42",
        path="/a/ä\n",
        target_path="",
    )


def test_json_may_leave_out_what_does_not_apply() -> None:
    found = of_json(user_id=None)
    assert (found.user, found.user_ip, found.protocol) == ("", "", "")
    assert (found.file_id, found.path, found.target_path) == ("", "", "")


@pytest.mark.parametrize("name", ["target", "second_extra_name"])
def test_json_has_two_names_for_the_second_path(name: str) -> None:
    assert of_json(details={"path": "/a", name: "/b"}).target_path == "/b"


def test_json_ids_may_be_numbers() -> None:
    found = of_json(user_id={"auth_id": 501}, details={"file_id": 2**97 - 1})
    assert (found.auth_id, found.file_id) == ("501", str(2**97 - 1))


def test_a_line_of_a_real_cluster() -> None:
    """From a public bug report: an ID of 97 bits, and four digits of a fraction."""
    found = parse(
        b"<14>1 2026-01-27T14:12:23.9558Z cs-fil-q-k144-1 qumulo - - - "
        b'10.220.151.129,"admin",smb2,fs_create_file,ok,140624751830626345080086044861,'
        b'"/data/file.txt",""'
    )
    assert found.file_id == "140624751830626345080086044861"
    assert found.time_ns == 1769523143_955800000
    assert (found.hostname, found.path) == ("cs-fil-q-k144-1", "/data/file.txt")


@pytest.mark.parametrize("digits", [1, 20, 21, 30, 128])
def test_ids_are_digits_of_any_number(digits: int) -> None:
    number = "9" * digits
    assert record(CSV.replace(b"42", number.encode())).file_id == number
    assert of_json(details={"file_id": number}).file_id == number
    assert of_json(details={"file_id": int(number)}).file_id == number


def test_leading_zeros_do_not_make_another_file() -> None:
    assert record(CSV.replace(b"42", b"0042")).file_id == "42"
    assert record(CSV.replace(b"42", b"00")).file_id == "0"


@pytest.mark.parametrize(
    ("body", "user", "path", "target"),
    [
        (b'i,"u",p,o,s,1,"/a,b",""', "u", "/a,b", ""),
        (b'i,"u",p,o,s,1,"/a""b","/""c"""', "u", '/a"b', '/"c"'),
        (b'i,"u,""v""",p,o,s,1,"/a","/b"', 'u,"v"', "/a", "/b"),
        (b"i,u,p,o,s,1,/a,", "u", "/a", ""),
        (b'"i","u","p","o","s","1","/a","/b"', "u", "/a", "/b"),
        (b'i,"",p,o,s,1,"","\xc3\xa4"', "", "", "ä"),
        (b'i,"u",p,o,s,1,"/a\nb",""', "u", "/a\nb", ""),
        (b'i,"u",p,o,s,1,""",""",""', "u", '","', ""),
    ],
)
def test_csv_quoting(body: bytes, user: str, path: str, target: str) -> None:
    found = record(body)
    assert (found.user, found.path, found.target_path) == (user, path, target)


def test_bytes_that_are_not_utf8_survive() -> None:
    found = record(b'i,"u",p,o,s,1,"/\xff\xc3(",""')
    assert found.path.encode("utf-8", "surrogateescape") == b"/\xff\xc3("
    found = record(b'{"operation": "o", "status": "s", "details": {"path": "/\xff"}}')
    assert found.path.encode("utf-8", "surrogateescape") == b"/\xff"


def test_without_a_file_id() -> None:
    assert record(b'i,"u",api,cluster_restart,ok,,"",""').file_id == ""


@pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n", b"\r"])
def test_line_endings(ending: bytes) -> None:
    assert parse(HEAD + CSV + ending).path == "/a/b.txt"


@pytest.mark.parametrize(
    ("stamp", "nanoseconds"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:00:00.5Z", 500_000_000),
        ("2026-01-27T14:12:23.9558Z", 1769523143_955800000),
        ("2026-01-27T14:12:32.063248Z", 1769523152_063248000),
        ("1970-01-01T00:00:00.12345678Z", 123_456_780),
        ("1970-01-01T00:00:00.00Z", 0),
        ("1970-01-01T00:00:00.000001Z", 1000),
        ("1970-01-01T00:00:00.0000000019Z", 1),
        ("1970-01-01T02:00:00+02:00", 0),
        ("1969-12-31T18:30:00.000000000-05:30", 0),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("2024-02-29T00:00:00.000000000Z", 1709164800_000000000),
    ],
)
def test_times(stamp: str, nanoseconds: int) -> None:
    assert parse(f"<14>1 {stamp} h qumulo - - - ".encode() + CSV).time_ns == nanoseconds


@pytest.mark.parametrize(
    "stamp",
    [
        "-",
        "",
        "2026-01-31",
        "2026-02-29T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T23:59:60.000000000Z",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00.Z",
        "2026-01-01t00:00:00z",
        "2026-01-01T00:00:00+24:00",
        "2026-1-01T00:00:00.0000000000Z",
        "２026-01-01T00:00:00Z",
        "２026-01-01T00:00:00.123456789Z",
        "2026-01-01T00:00:00.12345678²Z",
        "2026-01-01T00:00:00.12345²Z",
        "2026-01-01T00:00:00.+12345Z",
        "2026-01-01T00:00:00.1 2345Z",
        "2026-01-01T00:00:00,123456Z",
        "2026-01-01T00:00:00.+1234567Z",
        "2026-01-01T00:00:00.1234 5678Z",
        "0000-01-01T00:00:00.123456789Z",
    ],
)
def test_impossible_times(stamp: str) -> None:
    with pytest.raises(MalformedLineError):
        parse(f"<14>1 {stamp} h qumulo - - - ".encode() + CSV)


@pytest.mark.parametrize(
    "structured",
    [
        b"-",
        b"[a@1]",
        b'[a@1 b="c"]',
        b'[a@1 b="c d" e="- "][x y="z"]',
        b'[a@1 b="\\"\\]\\\\"]',
    ],
)
def test_structured_data_is_passed_over(structured: bytes) -> None:
    line = b"<14>1 1970-01-01T00:00:00Z h qumulo 12 id " + structured + b" " + CSV
    assert parse(line) == parse(b"<0>1 1970-01-01T00:00:00Z h qumulo - - - " + CSV)


def test_a_byte_order_mark_is_passed_over() -> None:
    assert record(b"\xef\xbb\xbf" + CSV) == record(CSV)


def test_a_host_without_name() -> None:
    assert parse(b"<14>1 1970-01-01T00:00:00Z - qumulo - - - " + CSV).hostname == ""


@pytest.mark.parametrize(
    ("line", "part"),
    [
        (b"", "frame"),
        (b"\n", "frame"),
        (b"Jan 31 18:00:00 c-1 sshd[7]: " + CSV, "application"),
        (b"Jan 31 18:00:00 c-1 qumulo", "frame"),
        (b"Feb 30 18:00:00 c-1 qumulo: " + CSV, "time"),
        (b"Jan 31 25:00:00 c-1 qumulo: " + CSV, "time"),
        (b"Jan 31 2300 18:00:00 c-1 qumulo: " + CSV, "zone"),
        (b"<192>Jan 31 18:00:00 c-1 qumulo: " + CSV, "frame"),
        (b"<14>2026-01-31T18:00:00 c-1 qumulo " + CSV, "time"),
        (b"<14>Jan 31 18:00:00 relay 1 2026-01-31T18:00:00Z c-1 sshd - - - " + CSV, "application"),
        (b"<14>Jan 31 18:00:00 relay 1 2026-01-31T18:00:00Z", "frame"),
        (HEAD.rstrip(), "frame"),
        (b"<192>1" + HEAD[5:] + CSV, "frame"),
        (b"<14>2" + HEAD[5:] + CSV, "frame"),
        (b"<014>1" + HEAD[5:] + CSV, "frame"),
        (HEAD.replace(b"qumulo", b"sshd") + CSV, "application"),
        (HEAD.replace(b"c-1", b"") + CSV, "frame"),
        (HEAD[:-2] + b'[a b="c] ' + CSV, "frame"),
        (HEAD[:-2] + b"[a]" + CSV, "frame"),
        (HEAD[:-2] + b"x " + CSV, "frame"),
        (HEAD, "csv"),
        (HEAD + CSV[:-1], "csv"),
        (HEAD + CSV + b",", "csv"),
        (HEAD + CSV + b" ", "csv"),
        (HEAD + b" " + CSV.replace(b'"', b""), ""),
        (HEAD + CSV.replace(b",42,", b","), "csv"),
        (HEAD + CSV.replace(b"/b", b'/"b'), "csv"),
        (HEAD + CSV.replace(b"42", b"-1"), "csv"),
        (HEAD + CSV.replace(b"42", b"+42"), "csv"),
        (HEAD + CSV.replace(b"42", b" 42"), "csv"),
        (HEAD + CSV.replace(b"42", b"4_2"), "csv"),
        (HEAD + CSV.replace(b"42", "٤٢".encode()), "csv"),
        (HEAD + CSV.replace(b"42", b"9" * 129), "csv"),
        (HEAD + CSV.replace(b"42", b"9" * 10_000), "csv"),
        (HEAD + CSV.replace(b"ok", b""), "csv"),
        (HEAD + CSV.replace(b"fs_read_data", b""), "csv"),
        (HEAD + b"{", "json"),
        (HEAD + b"{}", "json"),
        (HEAD + b'{"operation": "o"}', "json"),
        (HEAD + b'{"operation": "o", "status": "ok"} {}', "json"),
        (HEAD + b'{"operation": "o", "status": "ok", "details": []}', "json"),
        (HEAD + b'{"operation": "o", "status": "ok", "details": {"path": 1.5}}', "json"),
        (HEAD + b'{"operation": "o", "status": "ok", "details": {"path": true}}', "json"),
        (HEAD + b'{"operation": "o", "status": "ok", "details": {"path": "\\ud800"}}', "json"),
        (HEAD + b'{"operation": "o", "status": "ok", "details": {"file_id": "x"}}', "json"),
        (HEAD + b'{"operation": "o", "status": "ok", "details": {"file_id": -1}}', "json"),
        (HEAD + b'{"a": ' + b"[" * 100_000, "json"),
        (HEAD + b'{"a": ' + b"9" * 100_000 + b"}", "json"),
    ],
)
def test_malformed_lines_say_what_is_wrong(line: bytes, part: str) -> None:
    if not part:  # a blank belongs to the first field, as in any CSV
        assert parse(line).user_ip == " 10.0.0.1"
        return
    with pytest.raises(MalformedLineError) as caught:
        parse(line)
    assert caught.value.part == part
    assert caught.value.reason in caught.value.message


def test_records_can_not_be_changed() -> None:
    with pytest.raises(AttributeError):
        record(CSV).path = "/b"  # type: ignore[misc]
