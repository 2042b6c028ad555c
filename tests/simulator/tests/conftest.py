# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures of the simulator's own tests."""

from __future__ import annotations

from tests.simulator.fixtures import running_simulator, simulator

__all__ = ["running_simulator", "simulator"]
