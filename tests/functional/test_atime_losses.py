# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each line of the table of losses happens, with a real rsyslogd and a queue like the role's."""

from __future__ import annotations

import re
import signal
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path

import pytest

from tests.tools.rsyslogd import ON_DISK, Rsyslogd
from tests.tools.services import wait_for
from tests.tools.tree import ROOT

from .synced import Synced, csv_line
from .test_atime import OLD, atime, make, tmpfs
from .test_atime_queue import END, HEAD, index, receiving, repair, segments, send
from .test_relp import Connection

pytestmark = pytest.mark.usefixtures("rsyslogd_missing")
LINES = [HEAD + b"line %d" % number for number in range(3000)]
#: As the role has them.
WINDOW, BATCH = 512, 128
#: A stop shall not wait for as long as the role lets it.
SHORT = ON_DISK.replace("20000", "1000")


def numbers(lines: Iterable[bytes]) -> set[int]:
    return {int(line.rpartition(b" ")[2]) for line in lines if b" line " in line}


def queued(directory: Path) -> int:
    """Messages that are in the queue, as rsyslogd has written it down."""
    found = re.search(rb"iQueueSize:2:\d+:(\d+):", index(directory).read_bytes())
    return int(found.group(1)) if found else 0


def settled(directory: Path, handed_over: int = 0) -> Callable[[], bool]:
    """Whether all lines are in the queue, but for those that were handed over."""
    return lambda: index(directory).exists() and queued(directory) == len(LINES) - handed_over


def end(rsyslogd: Rsyslogd, how: str) -> None:
    (rsyslogd.kill if how == "kill" else rsyslogd.stop)()


def lost(directory: Path, rsyslogd: Rsyslogd) -> set[int]:
    """Start again, with a syncer; return which lines do not come."""
    with receiving() as (receiver, kept):
        rsyslogd.hand_on_to(receiver.port)
        rsyslogd.start()
        send(rsyslogd, [HEAD + b"the end"])
        wait_for(lambda: HEAD + b"the end" in kept)
        rsyslogd.stop()
        return {*range(len(LINES))} - numbers(kept)


