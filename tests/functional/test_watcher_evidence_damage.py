# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Evidence that was damaged is noticed; crashes and rotations are no damage."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common import record_files
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common.hash_chain import (
    GENESIS,
    append,
    digest,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import (
    InputError,
    QumuloError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.sqlite import (
    SqliteSpool,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher import (
    verification,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.evidence import (
    GAP,
    Evidence,
)
from tests.tools.tree import ROOT

COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
}


def record(name: str) -> dict[str, Any]:
    return {
        "time": "2026-01-02T03:04:05Z",
        "file_id": "7",
        "path": name,
        "modification_time": "2026-01-02T03:04:04Z",
        "retention_until": None,
        "legal_hold": True,
    }


class Writer:
    """A watcher's way with its evidence, without the watcher.

    :param notes: what its spool has stored.
    """

    def __init__(self, path: Path, notes: dict[str, str] | None = None) -> None:
        self.path = path
        self.notes: dict[str, str] = dict(notes or {})
        self.count = 0
        self.restart()

    def __del__(self) -> None:
        self.kill()

    def kill(self) -> None:
        """End the service without a word: only its descriptor is closed, as the kernel does."""
        evidence = getattr(self, "evidence", None)
        if evidence is not None and evidence._fd is not None:
            os.close(evidence._fd)
            evidence._fd = None

    def restart(self, **options: int) -> Evidence:
        """Start the service again after it was killed."""
        self.kill()
        self.evidence = Evidence(str(self.path), notes=self.notes, **options)
        for _lines in self.evidence.compare():
            pass
        self.store()
        return self.evidence

    def write(self, lines: int = 1, *, store: bool = True) -> None:
        """Write a batch; unless it is killed in between, store its last hash."""
        names = range(self.count, self.count + lines)
        self.evidence.append([record(str(name)) for name in names])
        self.count += lines
        if store:
            self.store()

    def store(self) -> None:
        self.notes.update(self.evidence.notes())


def verified(*paths: Path | str) -> tuple[verification.Verified, list[str]]:
    faults: list[str] = []
    return verification.verify(map(str, paths), faults.append), faults


def faults_of(*paths: Path | str) -> list[str]:
    return verified(*paths)[1]


def recorded(path: Path) -> list[str]:
    """Return the names of the records of all files."""
    lines = [json.loads(line) for _p, _n, line in record_files.read(record_files.series(str(path)))]
    return [line["path"] for line in lines if "path" in line]


def gaps(path: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_bytes().splitlines()]
    return [line for line in lines if line["outcome"] == GAP] if lines else []


# -- damage -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, dict[str, str]]:
    path = tmp_path_factory.mktemp("whole") / "e.jsonl"
    writer = Writer(path)
    writer.write(2)
    writer.write(2)
    return path.read_bytes(), writer.notes


def test_truncation_at_every_byte_is_noticed_once(
    tmp_path: Path, whole: tuple[bytes, dict[str, str]]
) -> None:
    data, notes = whole
    path = tmp_path / "e.jsonl"
    for size in range(len(data)):
        path.write_bytes(data[:size])
        path.chmod(0o640)
        writer = Writer(path, notes)
        assert writer.evidence.gaps == 1, size
        writer.write(2)
        for _again in range(2):
            assert writer.restart().gaps == 1
        faults = faults_of(path)
        if size == len(data) - 1:  # only the newline was lost, and it is back
            assert not faults
            assert path.read_bytes().startswith(data)
        else:
            assert len(faults) == 1
            assert "records before this line are missing" in faults[0]
            assert notes["evidence"] in faults[0]
        path.unlink()


@given(st.data())
def test_each_change_is_noticed_at_the_start_or_when_verifying(
    tmp_path_factory: pytest.TempPathFactory,
    whole: tuple[bytes, dict[str, str]],
    data: st.DataObject,
) -> None:
    text, notes = whole
    path = tmp_path_factory.mktemp("changed") / "e.jsonl"
    lines = text.splitlines(keepends=True)
    at = data.draw(st.integers(0, len(lines) - 1))
    kind = data.draw(st.sampled_from(["remove", "join", "change", "swap"]))
    if kind == "remove":
        del lines[at]
    elif kind == "join":
        lines[at] = lines[at][:-1]
    elif kind == "change":
        where = data.draw(st.integers(0, len(lines[at]) - 2))
        line = bytearray(lines[at])
        line[where] ^= data.draw(st.integers(1, 255))
        lines[at] = bytes(line)
    else:
        other = data.draw(st.integers(0, len(lines) - 1).filter(lambda n: n != at))
        lines[at], lines[other] = lines[other], lines[at]
    path.write_bytes(b"".join(lines))
    path.chmod(0o640)
    faults: list[str] = []
    found = verification.verify([str(path)], faults.append)
    writer = Writer(path, notes)
    if not faults and found.first != GENESIS:
        assert (kind, at) == ("remove", 0)
        assert "(1 earlier record is not in these files)" in found.describe()
    else:
        assert faults or writer.evidence.gaps == 1
    writer.write()
    again = writer.evidence.gaps
    assert writer.restart().gaps == again


def test_lost_files_are_noticed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "e.jsonl"
    writer = Writer(path)
    writer.write(3)
    path.rename(tmp_path / "e.jsonl.000001")
    writer.restart()
    writer.write(2)
    kept = path.read_bytes()
    path.unlink()  # the current file, while an older one exists
    writer.restart()
    assert writer.evidence.gaps == 1
    (gap,) = gaps(path)
    assert "ends with record 3" in gap["message"]
    assert "record 5" in gap["message"]
    assert gap["message"] in caplog.text
    writer.write()
    assert len(faults_of(*record_files.series(str(path)))) == 1
    # Once it is back, the chain is whole again.
    (tmp_path / "e.jsonl.000002").write_bytes(kept)
    assert not faults_of(*record_files.series(str(path)))
    assert recorded(path) == [str(number) for number in range(6)]
    for each in tmp_path.iterdir():
        each.unlink()
    assert writer.restart().gaps == 2
    assert "is empty" in gaps(path)[0]["message"]


@pytest.mark.parametrize("empty", [False, True])
def test_a_removed_beginning_is_logged_at_the_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, empty: bool
) -> None:
    path = tmp_path / "e.jsonl"
    writer = Writer(path)
    for number in (1, 2):
        writer.write()
        path.rename(tmp_path / f"e.jsonl.00000{number}")
        writer.restart()
    writer.write()
    writer.restart()
    assert not caplog.text
    first = tmp_path / "e.jsonl.000001"
    os.truncate(first, 0) if empty else first.unlink()
    assert writer.restart().gaps == 0
    assert f"The evidence {path} does not begin with its first record" in caplog.text


def test_an_older_copy_of_the_evidence_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    writer = Writer(path)
    writer.write(3)
    backup = path.read_bytes()
    writer.write(3)
    path.write_bytes(backup)
    assert writer.restart().gaps == 1


def test_a_change_while_the_service_runs_is_noticed_by_a_reload(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    writer = Writer(path)
    writer.write(3)
    os.truncate(path, path.stat().st_size // 2)
    writer.evidence.reopen()
    writer.write()
    assert writer.evidence.gaps == 1
    assert writer.restart().gaps == 1
    assert len(faults_of(path)) == 1


@settings(max_examples=80)
@given(st.data())
def test_a_change_of_size_while_the_service_runs_is_noticed_by_the_next_batch(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("open") / "e.jsonl"
    writer = Writer(path)
    count = data.draw(st.integers(0, 4))
    for _batch in range(count):
        writer.write()
    text = path.read_bytes()
    kinds = ["append", "forge", *(["cut", "empty", "lines", "head"] if count else [])]
    kind = data.draw(st.sampled_from(kinds))
    if kind in ("cut", "empty"):
        os.truncate(path, 0 if kind == "empty" else data.draw(st.integers(0, len(text) - 1)))
    elif kind in ("lines", "head"):
        lines = text.splitlines(keepends=True)
        lost = data.draw(st.integers(1, count))
        path.write_bytes(b"".join(lines[:-lost] if kind == "lines" else lines[lost:]))
    else:
        added = b"foreign\n" * data.draw(st.integers(1, 3))
        if kind == "forge":
            added, _last = append([record("forged")], writer.evidence.last)
        with open(path, "ab") as file:
            file.write(added)
    changed = path.read_bytes()
    writer.write(2)
    assert writer.evidence.gaps == 1
    (gap,) = (each for each in map(parsed, path.read_bytes().splitlines()) if GAP in each.values())
    assert f"its size went from {len(text)} to {len(changed)} bytes" in gap["message"]
    if not (kind == "cut" and len(changed) == len(text) - 1):  # the lost newline is back
        found, faults = verified(path)
        assert faults or found.first != GENESIS
    # It is reported once, and a restart finds nothing new.
    writer.write()
    assert writer.restart().gaps == 1
    # Once the file holds again what the service had written, the chain is whole.
    ours = path.read_bytes().splitlines(keepends=True)[-4:]
    path.write_bytes(text + b"".join(ours))
    assert not faults_of(path)


def parsed(line: bytes) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError:
        return {}


def test_a_copied_and_emptied_file_is_no_damage(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    writer = Writer(path)
    writer.write(3)
    shutil.copy(path, tmp_path / "e.jsonl.1")  # logrotate's copytruncate
    os.truncate(path, 0)
    writer.write(2)
    assert writer.evidence.gaps == 0
    assert not faults_of(*record_files.series(str(path)))


# -- no damage ----------------------------------------------------------------------------------


def test_crash_at_every_byte_is_no_damage(
    tmp_path: Path, whole: tuple[bytes, dict[str, str]]
) -> None:
    data, notes = whole
    path = tmp_path / "e.jsonl"
    path.write_bytes(data)
    path.chmod(0o640)
    writer = Writer(path, notes)
    writer.write(2, store=False)
    written = path.read_bytes()
    for size in range(len(data), len(written) + 1):
        path.write_bytes(written[:size])
        writer.notes = dict(notes)
        assert writer.restart().gaps == 0, size
        writer.write()
        assert not faults_of(path)
        assert path.read_bytes().startswith(data)


def test_evidence_of_an_earlier_release_is_continued(
    tmp_path: Path, whole: tuple[bytes, dict[str, str]]
) -> None:
    """It has no numbers, and its hash was stored only at a clean stop."""
    path = tmp_path / "e.jsonl"
    previous, lines = GENESIS, []
    for name in range(4):
        line = json.dumps({**record(str(name)), "previous": previous}, sort_keys=True).encode()
        previous = digest(line)
        lines.append(line + b"\n")
    stored = digest(lines[1][:-1])
    (tmp_path / "e.jsonl.000001").write_bytes(b"".join(lines[:3]))
    path.write_bytes(lines[3])
    path.chmod(0o640)
    writer = Writer(path, {"evidence": stored})
    writer.write(2)
    assert writer.restart().gaps == 0
    assert not faults_of(*record_files.series(str(path)))
    numbers = [json.loads(line).get("number") for line in path.read_bytes().splitlines()]
    assert numbers == [None, 1, 2]
    found, _faults = verified(path)  # without numbers, nobody knows how many records are lost
    assert (found.cut, found.earlier) == (True, 0)
    # And so is that which an earlier release has continued: it knows only the hash.
    line = json.dumps({**record("x"), "previous": writer.evidence.last}, sort_keys=True).encode()
    with open(path, "ab") as file:
        file.write(line + b"\n")
    writer.notes["evidence"] = digest(line)
    assert writer.restart().gaps == 0


@settings(max_examples=60)
@given(st.data())
def test_rotations_and_crashes_are_no_damage(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    place = tmp_path_factory.mktemp("rotated")
    path = place / "e.jsonl"
    style = data.draw(st.sampled_from(["dates", "numbers", "own"]))
    writer = Writer(path)
    day = 0
    for _step in range(data.draw(st.integers(1, 12))):
        kind = data.draw(
            st.sampled_from(["write", "killed", "restart", "rotate", "compress", "copy", "touch"])
        )
        if kind == "write":
            writer.write(data.draw(st.integers(1, 3)))
        elif kind == "killed":
            writer.write(data.draw(st.integers(1, 3)), store=False)
            writer.restart()
        elif kind == "restart":
            writer.restart(max_bytes=data.draw(st.sampled_from([1, 1 << 30])))
        elif kind == "rotate" and path.stat().st_size:  # notifempty
            day += 1
            rotate(path, style, day)
            if data.draw(st.booleans()):
                writer.evidence.reopen()  # logrotate's postrotate
            else:
                writer.restart()
        elif kind == "compress":
            compress(place, data.draw(st.sampled_from(sorted(COMPRESSIONS))))
        elif kind == "copy" and path.stat().st_size and style != "own":
            day += 1
            rotate(path, style, day, copy=True)
        elif kind == "touch":  # times tell nothing about the order
            for each in place.iterdir():
                time = data.draw(st.integers(0, 10**9))
                os.utime(each, (time, time))
    assert writer.restart().gaps == 0
    assert recorded(path) == [str(number) for number in range(writer.count)]
    if writer.count:
        assert not faults_of(*record_files.series(str(path)))


def rotate(path: Path, style: str, day: int, *, copy: bool = False) -> None:
    """Put the file aside as logrotate does."""
    if style == "own":
        number = record_files.next_number(str(path))
        path.rename(path.with_name(f"{path.name}.{number:06d}"))
        return
    aside = path.with_name(f"{path.name}-{20260100 + day}")
    if style == "numbers":
        for each in sorted(path.parent.glob(f"{path.name}.*"), key=number_of, reverse=True):
            if len(each.name.split(".")[2]) < 6:
                suffix = "".join(each.suffixes[2:])
                each.rename(path.with_name(f"{path.name}.{number_of(each) + 1}{suffix}"))
        aside = path.with_name(f"{path.name}.1")
    if copy:
        shutil.copy(path, aside)
    else:
        path.rename(aside)


def number_of(path: Path) -> int:
    return int(path.name.split(".")[2])


def compress(place: Path, suffix: str) -> None:
    """Compress what was put aside; the service is not asked."""
    for each in place.iterdir():
        if each.name != "e.jsonl" and each.suffix not in COMPRESSIONS:
            each.with_name(each.name + suffix).write_bytes(COMPRESSIONS[suffix](each.read_bytes()))
            each.unlink()


def test_order_is_that_of_the_numbers(tmp_path: Path) -> None:
    names = ["000009.gz", "000010", "000011.xz", "1000000", "1000001.bz2"]
    previous = Writer(tmp_path / "e.jsonl")
    for number, name in enumerate(names):
        previous.write()
        data = (tmp_path / "e.jsonl").read_bytes()
        suffix = Path(name).suffix
        (tmp_path / f"e.jsonl.{name}").write_bytes(COMPRESSIONS.get(suffix, bytes)(data))
        os.utime(tmp_path / f"e.jsonl.{name}", (100 - number, 100 - number))
        (tmp_path / "e.jsonl").unlink()
        previous = Writer(tmp_path / "e.jsonl", previous.notes)
    (tmp_path / "e.jsonl.000007.bak").write_text("somebody's")
    found = [Path(each).name for each in record_files.series(str(tmp_path / "e.jsonl"))]
    assert found == [f"e.jsonl.{name}" for name in names]
    assert record_files.next_number(str(tmp_path / "e.jsonl")) == 1000002


def test_compressed_file_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    writer = Writer(path)
    writer.write(9)
    data = path.read_bytes()
    broken = tmp_path / "e.jsonl.000001.gz"
    for damaged in (gzip.compress(data)[:-20], b"not compressed"):
        broken.write_bytes(damaged)
        with pytest.raises(InputError, match=r"000001\.gz is damaged"):
            list(record_files.read([str(broken)]))
    broken.unlink()
    path.rename(tmp_path / "e.jsonl.000001.zst")
    if sys.version_info < (3, 14):
        with pytest.raises(QumuloError, match="zstd needs Python 3.14 or later. Decompress the"):
            list(record_files.read([str(tmp_path / "e.jsonl.000001.zst")]))
    # What cannot be looked at is no damage, and the chain goes on.
    assert writer.restart().gaps == 0
    writer.write()
    path.with_name("e.jsonl.000001.zst").rename(tmp_path / "e.jsonl.000001")
    assert not faults_of(*record_files.series(str(path)))


KILLED = """
import sys
from qumulo_core.service.sqlite import SqliteSpool
from qumulo_core.watcher.evidence import Evidence
from qumulo_core.watcher.versions import Versions

spool = SqliteSpool(sys.argv[2], postpone=True)
versions = Versions(spool, list)
evidence = Evidence(
    sys.argv[1], notes={name: spool.note(name) for name in Evidence.NOTES}, max_bytes=50_000
)
for _lines in evidence.compare():
    pass
spool.set_notes(**evidence.notes())
record = {
    "time": "2026-01-02T03:04:05Z", "file_id": "7", "path": "/w/a" * 50,
    "modification_time": "2026-01-02T03:04:04Z", "retention_until": None, "legal_hold": True,
}
print("ready", flush=True)
while True:
    evidence.append([record] * 7)
    versions.remember([], evidence.notes())
"""


def test_kill_of_a_writer_is_no_damage(tmp_path: Path) -> None:
    path, database = tmp_path / "e.jsonl", tmp_path / "spool.db"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "plugins" / "module_utils")}
    pause = random.Random(7)
    written = 0
    for _kill in range(12):
        with subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path), str(database)],
            env=environment,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            try:
                process.wait(pause.uniform(0.01, 0.25))
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL
        files = record_files.series(str(path))
        lines = sum(1 for _line in record_files.read(files))
        assert lines >= written
        written = lines
    spool = SqliteSpool(str(database), postpone=True)
    writer = Writer(path, {n: spool.note(n) or "" for n in Evidence.NOTES if spool.note(n)})
    assert writer.evidence.gaps == 0
    assert not faults_of(*record_files.series(str(path)))
    assert written > 100
