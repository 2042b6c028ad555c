# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The syncer against a model: lines as clusters send them and as other servers forward them.

Whatever the form of the lines, their order, the batches they arrive in, and however often work is
interrupted and lines are sent again: each file has the newest time of the uses that count, and each
line is counted once.
"""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.batches import (
    Plan,
    gather,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.coalesce import (
    LastSet,
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.rules import (
    Rules,
    compile_rules,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.spool import (
    Item,
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


class Syncer(RuleBasedStateMachine):
    """Spool, memory and files of a syncer, and what they should be."""

    def __init__(self) -> None:
        super().__init__()
        self.plan = Plan(compile_rules(RULES), by_path, "nameless", False, 0.0, 1, 10**18)
        self.spool = SqliteSpool(":memory:", postpone=False)
        self.last_set = LastSet(4)
        self.disk: dict[bytes, int] = {}
        self.newest: dict[bytes, int] = {}
        self.sent: list[bytes] = []

    def teardown(self) -> None:
        while self.spool.counts().waiting:
            self.work(100, True)
        assert self.disk == self.newest
        self.spool.close()

    @rule(found=LINES)
    def lines_arrive(self, found: list[tuple[Use, str, str] | tuple[bytes, str]]) -> None:
        lines: list[bytes] = []
        expected: Counter[str] = Counter()
        for entry in found:
            if len(entry) == 2:
                lines.append(entry[0])
                expected[str(entry[1])] += 1
                continue
            use, frame, body = entry
            lines.append(line_of(use, frame, body))
            expected[use.why] += 1
            if not use.why:
                time_ns = (use.time - EPOCH) // timedelta(microseconds=1) * 1000
                if not FRAMES[frame][1]:
                    time_ns -= time_ns % SECOND
                key = use.path.encode()
                self.newest[key] = max(time_ns, self.newest.get(key, 0))
        batch = gather(lines, self.plan, self.last_set, NOW_NS)
        malformed = {f"malformed_{part}": count for part, count in batch.malformed.items()}
        dropped = Counter({**batch.skipped, **malformed, "": batch.counted})
        assert +dropped == +expected, batch.samples
        self.spool.put(batch.entries)
        self.sent = lines

    @rule()
    def lines_arrive_again(self) -> None:
        """They were safe and not yet acknowledged, or a repaired queue has them twice."""
        self.spool.put(gather(self.sent, self.plan, self.last_set, NOW_NS).entries)

    @rule(most=st.integers(1, 4), settled=st.booleans())
    def work(self, most: int, settled: bool) -> None:
        """Set times; a crash comes before they are written back if they are not settled."""
        items = self.spool.due(1e12, most)
        for item in items:
            self._set(item)
        if settled:
            self.spool.done(items)
        else:
            self.last_set = LastSet(4)

    def _set(self, item: Item) -> None:
        assert isinstance(item.key, bytes)
        if item.stamp > self.disk.get(item.key, 0):
            self.disk[item.key] = item.stamp
            self.last_set.note(item.key, item.stamp, item.payload)


Syncer.TestCase.settings = settings(max_examples=150, stateful_step_count=20, deadline=None)
TestSyncer = Syncer.TestCase
