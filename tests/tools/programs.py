# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs of others whose configuration the guides show, fetched but not installed.

They are unpacked from Debian's packages into the cache: no root is needed, and nothing begins to
listen on this machine because of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .tree import CACHE

PLACE = CACHE / "programs"


@dataclass(frozen=True)
class Package:
    """The package that a program is in, and an argument with which the program only prints."""

    name: str
    version: str = "--version"


PACKAGES = {
    "caddy": Package("caddy", "version"),
    "nginx": Package("nginx", "-v"),
    "promtool": Package("prometheus"),
}
_UNFINISHED = "unfinished-"


def find(name: str) -> str | None:
    """Return the path of a program that runs; None if there is none."""
    kept = [str(PLACE / name / "usr" / part) for part in ("bin", "sbin")]
    for path in (f"{os.environ['PATH']}{os.pathsep}/usr/sbin", os.pathsep.join(kept)):
        found = shutil.which(name, path=path)
        if found is not None and _runs([found, PACKAGES[name].version]):
            return found
    return None


def _runs(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(command, capture_output=True, timeout=60, check=False)
    except OSError:
        return False
    return done.returncode == 0


def missing() -> list[str]:
    """Return the packages of programs that are not there, or do not run."""
    return [PACKAGES[name].name for name in PACKAGES if find(name) is None]


def fetch(run: Callable[[Sequence[str], Path], object]) -> None:
    """Fetch what is not there.

    A program gets its place once it is complete, so that a run that is killed leaves none of which
    a part is missing.

    :param run: runs a command in a directory
    """
    PLACE.mkdir(parents=True, exist_ok=True)
    for left in PLACE.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(left)
    for name, package in PACKAGES.items():
        if find(name) is not None:
            continue
        with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=PLACE) as place:
            archives, unpacked = Path(place, "archives"), Path(place, "unpacked")
            archives.mkdir()
            run(["apt-get", "download", "--quiet", package.name], archives)
            for archive in archives.glob("*.deb"):
                run(["dpkg", "--extract", str(archive), str(unpacked)], archives)
            shutil.rmtree(PLACE / name, ignore_errors=True)
            unpacked.rename(PLACE / name)
