# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook free_locked_file shows first, and closes exactly what it has shown."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.simulator.harness import Simulator
from tests.tools.environment import clean_environment
from tests.tools.tree import ROOT, linked_tree

from .furnished import PLAYBOOK
from .quick_plays import Played, QuickPlays, quick_plays

FILE = "/finance/Budget 2026.xlsx"
PATH = ROOT / "playbooks/free_locked_file.yml"
#: Runs a command for which its standard input is the terminal that controls it.
_ON_TERMINAL = (
    "import fcntl, os, sys, termios;"
    "fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)


class Playbook:
    """Runs the playbook as a person does: variables are texts of ``-e``."""

    def __init__(self, environment: dict[str, str], plays: QuickPlays) -> None:
        self.environment = environment
        self._plays = plays

    def run(self, *arguments: str) -> Played:
        """Run without a terminal."""
        return self._plays.run(str(PATH), *arguments)

    def type(self, answer: str, *arguments: str) -> tuple[int, str]:
        """Run on a terminal and answer the question; return exit status and output."""
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [sys.executable, "-c", _ON_TERMINAL, str(PLAYBOOK), str(PATH), *arguments],
            env=self.environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        output, asked = "", False
        deadline = time.monotonic() + 300
        try:
            while time.monotonic() < deadline:
                if not select.select([ours], [], [], 5)[0]:
                    if asked:
                        # What is typed before the prompt reads is thrown away: type it again.
                        os.write(ours, answer.encode())
                    continue
                try:
                    data = os.read(ours, 65536)
                except OSError:  # the terminal's other side is closed
                    break
                if not data:
                    break
                output += data.decode(errors="replace")
                if not asked and "Type yes" in output:
                    os.write(ours, answer.encode())
                    asked = True
            return process.wait(timeout=60), output
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)  # it leads its session
                process.wait()
            os.close(ours)


def flat(done: Played) -> str:
    """Return all output in one line."""
    return " ".join(done.output.split())


def plan_of(done: Played) -> list[str]:
    """Return the options that the first run offers to paste."""
    (line,) = re.findall(r'"((?:-e locked_file_\w+=[^\s"]+ ?)+)"', done.output)
    found: list[str] = line.split()
    return found


@pytest.fixture
def playbook(simulator: Simulator, tmp_path: Path) -> Iterator[Playbook]:
    simulator.control("files/put", path=FILE)
    kept = clean_environment()
    environment = {
        **kept,
        **simulator.environment(),
        "ANSIBLE_COLLECTIONS_PATH": str(linked_tree()),
        "ANSIBLE_HOME": str(tmp_path),
        "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        "ANSIBLE_NOCOLOR": "true",
        "ANSIBLE_PIPELINING": "true",
    }
    with quick_plays(environment, tmp_path) as plays:
        yield Playbook(environment, plays)


def opened(simulator: Simulator) -> int:
    count: int = simulator.control("state")["handles"]
    return count


ASKED = ["-e", f'locked_file="{FILE}"']


def test_the_first_run_shows_and_the_second_closes_what_was_shown(
    simulator: Simulator, playbook: Playbook
) -> None:
    simulator.control("smb/open", user="CORP\\jane", path=FILE, count=2)
    simulator.control("smb/open", user="CORP\\bob", path=FILE, access=["read"], deny=[])
    shown = playbook.run(*ASKED)
    assert shown.code == 0, shown.output
    assert opened(simulator) == 3 and "Nothing was closed." in shown.output
    assert "3 handles would be closed; work can be lost through 2." in shown.output
    assert "jane from 10.0.0.1: 2 handles, open for writing" in shown.output
    assert "bob from 10.0.0.1: 1 handle, cannot lose work" in shown.output
    assert "changed=0" in shown.output
    plan = plan_of(shown)
    assert len(plan) == 2  # -e and its value

    simulator.control("smb/open", user="CORP\\omar", path=FILE)
    refused = playbook.run(*ASKED, *plan)
    assert refused.code != 0 and opened(simulator) == 4
    assert "1 handle has been opened since the plan was made" in flat(refused)
    assert "run again without locked_file_plan." in flat(refused)
    spared = playbook.run(*ASKED, *plan, "-e", "locked_file_spare='CORP\\omar'")
    assert spared.code == 0, spared.output
    assert "3 handles were closed, 1 was spared" in flat(spared) and opened(simulator) == 1