def nobody() -> int:
    """A port on which nobody listens."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        return int(server.getsockname()[1])


def test_the_queue_of_these_tests_is_the_role_s() -> None:
    role = (ROOT / "roles/atime/templates/rsyslog.conf.j2").read_text(encoding="utf-8").lower()
    for setting in ON_DISK.replace('"audit"', '"lockstep_atime"').lower().split():
        assert setting in role
    for setting in (f'windowsize="{WINDOW}"', f'queue.dequeuebatchsize="{BATCH}"'):
        assert setting in role
    assert 'queue.timeoutenqueue="600000"' in role


@pytest.mark.parametrize("how", ["kill", "stop"])
def test_what_rsyslogd_has_not_queued_is_lost(tmp_path: Path, how: str) -> None:
    with Rsyslogd(tmp_path, nobody()) as rsyslogd:
        send(rsyslogd, LINES[:1000])
        wait_for(lambda: index(tmp_path).exists() and queued(tmp_path) == 1000)
        rsyslogd.kill()
        with receiving() as (receiver, kept):
            rsyslogd.hand_on_to(receiver.port)
            rsyslogd.start()
            send(rsyslogd, LINES[1000:2000])
            # All are in the queue, or were taken from it.
            wait_for(lambda: kept and (not segments(tmp_path) or queued(tmp_path) <= 2000))
            wait_for(lambda: numbers(kept) >= {*range(1900, 2000)} or _has(tmp_path, LINES[1999]))
            rsyslogd.signal(signal.SIGSTOP)
            send(rsyslogd, LINES[2000:])  # the cluster does not notice anything
            if how == "stop":
                rsyslogd.terminate()
                rsyslogd.signal(signal.SIGCONT)
            end(rsyslogd, how)
            rsyslogd.start()
            send(rsyslogd, [HEAD + b"the end"])
            wait_for(lambda: HEAD + b"the end" in kept)
            # While it ends in good order it may read what is there, and need not.
            assert {*range(2000)} <= numbers(kept) <= {*range(2000 if how == "kill" else 3000)}


def _has(directory: Path, line: bytes) -> bool:
    return any(line in path.read_bytes() for path in segments(directory))


@pytest.mark.parametrize(("how", "most"), [("kill", WINDOW), ("stop", WINDOW + BATCH)])
def test_what_a_hanging_syncer_has_not_confirmed_is_lost(
    tmp_path: Path, how: str, most: int
) -> None:
    with (
        closing(socket.create_server(("127.0.0.1", 0))) as server,
        Rsyslogd(tmp_path, server.getsockname()[1], queue=SHORT) as rsyslogd,
    ):
        server.settimeout(120)
        send(rsyslogd, LINES)
        with closing(Connection(server)) as hanging:
            confirmed = []
            while not confirmed:
                confirmed = hanging.read()
            hanging.acknowledge(len(confirmed))
            wait_for(settled(tmp_path, len(confirmed) + WINDOW))
            end(rsyslogd, how)
        gone = lost(tmp_path, rsyslogd) - numbers(confirmed)
    assert 0 < len(gone) <= most
    assert gone <= {*range(len(confirmed) + most)}


@pytest.mark.parametrize(("how", "most"), [("kill", 0), ("stop", BATCH)])
def test_what_a_syncer_that_is_away_loses(tmp_path: Path, how: str, most: int) -> None:
    with Rsyslogd(tmp_path, nobody(), queue=SHORT) as rsyslogd:
        send(rsyslogd, LINES)
        wait_for(settled(tmp_path))
        end(rsyslogd, how)
        assert len(lost(tmp_path, rsyslogd)) <= most


def test_a_syncer_that_ends_loses_nothing(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "mount") as mount:
        paths = [make(mount, f"f{number}") for number in range(500)]
        time_ns = 1_700_000_000_000_000_000
        syncer = Synced(tmp_path, mount=mount)
        lines = [csv_line(time_ns, f"/{path.name}") for path in paths]
        with Rsyslogd(tmp_path, syncer.port) as rsyslogd:
            for turn, sign in enumerate((signal.SIGKILL, signal.SIGTERM, None)):
                with syncer.running() as process:
                    send(rsyslogd, lines[turn * 100 : turn * 100 + 200])
                    wait_for(lambda turn=turn: atime(paths[turn * 100]) == time_ns)  # type: ignore[misc]
                    if sign is None:
                        send(rsyslogd, lines[-100:])
                        wait_for(lambda: all(atime(path) == time_ns for path in paths))
                    else:
                        process.signal(sign)


def test_a_full_queue_keeps_what_it_has(tmp_path: Path) -> None:
    full = SHORT + ' queue.maxDiskSpace="20k" queue.maxFileSize="10k" queue.timeoutEnqueue="200"'
    with Rsyslogd(tmp_path, nobody(), queue=full) as rsyslogd:
        with socket.create_connection(("127.0.0.1", rsyslogd.port), 60) as cluster:
            cluster.sendall(b"".join(line + b"\n" for line in LINES[:100]))
            # It is full, and what comes from now on waits for room and is lost.
            wait_for(lambda: queued_at_least(tmp_path, 30))
            wait_for(lambda: _stays(tmp_path))
        with receiving() as (receiver, kept):
            rsyslogd.kill()
            rsyslogd.hand_on_to(receiver.port)
            rsyslogd.start()
            send(rsyslogd, [HEAD + b"the end"])
            wait_for(lambda: HEAD + b"the end" in kept)
            found = numbers(kept)
    assert 30 <= len(found) < 100
    assert {*range(30)} <= found


def queued_at_least(directory: Path, count: int) -> bool:
    return index(directory).exists() and queued(directory) >= count


def _stays(directory: Path) -> bool:
    """Whether the queue does not grow for longer than a line waits for room."""
    before = queued(directory)
    time.sleep(1.0)
    return queued(directory) == before


def test_a_stop_waits_until_all_is_handed_over(tmp_path: Path) -> None:
    with Rsyslogd(tmp_path, nobody()) as rsyslogd:
        send(rsyslogd, LINES)
        wait_for(settled(tmp_path))
        rsyslogd.kill()
        with receiving() as (receiver, kept):
            rsyslogd.hand_on_to(receiver.port)
            rsyslogd.start()
            wait_for(lambda: kept)  # it has found the syncer
            rsyslogd.stop()
            assert numbers(kept) == {*range(len(LINES))}
    assert segments(tmp_path) == []


def test_a_file_whose_line_is_lost_keeps_its_time(tmp_path: Path) -> None:
    with tmpfs(tmp_path / "mount") as mount:
        path, other = make(mount, "lost"), make(mount, "other")
        time_ns = 1_700_000_000_000_000_000
        syncer = Synced(tmp_path, mount=mount)
        with syncer.running(), Rsyslogd(tmp_path, syncer.port) as rsyslogd:
            rsyslogd.signal(signal.SIGSTOP)
            send(rsyslogd, [csv_line(time_ns, "/lost")])
            rsyslogd.kill()
            rsyslogd.start()
            send(rsyslogd, [csv_line(time_ns, "/other")])
            wait_for(lambda: atime(other) == time_ns)
            assert atime(path) == OLD
            send(rsyslogd, [csv_line(time_ns + 10**9, "/lost")])
            wait_for(lambda: atime(path) == time_ns + 10**9)


def test_what_the_disk_has_not_written_is_lost(tmp_path: Path) -> None:
    """The end of a queue is gone, as after a loss of power: all before it is there."""
    with Rsyslogd(tmp_path, nobody()) as rsyslogd:
        send(rsyslogd, LINES)
        wait_for(settled(tmp_path))
        rsyslogd.kill()
        index(tmp_path).write_bytes(b"")
        last = segments(tmp_path)[-1]
        data = last.read_bytes()
        kept = data[: len(data) // 2]
        last.write_bytes(kept)
        gone = data.count(END) - kept.count(END)
        assert gone
        assert "intact lines are queued again" in repair(tmp_path).stderr
        assert lost(tmp_path, rsyslogd) == {*range(len(LINES) - gone, len(LINES))}
