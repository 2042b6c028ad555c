# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands in for the script that bootstraps pip in the environments of ansible-test.

ansible-test makes them without pip and fetches that script from the network; the pip that comes
with Python does as well.
"""

from __future__ import annotations

import subprocess
import sys

LEFT_OUT = ("--no-setuptools", "--no-wheel")


def main() -> None:
    """Install pip and what else is named on the command line."""
    packages = [argument for argument in sys.argv[1:] if argument not in LEFT_OUT]
    # A process of its own: ensurepip points PIP_CONFIG_FILE of its process to nothing.
    subprocess.check_call(
        [sys.executable, "-m", "ensurepip", "--default-pip"], stdout=subprocess.DEVNULL
    )
    subprocess.check_call(
        [sys.executable, "-m", "pip", "install", "--quiet", "--upgrade", *packages]
    )


if __name__ == "__main__":
    main()
