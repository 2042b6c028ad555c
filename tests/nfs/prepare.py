# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that the tests need, made or fetched once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.hosts import molecule
from tests.hosts.image import LIMIT, build

from . import image

#: How the tests are run, once all is prepared.
PYTEST = (
    *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--durations=0"),
    str(Path(__file__).parent),
)


@dataclass(frozen=True)
class Parts:
    """What there is now.

    :param collections: a collections path with the collections of others.
    :param wheels: what the service needs, for a host that reaches no package index.
    """

    image: image.Image
    collections: Path
    wheels: Path


def prepare(run: molecule.Run) -> Parts:
    """Return what the tests need; make it if it is not there.

    :param run: runs a command with additions to the environment, and raises if it fails.
    :raises Unavailable: this machine can not have it.
    """

    def plainly(command: Sequence[str]) -> None:
        run(command, {})

    guest = image.build(plainly)
    return Parts(guest, molecule.collections(run), molecule.wheels(run, build(plainly)))


def run_aloud(command: Sequence[str], env: Mapping[str, str]) -> None:
    """Run a command and say so."""
    print(f"  {' '.join(command[:2])} ...", flush=True)
    subprocess.run(
        command,
        env={**os.environ, **env},
        check=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        timeout=LIMIT,
    )
