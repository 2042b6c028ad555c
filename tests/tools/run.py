# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make test``: runs the checks, says how it goes, and ends with a table."""

from __future__ import annotations

import argparse
import re
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from .log import RUNNING, Counts, Log, StepError, StepSkipped
from .steps import STEPS, WORK

#: Steps that go on beside the others, and the one with which each of them begins. Those of a lane
#: run one after the other: the hosts need the image, and ansible-test has one directory for all of
#: its virtual environments. Only `pytest` keeps all cores busy.
LANES = (
    {"image": "pytest", "hosts": "eda"},
    {"units": "eda", "sanity": "eda", "integration": "eda"},
    {"matrix": "eda"},
)
BESIDE = {name: other for lane in LANES for name, other in lane.items()}
#: Steps that are run if they are named alone, for they take too long for every change.
NAMED_ALONE = ("nfs",)
TAIL = 60  # lines of a failed step's log
PULSE = 60.0  # seconds between two lines that say how far steps are
#: What is no news: colors, and what Ansible says of a task's time.
_COLOR, _TIMED = re.compile(r"\x1b\[[0-9;]*m"), re.compile(r"\w+day \d\d .* \*+$")
_WIDTH = 100  # characters of a log in such a line


@dataclass
class Outcome:
    """How a step ended."""

    name: str
    counts: Counts
    seconds: float
    error: str = ""
    skipped: str = ""
    tail: list[str] = field(default_factory=list)


class Progress:
    """Says now and then how far the steps are that run."""

    def __init__(self, pulse: float = PULSE) -> None:
        self._pulse = pulse
        self._began: dict[str, float] = {}
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._tell, daemon=True)

    def __enter__(self) -> Progress:
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._over.set()
        self._thread.join()

    @contextmanager
    def of(self, name: str) -> Iterator[Path]:
        """Count a step among those that run, for the time of a block; return its log's path."""
        logs = WORK / "logs"
        logs.mkdir(parents=True, exist_ok=True)
        for log in logs.glob(f"{name}-*.log"):
            log.unlink()
        with self._lock:
            self._began[name] = time.monotonic()
        try:
            yield logs / f"{name}.log"
        finally:
            with self._lock:
                del self._began[name]

    def _tell(self) -> None:
        while not self._over.wait(self._pulse):
            with self._lock:
                running = dict(self._began)
            for name, began in running.items():
                minutes = (time.monotonic() - began) / 60
                print(f"    {name}, {minutes:.0f} min: {last_line(name)}", flush=True)


def last_line(name: str) -> str:
    """Return the last line that a step has logged, of whichever of its logs is the newest."""
    logs = [*(WORK / "logs").glob(f"{name}.log"), *(WORK / "logs").glob(f"{name}-*.log")]
    if not logs:
        return ""
    with open(max(logs, key=lambda log: log.stat().st_mtime), "rb") as file:
        file.seek(max(0, file.seek(0, 2) - 4096))
        text = _COLOR.sub("", file.read().decode("utf-8", "replace"))
    said = [line.strip() for line in text.split("\n") if line.strip() and not _TIMED.match(line)]
    return said[-1][:_WIDTH] if said else ""


def _run(name: str, progress: Progress) -> Outcome:
    with progress.of(name) as path:
        return _run_logged(name, path)


def _run_logged(name: str, path: Path) -> Outcome:
    began = time.monotonic()
    error = skipped = ""
    with open(path, "w+", encoding="utf-8", errors="replace") as file:
        try:
            counts = STEPS[name](Log(file))
        except StepError as exc:
            counts, error = exc.counts, str(exc)
        except StepSkipped as exc:
            counts, skipped = Counts(0, 0), str(exc)
        except subprocess.TimeoutExpired as exc:
            counts, error = Counts(0, 1), f"no end after {exc.timeout:.0f} s"
        except Exception:  # of the checks themselves: the others go on
            file.write(traceback.format_exc())
            counts, error = Counts(0, 1), "the check itself broke down"
    seconds = time.monotonic() - began
    tail: list[str] = []
    if error:
        tail = path.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL:]
        tail.append(f"-- the end of {path}")
    return Outcome(name, counts, seconds, error, skipped, tail)


def _tell(outcome: Outcome) -> None:
    verdict = "ok"
    if outcome.error:
        verdict = f"FAILED: {outcome.error}"
        print("\n".join(f"    {line}" for line in outcome.tail))
    elif outcome.skipped:
        verdict = f"left out: {outcome.skipped}"
    print(f"    {verdict}, {outcome.seconds:.0f} s", flush=True)


def _run_all(names: list[str], progress: Progress) -> list[Outcome]:
    """Run steps, those of each lane beside the rest."""
    with ExitStack() as stack:
        pools = [stack.enter_context(ThreadPoolExecutor(1)) for _lane in LANES]
        lanes = {name: pool for pool, lane in zip(pools, LANES) for name in lane}
        try:
            return _run_in_lanes(names, lanes, progress)
        except BaseException:
            RUNNING.end()  # or the pools would wait for what goes on beside the rest
            raise


def _run_in_lanes(
    names: list[str], lanes: dict[str, ThreadPoolExecutor], progress: Progress
) -> list[Outcome]:
    beside: dict[str, Future[Outcome]] = {}
    outcomes = []
    for name in [n for n in names if n not in BESIDE]:
        for other in [n for n in names if BESIDE.get(n) == name]:
            print(f"{other} ({STEPS[other].__doc__}) ... beside the others", flush=True)
            beside[other] = lanes[other].submit(_run, other, progress)
        print(f"{name} ({STEPS[name].__doc__}) ...", flush=True)
        outcomes.append(_run(name, progress))
        _tell(outcomes[-1])
    for name in [n for n in names if n in BESIDE]:
        print(f"{name} ({STEPS[name].__doc__}) ...", flush=True)
        outcomes.append(beside[name].result() if name in beside else _run(name, progress))
        _tell(outcomes[-1])
    return outcomes


def _interrupted(number: int, _frame: FrameType | None) -> None:
    """Take a request to end for an interruption from the keyboard."""
    raise KeyboardInterrupt(signal.Signals(number).name)


def main() -> int:
    """Run; 0 if all checks pass."""
    parser = argparse.ArgumentParser(description=__doc__)
    usual = ",".join(name for name in STEPS if name not in NAMED_ALONE)
    parser.add_argument("--steps", default=usual, help="names, separated by commas")
    names = [name.strip() for name in parser.parse_args().steps.split(",") if name.strip()]
    unknown = [name for name in names if name not in STEPS]
    if unknown:
        print(f"There is no step {unknown[0]}: use {', '.join(STEPS)}.")
        return 2
    began = time.monotonic()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    with Progress() as progress:
        outcomes = _run_all(names, progress)
    print(f"\n{'step':<14} {'result':<8} {'passed':>7} {'failed':>7} {'seconds':>8}")
    for outcome in outcomes:
        result = "FAILED" if outcome.error else "left out" if outcome.skipped else "ok"
        counts = outcome.counts
        print(
            f"{outcome.name:<14} {result:<8} {counts.passed:>7} {counts.failed:>7} "
            f"{outcome.seconds:>8.1f}"
        )
    total = time.monotonic() - began
    print(f"{'all':<14} {'':<8} {'':>7} {'':>7} {total:>8.1f}\n")
    passed = sum(outcome.counts.passed for outcome in outcomes)
    failed = sum(max(outcome.counts.failed, bool(outcome.error)) for outcome in outcomes)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print(f"Interrupted. The logs are in {WORK / 'logs'}.")
        sys.exit(130)
