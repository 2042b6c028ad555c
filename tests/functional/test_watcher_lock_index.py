# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.common.disk_set import (
    DiskSet,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher import lock_index
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.lock_record import (  # noqa: E501
    LockRecord,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.versions import (
    Version,
)
from tests.tools.tree import ROOT

START = datetime(2026, 1, 1, tzinfo=timezone.utc)
RECORDS = st.lists(
    st.builds(
        LockRecord,
        file_id=st.sampled_from(["1", "2", "10", "100", "99999999999999999999999999"]),
        path=st.text(),
        version=st.builds(
            Version,
            revision=st.sampled_from(["", "7"]),
            modification_time=st.just("2026-01-01T00:00:00Z"),
            until=st.none() | st.integers(0, 99).map(lambda n: START + timedelta(hours=n)),
            held=st.booleans(),
            locked_at=st.just(START),
        ),
        size=st.none() | st.integers(0),
        change_time=st.sampled_from(["", "2026-01-01T00:00:00.5Z"]),
    ),
    max_size=40,
)


@given(RECORDS, st.sampled_from([1, 1 << 20]))
def test_newest_record_and_latest_end_of_each_file(
    records: list[LockRecord], run_bytes: int
) -> None:
    newest = {record.file_id: record for record in records}
    latest = {
        file_id: max(
            (r.version.until for r in records if r.file_id == file_id and r.version.until),
            default=None,
        )
        for file_id in newest
    }
    with lock_index.LockIndex(run_bytes=run_bytes) as index:
        for record in records:
            index.add(record)
        found = list(index)
    assert {lock.record.file_id: lock.record for lock in found} == newest
    assert {lock.record.file_id: lock.until for lock in found} == latest
    assert len(found) == len(newest)


@given(st.lists(st.text(max_size=3)))
def test_disk_set_is_a_set(texts: list[str]) -> None:
    texts = [text for text in texts if text.isascii()]
    known: set[str] = set()
    with DiskSet() as items:
        for text in texts:
            assert items.missing([text]) == ([] if text in known else [text])
            assert items.add(text) == (text not in known)
            known.add(text)


def test_nothing_is_left_and_nobody_else_can_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with lock_index.LockIndex():
        (directory,) = tmp_path.iterdir()
        assert directory.stat().st_mode & 0o077 == 0
    assert not list(tmp_path.iterdir())


PEAK = """
import resource, sys
from qumulo_core.common import hash_chain
from qumulo_core.common.disk_set import DiskSet
from qumulo_core.watcher import verification
from qumulo_core.watcher.lock_index import LockIndex

path, count = sys.argv[1], int(sys.argv[2])
record = {
    "time": "2026-01-02T03:04:05Z", "size": 1, "modification_time": "2026-01-02T03:04:04Z",
    "change_time": "2026-01-02T03:04:05.1Z", "retention_until": "2036-01-02T03:04:05Z",
    "legal_hold": False,
}
previous = hash_chain.GENESIS
with open(path, "wb") as file:
    for at in range(count):
        one = {**record, "file_id": str(at * 7919 % count), "path": f"/archive/invoices/{at}.pdf"}
        data, previous = hash_chain.append([one], previous)
        file.write(data)
with LockIndex(run_bytes=1 << 19) as index, DiskSet() as seen:
    found = verification.verify([path], print, take=index.add)
    files = sum(seen.add(lock.record.file_id) for lock in index)
assert (found.lines, found.faults, files) == (count, 0, count)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def test_memory_does_not_grow_with_the_number_of_records(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "plugins" / "module_utils")}

    def peak(count: int) -> int:
        command = [sys.executable, "-c", PEAK, str(tmp_path / "e.jsonl"), str(count)]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=500, check=True
        )
        return int(done.stdout)

    # The records of the second run alone would need about 30 MiB more.
    assert peak(25_000) - peak(5_000) < 8 << 10
