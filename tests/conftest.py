# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets pytest find the checkout as a collection, and the simulator."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

if ROOT.parts[-3:] != ("ansible_collections", "lockstep", "qumulo"):  # else ansible-test does it
    sys.path.insert(0, str(ROOT))
    from tests.tools.tree import linked_tree

    sys.path.insert(0, str(linked_tree()))
