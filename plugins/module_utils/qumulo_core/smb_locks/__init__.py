# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SMB locks: who holds which file open, and how to free it.

- ``handles``: records
- ``words``: what a handle does, in a phrase
- ``names``: who the holders are
- ``filters``: which handles are meant
- ``known``: filter values that name nothing are refused
- ``listing``: open handles joined with holders, clients and locks
- ``summary``: many handles in a few lines
- ``export``: lists of handles as files
- ``closing``: closing what is meant, and looking again
"""

from __future__ import annotations
