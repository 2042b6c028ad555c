# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How many examples randomized tests try, and where they keep those that fail."""

from __future__ import annotations

import os
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis.database import (
    DirectoryBasedExampleDatabase,
    MultiplexedDatabase,
    ReadOnlyDatabase,
)

from .tree import ROOT

#: As many times as usual; set by ``make test-nightly``.
TIMES = int(os.environ.get("LOCKSTEP_EXAMPLES", "1"))
#: Examples that failed at night, for everybody; they are part of the repository.
KEPT = ROOT / "tests" / "examples"
#: Examples that failed in this checkout.
_OWN = ROOT / ".hypothesis" / "examples"


def use_profile() -> None:
    """Set up Hypothesis for busy machines."""
    kept = DirectoryBasedExampleDatabase(KEPT)
    night = TIMES > 1
    usual = MultiplexedDatabase(DirectoryBasedExampleDatabase(_OWN), ReadOnlyDatabase(kept))
    settings.register_profile(
        "lockstep",
        # How long an example takes depends on what else runs on the machine, so it proves nothing.
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],
        database=kept if night else usual,
        print_blob=night,
    )
    settings.load_profile("lockstep")


def enlarge(item: Any, times: int = TIMES) -> None:
    """Let a test try more examples than it says, if it is a randomized one.

    :param item: a function of pytest.
    """
    machine = getattr(item.cls, "settings", None)
    if isinstance(machine, settings):
        if not getattr(item.cls, "_enlarged", False):
            item.cls.settings = settings(machine, max_examples=machine.max_examples * times)
            item.cls._enlarged = True
        return
    own = getattr(item.obj, "_hypothesis_internal_use_settings", None)
    if own is not None and item.originalname not in _ENLARGED.setdefault(item.path, set()):
        # Where Hypothesis keeps what a decorator says; it has no other way to change that later.
        more = settings(own, max_examples=own.max_examples * times)
        item.obj._hypothesis_internal_use_settings = more
        _ENLARGED[item.path].add(item.originalname)


#: Tests with parameters are several items of one function.
_ENLARGED: dict[Any, set[str]] = {}
