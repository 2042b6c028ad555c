# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes .venv from the pinned requirements, unless it is there already."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OLDEST = (3, 11)  # what ansible-core 2.19 runs on


def make(venv: Path, requirements: Path, duration: str) -> str:
    """Make a virtual environment, unless it is up to date.

    :param duration: what to tell about how long it takes
    :return: why it can not be made; empty if it is there
    """
    stamp = venv / "requirements.sha256"
    state = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if stamp.is_file() and stamp.read_text() == state:
        return ""
    print(f"Setting up {venv.relative_to(ROOT)} (once, {duration}) ...", flush=True)
    shutil.rmtree(venv, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(venv)], check=False)
    if made.returncode != 0:
        return "A virtual environment can not be made: install the package python3-venv."
    install = [str(venv / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    install += ["--disable-pip-version-check", "--require-hashes", "-r", str(requirements)]
    if subprocess.run(install, check=False, env={**os.environ, "PIP_NO_INPUT": "1"}).returncode:
        return "The packages can not be installed: is the package index reachable?"
    stamp.write_text(state)
    print("Done.", flush=True)
    return ""


def main() -> int:
    """Run; 0 if .venv is up to date afterwards."""
    if sys.version_info < OLDEST:
        here = ".".join(map(str, sys.version_info[:2]))
        wanted = ".".join(map(str, OLDEST))
        print(f"Python {wanted} or later is needed, and {sys.executable} is {here}: run", end=" ")
        print("'make PYTHON=/path/to/python3.11 ...' with a newer one.")
        return 1
    trouble = make(ROOT / ".venv", ROOT / "requirements" / "dev.txt", "some two minutes")
    if trouble:
        print(trouble)
    return 1 if trouble else 0


if __name__ == "__main__":
    sys.exit(main())
