# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher import evidence
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.evidence import (
    GENESIS,
    Evidence,
    EvidenceError,
    EvidenceGoneError,
    sequence,
    verify,
)


def written(path: Path, *names: str, **options: int) -> str:
    made = Evidence(str(path), **options)  # type: ignore[arg-type]
    for name in names:
        made.append([{"path": name}])
    made.close()
    return made.last


def test_each_line_carries_the_hash_of_the_one_before(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    written(path, "a", "\ud800\n")
    last = written(path, "c")
    done = verify([str(path)])
    assert (done.lines, done.previous, done.last) == (3, GENESIS, last)
    assert [json.loads(line)["path"] for line in path.read_text().splitlines()] == [
        "a",
        "\ud800\n",
        "c",
    ]
    assert path.stat().st_mode & 0o007 == 0


@pytest.mark.parametrize("torn", [b"{", b'{"path": "b", "previous"', b"\0" * 5000])
@pytest.mark.parametrize("before", [(), ("a",), ("a", "b")])
def test_what_a_crash_has_left_of_a_line_is_cut(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: bytes, before: tuple[str, ...]
) -> None:
    monkeypatch.setattr(evidence, "_TAIL", 64)
    path = tmp_path / "e.jsonl"
    written(path, *before)
    with open(path, "ab") as file:
        file.write(torn)
    written(path, "after")
    assert verify([str(path)]).lines == len(before) + 1


def test_rotation_keeps_the_chain_whatever_happens_to_the_process(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    for number in range(60):  # each time a new process
        written(path, f"/w/{number}", max_bytes=1000)
        if number == 30:
            # What logrotate does; the service is killed before it writes again.
            path.rename(tmp_path / "e.jsonl-20260131")
    files = sequence(str(path))
    assert len(files) > 5
    done = verify(files)
    assert (done.lines, done.previous) == (60, GENESIS)
    lines = [line for file in files for line in Path(file).read_text().splitlines()]
    assert [json.loads(line)["path"] for line in lines] == [f"/w/{n}" for n in range(60)]


def test_a_number_of_a_file_is_never_given_again(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    for number in range(30):
        written(path, f"/w/{number}", max_bytes=1000)
    first, second, *rest = sequence(str(path))
    os.unlink(first)
    os.unlink(second)
    for number in range(30, 60):
        written(path, f"/w/{number}", max_bytes=1000)
    assert sequence(str(path))[: len(rest) - 1] == rest[:-1]
    verify(sequence(str(path)))


def test_it_goes_on_when_it_was_moved_and_the_last_hash_was_kept(tmp_path: Path) -> None:
    last = written(tmp_path / "e.jsonl", "a")
    (tmp_path / "e.jsonl").rename(tmp_path / "archived")
    made = Evidence(str(tmp_path / "e.jsonl"), previous=last)
    made.append([{"path": "b"}])
    assert verify([str(tmp_path / "archived"), str(tmp_path / "e.jsonl")]).lines == 2
    (tmp_path / "e.jsonl").rename(tmp_path / "archived.2")
    made.append([{"path": "c"}])  # a new file
    made.reopen()
    made.append([{"path": "d"}])
    made.close()
    names = ("archived", "archived.2", "e.jsonl")
    assert verify([str(tmp_path / name) for name in names]).lines == 4


def test_what_can_not_be_written_leaves_the_chain_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "e.jsonl"
    made = Evidence(str(path))
    made.append([{"path": "a"}])

    def refuse(*_arguments: object) -> None:
        raise OSError(5, "Input/output error")

    for broken in (("fsync",), ("fsync", "ftruncate")):
        with monkeypatch.context() as patch:
            for name in broken:
                patch.setattr(os, name, refuse)
            with pytest.raises(EvidenceError, match="Input/output error"):
                made.append([{"path": "lost"}])
        made.append([{"path": "kept"}])
    made.close()
    verify([str(path)])
    assert path.read_text().count("kept") == 2
    with pytest.raises(EvidenceError):
        Evidence(str(tmp_path / "nowhere" / "e.jsonl"))


def test_what_is_no_record_is_told(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    for text, told in (("", "nothing"), ("{}\n", "no line of a record"), ('{"a', "not complete")):
        path.write_text(text)
        with pytest.raises(InputError, match=told):
            verify([str(path)])
    with pytest.raises(InputError, match="can not be read"):
        verify([str(tmp_path / "nowhere")])


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
    whole = verify([str(path)])
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
        record = {"path": "/w/made-up", "previous": json.loads(lines[at])["previous"]}
        changed.insert(at, json.dumps(record, sort_keys=True).encode() + b"\n")
    elif kind == "swap":
        other = data.draw(st.integers(0, len(lines) - 1).filter(lambda n: n != at))
        changed[at], changed[other] = changed[other], changed[at]
    else:
        changed.insert(at, lines[at])
    path.write_bytes(b"".join(changed))
    try:
        done = verify([str(path)])
    except InputError:
        return
    # At its ends a chain holds; that it is another one is told by what it begins and ends with.
    assert done != whole


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
    made.append([{"path": "a"}])
    last = made.last
    loss(path)
    if reloaded:
        with pytest.raises(EvidenceGoneError):
            made.reopen()
    for _again in range(2):
        with pytest.raises(EvidenceGoneError, match="was deleted or replaced while the service"):
            made.append([{"path": "b"}])
    assert isinstance(made.failure, EvidenceGoneError)
    assert made.last == last
    assert not path.exists() or path.read_bytes() == b""
    made.close()


def test_a_rotation_without_a_reload_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    made = Evidence(str(path))
    made.append([{"path": "a"}])
    aside = tmp_path / "e.jsonl.1"
    path.rename(aside)
    made.append([{"path": "b"}])
    made.close()
    assert len(path.read_bytes().splitlines()) == 1
    assert verify([str(aside), str(path)]).lines == 2
