# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The evidence of a running watcher, and how it is verified."""

from __future__ import annotations

import gzip
import json
import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.simulator.harness import Simulator
from tests.tools.services import free_port, wait_for

from .test_watcher_operation import metric
from .watched import Make, Watched, no_leftovers, put, watched

__all__ = ["no_leftovers", "watched"]


def lines(watcher: Watched) -> list[dict[str, object]]:
    return [json.loads(line) for line in watcher.evidence.read_text().splitlines()]


def last_hash(watcher: Watched) -> str:
    done = watcher.command("verify")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().rstrip(".").rpartition(" ")[2]


@pytest.fixture
def recorded(watched: Make, simulator: Simulator) -> Watched:
    """A watcher that has recorded three locks and is stopped."""
    watcher = watched(metrics_port=free_port())
    with watcher.running():
        for name in "abc":
            put(simulator, f"/w/{name}.pdf")
            watcher.wait_recorded(f"/w/{name}.pdf")
    return watcher


def test_changed_evidence_is_reported_at_the_start(recorded: Watched, simulator: Simulator) -> None:
    port = recorded.settings["metrics_port"]
    kept = recorded.evidence.read_bytes()
    whole = kept.splitlines(keepends=True)
    recorded.evidence.write_bytes(b"".join(whole[:2]) + whole[2][:40])
    done = recorded.command("verify")
    assert done.returncode == 1
    assert "is not in the evidence" in done.stderr
    with recorded.running() as process:
        assert metric(port, "lockstep_watcher_evidence_gaps") == 1
        (gap,) = [line for line in lines(recorded) if "missing" in line]
        assert f"Records are missing from the evidence {recorded.evidence}" in process.output()
        assert str(gap["message"]) in process.output()
        put(simulator, "/w/d.pdf")
        recorded.wait_recorded("/w/d.pdf")
        facts = json.loads(recorded.command("status", "--json").stdout)
        assert facts["evidence_gaps"] == 1
    with recorded.running():  # it is reported once, and stays counted
        assert metric(port, "lockstep_watcher_evidence_gaps") == 1
    assert sum("missing" in line for line in lines(recorded)) == 1
    done = recorded.command("verify")
    assert done.returncode == 1
    assert "line 3: records before this line are missing" in done.stderr
    # Once the lost lines are back, the chain is whole.
    ours = recorded.evidence.read_bytes().splitlines(keepends=True)
    recorded.evidence.write_bytes(kept + b"".join(ours[2:]))
    assert recorded.command("verify").returncode == 0


@pytest.mark.parametrize("left", [0, 1])
def test_evidence_that_is_cut_while_the_watcher_runs(
    watched: Make, simulator: Simulator, left: int
) -> None:
    watcher = watched(metrics_port=free_port())
    port = watcher.settings["metrics_port"]
    with watcher.running() as process:
        for name in "abc":
            put(simulator, f"/w/{name}.pdf")
            watcher.wait_recorded(f"/w/{name}.pdf")
        watcher.wait_idle(process)
        kept = watcher.evidence.read_bytes()
        os.truncate(watcher.evidence, len(b"".join(kept.splitlines(keepends=True)[:left])))
        assert watcher.command("verify").returncode == 1
        put(simulator, "/w/d.pdf")
        watcher.wait_recorded("/w/d.pdf")
        assert metric(port, "lockstep_watcher_evidence_gaps") == 1
        (gap,) = [line for line in lines(watcher) if "missing" in line]
        assert f"its size went from {len(kept)} to " in str(gap["message"])
        wait_for(lambda: str(gap["message"]) in process.output())
        done = watcher.command("verify")
        assert done.returncode == 1
        assert f"line {left + 1}: records before this line are missing" in done.stderr
    assert watcher.command("verify").returncode == 1
    ours = watcher.evidence.read_bytes().splitlines(keepends=True)
    watcher.evidence.write_bytes(kept + b"".join(ours[left:]))
    assert watcher.command("verify").returncode == 0
    with watcher.running():
        assert metric(port, "lockstep_watcher_evidence_gaps") == 1


