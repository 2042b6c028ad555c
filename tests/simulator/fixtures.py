# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""pytest fixtures: a simulator for the whole run, fresh for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from .harness import Simulator, start


@pytest.fixture(scope="session")
def running_simulator() -> Iterator[Simulator]:
    """One process for all tests; every answer is checked against the vendor's shapes."""
    with start(["--validate"]) as simulator:
        yield simulator


@pytest.fixture
def simulator(running_simulator: Simulator) -> Simulator:
    """The simulator, empty and without faults."""
    running_simulator.reset()
    return running_simulator
