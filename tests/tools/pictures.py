# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make pictures``: the pictures of the guides anew, from what the tests in a browser see."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from .tree import ROOT

SCREENSHOTS = ROOT / "tests" / "output" / "screenshots"
IMAGES = ROOT / "docs" / "images"
#: Screenshots that guides show, and the names of the pictures.
SHOWN = {
    "list-light": "lock_manager_list",
    "confirm-light": "lock_manager_confirm",
    "changes-report": "changelist_report",
}


def main() -> int:
    """Run; 0 if all pictures are there."""
    for name in SHOWN:
        (SCREENSHOTS / f"{name}.png").unlink(missing_ok=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    modules = ("test_lock_manager.py", "test_changelist_report.py")
    tests = [str(ROOT / "tests" / "browser" / name) for name in modules]
    environment = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    if subprocess.run([*command, *tests], cwd=ROOT, env=environment, check=False).returncode:
        print("The tests have to pass before their pictures are shown.")
        return 1
    for name, picture in SHOWN.items():
        shutil.copy(SCREENSHOTS / f"{name}.png", IMAGES / f"{picture}.png")
        print(f"docs/images/{picture}.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
