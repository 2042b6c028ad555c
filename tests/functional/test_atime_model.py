# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The syncer against a model: lines as clusters send them and as other servers forward them.

Whatever the form of the lines, their order, the batches they arrive in, and however often work is
interrupted and lines are sent again, the host's clock jumps, or the state is deleted: each file has
the newest time of the uses that count, and each line is counted once. A deleted spool takes along
what waited in it, and takes no line afterwards.
"""

from __future__ import annotations

import ctypes
import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from unittest import mock

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime import setting
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.batches import (
    Plan,
    gather,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.beneath import (
    Outcome,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.coalesce import (
    LastSet,
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.rules import (
    Rules,
    compile_rules,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.retries import (
    LONGEST_WAIT,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.spool import (
    Item,
    SpoolError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.sqlite import (
    SqliteSpool,
)

SECOND = 1_000_000_000
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
NOW_NS = (NOW - EPOCH) // timedelta(microseconds=1) * 1000
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
#: Files, by their paths, with IDs as real ones: of any length, and more than 64 bits.
FILES = {
    "/data/file.txt": "140624751830626345080086044861",
    "/d/a": "42",
    '/d/with, comma and "quotes"': "7000012",
    "/d/ä\U0001f512": "18446744073709551617",
    "/d/[it]: qumulo - - - x": "3",
}
RULES = Rules(users=("uid:1000", "CORP\\scanner"), protocols=("s3",), exclude_prefixes=("/tmp",))


class Use(NamedTuple):
    """What a line reports.

    :param why: the reason why it does not count; empty if it does.
    """

    path: str
    time: datetime
    user: str
    protocol: str
    operation: str
    status: str
    why: str


def _use(path: str, time: datetime, other: tuple[str, dict[str, str]]) -> Use:
    why, changes = other
    counts = Use(path, time, "CORP\\jane", "smb2", "fs_read_data", "ok", why)
    return counts._replace(**changes)


#: What differs in a line that does not count, with its reason.
DIFFERENT: list[tuple[str, dict[str, str]]] = [
    *[("", {})] * 8,
    ("", {"user": "1000", "protocol": "smb3"}),  # a name that is a number, and not a UID
    ("", {"user": "501", "protocol": "nfs4"}),
    ("", {"operation": "fs_list_directory", "protocol": "nfs3"}),
    ("operation", {"operation": "fs_create_file"}),
    ("status", {"status": "fs_access_denied_error"}),
    ("reader", {"user": "corp\\Scanner"}),
    ("reader", {"user": "1000", "protocol": "nfs3"}),
    ("reader", {"protocol": "s3"}),
    ("snapshot", {"path": "/.snapshot/1_x/d/a"}),
    ("path", {"path": "/tmp/a"}),
]
TIMES = st.integers(0, 200 * 86400 * 10**6).map(lambda n: NOW - timedelta(microseconds=n))
USES = st.builds(_use, st.sampled_from([*FILES]), TIMES, st.sampled_from(DIFFERENT))


def csv_body(use: Use) -> str:
    path = use.path.replace('"', '""')
    return (
        f'10.220.151.129,"{use.user}",{use.protocol},{use.operation},{use.status},'
        f'{FILES.get(use.path, "")},"{path}",""'
    )


def json_body(use: Use) -> str:
    """As the vendor's guide has it; a user over NFS has no name."""
    is_uid = use.user.isdigit() and use.protocol.startswith("nfs")
    return json.dumps(
        {
            "user_ip": "10.220.151.129",
            "user_id": {"sid": "S-1-5-8", "name": use.user, "auth_id": "900" if is_uid else "501"},
            "protocol": use.protocol,
            "operation": use.operation,
            "status": use.status,
            "details": {"path": use.path, "file_id": FILES.get(use.path, "")},
        },
        ensure_ascii=False,
    )


def rfc3339(time: datetime, zone: int = 0) -> str:
    """A time with as few digits as clusters send."""
    local = time.astimezone(timezone(timedelta(hours=zone)))
    fraction = f".{local.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{local:%Y-%m-%dT%H:%M:%S}{fraction}" + (f"{zone:+03d}:00" if zone else "Z")


def traditional(time: datetime) -> str:
    return f"{MONTHS[time.month - 1]} {time.day:2d} {time:%H:%M:%S}"


