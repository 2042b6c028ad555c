# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes one function of a service hang: Python runs this file at its start (``PYTHONPATH``).

``LOCKSTEP_HANG`` names it, such as ``watcher.app:Watcher.status``. ``LOCKSTEP_ALLOWANCE`` has the
seconds after which a thread hangs.
"""

from __future__ import annotations

import functools
import importlib
import os
import threading
from typing import Any

from qumulo_core.common import heartbeats


def _hang(name: str) -> None:
    module, _colon, path = name.partition(":")
    place: Any = importlib.import_module(f"qumulo_core.{module}")
    *above, last = path.split(".")
    for step in above:
        place = getattr(place, step)

    @functools.wraps(getattr(place, last))
    def hang(*_arguments: Any, **_options: Any) -> None:
        threading.Event().wait()

    setattr(place, last, hang)


if os.environ.get("LOCKSTEP_HANG"):
    seconds = float(os.environ["LOCKSTEP_ALLOWANCE"])
    heartbeats.allowance = lambda timeout, retry_deadline: seconds
    heartbeats.Heartbeats.__init__.__defaults__ = (seconds,)
    _hang(os.environ["LOCKSTEP_HANG"])
