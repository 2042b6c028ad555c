# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo-watcher``: the watcher at work on a simulated cluster, for a person to look at."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from qumulo.rest_client import RestClient

from tests.simulator.harness import Simulator, start

from .services import Process, cluster_section, core_environment, start_service, wait_for

QUIET = 3
#: Seconds that a step may take before the demonstration counts as failed.
PATIENCE = 60.0


def say(text: str) -> None:
    """A line for the person who looks on."""
    print(f"\n== {text}", flush=True)


class Echo:
    """Shows the lines of a service as they come."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._shown = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(0.1):
            self._show()

    def _show(self) -> None:
        text = self._process.output()
        whole = text[: text.rfind("\n") + 1]
        for line in whole[self._shown :].splitlines():
            print(f"   | {line}", flush=True)
        self._shown = len(whole)

    def stop(self) -> None:
        """Show what is left, and no more."""
        self._stopped.set()
        self._thread.join()
        self._show()


class Demo:
    """What is done to the cluster, and what the watcher makes of it."""

    def __init__(self, simulator: Simulator, place: Path) -> None:
        self.simulator = simulator
        self.rest = RestClient(simulator.addresses[0], simulator.port)  # the vendor's
        self.rest.login("admin", simulator.password())
        self.evidence = place / "evidence.jsonl"
        self.config = place / "watcher.yml"
        self.config.write_text(
            yaml.safe_dump(
                {
                    "name": "demo",
                    "cluster": cluster_section(simulator, place),
                    "rules": [
                        {
                            "name": "legal",
                            "path": "/projects/legal",
                            "legal_hold": True,
                            "quiet": QUIET,
                        },
                        {
                            "name": "projects",
                            "path": "/projects",
                            "retention": "7d",
                            "quiet": QUIET,
                        },
                    ],
                    "spool": str(place / "spool.db"),
                    "evidence": str(self.evidence),
                    "lock_file": str(place / "watcher.lock"),
                    "metrics_port": 0,
                }
            )
        )

    @contextmanager
    def watcher(self) -> Iterator[Process]:
        """The service, with its log on the screen."""
        with start_service("watcher", "--config", str(self.config)) as process:
            echo = Echo(process)
            try:
                process.wait_ready()
                wait_for(lambda: process.status.startswith("following"), PATIENCE)
                yield process
            finally:
                echo.stop()

    def ask(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the watcher, and show what it says."""
        print(f"   $ lockstep-watcher {' '.join(arguments)}", flush=True)
        command = [sys.executable, "-m", "qumulo_core.watcher.main", "--config", str(self.config)]
        done = subprocess.run(
            [*command, *arguments],
            env=core_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        for line in done.stdout.splitlines():
            print(f"   {line}", flush=True)
        return done

    # -- the cluster --------------------------------------------------------------------------

    def put(self, path: str, content: str = "content") -> None:
        """Write a file as somebody else."""
        self.simulator.control("files/put", path=path, content=content)
        print(f"   > {path} is written", flush=True)

    def rename(self, old: str, new: str) -> None:
        """Rename a file or directory as somebody else."""
        directory, _slash, name = new.rpartition("/")
        self.rest.fs.rename(name=name, source=old, dir_path=directory)
        print(f"   > {old} is renamed to {new}", flush=True)

    # -- what was locked ------------------------------------------------------------------------

    def records(self) -> list[dict[str, Any]]:
        """The evidence."""
        if not self.evidence.exists():
            return []
        return [json.loads(line) for line in self.evidence.read_text().splitlines()]

    def locked(self) -> set[str]:
        """Paths that are recorded as locked."""
        return {record["path"] for record in self.records()}

    def wait_locked(self, *paths: str) -> None:
        """Wait until files are locked."""
        wait_for(lambda: set(paths) <= self.locked(), PATIENCE)


def show(demo: Demo) -> None:
    """The sequence."""
    p = "/projects"
    with demo.watcher() as process:
        say(f"Finished files are locked once nothing was written to them for {QUIET} seconds")
        demo.put(f"{p}/report.pdf")
        demo.put(f"{p}/legal/contract.pdf")
        demo.put(f"{p}/~$report.docx")
        demo.put("/elsewhere/notes.txt")
        demo.wait_locked(f"{p}/report.pdf", f"{p}/legal/contract.pdf")

        say("An upload has its final name only at the end: it is the same file")
        demo.put(f"{p}/video.mov.part")
        demo.rename(f"{p}/video.mov.part", f"{p}/video.mov")
        demo.put("/elsewhere/photos/1.jpg")
        demo.put("/elsewhere/photos/2.jpg")
        demo.rename("/elsewhere/photos", f"{p}/photos")
        demo.wait_locked(f"{p}/video.mov", f"{p}/photos/1.jpg", f"{p}/photos/2.jpg")

        say("Each write begins the quiet period anew: this file is written every second")
        demo.put(f"{p}/other.csv")
        times = 0
        while f"{p}/other.csv" not in demo.locked() or times < 5:
            demo.put(f"{p}/measurements.csv", f"line {times}")
            if f"{p}/measurements.csv" in demo.locked():
                raise RuntimeError("it was locked while it was written")
            times += 1
            time.sleep(1)
        print("   > that was the last line", flush=True)
        demo.wait_locked(f"{p}/measurements.csv")

        say("The stream of notifications is cut, and files come at that moment")
        demo.simulator.control("streams/drop")
        demo.put(f"{p}/while-cut.pdf")
        demo.wait_locked(f"{p}/while-cut.pdf")

        say("The watcher is killed (kill -9) with a file pending, and another one comes")
        demo.put(f"{p}/pending.pdf")
        wait_for(lambda: " 1 pending" in process.status, PATIENCE)
        process.signal(signal.SIGKILL)
        process.wait()
    demo.put(f"{p}/while-dead.pdf")
    say("It is started again, and catches up from its last snapshot")
    with demo.watcher() as process:
        demo.wait_locked(f"{p}/pending.pdf", f"{p}/while-dead.pdf")

        say("Has anything slipped through?")
        audit = demo.ask("audit", "--excluded")
        say("Is the record whole, and does the cluster hold all that it says?")
        verified = demo.ask("verify", str(demo.evidence), "--cluster")
        if audit.returncode or verified.returncode:
            raise RuntimeError("the record and the cluster should agree")
        say("The last lock, as it is recorded")
        print(f"   {json.dumps(demo.records()[-1])}")
        process.signal(signal.SIGTERM)
        process.wait()


def main() -> int:
    """Run; 0 if all went as promised."""
    with start() as simulator, tempfile.TemporaryDirectory(prefix="lockstep-demo-") as place:
        simulator.control("files/put", path="/projects/legal/.DS_Store")
        say("A simulated cluster, and the watcher that follows /projects")
        try:
            show(Demo(simulator, Path(place)))
        except (RuntimeError, TimeoutError) as exc:
            print(f"\nThis did not go as it should: {exc}.")
            return 1
    say("Done. Watcher and cluster are gone again.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
