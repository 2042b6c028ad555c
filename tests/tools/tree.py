# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The directory tree in which Ansible finds the checkout as a collection."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".cache"
NAMESPACE, NAME = "lockstep", "qumulo"


def linked_tree() -> Path:
    """Return a collections path in which the checkout is linked, whatever its folder is called."""
    tree = CACHE / "tree"
    link = tree / "ansible_collections" / NAMESPACE / NAME
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink() or link.resolve() != ROOT:
        if link.is_symlink():
            link.unlink()
        try:
            link.symlink_to(ROOT, target_is_directory=True)
        except FileExistsError:
            pass  # another process was faster
    return tree


#: What has nothing to do with Ansible, is not in the artifact, and follows ruff and mypy alone.
PLAIN_PYTHON = (
    "docs/conf.py",
    "noxfile.py",
    "tests/bench/",
    "tests/browser/",
    "tests/eda/",
    "tests/functional/",
    "tests/hosts/",
    "tests/nfs/",
    "tests/simulator/",
    "tests/tools/",
)


def copied_tree(where: Path, *, without: tuple[str, ...] = ()) -> Path:
    """Lay a copy of the checkout into ``where`` as a collection; return its place.

    ansible-test works in a real directory alone. What git ignores is left out.

    :param without: beginnings of paths that are left out too
    """
    place = where / "ansible_collections" / NAMESPACE / NAME
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout
    for name in filter(None, listed.decode().split("\0")):
        if name.startswith(without):
            continue
        source, target = ROOT / name, place / name
        if source.is_symlink() or source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
    return place
