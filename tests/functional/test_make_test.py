# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make test`` itself: what it installs, what it ends, and what it says meanwhile."""

from __future__ import annotations

import fcntl
import os
import re
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from tests.hosts import image
from tests.tools import needs, run, steps
from tests.tools.log import Counts, Log, Running, StepError, StepSkipped
from tests.tools.services import wait_for

PYTHON = sys.executable
NOTHING = {"no-such-command": "no-such-package", "libnothing.so.1": "libnothing1"}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with open(tmp_path / "log", "w+", encoding="utf-8") as file:
        yield Log(file, silence=2.0)


def is_running(pid: int) -> bool:
    """Whether a process is there that is not just waiting to be buried."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


# -- lanes --------------------------------------------------------------------------------------


def test_lanes_go_on_beside_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "WORK", tmp_path)
    together = threading.Barrier(1 + len(run.LANES), timeout=60)
    firsts = {"eda", "units", "hosts", "matrix"}
    done: list[str] = []

    def step(name: str) -> Callable[[Log], Counts]:
        def work(log: Log) -> Counts:
            """Meet the others."""
            if name in firsts:
                together.wait()  # which raises if they are not running at the same time
            done.append(name)
            return Counts()

        return work

    names = ["pytest", "eda", "units", "sanity", "integration", "demo", "matrix", "image", "hosts"]
    monkeypatch.setattr(run, "STEPS", {name: step(name) for name in names})
    with run.Progress() as progress:
        outcomes = run._run_all(names, progress)
    assert sorted(outcome.name for outcome in outcomes) == sorted(names)
    assert not any(outcome.error for outcome in outcomes)
    for lane in run.LANES:
        assert [name for name in done if name in lane] == list(lane)
    assert done.index("pytest") < min(done.index(name) for name in firsts)


# -- time ---------------------------------------------------------------------------------------


def test_a_command_without_output_is_ended_with_all_that_it_started(
    log: Log, tmp_path: Path
) -> None:
    noted = tmp_path / "pid"
    command = f"sleep 1000 & echo $! > {noted}; wait"
    with pytest.raises(StepError, match="sh was ended: it printed nothing for 2 s"):
        log.run(["sh", "-c", command])
    child = int(noted.read_text(encoding="ascii"))
    wait_for(lambda: not is_running(child))


def test_a_command_with_output_takes_as_long_as_it_takes(log: Log) -> None:
    code = "import time\nfor n in range(8): print(n, flush=True); time.sleep(0.5)"
    assert log.run([PYTHON, "-c", code]) == Counts(1, 0)
    assert log.text().splitlines()[-1] == "7"


def test_a_run_that_is_ended_leaves_nothing_behind(tmp_path: Path) -> None:
    running = Running()
    begun = threading.Event()

    def step() -> None:
        with (
            open(tmp_path / "log", "w+", encoding="utf-8") as output,
            running.start(
                ["sleep", "1000"], cwd=tmp_path, env=os.environ, output=output
            ) as process,
        ):
            begun.set()
            process.wait()

    thread = threading.Thread(target=step)
    thread.start()
    assert begun.wait(60)
    running.end()
    thread.join(60)
    assert not thread.is_alive()
    with (
        open(tmp_path / "log", "w+", encoding="utf-8") as output,
        pytest.raises(StepError, match="the run was ended"),
        running.start(["true"], cwd=tmp_path, env=os.environ, output=output),
    ):
        pass


def test_no_step_has_a_single_limit_and_each_test_has_one(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran: list[Sequence[str]] = []

    def noted(command: Sequence[str], **_options: object) -> Counts:
        ran.append(command)
        return Counts(1, 0)

    monkeypatch.setattr(log, "run", noted)
    monkeypatch.setattr(needs, "NEEDS", {})
    monkeypatch.setattr(steps.programs, "PACKAGES", {})
    for step in (steps.pytest, steps.eda):
        step(log)
    assert len(ran) == 2
    assert all(any(part.startswith("--timeout=") for part in command) for command in ran)


def test_a_step_says_every_now_and_then_how_far_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "WORK", tmp_path)
    said: list[str] = []

    def has_said() -> bool:
        said.append(capfd.readouterr().out)
        return re.search(r"^ +pytest, \d+ min: \.\.\. \[ 45%\]$", "".join(said), re.M) is not None

    with run.Progress(pulse=0.05) as progress, progress.of("pytest") as path:
        path.write_text("begun\n... [ 45%]\n\n", encoding="utf-8")
        wait_for(has_said)
    assert run.last_line("never-run") == ""


def test_a_step_of_several_logs_shows_the_newest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "WORK", tmp_path)
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "pytest.log").write_text(
        "\x1b[36mTASK\x1b[0m [Install it] ***\n"
        "Saturday 28 November 2026  14:31:47 +0000 (0:00:00.178)       0:00:00.279 *****\n",
        encoding="utf-8",
    )
    assert run.last_line("pytest") == "TASK [Install it] ***"
    for age, name in enumerate(["hosts-atime.log", "hosts.log"]):
        (logs / name).write_text(f"line of {name}", encoding="utf-8")
        os.utime(logs / name, (1000 - age, 1000 - age))
    assert run.last_line("hosts") == "line of hosts-atime.log"


# -- tools --------------------------------------------------------------------------------------


def test_what_is_there_is_not_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    here = {"sh": "dash", "libc.so.6": "libc6", "/bin/*sh": "dash"}
    monkeypatch.setattr(needs, "NEEDS", {"pytest": {**here, **NOTHING, "/no/*/where": "nowhere"}})
    assert needs.missing("pytest") == {**NOTHING, "/no/*/where": "nowhere"}
    assert needs.missing("ruff") == {}


def test_the_table_names_steps_that_there_are() -> None:
    assert set(needs.NEEDS) <= set(steps.STEPS)


def test_a_missing_tool_is_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tool = tmp_path / "tool"
    monkeypatch.setattr(needs, "NEEDS", {"eda": {str(tool): "tool"}})
    monkeypatch.setattr(needs, "_lists", [])
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(needs.shutil, "which", lambda name, path=None: f"/usr/bin/{name}")
    ran: list[str] = []

    def install(command: Sequence[str]) -> None:
        ran.append(" ".join(command))
        if "install" in command:
            tool.touch()

    assert needs.provide("eda", install) == {}
    assert len(ran) == 2
    assert all("apt-get --quiet -o DPkg::Lock::Timeout=300" in line for line in ran)
    assert ran[1].endswith("install --yes --no-install-recommends tool")
    assert needs.provide("eda", install) == {}
    assert len(ran) == 2


@pytest.mark.parametrize("ci", [False, True])
@pytest.mark.parametrize("step", ["eda", "integration", "image", "hosts", "nfs", "pytest"])
def test_a_step_that_cannot_have_its_tool_names_it(
    log: Log, monkeypatch: pytest.MonkeyPatch, step: str, ci: bool
) -> None:
    def fail(command: Sequence[str], **_options: object) -> Counts:
        raise StepError(f"{command[0]} exited with 1")

    monkeypatch.setattr(log, "run", fail)
    monkeypatch.setattr(
        needs, "NEEDS", {name: NOTHING for name in (step, "hosts") if name in needs.NEEDS}
    )
    monkeypatch.setattr(steps, "IN_CI", ci)
    monkeypatch.setattr(steps.programs, "PACKAGES", {})
    monkeypatch.setattr(image, "check_machine", lambda: None)
    monkeypatch.setattr(steps.guest.image, "check_machine", lambda: None)
    left_out = step in ("eda", "image", "hosts", "nfs") and not ci
    with pytest.raises(StepSkipped if left_out else StepError) as caught:
        steps.STEPS[step](log)
    said = str(caught.value)
    assert "no-such-command (package no-such-package)" in said
    assert "libnothing.so.1 (package libnothing1)" in said
    assert "run 'apt-get install libnothing1 no-such-package' as root" in said


def test_lists_wait_for_another_process_that_updates_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    lock = tmp_path / "lock"
    lock.touch()
    monkeypatch.setattr(needs, "_LISTS_LOCK", lock)
    monkeypatch.setattr(needs, "_lists", [])
    # Locks are those of a process: another one must hold it.
    code = "import fcntl, sys; f = open(sys.argv[1], 'r+b'); fcntl.lockf(f, fcntl.LOCK_EX)\n"
    code += "print('held', flush=True); sys.stdin.read()"
    other = subprocess.Popen(
        [PYTHON, "-c", code, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    tries: list[int] = []

    def update(_command: Sequence[str]) -> None:
        tries.append(1)
        with open(lock, "r+b") as file:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as exc:
                assert other.stdin is not None
                if len(tries) == 1:
                    threading.Timer(0.1, other.communicate).start()
                raise StepError("apt-get exited with 100") from exc

    try:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        needs.update(update)
        assert len(tries) > 1
    finally:
        other.kill()
        other.wait(60)
    monkeypatch.setattr(needs, "_lists", [])

    monkeypatch.setattr(needs, "_PAUSE", 0.0)
    tries.clear()

    def fail(_command: Sequence[str]) -> None:
        tries.append(1)
        raise StepError("apt-get exited with 100")

    with pytest.raises(StepError):  # nobody has the lock
        needs.update(fail)
    assert len(tries) == 3


def test_a_command_that_fails_is_named(log: Log) -> None:
    with pytest.raises(StepError, match="^false exited with 1$"):
        log.run(["env", "A=b", "false"])


def test_a_command_that_is_not_installed_is_named(log: Log) -> None:
    with pytest.raises(StepError, match="^no-such-command is not installed$"):
        log.run(["no-such-command"])
