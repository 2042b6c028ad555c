# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make test-nightly`` tries more examples, and what it finds is tried first from then on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tools.tree import ROOT

CONFTEST = """
from pathlib import Path
from tests.tools import examples
examples.KEPT = Path(__file__).parent / "kept"
examples._OWN = Path(__file__).parent / "own"
from tests.conftest import pytest_itemcollected
"""
TESTS = """
import os
from pathlib import Path
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

HERE = Path(__file__).parent

def note(name, value=""):
    with open(HERE / name, "a") as file:
        file.write(f"{value}\\n")

@given(st.integers())
def test_usual(number):
    note("usual")

@settings(max_examples=30)
@pytest.mark.parametrize("case", [1, 2])
@given(number=st.integers())
def test_own(number, case):
    note(f"own-{case}")

class Machine(RuleBasedStateMachine):
    @rule()
    def step(self):
        pass

    def teardown(self):
        note("machine")

TestMachine = Machine.TestCase
TestMachine.settings = settings(max_examples=20, stateful_step_count=2)

@given(st.integers(0, 10**9))
def test_fails(number):
    note("first", number)
    assert number < 777 or not os.environ.get("BROKEN")
"""


@pytest.fixture
def tests(tmp_path: Path) -> Path:
    """A directory with tests of its own."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_random.py").write_text(TESTS)
    return tmp_path


def run(place: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the tests of a directory."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, "."]
    environment = {k: v for k, v in os.environ.items() if k != "LOCKSTEP_EXAMPLES"}
    environment.update(PYTHONPATH=str(ROOT), CI="", **variables)
    return subprocess.run(
        command,
        cwd=place,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def counts(place: Path) -> dict[str, int]:
    """How many examples each test has tried."""
    names = ("usual", "own-1", "own-2", "machine")
    return {name: len((place / name).read_text().splitlines()) for name in names}


def test_each_randomized_test_tries_more_examples(tests: Path) -> None:
    assert run(tests).returncode == 0
    usual = counts(tests)
    for name in usual:
        (tests / name).unlink()
    done = run(tests, "-m", "hypothesis", LOCKSTEP_EXAMPLES="5")
    assert done.returncode == 0, done.stdout + done.stderr
    night = counts(tests)
    assert {name: count // usual[name] for name, count in night.items()} == dict.fromkeys(usual, 5)


def test_what_failed_at_night_is_tried_first(tests: Path) -> None:
    assert run(tests, LOCKSTEP_EXAMPLES="5", BROKEN="1").returncode == 1
    (tests / "first").unlink()
    assert list((tests / "kept").rglob("*"))
    # Another checkout, in which nothing has failed yet.
    assert not (tests / "own").exists()
    assert run(tests, "-k", "fails").returncode == 0
    assert (tests / "first").read_text().splitlines()[0] == "777"


def test_the_repository_keeps_examples() -> None:
    ignored = subprocess.run(
        ["git", "check-ignore", "-q", "tests/examples/x/y"], cwd=ROOT, check=False, timeout=60
    )
    assert ignored.returncode == 1
