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
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from tests.tools.rsyslogd import Rsyslogd, missing
from tests.tools.tree import ROOT, linked_tree

from .lines import frames, line, name

sys.path.insert(0, str(linked_tree()))

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.beneath import (  # noqa: E402
    Beneath,
    Outcome,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.coalesce import (  # noqa: E402
    Coalescer,
    by_id,
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.relp import (  # noqa: E402
    Session,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.rules import (  # noqa: E402
    Rules,
    compile_rules,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.audit_log import (  # noqa: E402
    parse,
)

TURNS = 3
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
    for form in ("csv", "quoted", "json"):
        lines = [line(number, form) for number in range(count)]

        def read(lines: list[bytes] = lines) -> int:
            for text in lines:
                parse(text)
            return count

        label = {"csv": "CSV", "quoted": "CSV, quotes in each path", "json": "JSON"}[form]
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
    records = [parse(text) for text in lines]
    judge = compile_rules(RULES)

    def coalesce() -> int:
        files: Coalescer[bytes] = Coalescer(
            window=5.0, granularity_ns=60_000_000_000, max_files=count
        )
        for record in records:
            if judge(record) is None:
                key = by_path(record)
                if key is not None:
                    files.add(key, record.time_ns, 0.0)
        assert len(files) == count
        return count

    report("rules (all kinds of them) and coalescing by path", best(coalesce), "records")

    def everything() -> int:
        session = Session()
        files: Coalescer[bytes] = Coalescer(
            window=5.0, granularity_ns=60_000_000_000, max_files=count
        )
        for at in range(0, len(stream), CHUNK):
            messages = session.feed(stream[at : at + CHUNK])
            for text in messages:
                record = parse(text)
                if judge(record) is None:
                    key = by_path(record)
                    if key is not None:
                        files.add(key, record.time_ns, 0.0)
            session.acknowledge(len(messages))
            session.output()
        return len(files)

    report("RELP, read, rules, coalesced; not made durable", best(everything), "lines")


def through_rsyslogd(count: int) -> None:
    """A real rsyslogd between a sender and the session."""
    say(f"\n{count:,} lines through rsyslogd")
    reason = missing()
    if reason is not None:
        say(f"  left out: {reason}")
        return
    lines = b"".join(line(number, "csv") + b"\n" for number in range(count))
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as directory,
        closing(socket.create_server(("127.0.0.1", 0))) as listening,
        Rsyslogd(Path(directory), listening.getsockname()[1]) as rsyslogd,
    ):
        listening.settimeout(60)
        began = time.perf_counter()
        sender = subprocess.Popen(
            [sys.executable, "-c", _SENDER, str(rsyslogd.port)], stdin=subprocess.PIPE
        )
        assert sender.stdin is not None
        sender.stdin.write(lines)
        sender.stdin.close()
        accepted, _address = listening.accept()
        with closing(accepted) as connection:
            connection.settimeout(60)
            session, found = Session(), 0
            while found < count:
                messages = session.feed(connection.recv(CHUNK))
                found += len(messages)
                session.acknowledge(len(messages))
                connection.sendall(session.output())
        report(
            "from a socket, acknowledged at once", count / (time.perf_counter() - began), "lines"
        )
        sender.wait(60)


_SENDER = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    connection.sendall(sys.stdin.buffer.read())
"""


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
    by: Callable[..., bytes | int | None] = by_path if key == "path" else by_id
    files: Coalescer[bytes | int] = Coalescer(
        window=5.0, granularity_ns=60_000_000_000, max_files=count
    )
    for number in range(count):
        record = parse(line(number, "csv"))
        found = by(record)
        if found is not None:
            files.add(found, record.time_ns, 0.0)
    files.due(5.0)
    print(before, resident())


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
    parsing(int(300_000 * options.scale))
    through_rsyslogd(int(300_000 * options.scale))
    setting(int(100_000 * options.scale), options.directory)
    memory(int(1_000_000 * options.scale))
    return 0


if __name__ == "__main__":
    sys.exit(main())
