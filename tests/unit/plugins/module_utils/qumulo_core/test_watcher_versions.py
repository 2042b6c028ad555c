# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Any life of a file, against a model that knows what was locked and what was released."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition
from hypothesis.stateful import rule as step

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import file_locks
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.durations import (
    parse_span,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.file_locks import (
    LockState,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.files import FileInfo
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.sqlite import (
    SqliteSpool,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.times import (
    format_rfc3339,
    parse_rfc3339,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.requests import (
    request_of,
    running_since,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.rules import Rule
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.versions import (
    Version,
    Versions,
    is_unchanged,
)

START = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
FILE = FileInfo(**dict.fromkeys(FileInfo.__dataclass_fields__, ""))  # type: ignore[arg-type]
RULE = Rule("r", "/w", retention=parse_span("30d"), hold=True)


class Life(RuleBasedStateMachine):
    """A file on a cluster, and a watcher that comes upon it at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START
        self.state = LockState(None, hold=False)
        self.revision = 1
        self.info = replace(FILE, id="7", path="/w/a")
        self.versions = Versions(SqliteSpool(":memory:", postpone=True), list)
        #: Data that were retained, or under a hold that was released.
        self.retained: dict[int, datetime] = {}
        self.released: set[int] = set()
        self._write()

    def _write(self) -> None:
        time = format_rfc3339(self.now)
        self.info = replace(
            self.info,
            data_revision=str(self.revision),
            modification_time=time,
            change_time=time,
        )

    def _changed(self) -> None:
        self.info = replace(self.info, change_time=format_rfc3339(self.now))

    @property
    def locked(self) -> bool:
        return self.state.is_locked(self.now)

    @step(days=st.integers(1, 50))
    def time_passes(self, days: int) -> None:
        self.now += timedelta(days=days)

    @precondition(lambda self: not self.locked)
    @step()
    def write(self) -> None:
        self.revision += 1
        self.now += timedelta(seconds=1)
        self._write()

    @precondition(lambda self: not self.locked)
    @step(days=st.integers(-100, 100))
    def set_time(self, days: int) -> None:
        time = format_rfc3339(self.now + timedelta(days=days))
        self.info = replace(self.info, modification_time=time)
        self._changed()

    @precondition(lambda self: not self.locked)
    @step()
    def change_mode(self) -> None:
        self._changed()

    @precondition(lambda self: self.state.hold)
    @step()
    def release(self) -> None:
        self.state = LockState(self.state.until, hold=False)
        self.released.add(self.revision)
        self._changed()

    @step()
    def look(self) -> None:
        """What the watcher does, by whatever path the file comes in."""
        known = self.versions.get("7")
        request = request_of(RULE, self.info, self.state, known, self.now)
        since = running_since(self.info, self.state, known, self.now)
        todo = file_locks.plan("/w/a", self.state, request)
        if self.revision in self.retained:
            assert todo.until is None
        else:
            assert todo.until == self.now + timedelta(days=30)
        assert (todo.hold is None) == (self.state.hold or self.revision in self.released)
        if todo.changes:
            self.now += timedelta(seconds=1)
            self._changed()
        self.state = todo.result(self.state)
        assert self.state.until is not None
        self.retained[self.revision] = self.state.until
        begin = since or parse_rfc3339(self.info.change_time)
        self.versions.remember([("7", Version.of(self.info, self.state, begin, known))])


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=150, stateful_step_count=30)


def test_a_host_that_remembers_nothing_goes_by_the_times_of_the_file() -> None:
    until = START + timedelta(days=30)
    state = LockState(until, hold=False)
    day = timedelta(days=1)

    def info(written: datetime, changed: datetime) -> FileInfo:
        return replace(
            FILE, modification_time=format_rfc3339(written), change_time=format_rfc3339(changed)
        )

    assert is_unchanged(info(START, START), state, None)
    assert is_unchanged(info(START, until + day), state, None)  # its mode was changed
    assert is_unchanged(info(until + 900 * day, START), state, None)  # a time in the future
    assert not is_unchanged(info(until + day, until + day), state, None)
    assert not is_unchanged(info(START, START), LockState(None, hold=True), None)


def test_what_another_host_locked_since_is_judged_by_its_times() -> None:
    known = Version("1", format_rfc3339(START), START + timedelta(days=30), False, START)
    info = replace(
        FILE,
        data_revision="2",
        modification_time=format_rfc3339(START + timedelta(days=31)),
        change_time=format_rfc3339(START + timedelta(days=31)),
    )
    assert not is_unchanged(info, LockState(known.until, hold=False), known)
    assert is_unchanged(info, LockState(START + timedelta(days=61), hold=False), known)


def test_the_versions_are_read_from_evidence_of_any_release(tmp_path: Path) -> None:
    lock = {"modification_time": "2026-01-01T00:00:00Z", "retention_until": None}
    old = {"time": "2026-01-02T00:00:00Z", "file_id": "1", "legal_hold": True, **lock}
    new = {**old, "file_id": "2", "data_revision": "5", "change_time": "2026-01-03T00:00:00.5Z"}
    lines = [json.dumps(old), "damaged", json.dumps({"file_id": "3"}), json.dumps(new)]
    path = tmp_path / "e.jsonl"
    path.write_text("\n".join(lines) + "\n")
    spool = SqliteSpool(str(tmp_path / "spool.db"), postpone=True)
    versions = Versions(spool, list)
    assert not versions.complete
    assert list(versions.read([str(path)])) == [4]
    spool.close()
    versions = Versions(SqliteSpool(str(tmp_path / "spool.db"), postpone=True), list)
    assert versions.complete
    first, second = versions.get("1"), versions.get("2")
    assert first is not None and second is not None
    assert (first.revision, first.held) == ("", True)
    assert first.is_of(replace(FILE, data_revision="9", modification_time="2026-01-01T00:00:00Z"))
    assert not first.is_of(replace(FILE, modification_time="2026-01-01T00:00:01Z"))
    assert second.is_of(replace(FILE, data_revision="5", modification_time="later"))
    assert second.locked_at == datetime(2026, 1, 3, microsecond=500_000, tzinfo=timezone.utc)
    assert versions.get("3") is None
    versions.forget(["1"])
    assert versions.get("1") is None
