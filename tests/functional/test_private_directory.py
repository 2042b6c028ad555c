# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where playbooks put files that nobody else may touch."""

from __future__ import annotations

import os
import re
import stat
import subprocess
from pathlib import Path

import yaml

from tests.tools.tree import ROOT

from .furnished import PLAYBOOK

TASKS = ROOT / "playbooks" / "tasks" / "private_directory.yml"
OTHER = 65534


#: Of the state directory, for an account that is not root.
PLACES = [
    ({"HOME": "/h"}, "/h/.local/state/lockstep"),
    ({"HOME": "/h", "XDG_STATE_HOME": "/xdg"}, "/xdg/lockstep"),
    ({"HOME": "/h", "XDG_STATE_HOME": "relative"}, "/h/.local/state/lockstep"),
    ({"HOME": "/h", "STATE_DIRECTORY": "/one:/two", "XDG_STATE_HOME": "/xdg"}, "/one"),
]


def test_the_place_is_that_of_the_account(tmp_path: Path) -> None:
    """Ask for places in check mode, with an ``id`` that answers as for another account."""
    (tmp_path / "id").write_text(f"#!/bin/sh\necho {OTHER}\n")
    (tmp_path / "id").chmod(0o755)
    unset = {"STATE_DIRECTORY": "", "XDG_STATE_HOME": ""}
    path = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    blocks = [
        {
            "environment": {**unset, **path, **environment},
            "block": [
                {
                    "ansible.builtin.include_tasks": str(TASKS),
                    "vars": {"private_directory_name": "demo"},
                },
                {"ansible.builtin.debug": {"msg": "found={{ private_directory }}="}},
            ],
        }
        for environment, _found in PLACES
    ]
    play = {"hosts": "localhost", "gather_facts": False, "tasks": blocks}
    done = started(tmp_path, play, "--check")
    assert done.returncode == 0, done.stdout
    assert re.findall("found=(.*)=", done.stdout) == [f"{found}/demo" for _given, found in PLACES]


def started(
    where: Path, play: dict[str, object], *options: str
) -> subprocess.CompletedProcess[str]:
    """Run a play with the state directory ``where``."""
    path = where / "play.yml"
    path.write_text(yaml.safe_dump([play]))
    return subprocess.run(
        [str(PLAYBOOK), *options, str(path)],
        env={
            **os.environ,
            "STATE_DIRECTORY": str(where),
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_PIPELINING": "true",
        },
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def run(where: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Create the directory ``demo`` below the state directory ``where``, twice."""
    include = {
        "ansible.builtin.include_tasks": str(TASKS),
        "vars": {"private_directory_name": "demo"},
    }
    shown = {"ansible.builtin.debug": {"msg": "created={{ private_directory }}="}}
    tasks = [include, include, shown]
    return started(where, {"hosts": "localhost", "gather_facts": False, "tasks": tasks}, *options)


def test_a_private_directory_is_created(tmp_path: Path) -> None:
    place = tmp_path / "demo"
    checked = run(tmp_path, "--check")
    assert checked.returncode == 0 and not place.exists(), checked.stdout
    done = run(tmp_path)
    assert done.returncode == 0 and f"created={place}=" in done.stdout, done.stdout
    assert stat.S_IMODE(place.stat().st_mode) == 0o700 and "changed=1" in done.stdout
    place.chmod(0o777)
    assert "changed=1" in run(tmp_path).stdout
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


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
