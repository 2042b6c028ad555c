# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock manager: a web page on which the help desk finds who holds a file, and closes it.

- ``accounts``, ``sessions``, ``throttle``: who is there
- ``board``, ``search``, ``watch``: what is open, ready to be searched, and kept fresh
- ``plans``, ``jobs``, ``records``: closing, and what is kept of it
- ``config``, ``server``, ``daemon``: the process
- ``app``, ``gate``, ``shield``, ``pages``, ``api``: HTTP
"""

from __future__ import annotations