def test_stopped_before_it_has_looked_at_the_evidence_it_forgets_nothing(
    recorded: Watched,
) -> None:
    text = recorded.evidence.read_bytes()
    recorded.evidence.write_bytes(text[: len(text) // 2])
    recorded.settings["cluster"]["port"] = free_port()
    recorded.write()
    with recorded.running(ready=False) as process:
        process.signal(signal.SIGTERM)
        assert process.wait() == 0
    assert recorded.command("verify").returncode == 1


def written(watcher: Watched) -> int:
    return sum(each.stat().st_size for each in watcher.place.glob("evidence.jsonl*"))


def wait_until_written(watcher: Watched, before: int) -> None:
    wait_for(lambda: written(watcher) > before)


def test_killed_watcher_reports_no_change(watched: Make, simulator: Simulator) -> None:
    watcher = watched(evidence_max_bytes=4096, first_start="existing")
    pause = random.Random(3)
    for turn in range(4):
        with watcher.running(ready=False) as process:
            simulator.control("files/bulk", directory=f"/w/{turn}", count=60)
            wait_until_written(watcher, written(watcher))
            time.sleep(pause.uniform(0, 0.1))
            process.signal(signal.SIGKILL)
            process.wait()
    with watcher.running() as process:
        watcher.wait_idle(process)
        assert "Records are missing" not in process.output()
    done = watcher.command("verify", "--cluster")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "from the beginning" in done.stdout


def test_verify_takes_the_configured_files(recorded: Watched, simulator: Simulator) -> None:
    first = recorded.evidence.with_name("evidence.jsonl-20260131.gz")
    first.write_bytes(gzip.compress(recorded.evidence.read_bytes()))
    recorded.evidence.unlink()
    with recorded.running():
        put(simulator, "/w/d.pdf")
        recorded.wait_recorded("/w/d.pdf")
    os.utime(first)  # the youngest by its time
    done = recorded.command("verify")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("4 lines verified, from the beginning.")
    recorded.evidence.unlink()
    done = recorded.command("verify")
    assert done.returncode == 1
    assert "The hash that the service has stored" in done.stderr
    first.write_bytes(first.read_bytes()[:-9])
    done = recorded.command("verify")
    assert done.returncode == 1
    assert f"{first} is damaged" in done.stderr
    first.unlink()
    done = recorded.command("verify")
    assert done.returncode == 1
    assert "There is no evidence" in done.stderr


def in_three_files(watcher: Watched) -> list[Path]:
    """Put each record of the evidence into a file of its own, as rotations do."""
    whole = watcher.evidence.read_bytes().splitlines(keepends=True)
    paths = [watcher.evidence.with_name(f"evidence.jsonl.00000{n}") for n in (1, 2)]
    for path, line in zip([*paths, watcher.evidence], whole):
        path.write_bytes(line)
    return paths


def test_verify_finds_that_the_oldest_files_are_gone(recorded: Watched) -> None:
    first, second = in_three_files(recorded)
    kept = first.read_bytes()
    assert recorded.command("verify").returncode == 0
    first.unlink()
    for arguments in ((), ("--cluster",)):
        done = recorded.command("verify", *arguments)
        assert done.returncode == 1
        assert "does not begin with its first record: 1 earlier record is not in" in done.stderr
    # Who has archived it, names it.
    done = recorded.command("verify", str(second), str(recorded.evidence))
    assert done.returncode == 0, done.stderr
    archived = recorded.place / "archived"
    archived.write_bytes(kept)
    done = recorded.command("verify", str(archived), str(second), str(recorded.evidence))
    assert (done.returncode, done.stderr) == (0, "")
    assert "3 lines verified, from the beginning" in done.stdout
    # Emptied files are named; without a fault in the chain they prove nothing.
    first.touch()
    done = recorded.command("verify")
    assert done.returncode == 1
    assert f"{first} is empty" in done.stderr and "1 earlier record is" in done.stderr
    compressed = first.with_name(first.name + ".gz")
    first.rename(compressed)
    done = recorded.command("verify")
    assert done.returncode == 1 and f"{compressed} is damaged (it is empty)" in done.stderr
    compressed.write_bytes(gzip.compress(b""))
    done = recorded.command("verify")
    assert done.returncode == 1
    assert f"{compressed} is empty" in done.stderr and "1 earlier record is" in done.stderr
    compressed.write_bytes(gzip.compress(kept))
    os.truncate(second, 0)
    done = recorded.command("verify")
    assert done.returncode == 1
    assert f"{second} is empty" in done.stderr and "the chain is broken" in done.stderr


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_file_of_the_evidence_that_is_none_is_named(
    recorded: Watched, make: Callable[[Path], None]
) -> None:
    first, second = in_three_files(recorded)
    for path, lines_left in ((first, 2), (second, 2), (recorded.evidence, 2)):
        kept = path.read_bytes()
        path.unlink()
        make(path)
        done = recorded.command("verify")
        assert done.returncode == 4, done.stderr
        assert f"{path} is not a regular file" in done.stderr
        assert f"{lines_left} lines verified" in done.stdout
        path.rmdir() if path.is_dir() else path.unlink()
        path.write_bytes(kept)


def test_verify_of_a_watcher_that_has_locked_nothing_yet(watched: Make) -> None:
    watcher = watched()
    with watcher.running() as process:
        watcher.wait_idle(process)
        done = watcher.command("verify")
        assert done.returncode == 4, done.stderr
        assert f"There is no evidence at {watcher.evidence}" in done.stderr
    assert watcher.command("verify").returncode == 4


def test_verify_without_evidence_proves_nothing(watched: Make) -> None:
    watcher = watched()
    for arguments in ([], [str(watcher.evidence)]):
        done = watcher.command("verify", *arguments)
        assert done.returncode == 4
        assert len(done.stderr.splitlines()) == 1 or "cannot be read" in done.stderr
    watcher.evidence.write_text("")
    assert watcher.command("verify").returncode == 4


def test_verify_expects_a_hash_that_was_kept_elsewhere(
    recorded: Watched, simulator: Simulator
) -> None:
    kept = last_hash(recorded)
    done = recorded.command("verify", "--expect", kept)
    assert done.returncode == 0
    assert "The expected hash is that of the last line." in done.stdout
    with recorded.running():
        put(simulator, "/w/d.pdf")
        recorded.wait_recorded("/w/d.pdf")
    done = recorded.command("verify", "--expect", kept.upper(), str(recorded.evidence))
    assert done.returncode == 0
    assert "The expected hash is there: 1 line follows it." in done.stdout
    recorded.evidence.rename(recorded.place / "evidence.jsonl.000001")
    with recorded.running():
        put(simulator, "/w/e.pdf")
        recorded.wait_recorded("/w/e.pdf")
    assert "2 lines follow it" in recorded.command("verify", "--expect", kept).stdout
    # A new chain holds together, but has not that hash.
    (recorded.place / "evidence.jsonl.000001").unlink()
    (recorded.place / "spool.db").unlink()
    recorded.evidence.unlink()
    with recorded.running():
        put(simulator, "/w/f.pdf")
        recorded.wait_recorded("/w/f.pdf")
    assert recorded.command("verify").returncode == 0
    done = recorded.command("verify", "--expect", kept)
    assert done.returncode == 1
    assert f"The expected hash {kept} is not in the evidence" in done.stderr
    done = recorded.command("verify", "--expect", "4711")
    assert done.returncode == 2
    assert "64 hexadecimal digits" in done.stderr
