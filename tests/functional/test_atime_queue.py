# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real rsyslogd's queue after a loss of power: what is intact reaches the syncer."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime import queue_repair
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.batches import (
    Batch,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.queue_repair import (  # noqa: E501
    Queue,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.receiver import (
    Receiver,
)
from tests.tools.rsyslogd import ON_DISK, Rsyslogd
from tests.tools.services import core_environment, wait_for

HEAD = b"<14>1 2026-01-31T18:00:00.123456Z c-1 qumulo - - - "
NAME = "audit"
#: Small segments, so that there are some.
QUEUE = ON_DISK + ' queue.maxFileSize="10k"'
RECORD, END = b"<Obj:1:msg:1:\n", b">End\n.\n"
COUNT = 200


@contextmanager
def receiving() -> Iterator[tuple[Receiver, list[bytes]]]:
    """A syncer, as far as rsyslogd sees it, and the lines that it has acknowledged."""
    kept: list[bytes] = []

    def gather(lines: list[bytes]) -> Batch:
        kept.extend(lines)
        return Batch([], len(lines))

    receiver = Receiver("127.0.0.1", 0, gather, lambda _batch: None)
    receiver.start()
    try:
        yield receiver, kept
    finally:
        receiver.stop(time.monotonic() + 30)


def send(rsyslogd: Rsyslogd, lines: list[bytes]) -> None:
    with socket.create_connection(("127.0.0.1", rsyslogd.port), 60) as cluster:
        cluster.sendall(b"".join(line + b"\n" for line in lines))


def lines_in(directory: Path) -> set[bytes]:
    """Lines of the records that look intact."""
    found = set()
    for path in segments(directory):
        for text in path.read_bytes().split(END)[:-1]:
            record = text.rpartition(RECORD)[2]
            if RECORD in text and b"\0" not in record:
                found.add(record.partition(b"pszRawMsg:1:")[2].partition(b":")[2].split(b":\n")[0])
    return found


def segments(directory: Path) -> list[Path]:
    return sorted(directory.glob(f"{NAME}.0*"))


def index(directory: Path) -> Path:
    return directory / f"{NAME}.qi"


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory, rsyslogd_missing: None) -> Path:
    """A queue that a killed rsyslogd has left; nothing of it was handed on."""
    directory = tmp_path_factory.mktemp("queue")
    lines = [HEAD + b"line %d" % number for number in range(COUNT)]
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # it is bound and does not listen
        with Rsyslogd(directory, nobody.getsockname()[1], queue=QUEUE) as rsyslogd:
            send(rsyslogd, lines)
            wait_for(lambda: lines_in(directory) == {*lines})
            # The index follows each record.
            wait_for(lambda: b"iQueueSize:2:3:200:" in index(directory).read_bytes())
            rsyslogd.kill()
    assert len(segments(directory)) > 5
    return directory


@pytest.fixture
def place(tmp_path: Path, filled: Path) -> Path:
    """A copy of that queue."""
    for path in [index(filled), *segments(filled)]:
        shutil.copy(path, tmp_path)
    return tmp_path


def repair(directory: Path, name: str = NAME) -> subprocess.CompletedProcess[str]:
    """Run the command as the unit does."""
    command = [sys.executable, "-m", "qumulo_core.atime.queue_repair", str(directory), name]
    return subprocess.run(
        command, env=core_environment(), capture_output=True, text=True, timeout=300, check=False
    )


# -- damage -----------------------------------------------------------------------------------

Damage = Callable[[Path], Any]


def cut(path: Path, size: int) -> None:
    with open(path, "r+b") as file:
        file.truncate(size if size >= 0 else path.stat().st_size + size)


def zero(path: Path, begin: int) -> None:
    """What a file system does whose journal knows the size of a file and not its content."""
    size = path.stat().st_size
    cut(path, begin)
    cut(path, size)


def older_index(directory: Path) -> None:
    """The index was not written as late as the segments."""
    data = index(directory).read_bytes()
    last = segments(directory)[2]
    number, size = int(last.suffix[1:]), last.stat().st_size
    head, write, read = data.split(b"<Obj:1:strm:1:\n")
    write = write.replace(b"+iCurrFNum:2:1:9:", b"+iCurrFNum:2:1:%d:" % number)
    text = b"%d" % size
    before, _row, after = write.partition(b"+iCurrOffs:2:4:")
    after = after.partition(b":")[2]
    write = before + b"+iCurrOffs:2:%d:%b:" % (len(text), text) + after
    assert b"+iCurrFNum:2:1:3:" in write
    index(directory).write_bytes(b"<Obj:1:strm:1:\n".join((head, write, read)))


DAMAGES: dict[str, tuple[Damage, str]] = {
    "an empty index": (lambda d: cut(index(d), 0), "audit.qi is empty"),
    "an index cut off in its head": (lambda d: cut(index(d), 30), "audit.qi is damaged"),
    "an index cut off": (lambda d: cut(index(d), 200), "audit.qi is damaged"),
    "an index cut off at its end": (lambda d: cut(index(d), -1), "audit.qi is damaged"),
    "an index of zeros": (lambda d: zero(index(d), 0), "audit.qi is damaged"),
    "no index": (lambda d: index(d).unlink(), "audit.qi is missing"),
    "an older index": (older_index, "audit.qi does not fit"),
    "a segment cut off": (lambda d: cut(segments(d)[-1], -300), "audit.00000009 is damaged"),
    "a segment that ends in zeros": (
        lambda d: zero(segments(d)[-1], 3000),
        "audit.00000009 is damaged",
    ),
    "an empty segment": (lambda d: cut(segments(d)[-1], 0), "audit.00000009 is damaged"),
    "the last segment is missing": (
        lambda d: segments(d)[-1].unlink(),
        "audit.00000009 is missing",
    ),
    "a segment is missing": (lambda d: segments(d)[3].unlink(), "audit.00000004 is missing"),
    "zeros in the middle": (lambda d: zero(segments(d)[3], 3000), "audit.00000004 is damaged"),
    "all of it": (
        lambda d: (cut(index(d), 0), segments(d)[0].unlink(), zero(segments(d)[-1], 10)),
        "audit.qi is empty",
    ),
    "only an index": (lambda d: [p.unlink() for p in segments(d)], "audit.00000001 is missing"),
    "only an empty index": (
        lambda d: (cut(index(d), 0), [p.unlink() for p in segments(d)]),
        "audit.qi is empty",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_rsyslogd_hands_on_all_that_is_intact(place: Path, damage: str) -> None:
    apply, reason = DAMAGES[damage]
    apply(place)
    expected = lines_in(place)
    done = repair(place)
    assert done.returncode == 0
    assert done.stderr.startswith(f"<4>The queue of rsyslog in {place} was damaged: {reason}")
    assert f" {len(expected)} intact lines are queued again" in done.stderr
    with receiving() as (receiver, kept):
        for turn in range(2):  # it takes new lines as well, also when it is started again
            fresh = [HEAD + b"new %d %d" % (turn, number) for number in range(5)]
            with Rsyslogd(place, receiver.port, queue=QUEUE) as rsyslogd:
                send(rsyslogd, fresh)
                expected |= {*fresh}
                wait_for(lambda: expected <= {*kept})  # noqa: B023
                rsyslogd.stop()
            assert repair(place).stderr == ""
        assert {*kept} == expected
    log = (place / "log").read_text(encoding="utf-8")
    assert "queue" not in log and "error" not in log


def test_what_was_damaged_is_kept(place: Path) -> None:
    before = {path.name: path.read_bytes() for path in segments(place)}
    cut(index(place), 0)
    cut(segments(place)[-1], 5000)
    said = repair(place).stderr
    aside = next(place.glob("damaged-*"))
    assert f"What is damaged is in {aside}: {NAME}.00000009, {NAME}.qi." in said
    assert (aside / f"{NAME}.qi").read_bytes() == b""
    assert (aside / f"{NAME}.00000009").read_bytes() == before[f"{NAME}.00000009"][:5000]
    assert {path.name for path in aside.iterdir()} == {f"{NAME}.qi", f"{NAME}.00000009"}
    for path in segments(place)[:-1]:
        assert path.read_bytes() == before[path.name]
    modes = {path.stat().st_mode & 0o777 for path in [index(place), *segments(place)]}
    assert (modes, aside.stat().st_mode & 0o777) == ({0o600}, 0o700)


def test_a_queue_without_damage_is_left_as_it_is(place: Path) -> None:
    paths = [index(place), *segments(place)]
    before = [(path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns) for path in paths]
    done = repair(place)
    assert (done.returncode, done.stderr) == (0, "")
    after = [(path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns) for path in paths]
    assert after == before
    assert sorted(place.iterdir()) == sorted(paths)


def test_a_queue_that_is_partly_handed_on_is_left_as_it_is(place: Path) -> None:
    with (
        receiving() as (receiver, kept),
        Rsyslogd(place, receiver.port, queue=QUEUE) as rsyslogd,
    ):
        wait_for(lambda: kept)
        rsyslogd.kill()
    before = {path: path.read_bytes() for path in [index(place), *segments(place)] if path.exists()}
    assert repair(place).stderr == ""
    assert {path: path.read_bytes() for path in before} == before


def test_no_queue_at_all(tmp_path: Path) -> None:
    assert repair(tmp_path).stderr == ""
    assert [*tmp_path.iterdir()] == []


def test_a_queue_that_cannot_be_checked(tmp_path: Path) -> None:
    done = repair(tmp_path / "missing")
    assert done.returncode == 1
    assert "Cannot check the queue of rsyslog in" in done.stderr
    assert "No such file or directory" in done.stderr


def test_a_line_that_looks_like_a_record_is_one_line(
    tmp_path: Path, rsyslogd_missing: None
) -> None:
    record = RECORD + b"+pszRawMsg:1:4:fake:\n" + END
    line = HEAD + record + b"and more"
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        with Rsyslogd(tmp_path, nobody.getsockname()[1], queue=QUEUE) as rsyslogd:
            with socket.create_connection(("127.0.0.1", rsyslogd.port), 60) as cluster:
                cluster.sendall(b"%d %b" % (len(line), line))
            wait_for(lambda: segments(tmp_path) and line in segments(tmp_path)[0].read_bytes())
            wait_for(lambda: segments(tmp_path)[0].read_bytes().endswith(END))
            rsyslogd.kill()
    index(tmp_path).unlink()
    assert " 1 intact lines are queued again" in repair(tmp_path).stderr
    with receiving() as (receiver, kept), Rsyslogd(tmp_path, receiver.port, queue=QUEUE):
        wait_for(lambda: kept == [line])


# -- any damage ---------------------------------------------------------------------------------


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(["cut", "zero", "remove"]), st.floats(0, 1)),
        min_size=1,
        max_size=4,
    )
)
def test_whatever_is_damaged_all_that_is_intact_is_queued(
    filled: Path, tmp_path_factory: pytest.TempPathFactory, damages: list[tuple[int, str, float]]
) -> None:
    place = tmp_path_factory.mktemp("damaged")
    try:
        for path in [index(filled), *segments(filled)]:
            shutil.copy(path, place)
        for number, kind, part in damages:
            path = [index(filled), *segments(filled)][number]
            path = place / path.name
            if not path.exists():
                continue
            if kind == "remove":
                path.unlink()
            else:
                (cut if kind == "cut" else zero)(path, int(part * path.stat().st_size))
        expected = lines_in(place)
        done = Queue(place, NAME).repair()
        assert done.messages == len(expected)
        assert lines_in(place) == expected
        again = Queue(place, NAME).repair()
        assert (again.reasons, again.messages) == ([], len(expected))
        there = [int(path.suffix[1:]) for path in segments(place)]
        assert there == [*range(there[0], there[0] + len(there))] if there else not expected
    finally:
        shutil.rmtree(place)


@pytest.mark.parametrize("step", range(1, 40))
def test_a_repair_that_is_interrupted_is_done_by_the_next(
    place: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    cut(index(place), 0)
    segments(place)[2].unlink()
    zero(segments(place)[4], 100)
    cut(segments(place)[-1], -10)
    expected = lines_in(place)
    left = step

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            nonlocal left
            left -= 1
            if left == 0:
                raise OSError(28, "No space left on device")
            return function(*arguments, **options)

        return call

    with monkeypatch.context() as patched:
        for name in ("link", "fsync", "rename", "replace", "unlink"):
            patched.setattr(queue_repair.os, name, counted(getattr(os, name)))
        try:
            Queue(place, NAME).repair()
        except OSError:
            assert left == 0
        else:
            assert left > 0
    assert lines_in(place) == expected
    Queue(place, NAME).repair()
    assert lines_in(place) == expected
    assert Queue(place, NAME).repair().reasons == []
