# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the checkout importable as a collection, and set up Hypothesis for busy machines."""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]

if ROOT.parts[-3:] != ("ansible_collections", "lockstep", "qumulo"):  # else ansible-test does it
    sys.path.insert(0, str(ROOT))
    from tests.tools.tree import linked_tree

    sys.path.insert(0, str(linked_tree()))

try:
    from hypothesis import HealthCheck, settings
except ImportError:  # the tests that need it say so
    pass
else:
    # How long an example takes depends on what else runs on the machine, so it proves nothing.
    settings.register_profile(
        "lockstep", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("lockstep")
