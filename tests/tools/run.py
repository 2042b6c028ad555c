# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make test``: runs the checks, says how it goes, and ends with a table."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
import traceback
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from .steps import STEPS, WORK, Counts, Log, StepError, StepSkipped

#: Steps that go on beside others, and the one with which each of them begins.
BESIDE = {"image": "pytest", "hosts": "eda"}
#: Steps that are run if they are named alone, for they take too long for every change.
NAMED_ALONE = ("nfs",)
TAIL = 60  # lines of a failed step's log


@dataclass
class Outcome:
    """How a step ended."""

    name: str
    counts: Counts
    seconds: float
    error: str = ""
    skipped: str = ""
    tail: list[str] = field(default_factory=list)


def _run(name: str) -> Outcome:
    path = WORK / "logs" / f"{name}.log"
    path.parent.mkdir(parents=True, exist_ok=True)
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
    with ThreadPoolExecutor(1) as waits:
        # What mostly waits, for downloads and hosts, goes on beside the rest.
        beside: dict[str, Future[Outcome]] = {}
        outcomes = []
        for name in [n for n in names if n not in BESIDE]:
            for other in [n for n in names if BESIDE.get(n) == name]:
                print(f"{other} ({STEPS[other].__doc__}) ... beside the others", flush=True)
                beside[other] = waits.submit(_run, other)
            print(f"{name} ({STEPS[name].__doc__}) ...", flush=True)
            outcomes.append(_run(name))
            _tell(outcomes[-1])
        for name in [n for n in names if n in BESIDE]:
            print(f"{name} ({STEPS[name].__doc__}) ...", flush=True)
            outcomes.append(beside[name].result() if name in beside else _run(name))
            _tell(outcomes[-1])
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
    sys.exit(main())
