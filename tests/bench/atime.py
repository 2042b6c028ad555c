# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.bench.atime``: the parts of the access-time syncer, each on one core."""

from __future__ import annotations

import argparse
import gc
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.simulator.harness import start
from tests.tools.rsyslogd import Rsyslogd, missing
from tests.tools.tree import ROOT, linked_tree

sys.path.insert(0, str(linked_tree()))

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.batches import (  # noqa: E402
    NAMELESS,
    Batch,
    Plan,
    gather,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.beneath import (  # noqa: E402
    Beneath,
    Outcome,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.coalesce import (  # noqa: E402
    LastSet,
    by_id,
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.receiver import (  # noqa: E402
    Receiver,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.relp import (  # noqa: E402
    Session,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.rules import (  # noqa: E402
    Rules,
    compile_rules,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.through_api import (  # noqa: E402
    ThroughApi,
    set_access_time,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.audit_log import (  # noqa: E402
    parse,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client  # noqa: E402
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.spool import (  # noqa: E402
    Item,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.sqlite import (  # noqa: E402
    SqliteSpool,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings  # noqa: E402
from tests.bench.lines import frames, line, name  # noqa: E402

TURNS = 3
#: Later than all lines.
NOW = 2_000_000_000_000_000_000
CHUNK = 1 << 16
RULES = Rules(
    include_prefixes=("/projects",),
    exclude_globs=("*.tmp", ".DS_Store"),
    users=("AD\\backup", "AD\\scanner"),
    networks=("10.9.0.0/16", "fd00::/8"),
    protocols=("internal",),
)


def say(text: str) -> None:
    """A line of the report, at once."""
    print(text, flush=True)


def best(work: Callable[[], int]) -> float:
    """Pieces a second, of the best of some turns."""
    rates = []
    for _turn in range(TURNS):
        gc.collect()
        began = time.perf_counter()
        count = work()
        rates.append(count / (time.perf_counter() - began))
    return max(rates)


def report(what: str, rate: float, unit: str) -> None:
    """One measurement."""
    say(f"  {what:<58} {rate:12,.0f} {unit}/s")


# -- what is measured -------------------------------------------------------------------------


def parsing(count: int) -> None:
    """Lines, frames, rules and coalescing."""
    say(f"\n{count:,} audit lines")
    for form in ("csv", "nine", "quoted", "json"):
        lines = [line(number, form) for number in range(count)]

        def read(lines: list[bytes] = lines) -> int:
            for text in lines:
                parse(text)
            return count

        label = {
            "csv": "CSV",
            "nine": "CSV, nine digits of a second",
            "quoted": "CSV, quotes in each path",
            "json": "JSON",
        }[form]
        report(f"read {label}", best(read), "lines")
    lines = [line(number, "csv") for number in range(count)]
    stream = frames(lines)

    def receive() -> int:
        session, found = Session(), 0
        for at in range(0, len(stream), CHUNK):
            messages = session.feed(stream[at : at + CHUNK])
            found += len(messages)
            session.acknowledge(len(messages))
            session.output()
        return found

    report("RELP frames, acknowledged", best(receive), "frames")
    plan = make_plan("path")

    def count_them() -> int:
        return len(gather(lines, plan, LastSet(), NOW).entries)

    report("read, rules (all kinds of them), newest of each file", best(count_them), "lines")


def make_plan(key: str, window: float = 3600.0) -> Plan:
    """Lines become entries by all kinds of rules."""
    by = by_id if key == "id" else by_path
    return Plan(compile_rules(RULES), by, NAMELESS, key == "id", window, 1, NOW)


def durable(count: int, where: str | None) -> None:
    """From the RELP socket to durable and coalesced, in a receiver of its own."""
    say(f"\n{count:,} lines from the RELP socket to durable and coalesced")
    for label, distinct in (("each of another file", count), ("each file 10 times", count // 10)):
        stream = frames([line(number % distinct, "csv") for number in range(count)])
        with running_receiver(where) as (receiver, spool, _kept):

            def work(stream: bytes = stream, receiver: Receiver = receiver) -> int:
                with socket.create_connection(("127.0.0.1", receiver.port), 60) as connection:
                    connection.settimeout(None)  # the other process has the same socket
                    reader = subprocess.Popen(
                        [sys.executable, "-c", _ACKNOWLEDGED, str(count)],
                        stdin=connection.fileno(),
                    )
                    connection.sendall(stream)
                    if reader.wait(600):
                        raise RuntimeError("lines were not acknowledged")
                return count

            began, used = time.perf_counter(), time.process_time()
            work()
            seconds, used = time.perf_counter() - began, time.process_time() - used
            report(label, count / seconds, "lines")
            report(f"{label}, a second of one core", count / used, "lines")
            assert spool.counts().waiting == distinct


@contextmanager
def running_receiver(where: str | None) -> Iterator[tuple[Receiver, SqliteSpool, list[int]]]:
    """A receiver with a spool, and how many lines each batch had."""
    plan, kept = make_plan("path"), [0]
    with tempfile.TemporaryDirectory(prefix="bench-", dir=where) as directory:
        spool = SqliteSpool(f"{directory}/spool.db", postpone=False, limit=10_000_000)

        def keep(batch: Batch) -> None:
            spool.put(batch.entries)
            kept[0] += batch.lines

        receiver = Receiver("127.0.0.1", 0, lambda lines: gather(lines, plan, LastSet(), NOW), keep)
        receiver.start()
        try:
            yield receiver, spool, kept
        finally:
            receiver.stop(time.monotonic() + 10)
            spool.close()


#: Reads the answers to so many lines, in a process of its own.
_ACKNOWLEDGED = """
import socket, sys
left = int(sys.argv[1]) + 4  # lines: one for each, and those of the first answer
with socket.socket(fileno=0) as connection:
    while left > 0:
        data = connection.recv(1 << 18)
        if not data:
            sys.exit(1)
        left -= data.count(b"\\n")
"""


def through_rsyslogd(count: int, where: str | None) -> None:
    """A real rsyslogd between a sender and the receiver."""
    say(f"\n{count:,} lines through rsyslogd")
    reason = missing()
    if reason is not None:
        say(f"  left out: {reason}")
        return
    lines = b"".join(line(number, "csv") + b"\n" for number in range(count))
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as directory,
        running_receiver(where) as (receiver, _spool, kept),
        Rsyslogd(Path(directory), receiver.port) as rsyslogd,
    ):
        began = time.perf_counter()
        sender = subprocess.Popen(
            [sys.executable, "-c", _SENDER, str(rsyslogd.port)], stdin=subprocess.PIPE
        )
        assert sender.stdin is not None
        sender.stdin.write(lines)
        sender.stdin.close()
        while kept[0] < count:
            time.sleep(0.01)
            if time.perf_counter() - began > 600:
                raise RuntimeError("lines were lost")
        report("from a socket to durable", count / (time.perf_counter() - began), "lines")
        sender.wait(60)


_SENDER = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    connection.sendall(sys.stdin.buffer.read())
"""


def through_api(count: int) -> None:
    """Access times through the API, 5 ms away."""
    say(f"\nAccess times of {count:,} files through the API at 5 ms latency")
    with start() as simulator:
        first = int(simulator.control("files/bulk", directory="/a", count=count)["first_id"])
        simulator.control("latency", seconds=0.005)
        settings = Settings(
            hosts=tuple(simulator.addresses),
            port=simulator.port,
            username="admin",
            password=simulator.password(),
            ca_path=simulator.ca_file,
        )
        items = [
            Item(str(first + number), "", 4_000_000_000_000_000_000, 0.0, number, 0, 0, "")
            for number in range(count)
        ]
        serial = items[: max(1, count // 50)]
        with Client(settings) as client:
            began = time.perf_counter()
            for item in serial:
                set_access_time(client, str(item.key), item.stamp, 1)
            one = len(serial) / (time.perf_counter() - began)
            report("one after the other", one, "files")
            rest = items[len(serial) :]
            backend = ThroughApi(client, 64, lambda: 1)
            began = time.perf_counter()
            done = sum(r.outcome is Outcome.SET for r in backend.apply(rest, threading.Event()))
            many = done / (time.perf_counter() - began)
            report(f"64 at a time ({many / one:.1f} x)", many, "files")


def as_qatime(count: int) -> None:
    """The loop of the tool that this replaces: a split at commas, a path, 0.1 s."""
    say(f"\n{count} lines as qatime takes them")
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        began = time.perf_counter()
        for number in range(count):
            path = line(number, "csv").decode().split(",")[6].strip('"')
            full = Path(directory) / path.lstrip("/")
            full.parent.mkdir(parents=True, exist_ok=True)
            full.touch()
            os.utime(full)
            time.sleep(0.1)
        report("one path each 0.1 s", count / (time.perf_counter() - began), "lines")


def setting(count: int, where: str | None) -> None:
    """Access times on a local file system."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=where) as directory:
        kind = subprocess.run(
            ["stat", "-f", "-c", "%T", directory], stdout=subprocess.PIPE, check=True, text=True
        ).stdout.strip()
        say(f"\nAccess times of {count:,} files ({kind})")
        paths = [name(number).encode() for number in range(count)]
        for path in paths:
            full = os.path.join(directory.encode(), path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            os.close(os.open(full, os.O_CREAT | os.O_WRONLY))
        root = os.open(directory, os.O_PATH)
        later = 4_000_000_000_000_000_000
        for what, openat2, age in (
            ("openat2 for each path", True, 0.0),
            ("openat2, parents kept for a second", True, 1.0),
            ("without openat2, parents kept for a second", False, 1.0),
            ("without openat2", False, 0.0),
        ):
            with Beneath(root, openat2=openat2, parent_age=age) as beneath:

                def work(beneath: Beneath = beneath) -> int:
                    nonlocal later
                    later += 1
                    for path in paths:
                        if beneath.set_access_time(path, later) is not Outcome.SET:
                            raise RuntimeError("a time was not set")
                    return count

                report(what, best(work), "files")
        with Beneath(root) as beneath:

            def fresh() -> int:
                for path in paths:
                    if beneath.set_access_time(path, 0) is not Outcome.FRESH:
                        raise RuntimeError("a time was set")
                return count

            report("openat2 for each path, times that are there already", best(fresh), "files")
        os.close(root)


def memory(count: int) -> None:
    """Memory of files that wait, in processes of their own."""
    say(f"\nMemory with {count:,} files waiting")
    for key in ("path", "id"):
        command = [sys.executable, "-m", "tests.bench.atime", "--waiting", key, str(count)]
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True)
        before, after = (int(text) / 1024 for text in done.stdout.split())
        say(f"  by {key:<5} {after - before:8.0f} MiB, {after:.0f} MiB with the interpreter")


def wait(key: str, count: int) -> None:
    """Hold so many files; print the resident KiB before and after."""

    def resident() -> str:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return next(row.split()[1] for row in status.splitlines() if row.startswith("VmRSS:"))

    before = resident()
    plan = make_plan(key)
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        spool = SqliteSpool(f"{directory}/spool.db", postpone=False, limit=10_000_000)
        for begin in range(0, count, 5000):
            numbers = range(begin, min(count, begin + 5000))
            lines = [line(number, "csv") for number in numbers]
            spool.put(gather(lines, plan, LastSet(), NOW).entries)
        assert len(spool.due(1e12, 2000)) == min(count, 2000)
        assert spool.counts().waiting == count
        print(before, resident())


def run(scale: float, where: str | None = None) -> None:
    """Measure everything, or a share of it to see that it works."""
    parsing(int(300_000 * scale))
    durable(int(300_000 * scale), where)
    through_rsyslogd(int(300_000 * scale), where)
    setting(int(100_000 * scale), where)
    through_api(int(20_000 * scale))
    memory(int(1_000_000 * scale))
    as_qatime(max(2, int(50 * scale)))


def main() -> int:
    """Measure everything, or a share of it to see that it works."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full sizes")
    parser.add_argument("--directory", help="where files are made (default: the temporary one)")
    parser.add_argument("--waiting", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.waiting:
        wait(options.waiting[0], int(options.waiting[1]))
        return 0
    run(options.scale, options.directory)
    return 0


if __name__ == "__main__":
    sys.exit(main())