#: Ways to write a plan behind ``-e``.
FORMS: tuple[Callable[[list[str]], str], ...] = (
    lambda plan: f"locked_file_plan={','.join(plan)}",
    lambda plan: f"locked_file_plan='{' '.join(plan)}'",
    lambda plan: json.dumps({"locked_file_plan": "\n".join(plan) + "\n"}),
    lambda plan: json.dumps({"locked_file_plan": plan}),
    lambda plan: json.dumps({"locked_file_plan": json.dumps(plan)}),
    lambda plan: json.dumps({"locked_file_plan": str(plan)}),
)


def test_a_plan_is_taken_in_any_form(simulator: Simulator, playbook: Playbook) -> None:
    simulator.control("smb/open", user="CORP\\jane", path=FILE, count=2)
    plan = plan_of(playbook.run(*ASKED))[1].partition("=")[2].split(",")
    for written in FORMS:
        done = playbook.run(*ASKED, "-e", written(plan), "--check")
        assert done.code == 0 and "2 handles would be closed" in done.output, done.output
        assert "Nothing was closed." not in done.output, written(plan)
    assert opened(simulator) == 2


def test_a_plan_of_something_else_closes_nothing(simulator: Simulator, playbook: Playbook) -> None:
    simulator.control("smb/open", user="CORP\\jane", path=FILE, count=2)
    for text in ("none", "[]x", "10.0.0.11/1f/2"):
        done = playbook.run(*ASKED, "-e", f"locked_file_plan={text}")
        assert done.code != 0 and opened(simulator) == 2, done.output
    checked = playbook.run(*ASKED, *plan_of(playbook.run(*ASKED)), "--check")
    assert checked.code == 0 and opened(simulator) == 2, checked.output
    assert "2 handles would be closed" in checked.output


def test_it_ends_with_a_sentence_when_nobody_holds_the_file(
    simulator: Simulator, playbook: Playbook
) -> None:
    for more in ([], ["-e", "locked_file_plan=a"], ["-e", "locked_file_confirm=true"]):
        done = playbook.run(*ASKED, *more)
        assert done.code == 0, done.output
        assert f"Nobody holds {FILE} open over SMB." in done.output
        assert "changed=0" in done.output
    simulator.control("smb/open", user="CORP\\jane", path=FILE)
    spared = playbook.run(*ASKED, "-e", "locked_file_only_idle=true")
    assert f"All handles of {FILE} are spared. Nothing was closed." in spared.output
    assert opened(simulator) == 1


def test_many_handles_need_a_higher_limit(simulator: Simulator, playbook: Playbook) -> None:
    simulator.control("smb/open", user="CORP\\jane", path=FILE, count=150)
    shown = playbook.run(*ASKED)
    assert shown.code == 0, shown.output
    raised = plan_of(shown)
    assert raised[:2] == ["-e", "locked_file_max_close=150"]
    refused = playbook.run(*ASKED, *raised[2:])
    assert refused.code != 0 and opened(simulator) == 150
    assert "add -e locked_file_max_close=150." in flat(refused)
    done = playbook.run(*ASKED, *raised)
    assert done.code == 0, done.output
    assert "150 handles were closed" in done.output and opened(simulator) == 0