#: Headers: of a cluster, and of the servers that forward its lines; and whether they keep what is
#: below a second.
FRAMES = {
    "cluster": ("<14>1 {stamp} c-1 qumulo - - - ", True),
    "ForwardFormat": ("<14>{stamp} c-1 qumulo ", True),
    "ForwardFormat of another zone": ("<14>{zoned} c-1 qumulo ", True),
    "TraditionalForwardFormat": ("<14>{old} c-1 qumulo ", False),
    "TraditionalFileFormat": ("{old} c-1 qumulo ", False),
    "syslog-ng": ("<14>{old} c-1 qumulo[-]: ", False),
    "a second header": ("<13>Feb 28 09:00:00 relay 1 {stamp} c-1 qumulo - - - ", True),
}


def line_of(use: Use, frame: str, body: str) -> bytes:
    head = FRAMES[frame][0].format(
        stamp=rfc3339(use.time), zoned=rfc3339(use.time, 9), old=traditional(use.time)
    )
    return (head + (csv_body if body == "csv" else json_body)(use)).encode()


#: What is not an audit line, by what is wrong with it.
DAMAGED = [
    (b"<13>Jan 27 14:12:23 host sshd[12]: Accepted publickey", "malformed_application"),
    (b"<14>1 2026-01-27T14:12:23Z c-1 qumulo - - - 10.0.0.1,\"u\",nfs3", "malformed_csv"),
    (b"<14>1 2026-01-27T14:12:23Z c-1 qumulo - - - {\"a\":", "malformed_json"),
    (b"<14>1 2026-13-27T14:12:23Z c-1 qumulo - - - a", "malformed_time"),
]  # fmt: skip
GOOD = st.tuples(USES, st.sampled_from([*FRAMES]), st.sampled_from(["csv", "json"]))
BAD = st.sampled_from(DAMAGED)
LINES = st.lists(st.one_of(GOOD, GOOD, GOOD, BAD), max_size=12)


WINDOW = 60.0
YEAR = 365 * 86400
#: Times that are further ahead of the host's clock than this are the present.
AHEAD_NS = 300 * SECOND
#: Seconds by which the host's clock jumps: minutes, days and years.
JUMPS = st.sampled_from([-400, -1, 1, 400, -86400, 86400, -3 * YEAR, 3 * YEAR, -YEAR, -3600])


class Clock:
    """The host's clock, which somebody sets, and the one that nobody sets."""

    def __init__(self) -> None:
        self.now_ns, self.steady = NOW_NS, 1000.0

    def time(self) -> float:
        return self.now_ns / SECOND

    def monotonic(self) -> float:
        return self.steady

    def passes(self, seconds: float) -> None:
        self.now_ns += int(seconds * SECOND)
        self.steady += seconds


class Files:
    """Files that keep their access times; some of them at a time can be set."""

    allowance: float | None = None

    def __init__(self) -> None:
        self.times: dict[bytes, int] = {}
        self.most = 0

    def apply(self, items: Sequence[Item], stopped: threading.Event) -> Iterator[setting.Result]:
        for item in items[: self.most]:
            assert isinstance(item.key, bytes) and not stopped.is_set()
            newer = item.stamp > self.times.get(item.key, 0)
            if newer:
                self.times[item.key] = item.stamp
            yield setting.Result(item, Outcome.SET if newer else Outcome.FRESH)

    def look(self) -> None:
        """They are there."""

    def rest(self) -> None:
        """Nothing is held."""


