# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change lists: what changed between two snapshots, as a file for whoever copies it.

- ``entries``: what a line says, and how it travels through the sorter
- ``sorting``: sorting on disk
- ``diff``: the changes, with created and deleted directories expanded
- ``attributes``: sizes and times, from the API or a mount
- ``formats``: XML, JSON lines, CSV, NUL-separated paths
- ``build``: all of it together
"""

from __future__ import annotations
