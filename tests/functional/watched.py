# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A watcher under test: its configuration, its process, and what it has recorded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import files
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.file_locks import (
    LockState,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.times import (
    parse_rfc3339,
)
from tests.simulator.harness import Simulator
from tests.tools.services import Process, cluster_section, core_environment, start_service, wait_for

EVENT_TIMEOUT = 240.0
#: Files of a burst, cuts of the stream, and kills; with LOCKSTEP_FULL_SIZE=1 as many as promised.
BURST, DROPS, KILLS = (10_000, 100, 50) if os.environ.get("LOCKSTEP_FULL_SIZE") else (2000, 40, 8)


class Watched:
    """A watcher on a simulated cluster."""

    def __init__(
        self,
        simulator: Simulator,
        client: Client,
        place: Path,
        rules: Sequence[dict[str, Any]],
        **options: Any,
    ) -> None:
        self.simulator = simulator
        self.client = client
        self.place = place
        self.config = place / "watcher.yml"
        self.evidence = place / "evidence.jsonl"
        user = options.pop("user", "admin")
        self.settings: dict[str, Any] = {
            "name": "test",
            "cluster": cluster_section(simulator, place, user, timeout=10),
            "rules": [{"retention": "30d", "quiet": 0, **rule} for rule in rules],
            "spool": str(place / "spool.db"),
            "evidence": str(self.evidence),
            "lock_file": str(place / "watcher.lock"),
            "metrics_port": 0,
            "workers": 8,
            "max_clock_skew": "10000d",  # tests let time pass on the cluster only
            **options,
        }
        self.write()

    def write(self) -> None:
        """Write the configuration."""
        self.config.write_text(yaml.safe_dump(self.settings))

    @contextmanager
    def running(self, *arguments: str, ready: bool = True) -> Iterator[Process]:
        """The service for the time of a block; with ``ready`` once it follows everything."""
        with start_service("watcher", "--config", str(self.config), *arguments) as process:
            process.wait_ready()
            if ready:
                self.wait_following(process)
            yield process

    def wait_following(self, process: Process) -> None:
        """Wait until all directories are followed and caught up."""

        def following() -> bool:
            assert process.running, process.output()
            return process.status.startswith("following")

        try:
            wait_for(following, EVENT_TIMEOUT)
        except TimeoutError as exc:
            raise TimeoutError(f"{process.status}\n{process.output()[-4000:]}") from exc

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """What a person asks."""
        return subprocess.run(
            [
                sys.executable,
                "-m",
                "qumulo_core.watcher.main",
                "--config",
                str(self.config),
                *arguments,
            ],
            env=core_environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def records(self) -> list[dict[str, Any]]:
        """All locks that the evidence records."""
        if not self.evidence.exists():
            return []
        text = self.evidence.read_text()
        # The last line may be half written at this moment.
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [line for line in lines if "file_id" in line]

    def recorded(self) -> set[str]:
        """Paths that were locked, as recorded."""
        return {record["path"] for record in self.records()}

    def wait_recorded(self, *paths: str) -> None:
        """Wait until files are recorded as locked."""
        wait_for(lambda: set(paths) <= self.recorded(), EVENT_TIMEOUT)

    def wait_idle(self, process: Process) -> None:
        """Wait until all is followed, and nothing waits."""
        wait_for(
            lambda: process.status.startswith("following") and " 0 pending" in process.status,
            EVENT_TIMEOUT,
        )

    def is_locked(self, path: str) -> bool:
        """Ask the cluster."""
        state = LockState.of(files.get(self.client, by_path(path), lock=True))
        return state.is_locked(self.client.clock().now())

    def unlocked(self, directory: str) -> set[str]:
        """Files below a directory that are not locked."""
        return {
            info.path
            for info in files.walk(self.client, [by_path(directory)])
            if info.type == "file" and not self.is_locked(info.path)
        }

    def lock_requests(self, since: int) -> dict[str, int]:
        """How often each file was asked to be locked."""
        counts: dict[str, int] = {}
        for request in self.simulator.control("requests", since=since)["requests"]:
            if request["method"] == "PATCH" and "/file-lock" in request["uri"]:
                counts[request["uri"]] = counts.get(request["uri"], 0) + 1
        return counts

    def assert_chain(self) -> None:
        """The evidence holds together."""
        done = self.command("verify", str(self.evidence))
        assert done.returncode == 0, done.stdout + done.stderr

    def assert_quiet(self, quiet: float) -> None:
        """No file was locked before its quiet period was over, by the cluster's own clock."""
        for record in self.records():
            known = self.client.get(f"/v1/files/{record['file_id']}/info/attributes")
            written = parse_rfc3339(known["modification_time"])
            locked = parse_rfc3339(known["change_time"])
            assert locked - written >= timedelta(seconds=quiet), record


Make = Callable[..., Watched]


@pytest.fixture
def watched(simulator: Simulator, client: Client, tmp_path: Path) -> Make:
    """Makes a watcher of /w."""
    client.rest.fs.create_directory(name="w", dir_path="/")
    simulator.control("streams", keepalive=1.0)

    def make(*rules: dict[str, Any], **options: Any) -> Watched:
        return Watched(simulator, client, tmp_path, rules or [{"path": "/w"}], **options)

    return make


@pytest.fixture(autouse=True)
def no_leftovers(simulator: Simulator) -> Iterator[None]:
    """A test that fails must not leave faults to the next one."""
    yield
    simulator.control("faults/clear")
    simulator.control("streams", silent=False, queue_bound=100_000, keepalive=10.0)


def put(simulator: Simulator, path: str, content: str = "x") -> None:
    """Write a file as another client."""
    simulator.control("files/put", path=path, content=content)
