# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make the checkout importable as a collection, and set up Hypothesis."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

if ROOT.parts[-3:] != ("ansible_collections", "lockstep", "qumulo"):  # else ansible-test does it
    sys.path.insert(0, str(ROOT))
    from tests.tools.tree import linked_tree

    sys.path.insert(0, str(linked_tree()))

try:
    from tests.tools import examples
except ImportError:  # without Hypothesis, the tests that need it say so
    examples = None  # type: ignore[assignment]
else:
    examples.use_profile()


def pytest_itemcollected(item: pytest.Item) -> None:
    """Let randomized tests try as many examples as asked for."""
    if examples is not None and examples.TIMES > 1 and isinstance(item, pytest.Function):
        examples.enlarge(item)


@pytest.fixture(autouse=True)
def _broken_pipes_end_no_test() -> Iterator[None]:
    """Ignore SIGPIPE again after a command that was run in this process.

    A command sets it to end the process. Here it would end the run, in whichever test next writes
    to a closed connection.
    """
    before = signal.getsignal(signal.SIGPIPE)
    yield
    signal.signal(signal.SIGPIPE, before)
