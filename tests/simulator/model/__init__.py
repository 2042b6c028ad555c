# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An in-memory Qumulo file system: no I/O, no threads, no HTTP.

The server calls it from its one event loop. `FileSystem` has every operation; the other modules
are its parts.
"""

from __future__ import annotations

from .clock import Clock
from .errors import ModelError
from .events import Event
from .filesystem import FileSystem, Page

__all__ = ["Clock", "Event", "FileSystem", "ModelError", "Page"]
