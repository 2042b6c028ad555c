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
from collections.abc import Callable, Sequence
from pathlib import Path

from .tree import CACHE

PLACE = CACHE / "programs"
#: Programs, and the packages that they are in.
PACKAGES = {"caddy": "caddy", "nginx": "nginx", "promtool": "prometheus"}


def find(name: str) -> str | None:
    """Return the path of a program; None if it is not there."""
    there = (PLACE / "usr" / "bin", PLACE / "usr" / "sbin")
    path = [os.environ["PATH"], *map(str, there), "/usr/sbin"]
    return shutil.which(name, path=os.pathsep.join(path))


def lacking() -> list[str]:
    """Return the packages of programs that are not there."""
    return [package for name, package in PACKAGES.items() if find(name) is None]


def fetch(run: Callable[[Sequence[str], Path], object]) -> None:
    """Fetch what is not there.

    :param run: runs a command in a directory
    """
    archives = PLACE / "archives"
    archives.mkdir(parents=True, exist_ok=True)
    run(["apt-get", "download", "--quiet", *lacking()], archives)
    for archive in sorted(archives.glob("*.deb")):
        run(["dpkg", "--extract", str(archive), str(PLACE)], archives)
        archive.unlink()
