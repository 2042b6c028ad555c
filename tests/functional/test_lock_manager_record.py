# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The record of closed handles: whatever happens to its file, and what its chain proves."""

from __future__ import annotations

import errno
import gzip
import json
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager import (
    main,
    record_reader,
    records,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.records import (  # noqa: E501
    Records,
)
from tests.simulator.harness import Simulator
from tests.tools.lock_manager_page import configuration, running_page
from tests.tools.visitor import Visitor


def outcome(number: int, **changes: Any) -> dict[str, Any]:
    """A record as the page makes it."""
    return {
        "time": "2026-03-02T12:00:00Z",
        "closing": "c",
        "who": "helpdesk",
        "who_id": "1001",
        "from": "127.0.0.1",
        "reason": "",
        "event": "outcome",
        "outcome": "closed",
        "error": "",
        "path": f"/file {number}",
        "file_id": str(number),
        "user": "CORP\\jane",
        "user_auth_id": "8589935692",
        "clients": ["10.1.2.3"],
        "could_lose_work": [],
        "location": "1",
        **changes,
    }


#: Lines that no release has written.
FOREIGN = [
    b"\xff\x00\x01binary",
    b"{",
    b'{"event": "outcome", "path": "/half',
    b"null",
    b"[]",
    b"17",
    b'"text"',
    b"[" * 100_000,
    b'{"event": "outcome", "handles": NaN}',
    b'{"event": "asked", "handles": -1}',
    b'{"event": "asked", "handles": %s}' % (b"9" * 5000),
    b'{"event": ["outcome"]}',
    b'{"event": "another"}',
    b'{"event": "outcome", "time": null}',
    b'{"event": "outcome", "path": 5}',
    b'{"event": "outcome", "clients": "10.1.2.3"}',
    b'{"event": "outcome", "clients": [1]}',
    b'{"event": "outcome", "error": {"a": 1}}',
    json.dumps(outcome(0, path="x" * (1 << 20))).encode(),
    b"x" * (1 << 21),
]
#: Records of other releases, which have no hashes or fewer members.
EARLIER = [
    json.dumps(outcome(1), ensure_ascii=False).encode(),
    json.dumps(outcome(2, path="/\ud800 \u00e4"), ensure_ascii=False).encode(
        "utf-8", "surrogatepass"
    ),
    json.dumps(outcome(3, path="/\udfff\n\u202e")).encode(),
    json.dumps(outcome(4, new={"member": [1]})).encode(),
    b'{"event": "outcome"}',
]


def pages(path: str, limit: int) -> Iterator[record_reader.RecordPage]:
    page = record_reader.newest(path, limit)
    yield page
    while page.older:
        page = record_reader.newest(path, limit, page.older)
        yield page


LINES = st.lists(
    st.one_of(
        st.sampled_from([(False, line) for line in FOREIGN]),
        st.sampled_from([(True, line) for line in EARLIER]),
        st.binary(max_size=50).map(lambda text: (False, b"#" + text.replace(b"\n", b""))),
        st.just((None, b"  ")),
    ),
    max_size=12,
)


@budget(deadline=None, max_examples=50)
@given(LINES, st.integers(1, 5), st.booleans())
def test_each_readable_record_is_shown_once(
    lines: list[tuple[bool | None, bytes]], limit: int, newline: bool
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "closed.jsonl")
        data = b"\n".join(line for _good, line in lines) + (b"\n" if newline else b"")
        Path(path).write_bytes(data)
        found = list(pages(path, limit))
        shown = [record for page in found for record in page.records]
        good = [json.loads(line.decode("utf-8", "surrogatepass")) for ok, line in lines if ok]
        names = [record.get("file_id") for record in good[::-1]]
        assert [record.get("file_id") for record in shown] == names
        assert sum(page.unreadable for page in found) == sum(ok is False for ok, _line in lines)
        assert all(len(page.records) <= limit and not page.error for page in found)
        json.dumps(shown, ensure_ascii=False, allow_nan=False).encode()
        oldest = [record.get("file_id") for record in record_reader.oldest_first(path)]
        assert oldest == names[::-1]


@budget(deadline=None, max_examples=50)
@given(st.lists(st.text(max_size=40), max_size=30), st.integers(1, 7))
def test_records_come_back_newest_first(texts: list[str], limit: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = str(Path(directory) / "closed.jsonl")
        for at in range(0, len(texts), 3):
            Records(path).write([outcome(0, reason=text) for text in texts[at : at + 3]])
        seen = [r["reason"] for page in pages(path, limit) for r in page.records]
        readable = [text.encode("utf-8", "backslashreplace").decode() for text in texts]
        assert seen == readable[::-1]


def test_a_page_looks_at_a_part_of_the_file_only(tmp_path: Path) -> None:
    path = tmp_path / "closed.jsonl"
    Records(str(path)).write([outcome(1)])
    with path.open("ab") as file:
        file.write(b"x" * 40_000_000 + b"\n" + b"y" * 999 + (b"\n" + b"y" * 999) * 40_000 + b"\n")
    Records(str(path)).write([outcome(2)])
    found = list(pages(str(path), 100))
    assert len(found) > 3
    shown = [record["path"] for page in found for record in page.records if "path" in record]
    assert shown == ["/file 2", "/file 1"]
    assert sum(page.unreadable for page in found) == 40_002


# -- the page -----------------------------------------------------------------------------------


@pytest.fixture
def admin(simulator: Simulator, tmp_path: Path) -> Iterator[Visitor]:
    with running_page(simulator, tmp_path) as page:
        yield Visitor(page.url, str(tmp_path / "ca.pem")).log_in("admin", simulator.password())


def test_foreign_lines_do_not_hide_the_rest(admin: Visitor, tmp_path: Path) -> None:
    path = tmp_path / "closed.jsonl"
    path.write_bytes(b"\n".join([*FOREIGN, *EARLIER, b""]))
    answer = admin.get("/closings")
    assert answer.status_code == 200
    assert "/file 1" in answer.text or "file 1" in answer.text
    assert f"{len(FOREIGN)} lines between these entries cannot be read" in answer.text
    found = admin.json("/api/v1/closings")
    assert (len(found["records"]), found["unreadable"]) == (len(EARLIER), len(FOREIGN))
    table = admin.get("/closings.csv")
    assert table.status_code == 200
    assert table.content.count(b"helpdesk") == len(EARLIER) - 1


def test_what_is_in_place_of_the_record_is_named(admin: Visitor, tmp_path: Path) -> None:
    path = tmp_path / "closed.jsonl"
    path.unlink()
    assert "Nothing has been closed" in admin.get("/closings").text
    for make, reason in (
        (path.mkdir, "not a regular file"),
        (lambda: os.mkfifo(path), "not a regular file"),
        (lambda: path.symlink_to("/etc/passwd"), "Cannot read the record"),
    ):
        make()
        answer = admin.get("/closings")
        assert answer.status_code == 200 and reason in answer.text
        assert "root:" not in answer.text
        assert reason in admin.json("/api/v1/closings")["error"]
        assert admin.get("/closings.csv").status_code == 400
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


# -- the chain ----------------------------------------------------------------------------------


class Host:
    """A host with a record and the command that checks it."""

    def __init__(self, simulator: Simulator, directory: Path, capsys: Any) -> None:
        self.path = directory / "closed.jsonl"
        self.records = Records(str(self.path))
        self._capsys = capsys
        self._config = directory / "config.yml"
        self._config.write_text(yaml.safe_dump(configuration(simulator, directory)))

    def write(self, *numbers: int) -> None:
        Records(str(self.path)).write([outcome(number) for number in numbers])

    def verify(self, *arguments: str) -> tuple[int, str]:
        code = main.main(["--config", str(self._config), "verify", *arguments])
        said = self._capsys.readouterr()
        return code, said.out + said.err

    def shown(self) -> list[str]:
        page = record_reader.newest(str(self.path), 1000)
        return [record.get("path", record["event"]) for record in page.records]


@pytest.fixture
def host(simulator: Simulator, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Host:
    return Host(simulator, tmp_path, capsys)


def last_hash(text: str) -> str:
    found = re.search(r"The last has hash ([0-9a-f]{64})", text)
    assert found is not None, text
    return found[1]


def test_a_whole_record_is_proven(host: Host) -> None:
    assert host.verify()[0] == 4  # there is nothing yet
    host.write(1, 2)
    host.write(3)
    code, said = host.verify()
    assert code == 0 and "3 lines verified, from the beginning" in said
    early = last_hash(said)
    host.write(4)
    assert host.verify("--expect", early)[0] == 0
    assert host.verify(str(host.path))[0] == 0
    code, said = host.verify("--expect", "0" * 63 + "1")
    assert code == 1 and "is not in the record" in said
    assert host.verify("--expect", "no hash")[0] == 2


@pytest.mark.parametrize("line", [0, 1, 2])
def test_a_changed_line_is_found(host: Host, line: int) -> None:
    host.write(1, 2, 3)
    lines = host.path.read_bytes().splitlines(keepends=True)
    for broken in (
        [*lines[:line], lines[line].replace(b"jane", b"omar"), *lines[line + 1 :]],
        [*lines[:line], *lines[line + 1 :]],
        [*lines[:line], b"#\n", *lines[line:]],
    ):
        host.path.write_bytes(b"".join(broken))
        code, said = host.verify()
        # Older files may be gone, so that a record may begin anywhere; it says where.
        assert code == 1 or "2 lines verified, after a line with hash" in said


def test_a_removed_tail_is_noticed_and_recorded(host: Host) -> None:
    host.write(1, 2, 3)
    host.path.write_bytes(b"".join(host.path.read_bytes().splitlines(keepends=True)[:2]))
    code, said = host.verify()
    assert code == 1 and "the page has written" in said
    host.records.check()  # the page starts
    assert host.shown() == ["gap", "/file 2", "/file 1"]
    host.write(4)
    code, said = host.verify()
    assert code == 1 and "records before this line are missing" in said
    assert host.shown() == ["/file 4", "gap", "/file 2", "/file 1"]  # once


def test_a_record_that_is_cut_while_the_page_runs_is_noticed(host: Host) -> None:
    host.write(1, 2, 3)
    whole = host.path.read_bytes()
    stored = host.path.with_name("closed.jsonl.last")
    kept = stored.read_bytes()
    # One byte less is a newline that was removed, which costs nothing.
    for size in (*range(0, len(whole) - 1, 50), len(whole) - 2):
        host.path.write_bytes(whole)
        stored.write_bytes(kept)
        host.records.write([])
        os.truncate(host.path, size)
        host.records.write([outcome(4)])
        assert host.shown()[:2] == ["/file 4", "gap"]
        ours = host.path.read_bytes().splitlines(keepends=True)[-2:]
        assert host.verify()[0] == 1
        host.path.write_bytes(whole + b"".join(ours))  # the lost lines are back
        assert host.verify()[0] == 0


def test_a_deleted_record_is_noticed(host: Host) -> None:
    host.write(1)
    host.path.unlink()
    host.write(2)
    assert host.shown() == ["/file 2", "gap"]
    assert host.verify()[0] == 1


@pytest.mark.parametrize("compress", [False, True])
def test_a_rotated_record_goes_on(host: Host, compress: bool) -> None:
    for number in range(4):
        host.write(number)
        if number in (0, 2):
            aside = host.path.with_name(f"closed.jsonl-2026030{number}")
            host.path.rename(aside)
            if compress:
                aside.with_name(aside.name + ".gz").write_bytes(gzip.compress(aside.read_bytes()))
                aside.unlink()
    assert host.shown() == ["/file 3"]
    code, said = host.verify()
    assert code == 0 and "4 lines verified, from the beginning" in said
    next(host.path.parent.glob("closed.jsonl-20260300*")).unlink()  # as old as is kept
    code, said = host.verify()
    assert code == 0 and "3 lines verified, after a line with hash" in said


def test_records_of_an_earlier_release_stay(host: Host) -> None:
    host.path.write_bytes(b"\n".join([*EARLIER, b""]))
    host.path.chmod(0o640)
    host.write(9)
    assert len(host.shown()) == len(EARLIER) + 1
    code, said = host.verify()
    assert code == 0 and f"the first {len(EARLIER)} of them without hashes" in said
    text = host.path.read_bytes()
    host.path.write_bytes(text.replace(b'"/file 1"', b'"/file 7"'))
    assert host.verify()[0] == 0  # nothing proves lines without hashes but the last of them
    host.path.write_bytes(text.replace(EARLIER[-1], b'{"event": "outcome" }'))
    assert host.verify()[0] == 1


def test_a_crash_is_no_false_alarm(host: Host) -> None:
    host.write(1)
    stored = (host.path.with_name("closed.jsonl.last")).read_bytes()
    host.write(2)
    whole = host.path.read_bytes()
    # The process ended before it kept the hash of the line ...
    (host.path.with_name("closed.jsonl.last")).write_bytes(stored)
    host.write(3)
    assert host.verify()[0] == 0 and host.shown() == ["/file 3", "/file 2", "/file 1"]
    # ... or within a line.
    with host.path.open("ab") as file:
        file.write(whole.splitlines()[1][:40])
    host.write(4)
    assert host.verify()[0] == 0
    assert host.shown() == ["/file 4", "/file 3", "/file 2", "/file 1"]


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_rotated_file_that_is_none_is_named(host: Host, make: Any) -> None:
    host.write(1)
    host.path.rename(host.path.with_name("closed.jsonl-20260301"))
    host.write(2)
    middle = host.path.with_name("closed.jsonl-20260302")
    make(middle)
    code, said = host.verify()
    assert code == 4 and f"{middle} is not a regular file" in said
    assert "2 lines verified, from the beginning" in said
    middle.rmdir() if middle.is_dir() else middle.unlink()
    middle.touch()
    code, said = host.verify()
    assert code == 0 and f"{middle} is empty" in said  # the chain is whole without it
    os.truncate(host.path.with_name("closed.jsonl-20260301"), 0)
    host.path.unlink()
    code, said = host.verify()
    assert code == 1 and "closed.jsonl-20260301 is empty" in said


@pytest.mark.parametrize("rotations", [1, 3])
@pytest.mark.parametrize("compress", [False, True])
def test_a_hash_that_was_not_kept_before_rotations_is_no_false_alarm(
    host: Host, rotations: int, compress: bool
) -> None:
    host.write(1)
    kept = host.path.with_name("closed.jsonl.last")
    stored = kept.read_bytes()
    for number in range(rotations):  # the hash cannot be kept: the disk is full
        host.write(10 + number)
        aside = host.path.with_name(f"closed.jsonl-2026030{number + 1}")
        host.path.rename(aside)
        if compress:
            aside.with_name(aside.name + ".gz").write_bytes(gzip.compress(aside.read_bytes()))
            aside.unlink()
        kept.write_bytes(stored)
    host.records.check()
    host.write(2)
    assert host.shown() == ["/file 2"]
    code, said = host.verify()
    assert code == 0 and f"{rotations + 2} lines verified, from the beginning" in said
    # What was lost with the hash is missed still.
    kept.write_text("a" * 64 + "\n")
    host.write(3)
    assert host.shown() == ["/file 3", "gap", "/file 2"]


def test_a_removed_newline_costs_no_record(host: Host) -> None:
    host.write(1, 2)
    host.path.write_bytes(host.path.read_bytes()[:-1])
    assert host.verify()[0] == 1
    host.write(3)
    assert host.verify()[0] == 0 and host.shown() == ["/file 3", "/file 2", "/file 1"]


def test_a_full_disk_leaves_no_half_line(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    host.write(1)
    real = os.write

    def full(fd: int, data: bytes) -> int:
        if len(data) < 100:
            raise OSError(errno.ENOSPC, "the disk is full")
        return real(fd, data[: len(data) - 50])

    with monkeypatch.context() as patched:
        patched.setattr(records.os, "write", full)
        with pytest.raises(InputError, match="the disk is full"):
            host.write(2)
    assert host.path.read_bytes().count(b"\n") == 1 and host.path.read_bytes().endswith(b"\n")
    host.write(3)
    assert host.verify()[0] == 0


def test_a_file_that_cannot_be_checked_proves_nothing(host: Host, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    code, said = host.verify(str(tmp_path / "fifo"))
    assert code == 4 and "not a regular file" in said
    assert host.verify(str(tmp_path / "none"))[0] == 4
    (tmp_path / "broken.gz").write_bytes(gzip.compress(b"x" * 100)[:-9])
    assert host.verify(str(tmp_path / "broken.gz"))[0] == 1
