# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.bench.watcher``: the watcher against a script that locks file after file."""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

from tests.simulator.harness import Simulator, start
from tests.tools.services import Process, cluster_section, start_service, wait_for
from tests.tools.tree import linked_tree

sys.path.insert(0, str(linked_tree()))

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import (  # noqa: E402
    Client,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import (  # noqa: E402
    Settings,
)

LATENCY = 0.005
SERIAL_FILES = 500
RATE = 500
QUIET = 5
DIRECTORIES = 100
AT_ONCE = 5  # directories
LIMIT = 3600.0
TICKS = os.sysconf("SC_CLK_TCK")


def say(text: str) -> None:
    """A line of the report, at once."""
    print(text, flush=True)


class Watched:
    """A watcher of ``/w`` and its figures."""

    def __init__(self, simulator: Simulator, place: Path) -> None:
        self.simulator = simulator
        self.place = place

    @contextmanager
    def running(self, **rule: Any) -> Iterator[Process]:
        """The service, once it follows."""
        simulator = self.simulator
        configuration = {
            "name": "bench",
            "cluster": cluster_section(simulator, self.place),
            "rules": [{"path": "/w", "retention": "30d", **rule}],
            "spool": str(self.place / "spool.db"),
            "evidence": str(self.place / "evidence.jsonl"),
            "lock_file": str(self.place / "lock"),
            "metrics_port": 0,
            "log_level": "info",
        }
        path = self.place / "watcher.yml"
        path.write_text(yaml.safe_dump(configuration))
        with start_service("watcher", "--config", str(path)) as process:
            process.wait_ready()
            wait_for(lambda: process.status.startswith("following"), LIMIT)
            yield process

    def wait_locked(self, count: int) -> None:
        """Wait until so many locks are recorded."""
        evidence = self.place / "evidence.jsonl"
        size = count * 200  # a record has more bytes
        wait_for(lambda: evidence.exists() and evidence.stat().st_size > size, LIMIT)
        wait_for(lambda: evidence.read_bytes().count(b"\n") >= count, LIMIT)

    def wait_pending(self, process: Process, count: int) -> None:
        """Wait until so many files are in the spool."""

        def pending() -> bool:
            found = re.search(r"(\d+) pending", process.status)
            return found is not None and int(found.group(1)) >= count

        wait_for(pending, LIMIT)

    def make_directories(self) -> list[str]:
        """Directories that are there before; return their paths."""
        paths = [f"/w/d{number:03d}" for number in range(DIRECTORIES)]
        for path in paths:
            self.simulator.control("files/put", path=f"{path}/first.tmp", content="x")
        return paths


def resident(process: Process, what: str = "VmRSS") -> float:
    """Memory of a process now (or its peak, ``VmHWM``), MiB."""
    text = Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
    line = next(line for line in text.splitlines() if line.startswith(f"{what}:"))
    return int(line.split()[1]) / 1024


def processor(process: Process) -> float:
    """Processor time that a process has used, seconds."""
    fields = (
        Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    )
    return (int(fields[11]) + int(fields[12])) / TICKS


def connected(simulator: Simulator) -> Client:
    """A client of the simulator."""
    return Client(
        Settings(
            hosts=tuple(simulator.addresses),
            port=simulator.port,
            username="admin",
            password=simulator.password(),
            ca_path=simulator.ca_file,
            timeout=300.0,
        )
    )


def serially(simulator: Simulator, count: int) -> float:
    """What a script does, one file after the other: read, then lock. Return files a second."""
    simulator.control("files/bulk", directory="/few", count=count, size=1000)
    with connected(simulator) as client:
        listed = client.rest.fs.read_directory(path="/few", page_size=count)["files"]
        began = time.perf_counter()
        for entry in listed:
            known = client.rest.fs.get_file_attr(id_=entry["id"], retrieve_file_lock=True)
            if known["lock"]["retention_period"] is None:
                client.rest.fs.modify_file_lock(
                    id_=entry["id"], retention_period="2099-01-01T00:00:00Z"
                )
        return len(listed) / (time.perf_counter() - began)


def burst(simulator: Simulator, place: Path, count: int) -> None:
    """Files that come all at once."""
    say(f"\n{count:,} files at once, {LATENCY * 1000:.0f} ms latency, no quiet period")
    simulator.reset()
    simulator.control("files/put", path="/w/first.tmp")
    simulator.control("latency", seconds=LATENCY)
    slow = serially(simulator, min(count, SERIAL_FILES))
    watched = Watched(simulator, place)
    with watched.running(quiet=0) as process:
        used = processor(process)
        began = time.perf_counter()
        simulator.control("files/bulk", directory="/w/burst", count=count, size=1000)
        watched.wait_locked(count)
        seconds = time.perf_counter() - began
        used = processor(process) - used
    fast = count / seconds
    say(f"  one after the other with the SDK        {slow:10,.0f} files/s")
    say(
        f"  watcher, until the last lock is recorded{fast:10,.0f} files/s   {fast / slow:.1f} x, "
        f"{seconds:.1f} s in all, {used / count * 1000:.2f} ms of processor a file"
    )


def nanoseconds(text: str) -> int:
    """Nanoseconds since 1970 of a time of the API."""
    whole, _dot, fraction = text.rstrip("Z").partition(".")
    return int(datetime.fromisoformat(whole + "+00:00").timestamp()) * 10**9 + int(
        fraction.ljust(9, "0") or 0
    )


def steady(simulator: Simulator, place: Path, seconds: int) -> None:
    """Files that come at a steady rate; the cluster's own times tell when each was locked."""
    say(f"\n{RATE} files/s for {seconds} s, {LATENCY * 1000:.0f} ms latency, {QUIET} s quiet")
    simulator.reset()
    simulator.control("files/put", path="/w/first.tmp")
    simulator.control("latency", seconds=LATENCY)
    watched = Watched(simulator, place)
    with watched.running(quiet=QUIET) as process:
        used = processor(process)
        began = time.perf_counter()
        made = 0
        while made < RATE * seconds:
            due = int((time.perf_counter() - began) * RATE) - made
            if due > 0:
                # A directory for each second.
                path = f"/w/{made // RATE:04d}"
                simulator.control("files/bulk", directory=path, count=due, start=made)
                made += due
            time.sleep(0.01)
        watched.wait_locked(made)
        used = (processor(process) - used) / (time.perf_counter() - began)
    delays = []
    with connected(simulator) as client:
        simulator.control("latency", seconds=0.0)
        for directory in client.rest.fs.read_directory(path="/w", page_size=10_000)["files"]:
            if directory["type"] != "FS_FILE_TYPE_DIRECTORY":
                continue
            page = client.rest.fs.read_directory(id_=directory["id"], page_size=10_000)
            for entry in page["files"]:
                quiet = nanoseconds(entry["change_time"]) - nanoseconds(entry["modification_time"])
                delays.append(quiet / 1e9 - QUIET)
    delays.sort()
    say(
        f"  from the end of the quiet period to the lock: p50 {delays[len(delays) // 2]:.3f} s, "
        f"p99 {delays[int(len(delays) * 0.99)]:.3f} s, most {delays[-1]:.3f} s, "
        f"least {delays[0]:.3f} s ({len(delays):,} files; {used:.0%} of a core)"
    )


def pending(simulator: Simulator, place: Path, count: int) -> None:
    """Many files that wait."""
    say(f"\n{count:,} files pending")
    simulator.reset()
    watched = Watched(simulator, place)
    paths = watched.make_directories()
    each = count // len(paths)
    with watched.running(quiet="1d") as process:
        began, used = time.perf_counter(), processor(process)
        for number, path in enumerate(paths, 1):
            simulator.control("files/bulk", directory=path, count=each)
            if not number % AT_ONCE:  # the cluster queues no more for a stream
                watched.wait_pending(process, number * each)
        seconds = time.perf_counter() - began
        say(
            f"  taken in {seconds:.1f} s ({count / seconds:,.0f}/s), "
            f"{processor(process) - used:.1f} s of processor"
        )
        began, used = time.perf_counter(), processor(process)
        time.sleep(10)
        share = (processor(process) - used) / (time.perf_counter() - began)
        say(
            f"  while they wait: {resident(process):.0f} MiB, peak "
            f"{resident(process, 'VmHWM'):.0f} MiB, {share:.1%} of a core; "
            f"spool {(place / 'spool.db').stat().st_size / 2**20:.0f} MiB on disk"
        )


def catching_up(simulator: Simulator, place: Path, count: int) -> None:
    """A diff of many entries."""
    say(f"\nCatching up over a diff of {count:,} files in {DIRECTORIES} directories")
    simulator.reset()
    watched = Watched(simulator, place)
    paths = watched.make_directories()
    with watched.running(quiet="1d"):
        pass
    for path in paths:
        simulator.control("files/bulk", directory=path, count=count // len(paths))
    asked = simulator.control("state")["requests"]
    with watched.running(quiet="1d") as process:
        watched.wait_pending(process, count)
        told = re.search(r"caught up: (\d+) files in ([\d.]+) s", process.output())
        asked = simulator.control("state")["requests"] - asked
        if told is not None:
            seconds = float(told.group(2))
            say(
                f"  {int(told.group(1)):,} files in {seconds:.1f} s "
                f"({count / seconds:,.0f}/s), {asked:,} requests, peak "
                f"{resident(process, 'VmHWM'):.0f} MiB, {processor(process):.0f} s of processor"
            )


def run(simulator: Simulator, scale: float, only: str = "") -> None:
    """Measure everything on a cluster."""
    for name, work, size in (
        ("burst", burst, 10_000),
        ("steady", steady, 60),
        ("pending", pending, 1_000_000),
        ("catching-up", catching_up, 1_000_000),
    ):
        if only in ("", name):
            with tempfile.TemporaryDirectory(prefix="bench-") as directory:
                work(simulator, Path(directory), max(1, int(size * scale)))
    simulator.control("latency", seconds=0.0)


def main() -> int:
    """Measure everything, or a share of it to see that it works."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full sizes")
    parser.add_argument("--only", default="", help="burst, steady, pending or catching-up")
    options = parser.parse_args()
    with start() as simulator:
        run(simulator, options.scale, options.only)
    return 0


if __name__ == "__main__":
    sys.exit(main())
