# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where playbooks put files that nobody else may touch."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.tools.tree import ROOT

TASKS = ROOT / "playbooks" / "tasks" / "private_directory.yml"
OTHER = 65534


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({"HOME": "/h"}, "/h/.local/state/lockstep"),
        ({"HOME": "/h", "XDG_STATE_HOME": "/xdg"}, "/xdg/lockstep"),
        ({"HOME": "/h", "XDG_STATE_HOME": "relative"}, "/h/.local/state/lockstep"),
        ({"HOME": "/h", "STATE_DIRECTORY": "/one:/two", "XDG_STATE_HOME": "/xdg"}, "/one"),
        ({"HOME": "/h", "STATE_DIRECTORY": ""}, "/h/.local/state/lockstep"),
    ],
)
def test_the_place_is_that_of_the_account(environment: dict[str, str], found: str) -> None:
    """Run the command of the first task as an account that is not root."""
    (first, *_others) = yaml.safe_load(TASKS.read_text())
    (*script, _check_mode) = first["ansible.builtin.command"]["argv"]
    user = OTHER if os.geteuid() == 0 else None
    done = subprocess.run(
        [*script, "check"],
        env={"PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=50,
        check=True,
        cwd="/",
        user=user,
        group=user,
        extra_groups=None if user is None else [],
    )
    assert done.stdout.splitlines() == [str(user or os.geteuid()), found]


def run(where: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Create the directory ``demo`` below the state directory ``where``."""
    play = where / "play.yml"
    play.write_text(
        "- hosts: localhost\n"
        "  gather_facts: false\n"
        "  tasks:\n"
        f"    - ansible.builtin.include_tasks: {TASKS}\n"
        "      vars: {private_directory_name: demo}\n"
        "    - ansible.builtin.debug:\n"
        "        msg: 'created={{ private_directory }}='\n"
    )
    return subprocess.run(
        [str(Path(sys.executable).parent / "ansible-playbook"), *options, str(play)],
        env={**os.environ, "STATE_DIRECTORY": str(where), "ANSIBLE_NOCOLOR": "true"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_a_private_directory_is_created(tmp_path: Path) -> None:
    place = tmp_path / "demo"
    checked = run(tmp_path, "--check")
    assert checked.returncode == 0 and not place.exists(), checked.stdout
    done = run(tmp_path)
    assert done.returncode == 0 and f"created={place}=" in done.stdout, done.stdout
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    place.chmod(0o777)
    assert run(tmp_path).returncode == 0
    assert stat.S_IMODE(place.stat().st_mode) == 0o700
    assert "changed=0" in run(tmp_path).stdout


def test_what_others_made_is_not_used(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    place = tmp_path / "demo"
    place.symlink_to(elsewhere)
    linked = run(tmp_path)
    assert linked.returncode != 0 and "already exists as a link" in linked.stdout, linked.stdout
    if os.geteuid() == 0:
        place.unlink()
        place.mkdir()
        os.chown(place, OTHER, OTHER)
        foreign = run(tmp_path)
        assert foreign.returncode != 0, foreign.stdout
        assert "that belongs to the account" in foreign.stdout, foreign.stdout
