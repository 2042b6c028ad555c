# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""axe-core, which finds faults of accessibility, from the npm registry."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from .tree import CACHE

VERSION = "4.14.1"
#: Subresource integrity of the package, as the registry publishes it for this version.
SHA512 = "FHfa+lmNjQZfJz1q8wKqIDwC6DExcHt/pkjNQb09a3NPjCKg2rhu5qb2S4r76ASyFNNtuFooJpZe37OgudVGtQ=="
_TIMEOUT = 120.0


def source() -> str:
    """Return the script; it is fetched once and kept.

    :raises RuntimeError: it can not be had, or is not what it was.
    """
    kept = CACHE / f"axe-core-{VERSION}.tgz"
    if not kept.is_file() or not _is_right(kept):
        _fetch(kept)
    with tarfile.open(kept) as archive:
        member = archive.extractfile("package/axe.min.js")
        assert member is not None
        return member.read().decode("utf-8")


def _fetch(kept: Path) -> None:
    if shutil.which("npm") is None:
        raise RuntimeError("npm is missing, which fetches axe-core: install the package npm.")
    CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as directory:
        command = ["npm", "pack", "--silent", f"axe-core@{VERSION}"]
        subprocess.run(
            command, cwd=directory, check=True, timeout=_TIMEOUT, stdout=subprocess.DEVNULL
        )
        package = Path(directory) / f"axe-core-{VERSION}.tgz"
        if not _is_right(package):
            raise RuntimeError(f"axe-core {VERSION} is not the package that was pinned.")
        package.replace(kept)


def _is_right(package: Path) -> bool:
    return base64.b64encode(hashlib.sha512(package.read_bytes()).digest()).decode() == SHA512
