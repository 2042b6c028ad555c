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
VENV = ROOT / ".venv"
REQUIREMENTS = ROOT / "requirements" / "dev.txt"
STAMP = VENV / "requirements.sha256"
OLDEST = (3, 11)  # what ansible-core 2.19 runs on


def main() -> int:
    """Run; 0 if .venv is up to date afterwards."""
    if sys.version_info < OLDEST:
        here = ".".join(map(str, sys.version_info[:2]))
        wanted = ".".join(map(str, OLDEST))
        print(f"Python {wanted} or later is needed, and {sys.executable} is {here}: run", end=" ")
        print("'make PYTHON=/path/to/python3.11 ...' with a newer one.")
        return 1
    state = hashlib.sha256(REQUIREMENTS.read_bytes() + sys.version.encode()).hexdigest()
    if STAMP.is_file() and STAMP.read_text() == state:
        return 0
    print("Setting up .venv (once, some two minutes) ...", flush=True)
    shutil.rmtree(VENV, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", str(VENV)], check=False)
    if made.returncode != 0:
        print("A virtual environment can not be made: install the package python3-venv.")
        return 1
    install = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    install += ["--disable-pip-version-check", "--require-hashes", "-r", str(REQUIREMENTS)]
    if subprocess.run(install, check=False, env={**os.environ, "PIP_NO_INPUT": "1"}).returncode:
        print("The packages can not be installed: is the package index reachable?")
        return 1
    STAMP.write_text(state)
    print("Done.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
