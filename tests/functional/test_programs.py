# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs that tests fetch: a run that is killed leaves no program of which a part is missing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.tools import programs

NAME = "lockstep-greeter"
Run = Callable[[Sequence[str], Path], object]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(programs, "PLACE", tmp_path / "programs")
    monkeypatch.setattr(programs, "PACKAGES", {NAME: programs.Package("greeter")})
    return tmp_path / "programs"


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Runs commands; a package is downloaded from a directory."""
    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not installed")
    tree = tmp_path / "tree"
    (tree / "usr/bin").mkdir(parents=True)
    (tree / "usr/bin" / NAME).write_text("#!/bin/sh\ncat ${0%/*}/../share/greeting\n")
    (tree / "usr/bin" / NAME).chmod(0o755)
    (tree / "usr/share").mkdir()
    (tree / "usr/share/greeting").write_text("hello\n")
    (tree / "DEBIAN").mkdir()
    fields = ("Package: greeter", "Version: 1", "Architecture: all", "Maintainer: nobody")
    (tree / "DEBIAN/control").write_text("\n".join((*fields, "Description: greets", "")))
    built = tmp_path / "greeter_1_all.deb"
    subprocess.run(
        ["dpkg-deb", "--build", tree, built], check=True, timeout=60, capture_output=True
    )

    def command(argv: Sequence[str], cwd: Path) -> object:
        if argv[0] == "apt-get":
            return shutil.copy(built, cwd)
        return subprocess.run(argv, cwd=cwd, check=True, timeout=60)

    return command


def test_a_fetch_that_is_killed_leaves_no_program(place: Path, run: Run) -> None:
    def killed(argv: Sequence[str], cwd: Path) -> object:
        run(argv, cwd)
        if argv[0] == "dpkg":
            raise KeyboardInterrupt
        return None

    with pytest.raises(KeyboardInterrupt):
        programs.fetch(killed)
    assert programs.find(NAME) is None
    # A kill that runs no cleanup leaves the directory; the next run removes it.
    (place / "unfinished-x" / "unpacked").mkdir(parents=True)
    programs.fetch(run)
    assert programs.find(NAME) == str(place / NAME / "usr/bin" / NAME)
    assert [path.name for path in place.iterdir()] == [NAME]


def test_a_program_that_does_not_run_is_fetched_again(place: Path, run: Run) -> None:
    programs.fetch(run)
    assert programs.missing() == []
    (place / NAME / "usr/share/greeting").unlink()
    assert programs.missing() == ["greeter"]
    programs.fetch(run)
    assert programs.missing() == []
