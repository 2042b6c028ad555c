# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m qumulo_core.atime``; see :mod:`.main`."""

from __future__ import annotations

from ..service import command
from .main import main

if __name__ == "__main__":
    raise SystemExit(command.entry(main))
