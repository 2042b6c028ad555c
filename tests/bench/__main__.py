# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make bench``: everything in one run, as a table of measurements and ratios."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench import atime
from tests.simulator.harness import Simulator, start
from tests.tools.tree import ROOT, linked_tree

from . import lock_manager, watcher
from .child import peak_mib

BIN = Path(sys.executable).parent
LIMIT = 1800
LATENCIES = (0.0, 0.005)
SERIAL_FILES = 1000
CLOSED_BY_QQ = 20


def say(text: str) -> None:
    """A line of the report, at once."""
    print(text, flush=True)


class Bench:
    """One run."""

    def __init__(self, simulator: Simulator, directory: Path) -> None:
        self._simulator = simulator
        self._directory = directory

    def child(self, work: str, **where: Any) -> dict[str, Any]:
        """Run a piece of work in a process of its own."""
        simulator = self._simulator
        described = {
            "hosts": simulator.addresses,
            "port": simulator.port,
            "username": "admin",
            "password": simulator.password(),
            "ca_path": simulator.ca_file,
            **where,
        }
        command = [sys.executable, "-m", "tests.bench.child", work, json.dumps(described)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, timeout=LIMIT)
        result: dict[str, Any] = json.loads(done.stdout)
        return result

    def qq(self, *arguments: str) -> float:
        """Run the vendor's command with its output to a file; return the seconds."""
        command = [
            str(BIN / "qq"),
            "--host",
            self._simulator.addresses[0],
            "--port",
            str(self._simulator.port),
            "--credentials-store",
            str(self._directory / "credentials"),
            *arguments,
        ]
        began = time.perf_counter()
        with open(self._directory / "qq.out", "wb") as output:
            # It asks before it closes a handle.
            subprocess.run(command, input=b"yes\n", stdout=output, check=True, timeout=LIMIT)
        return time.perf_counter() - began

    def reset(self) -> None:
        """An empty cluster that qq is logged in to."""
        self._simulator.reset()
        self.qq("login", "-u", "admin", "-p", self._simulator.password())

    # -- what is measured -------------------------------------------------------------------

    def handles(self, count: int) -> None:
        """Listing and closing."""
        for latency in LATENCIES:
            say(f"\n{count:,} SMB handles, {latency * 1000:.0f} ms latency")
            self.reset()
            crowd = {"handles": count, "files": count // 10, "users": 300}
            self._simulator.control("smb/crowd", directory="/crowd", **crowd)
            self._simulator.control("latency", seconds=latency)
            self.child("bare_listing")  # the simulator's first answer takes longer
            bare = self.child("bare_listing")
            ours = self.child("listing")
            by_qq = self.qq("smb_list_file_handles", "--resolve-paths")
            say(f"  the same pages with a bare HTTP client   {bare['seconds']:8.2f} s")
            say(
                f"  list, with locks and names               {ours['seconds']:8.2f} s"
                f"   {ours['seconds'] / bare['seconds']:.2f} x the bare client,"
                f" peak {ours['peak_mib']:.0f} MiB"
            )
            say(f"  qq smb_list_file_handles (handles alone) {by_qq:8.2f} s")
            text = (self._directory / "qq.out").read_text(encoding="utf-8")
            locations = [line.split('"')[3] for line in text.splitlines() if '"location"' in line][
                :CLOSED_BY_QQ
            ]
            began = time.perf_counter()
            for location in locations:
                self.qq("smb_close_file_handle", "--location", location)
            each = (time.perf_counter() - began) / max(1, len(locations))
            ours = self.child("close")
            rate = ours["count"] / ours["seconds"]
            say(
                f"  close {ours['count']:,} and look again          {ours['seconds']:8.2f} s"
                f"   {rate:,.0f}/s"
            )
            say(f"  qq smb_close_file_handle, each           {each:8.2f} s   {rate * each:,.0f} x")

    def page(self, count: int) -> None:
        """The lock manager in a browser."""
        say(f"\nThe lock manager's page, {count:,} open handles, no latency")
        self.reset()
        crowd = {"handles": count, "files": count // 10, "users": 300}
        self._simulator.control("smb/crowd", directory="/crowd", **crowd)
        plain = self.child("plain_listing")["seconds"]
        bare = self.child("bare_listing")["seconds"]
        times = lock_manager.measure(self._simulator, self._directory, peak_mib)
        if times is None:
            say("  not measured: there is no chromium")
            return
        say(f"  a plain API listing of the handles       {plain:8.2f} s")
        say(f"  and of all locks                         {bare:8.2f} s")
        for what, seconds in (
            ("from the login to the first rows", times.login),
            ("from the last key to what was found", times.search),
            ("the next page", times.next_page),
            ("sorted by user", times.sort),
            ("a link in a ticket", times.link),
        ):
            say(f"  {what:<40} {seconds:8.2f} s   {seconds / plain:.2f} x a plain listing")
        say(f"  peak of the page and this benchmark      {times.peak_mib:8.0f} MiB")

    def locks(self, count: int) -> None:
        """Locking files."""
        for latency in LATENCIES:
            say(f"\nWORM locks on {count:,} files, {latency * 1000:.0f} ms latency")
            self.reset()
            self._simulator.control("files/bulk", directory="/many", count=count, size=1000)
            self._simulator.control("files/bulk", directory="/few", count=SERIAL_FILES, size=1000)
            self._simulator.control("latency", seconds=latency)
            serial = self.child("lock_serially", directory="/few")
            ours = self.child("lock", directory="/many")
            slow = serial["count"] / serial["seconds"]
            fast = ours["count"] / ours["seconds"]
            say(f"  one after the other with the SDK ({serial['count']:,}) {slow:12,.0f} files/s")
            say(
                f"  qumulo_file_lock                        {fast:12,.0f} files/s"
                f"   {fast / slow:.1f} x, {ours['seconds']:.1f} s in all"
            )

    def changes(self, sizes: list[int]) -> None:
        """Change lists."""
        dest = str(self._directory / "changes")
        peaks = []
        for size in sizes:
            say(f"\nA change list of {size:,} entries, no latency, no attributes")
            self.reset()
            source = ["--path", "/p"]
            directories = [f"/p/d{part:02d}" for part in range(100)]
            for path in directories:
                self._simulator.control("files/put", path=f"{path}/first", content="x")
            self.qq("snapshot_create_snapshot", "--name", "older", *source)
            for path in directories:
                self._simulator.control("files/bulk", directory=path, count=size // 100)
            self.qq("snapshot_create_snapshot", "--name", "newer", *source)
            bare = self.child("bare_diff", newer=2, older=1)
            ours = self.child(
                "changelist", newer="newer", older="older", dest=dest, attributes="none"
            )
            peaks.append(ours["peak_mib"])
            rate = ours["count"] / ours["seconds"]
            say(f"  the same pages, bare client {bare['seconds']:7.1f} s")
            say(
                f"  qumulo_changelist          {ours['seconds']:8.1f} s   {rate:,.0f} entries/s,"
                f" {ours['seconds'] / bare['seconds']:.1f} x the bare client,"
                f" peak {ours['peak_mib']:.0f} MiB, {ours['disk_mib']:.0f} MiB of disk"
            )
            if size == sizes[0]:
                by_qq = self.qq("snapshot_diff", "--newer-snapshot", "2", "--older-snapshot", "1")
                say(
                    f"  qq snapshot_diff           {by_qq:8.1f} s   {by_qq / ours['seconds']:.2f} x"
                )
        if len(peaks) > 1:
            grown = (peaks[-1] - peaks[0]) * (1 << 20) / (sizes[-1] - sizes[0])
            say(
                f"  growth of the peak from {sizes[0]:,} to {sizes[-1]:,}: "
                f"{peaks[-1] - peaks[0]:.0f} MiB, {grown:.1f} bytes an entry"
            )

    def attributes(self, count: int) -> None:
        """Change lists with the attributes of all files."""
        dest = str(self._directory / "changes")
        self.reset()
        directories = [f"/p/d{part:02d}" for part in range(20)]
        for path in directories:
            self._simulator.control("files/put", path=f"{path}/first", content="x")
        self.qq("snapshot_create_snapshot", "--name", "older", "--path", "/p")
        for path in directories:
            self._simulator.control("files/bulk", directory=path, count=count // 20, size=1000)
        self.qq("snapshot_create_snapshot", "--name", "newer", "--path", "/p")
        for latency in LATENCIES:
            say(f"\nA change list of {count:,} entries with attributes, {latency * 1000:.0f} ms")
            self._simulator.control("latency", seconds=latency)
            serial = self.child(
                "attributes_serially", newer=2, older=1, dest=dest, most=SERIAL_FILES
            )
            ours = self.child(
                "changelist", newer="newer", older="older", dest=dest, attributes="api"
            )
            slow = serial["count"] / serial["seconds"]
            fast = ours["count"] / ours["seconds"]
            say(f"  a serial loop with the SDK ({serial['count']:,}) {slow:10,.0f} entries/s")
            say(
                f"  qumulo_changelist                  {fast:10,.0f} entries/s"
                f"   {fast / slow:.1f} x, peak {ours['peak_mib']:.0f} MiB,"
                f" {ours['disk_mib']:.0f} MiB of disk"
            )

    def modules(self) -> None:
        """A module against a command that asks the same with qq."""
        say("\nWall time of a task (ansible ad hoc, best of 5)")
        self.reset()
        self._simulator.control("files/put", path="/p/a", content="x")
        self.qq("snapshot_create_snapshot", "--name", "one", "--path", "/p")
        environment = {
            **os.environ,
            **self._simulator.environment(),
            "ANSIBLE_COLLECTIONS_PATH": str(linked_tree()),
            "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
        }
        store = ["--credentials-store", str(self._directory / "credentials")]
        connection = ["--host", self._simulator.addresses[0], "--port", str(self._simulator.port)]
        twins: dict[str, tuple[dict[str, Any], list[str]]] = {
            "qumulo_snapshot_info": ({"path": "/p"}, ["snapshot_list_statuses"]),
            "qumulo_smb_lock_info": ({"path": "/p/a"}, ["smb_list_file_handles"]),
            "qumulo_file_lock_info": (
                {"path": "/p/a"},
                ["fs_file_get_attr", "--path", "/p/a", "--retrieve-file-lock"],
            ),
        }
        for module, (options, question) in twins.items():
            command = json.dumps({"argv": [str(BIN / "qq"), *connection, *store, *question]})
            best = {}
            for name, arguments in (
                (f"lockstep.qumulo.{module}", json.dumps(options)),
                ("ansible.builtin.command", command),
            ):
                times = []
                for _turn in range(5):
                    ran = [str(BIN / "ansible"), "localhost", "-m", name, "-a", arguments]
                    began = time.perf_counter()
                    subprocess.run(
                        ran, env=environment, check=True, stdout=subprocess.DEVNULL, timeout=120
                    )
                    times.append(time.perf_counter() - began)
                best[name] = min(times)
            ours, theirs = best.values()
            say(f"  {module:<24} {ours:6.2f} s   command with qq {theirs:6.2f} s")


def main() -> int:
    """Measure everything, or a tenth of it to see that the benchmark works."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full sizes")
    parser.add_argument("--only", default="", help="parts, separated by commas")
    options = parser.parse_args()
    scale = options.scale
    say(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}")
    with tempfile.TemporaryDirectory(prefix="bench-") as directory, start() as simulator:
        bench = Bench(simulator, Path(directory))
        sizes = [int(size * scale) for size in (1_000_000, 5_000_000, 10_000_000)]
        parts: dict[str, Callable[[], object]] = {
            "modules": bench.modules,
            "locks": lambda: bench.locks(int(10_000 * scale)),
            "handles": lambda: bench.handles(int(100_000 * scale)),
            "page": lambda: bench.page(int(100_000 * scale)),
            "attributes": lambda: bench.attributes(int(100_000 * scale)),
            "watcher": lambda: watcher.run(simulator, scale),
            "changes": lambda: bench.changes(sizes),
            "atime": lambda: atime.run(scale),
        }
        wanted = options.only.split(",") if options.only else list(parts)
        unknown = set(wanted) - set(parts)
        if unknown:
            parser.error(f"there is no part {min(unknown)}: choose from {', '.join(parts)}")
        for name in wanted:
            parts[name]()
            simulator.control("latency", seconds=0.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