def test_a_person_confirms_on_a_terminal(simulator: Simulator, playbook: Playbook) -> None:
    simulator.control("smb/open", user="CORP\\jane", path=FILE, count=2)
    confirm = [*ASKED, "-e", "locked_file_confirm=true"]
    without = playbook.run(*confirm)
    assert without.code != 0 and opened(simulator) == 2
    assert "Where there is no terminal, such as in AWX, run again with" in flat(without)
    assert "locked_file_plan=" in flat(without)
    for answer in ("\r", "no\r"):
        status, output = playbook.type(answer, *confirm)
        assert status != 0 and opened(simulator) == 2, output
        told = "nobody answered yes." if answer == "\r" else "the answer was 'no' and not yes."
        shown = " ".join(output.split())
        assert told in shown and "Close these 2 handles on /finance" in shown, output
        assert ("no terminal" in shown) is (answer == "\r"), output
    checked = playbook.run(*confirm, "--check")
    assert checked.code == 0 and opened(simulator) == 2, checked.output
    status, output = playbook.type("yes\r", *confirm)
    assert status == 0, output
    assert "jane from 10.0.0.1: 2 handles, open for writing" in output
    assert "2 handles were closed" in output and opened(simulator) == 0


def test_a_plan_needs_no_confirmation(simulator: Simulator, playbook: Playbook) -> None:
    simulator.control("smb/open", user="CORP\\jane", path=FILE, count=2)
    plan = plan_of(playbook.run(*ASKED))
    done = playbook.run(*ASKED, "-e", "locked_file_confirm=true", *plan)
    assert done.code == 0 and "2 handles were closed" in done.output, done.output
    assert opened(simulator) == 0


#: Options, and the sentence that the playbook ends in.
BAD: list[tuple[list[str], str]] = [
    ([], "locked_file is missing: give the absolute path of the file"),
    (["-e", "locked_file="], "locked_file is '': give the absolute path"),
    (["-e", "locked_file=Budget.xlsx"], "locked_file is 'Budget.xlsx': give the absolute path"),
    ([*ASKED, "-e", "locked_file_only_idle=maybe"], "is 'maybe': use true or false."),
    ([*ASKED, "-e", "locked_file_confirm="], "locked_file_confirm is '': use true or false."),
    ([*ASKED, "-e", "locked_file_max_close=0"], "locked_file_max_close is '0': give a number"),
    ([*ASKED, "-e", "locked_file_max_close=1e3"], "is '1e3': give a number of handles"),
    ([*ASKED, "-e", '{"locked_file_spare": {"a": 1}}'], "give a list of users, or a text"),
    ([*ASKED, "-e", '{"locked_file_plan": 7}'], "give the plan that the first run ended with."),
    (["-e", "locked_file=/finance/budget.xlsx"], "does not exist"),
    (["-e", f"locked_file={FILE}"], f"did you mean '{FILE}'? A path with blanks needs quotes"),
    (["-e", "locked_file=/finance"], "/finance is a directory, and this playbook frees a file"),
    (["-e", "locked_file=/"], "/ is a directory, and this playbook frees a file"),
    ([*ASKED, "-e", "locked_file_spare=omra"], "does not know the user 'omra'"),
]


def test_bad_variables_end_in_a_sentence(playbook: Playbook) -> None:
    for arguments, sentence in BAD:
        done = playbook.run(*arguments)
        assert done.code != 0 and sentence in flat(done), (arguments, done.output)
        assert "Traceback" not in done.output, arguments


def test_names_are_taken_as_they_are(simulator: Simulator, playbook: Playbook) -> None:
    for name in ("Budget, 2026.xlsx", "b,1", "-e", "{{ 7 * 7 }}.txt", "a: b", "tail. "):
        path = f"/finance/{name}"
        simulator.control("files/put", path=path)
        simulator.control("smb/open", user="CORP\\jane", path=path)
        # Extra variables are templates; this is how one says that a text is none.
        given = ["-e", json.dumps({"locked_file": {"__ansible_unsafe": path}})]
        shown = playbook.run(*given)
        assert shown.code == 0, shown.output
        done = playbook.run(*given, *plan_of(shown))
        assert done.code == 0 and opened(simulator) == 0, done.output
