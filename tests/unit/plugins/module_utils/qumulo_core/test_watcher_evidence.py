# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common import record_files
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common.hash_chain import (
    GENESIS,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager import (
    record_verification,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.records import (  # noqa: E501
    Records,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.logs import (
    one_line,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher import (
    verification,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.evidence import (
    Evidence,
    EvidenceError,
    EvidenceGoneError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.lock_index import (  # noqa: E501
    LockIndex,
)


def record(path: str) -> dict[str, Any]:
    return {
        "time": "2026-01-02T03:04:05Z",
        "cluster": "10.0.0.1",
        "file_id": "7",
        "path": path,
        "size": 1,
        "modification_time": "2026-01-02T03:04:04Z",
        "retention_until": None,
        "legal_hold": True,
        "rule": "invoices",
        "outcome": "locked",
    }


def checked(*paths: Path | str) -> verification.Verified:
    """Return what is found out about a chain that is whole."""
    found, faults = checked_with_faults(*paths)
    assert not faults
    return found


def checked_with_faults(*paths: Path | str) -> tuple[verification.Verified, list[str]]:
    faults: list[str] = []
    return verification.verify(map(str, paths), faults.append), faults


def written(path: Path, *names: str, **options: int) -> str:
    made = Evidence(str(path), **options)  # type: ignore[arg-type]
    for name in names:
        made.append([record(name)])
    made.close()
    return made.last


def test_each_line_carries_the_hash_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    written(path, "a", "\ud800\n")
    last = written(path, "c")
    done = checked(path)
    assert (done.lines, done.first, done.last) == (3, GENESIS, last)
    assert [json.loads(line)["path"] for line in path.read_text().splitlines()] == [
        "a",
        "\ud800\n",
        "c",
    ]
    assert path.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("torn", [b"{", b'{"path": "b", "previous"', b"\0" * 5000])
@pytest.mark.parametrize("before", [(), ("a",), ("a", "b")])
def test_what_a_crash_has_left_of_a_line_is_cut(
    tmp_path: Path, torn: bytes, before: tuple[str, ...]
) -> None:
    path = tmp_path / "e.jsonl"
    written(path, *before)
    with open(path, "ab") as file:
        file.write(torn)
    written(path, "after")
    assert checked(path).lines == len(before) + 1


def test_rotation_keeps_the_chain_whatever_happens_to_the_process(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    for number in range(60):  # each time a new process
        written(path, f"/w/{number}", max_bytes=1000)
        if number == 30:
            # What logrotate does; the service is killed before it writes again.
            path.rename(tmp_path / "e.jsonl-20260131")
    files = record_files.series(str(path))
    assert len(files) > 5
    done = checked(*files)
    assert (done.lines, done.first) == (60, GENESIS)
    lines = [line for file in files for line in Path(file).read_text().splitlines()]
    assert [json.loads(line)["path"] for line in lines] == [f"/w/{n}" for n in range(60)]


def test_a_number_of_a_file_is_never_given_again(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    for number in range(30):
        written(path, f"/w/{number}", max_bytes=1000)
    first, second, *rest = record_files.series(str(path))
    os.unlink(first)
    os.unlink(second)
    for number in range(30, 60):
        written(path, f"/w/{number}", max_bytes=1000)
    assert record_files.series(str(path))[: len(rest) - 1] == rest[:-1]
    checked(*record_files.series(str(path)))


def test_it_goes_on_when_it_was_moved_and_the_last_hash_was_kept(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    made = Evidence(str(path))
    made.append([record("a")])
    path.rename(tmp_path / "archived")
    made.append([record("b")])  # a new file
    made.reopen()
    made.append([record("c")])
    made.close()
    assert checked(tmp_path / "archived", path).lines == 3
    assert made.gaps == 0


def test_what_can_not_be_written_leaves_the_chain_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "e.jsonl"
    made = Evidence(str(path))
    made.append([record("a")])

    def refuse(*_arguments: object) -> None:
        raise OSError(5, "Input/output error")

    for broken in (("fsync",), ("fsync", "ftruncate")):
        with monkeypatch.context() as patch:
            for name in broken:
                patch.setattr(os, name, refuse)
            with pytest.raises(EvidenceError, match="reports an I/O error"):
                made.append([record("lost")])
        made.append([record("kept")])
    made.close()
    checked(path)
    assert path.read_text().count("kept") == 2
    with pytest.raises(EvidenceError):
        Evidence(str(tmp_path / "nowhere" / "e.jsonl"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}\n", "not a valid record"),
        ('{"a', "the line is not complete"),
        ("[" * 9999 + "\n", "not a valid record"),
        ('{"previous": "x"}\n', "the record is malformed: it has no 'file_id'"),
        ({"file_id": "../x"}, "'../x' is not a file ID"),
        ({"path": None}, "'path' is not text"),
        ({"retention_until": 7}, "7 is not a time"),
        ({"retention_until": "soon"}, "'soon' is not an RFC 3339 time"),
        ({"size": "1"}, "'size' is not a number"),
    ],
)
def test_malformed_record_is_reported_with_file_and_line(
    tmp_path: Path, text: str | dict[str, Any], reason: str
) -> None:
    path = tmp_path / "e.jsonl"
    if isinstance(text, dict):
        text = json.dumps({**record("a"), "previous": GENESIS, **text}) + "\n"
    path.write_text(text)
    found, faults = checked_with_faults(path)
    assert found.faults == len(faults) == 1
    assert faults[0].startswith(f"{path}, line 1: ")
    assert reason in faults[0]
    assert faults[0].endswith(".") and "\n" not in faults[0]


def test_unreadable_file_is_reported(tmp_path: Path) -> None:
    written(tmp_path / "e.jsonl", "a")
    nowhere = tmp_path / "nowhere"
    found, reports = checked_with_faults(nowhere, tmp_path / "e.jsonl")
    assert (found.lines, found.faults, found.unreadable) == (1, 0, 1)
    assert reports == [
        f"{nowhere} cannot be read (No such file or directory): check the path and the permissions."
    ]


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[bytes]:
    path = tmp_path_factory.mktemp("evidence") / "e.jsonl"
    written(path, *(f"/w/{number}" for number in range(12)))
    return path.read_bytes().splitlines(keepends=True)


@settings(max_examples=150)
@given(st.data())
def test_whatever_is_done_to_a_record_is_found(
    lines: list[bytes], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "tampered.jsonl"
    path.write_bytes(b"".join(lines))
    whole = checked(path)
    changed = list(lines)
    at = data.draw(st.integers(0, len(lines) - 1))
    kind = data.draw(st.sampled_from(["change", "remove", "insert", "swap", "again"]))
    if kind == "change":
        line = bytearray(lines[at])
        where = data.draw(st.integers(0, len(line) - 1))
        line[where] ^= data.draw(st.integers(1, 255))
        changed[at] = bytes(line)
    elif kind == "remove":
        del changed[at]
    elif kind == "insert":
        made_up = {**record("/w/made-up"), "previous": json.loads(lines[at])["previous"]}
        changed.insert(at, json.dumps(made_up, sort_keys=True).encode() + b"\n")
    elif kind == "swap":
        other = data.draw(st.integers(0, len(lines) - 1).filter(lambda n: n != at))
        changed[at], changed[other] = changed[other], changed[at]
    else:
        changed.insert(at, lines[at])
    path.write_bytes(b"".join(changed))
    done, faults = checked_with_faults(path)
    # At its ends a chain holds; that it is another one is told by what it begins and ends with.
    assert faults or done != whole


HASHES = st.sampled_from([GENESIS, "a" * 64, ""])
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5), HASHES),
    lambda each: st.one_of(
        st.lists(each, max_size=3), st.dictionaries(st.text(max_size=3), each, max_size=3)
    ),
    max_leaves=5,
)
NAMES = ("time", "size", "message", "number", "outcome", "event", "data_revision", *record(""))


@settings(max_examples=300)
@given(
    st.lists(
        st.one_of(
            VALUES,
            st.fixed_dictionaries(
                {"previous": HASHES | VALUES},
                optional={"missing": HASHES | VALUES, **dict.fromkeys(NAMES, VALUES)},
            ),
            st.dictionaries(st.sampled_from(NAMES), VALUES).map(
                lambda changes: {**record("/w/a"), "previous": GENESIS, **changes}
            ),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_each_json_line_gives_sentences(
    tmp_path_factory: pytest.TempPathFactory, values: list[Any]
) -> None:
    place = tmp_path_factory.mktemp("any")
    path = place / "e.jsonl"
    path.write_text("".join(json.dumps(value) + "\n" for value in values))
    path.chmod(0o640)
    (place / "e.jsonl.1").write_bytes(path.read_bytes())
    (place / "e.jsonl.000001").write_bytes(path.read_bytes() + b"{}\n")
    with LockIndex() as index:
        reports: list[str] = []
        found = verification.verify([str(path)], reports.append, take=index.add)
        assert found.lines == len(values) and found.describe()
        assert all(one_line(each) for each in reports)
        for _lock in index:
            pass
    page = record_verification.verify([str(path)], reports.append)
    assert page.lines == len(values) and page.describe()
    assert record_files.series(str(path))
    made = Evidence(str(path), notes={"evidence": "b" * 64})
    made.append([record("next")])
    made.close()
    assert made.gaps == 1
    Records(str(path)).write([record("next")])


@pytest.mark.parametrize("mode", [0o660, 0o646])
def test_a_record_that_others_can_change_is_none(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "e.jsonl"
    path.touch()
    path.chmod(mode)
    with pytest.raises(EvidenceError, match="can write to it"):
        Evidence(str(path))
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(EvidenceError, match="is not a regular file"):
        Evidence(str(path))


def delete(path: Path) -> None:
    path.unlink()


def replace(path: Path) -> None:
    path.unlink()
    path.write_bytes(b"")
    path.chmod(0o640)


def replace_directory(path: Path) -> None:
    path.parent.rename(path.parent.with_name("old"))
    path.parent.mkdir()


@pytest.mark.parametrize("reloaded", [False, True])
@pytest.mark.parametrize("loss", [delete, replace, replace_directory])
def test_nothing_is_recorded_in_a_deleted_file(
    tmp_path: Path, loss: Callable[[Path], None], reloaded: bool
) -> None:
    path = tmp_path / "state" / "e.jsonl"
    path.parent.mkdir()
    made = Evidence(str(path))
    made.append([record("a")])
    last = made.last
    loss(path)
    if reloaded:
        with pytest.raises(EvidenceGoneError):
            made.reopen()
    for _again in range(2):
        with pytest.raises(EvidenceGoneError, match="was deleted or replaced while the service"):
            made.append([record("b")])
    assert isinstance(made.failure, EvidenceGoneError)
    assert made.last == last
    assert not path.exists() or path.read_bytes() == b""
    made.close()


def test_a_rotation_without_a_reload_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    made = Evidence(str(path))
    made.append([record("a")])
    aside = tmp_path / "e.jsonl.1"
    path.rename(aside)
    made.append([record("b")])
    made.close()
    assert len(path.read_bytes().splitlines()) == 1
    assert checked(aside, path).lines == 2
