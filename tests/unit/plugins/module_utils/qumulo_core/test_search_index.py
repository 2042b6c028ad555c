# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists for a search index: dates, requests, mappings, and where an index is."""

from __future__ import annotations

import io
import json

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import (
    bulk,
    entries,
    formats,
    index_mapping,
    search_engine,
    search_index,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError

Entry = entries.Entry
Engine = search_engine.Engine
SECOND = 1_000_000_000


def attributes(mtime_ns=0, **more):
    return entries.Attributes(
        "file", 3, mtime_ns, 1, 2, "500", "513", None, None, "0644", 1, "9" * 30, **more
    )


def written(*found):
    output = io.BytesIO()
    writer = bulk.bulk(lambda path: path[3:])(output, formats.Totals())
    writer.extend(list(found))
    writer.close()
    return output.getvalue()


@pytest.mark.parametrize(
    ("time_ns", "date"),
    [
        (0, "1970-01-01T00:00:00.000000000Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (-2_208_988_800 * SECOND, "1900-01-01T00:00:00.000000000Z"),
        (32_503_680_000 * SECOND + 7, "3000-01-01T00:00:00.000000007Z"),
        (253_402_300_800 * SECOND, None),
        (-62_135_596_801 * SECOND, None),
    ],
)
def test_dates_hold_all_years_of_the_calendar(time_ns, date):
    assert bulk.date(time_ns) == date


def test_document_has_every_field_in_the_type_of_the_mapping():
    lock = {"retention_period": "2099-01-01T00:00:00Z", "legal_hold": True}
    known = attributes(lock=lock, names=("CORP\\jane", None))
    entry = Entry("create", "/p/a\udcff\n{{ 1 }}", False, known)
    action, line = written(entry).splitlines()
    document = json.loads(line)
    assert json.loads(action) == {"index": {"_id": bulk.document_id("a\udcff\n{{ 1 }}")}}
    assert document.pop("error") == "its name holds characters that are no Unicode text"
    assert set(document) <= set(index_mapping.PROPERTIES)
    assert document["path"] == "a?\n{{ 1 }}" and document["size"] == 3
    assert document["owner_name"] == "CORP\\jane" and document["group_name"] is None
    assert document["mtime"] == "1970-01-01T00:00:00.000000000Z"
    assert document["retention_period"] == "2099-01-01T00:00:00Z" and document["legal_hold"]


def test_id_fits_whatever_the_path_is():
    assert len(bulk.document_id("x" * 4096).encode()) <= 512
    assert bulk.document_id("a\udcff") != bulk.document_id("a?")


def cut(data, count=100, size=1 << 20):
    return list(
        search_index.requests_of(io.BytesIO(data), "list", most_entries=count, most_bytes=size)
    )


def test_requests_keep_an_action_and_its_document_together():
    data = written(
        *(Entry("delete", f"/p/old{number}", False) for number in range(3)),
        *(Entry("create", f"/p/{number}", False, attributes()) for number in range(7)),
    )
    for count in range(1, 12):
        for size in (1, 300, 700, 1 << 20):
            made = cut(data, count, size)
            assert b"".join(request.body for request in made) == data
            for request in made:
                assert len(request.actions) <= count
                assert len(request.body) <= size or len(request.actions) == 1
                lines = request.body.splitlines()
                kinds = ["delete" in line.decode() for line in lines if b'"_id"' in line]
                assert len(lines) == sum(1 if deleted else 2 for deleted in kinds)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b'{"index": {"_id": "1"}}\n', "ends within an entry"),
        (b'{"index": {"_id": "1"}}\n{"path": "a"}', "ends within an entry"),
        (b'{"path": "a", "b": 1}\n', "Line 1 of list is not an action"),
        (b"\x1f\x8b\n", "Line 1 of list is not an action"),
        (b'{"delete": {"_id": "1"}}\n7\n', "Line 2 of list is not an action"),
    ],
)
def test_what_is_no_bulk_list_is_refused(data, said):
    with pytest.raises(InputError, match=said):
        cut(data)


@pytest.mark.parametrize(
    ("name", "field", "said"),
    [
        ("mtime", {"type": "text"}, "mtime has the type text instead of date"),
        ("mtime", {"type": "date_nanos"}, "date_nanos instead of date"),
        ("atime", {"type": "date", "format": "epoch_second"}, "takes dates as epoch_second"),
        ("size", {"type": "integer"}, "integer instead of long"),
        ("file_id", {"type": "long"}, "long instead of keyword"),
        ("path", {"properties": {}}, "object instead of text"),
        ("mtime", {"type": "date"}, None),
        ("mtime", {"type": "date", "format": "epoch_millis||strict_date_optional_time"}, None),
        ("path", {"type": "wildcard"}, None),
        ("other", {"type": "float"}, None),
    ],
)
def test_mapping_is_checked_by_type(name, field, said):
    found = index_mapping.misfit({"properties": {name: field}})
    assert found is None if said is None else said in found


def test_own_mapping_fits_and_is_complete():
    made = index_mapping.definition({"directory": "/p"})
    assert index_mapping.misfit(made) is None
    assert index_mapping.addition(made, {"directory": "/p"}) == {}
    assert index_mapping.known_feed(made) == {"directory": "/p"}
    added = index_mapping.addition({"_meta": {"x": 1}}, {"directory": "/p"})
    assert added["_meta"]["x"] == 1 and added["properties"] == index_mapping.PROPERTIES


@pytest.mark.parametrize(
    "url",
    [
        "",
        "files",
        "https://h",
        "https://h/",
        "https://h:x/files",
        "https://h/files?x=1",
        "https://h/files#a",
        "https://h/_all",
        "https://h/a,b",
        "https://h/a*",
        "https://h/ a",
        "https://[::1/files",
        "ftp://h/files",
    ],
)
def test_wrong_url_is_refused(url):
    with pytest.raises(InputError, match="https://search.example.com:9200/files"):
        Engine(url)


def test_password_is_never_shown():
    with pytest.raises(InputError) as caught:
        Engine("https://me:secret-word@h/files")
    assert "secret-word" not in str(caught.value)
    with pytest.raises(InputError) as caught:
        Engine("https://h/files", "me", "secret\nword")
    assert "secret" not in str(caught.value)
    assert "secret-word" not in repr(Engine("https://h/files", "me", "secret-word"))
    assert Engine("https://[::1]:9200/prefix/files/").index == "files"


@pytest.mark.parametrize("login", [("me", None), (None, "x"), ("a:b", "x"), ("a\nb", "x")], ids=str)
def test_half_a_login_is_refused(login):
    with pytest.raises(InputError, match="username|password"):
        Engine("https://h/files", *login)