class Syncer(RuleBasedStateMachine):
    """Spool, memory and files of a syncer, and what they should be."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = Plan(compile_rules(RULES), by_path, "nameless", False, WINDOW, 1, AHEAD_NS)
        self.place = TemporaryDirectory()
        self.clock, self.files = Clock(), Files()
        self.newest: dict[bytes, int] = {}
        self.sent: list[bytes] = []
        self.deleted = self.refused = False
        self._start()

    def _start(self) -> None:
        self.spool = SqliteSpool(f"{self.place.name}/spool.db", postpone=False, own=True)
        self.last_set = LastSet(4)
        self.setter = setting.Setter(
            self.spool,
            self.files,
            self._done,
            max_attempts=3,
            longest=lambda: LONGEST_WAIT + WINDOW,
        )

    def _done(self, results: list[setting.Result], _gone: int) -> None:
        for result in results:
            if result.outcome is Outcome.SET:
                self.last_set.note(result.item.key, result.item.stamp, result.item.payload)

    def teardown(self) -> None:
        if self.deleted:
            self.it_starts_again()
        # Whatever the clock was set to meanwhile, no time waits for longer than it may.
        self.clock.passes(setting.LOOK_AT_CLOCK + 1)
        self._turn(0)
        self.clock.passes(LONGEST_WAIT + WINDOW + 1)
        while self.spool.counts().waiting:
            before = self.spool.counts().waiting
            self._turn(100)
            assert self.spool.counts().waiting < before
        assert self.files.times == self.newest
        self.spool.close()
        self.place.cleanup()

    def _turn(self, most: int) -> None:
        """What the setter does again and again."""
        self.files.most = most
        with mock.patch.object(setting, "time", self.clock):
            self.setter._look_at_clock()
            self.setter._work()

    @rule(found=LINES)
    def lines_arrive(self, found: list[tuple[Use, str, str] | tuple[bytes, str]]) -> None:
        lines: list[bytes] = []
        expected: Counter[str] = Counter()
        newest = dict(self.newest)
        for entry in found:
            if len(entry) == 2:
                lines.append(entry[0])
                expected[str(entry[1])] += 1
                continue
            use, frame, body = entry
            # A header without a year and a zone has another meaning for each time of the host.
            if "{old}" in FRAMES[frame][0]:
                frame = "cluster" if self.clock.now_ns != NOW_NS else frame
            lines.append(line_of(use, frame, body))
            expected[use.why] += 1
            if not use.why:
                time_ns = (use.time - EPOCH) // timedelta(microseconds=1) * 1000
                if not FRAMES[frame][1]:
                    time_ns -= time_ns % SECOND
                if time_ns > self.clock.now_ns + AHEAD_NS:
                    time_ns = self.clock.now_ns
                key = use.path.encode()
                newest[key] = max(time_ns, newest.get(key, 0))
        batch = gather(lines, self.plan, self.last_set, self.clock.now_ns)
        malformed = {f"malformed_{part}": count for part, count in batch.malformed.items()}
        dropped = Counter({**batch.skipped, **malformed, "": batch.counted})
        assert +dropped == +expected, batch.samples
        if self.deleted:
            with pytest.raises(SpoolError):  # nothing is acknowledged
                self.spool.put(batch.entries)
            self.refused = True
            return
        self.spool.put(batch.entries)
        self.newest, self.sent = newest, lines

    @precondition(lambda self: not self.deleted)
    @rule()
    def lines_arrive_again(self) -> None:
        """They were safe and not yet acknowledged, or a repaired queue has them twice."""
        batch = gather(self.sent, self.plan, self.last_set, self.clock.now_ns)
        self.spool.put(batch.entries)
        for entry in batch.entries:  # what was ahead of the clock is the present, a later one now
            assert isinstance(entry.key, bytes)
            self.newest[entry.key] = max(entry.stamp, self.newest.get(entry.key, 0))

    @rule(seconds=JUMPS)
    def the_clock_is_set(self, seconds: int) -> None:
        self.clock.now_ns = max(SECOND, self.clock.now_ns + seconds * SECOND)

    @rule(seconds=st.sampled_from([0.1, WINDOW + 1, LONGEST_WAIT]))
    def time_passes(self, seconds: float) -> None:
        self.clock.passes(seconds)

    @precondition(lambda self: not self.deleted)
    @rule(most=st.integers(1, 4))
    def work(self, most: int) -> None:
        self._turn(most)

    @precondition(lambda self: not self.deleted)
    @rule(most=st.integers(1, 4))
    def it_is_killed_before_results_are_written(self, most: int) -> None:
        self.files.most = most
        [*self.files.apply(self.spool.due(self.clock.time(), most), threading.Event())]
        self.spool.close()
        self._start()

    @precondition(lambda self: not self.deleted)
    @rule()
    def its_state_is_deleted(self) -> None:
        for path in Path(self.place.name).iterdir():
            path.unlink()
        self.deleted = True
        # What waited is lost with it, and nothing else.
        self.newest = dict(self.files.times)

    @precondition(lambda self: self.deleted)
    @rule()
    def it_starts_again(self) -> None:
        self.spool.close()
        if self.refused:  # it stays open until its process ends, and here many have one process
            ctypes.pythonapi.Py_DecRef(ctypes.py_object(self.spool._connection))
        self.deleted = self.refused = False
        self._start()


Syncer.TestCase.settings = settings(max_examples=100, stateful_step_count=20, deadline=None)
TestSyncer = Syncer.TestCase


def test_a_clock_that_is_set_back_holds_up_no_time() -> None:
    state = Syncer()
    use = _use("/d/a", NOW - timedelta(days=1), ("", {}))
    state.lines_arrive(found=[(use, "cluster", "csv")])
    state.the_clock_is_set(seconds=-86400)
    state.teardown()


def test_a_deleted_spool_takes_no_line() -> None:
    state = Syncer()
    use = _use("/d/a", NOW - timedelta(days=1), ("", {}))
    state.its_state_is_deleted()
    state.lines_arrive(found=[(use, "cluster", "csv")])
    state.teardown()
