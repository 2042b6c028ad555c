# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make hosts``: makes the image of the test hosts, or says why that is left out here."""

from __future__ import annotations

import os
import subprocess
import sys
import time

from .image import LIMIT, Unavailable, build


def main() -> int:
    """Run; 0 if the image is there, or if it can not be and this is not CI."""

    def run(command: list[str] | tuple[str, ...]) -> None:
        print(f"  {' '.join(command[:2])} ...", flush=True)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, timeout=LIMIT)

    began = time.monotonic()
    try:
        name = build(run)  # type: ignore[arg-type]
    except Unavailable as exc:
        print(f"Left out: {exc}.")
        return 1 if os.environ.get("CI") == "true" else 0
    except (subprocess.SubprocessError, RuntimeError, OSError) as exc:
        print(f"The image can not be made: {exc}.")
        return 1
    print(f"{name} is ready ({time.monotonic() - began:.0f} s).")
    return 0


if __name__ == "__main__":
    sys.exit(main())
