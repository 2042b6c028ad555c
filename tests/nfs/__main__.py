# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make test-nfs``: runs the tests, or says why that is left out here."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from tests.hosts.image import Unavailable
from tests.tools.tree import ROOT

from .prepare import PYTEST, prepare, run_aloud


def main() -> int:
    """Run; 0 if all is well, or if it can not be had and this is not CI."""
    began = time.monotonic()
    try:
        prepare(run_aloud)
    except Unavailable as exc:
        print(f"Left out: {exc}.")
        return 1 if os.environ.get("CI") == "true" else 0
    except (subprocess.SubprocessError, RuntimeError, OSError) as exc:
        print(f"What the tests need can not be made: {exc}.")
        return 1
    print(f"The guest is ready to boot ({time.monotonic() - began:.0f} s).", flush=True)
    return subprocess.run([*PYTEST, "-v"], cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
