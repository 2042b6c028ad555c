# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters by the time since files were last written."""

from __future__ import annotations


class ModuleDocFragment:
    """Options that select files by age."""

    DOCUMENTATION = r"""
options:
  older_than:
    description:
      - Only files that were last written at least this long ago, such as V(7d). Other files are left out, even if they are named individually.
      - The span counts back from the cluster's time and must have a fixed length (V(s), V(min), V(h), V(d), V(w)).
    type: str
  newer_than:
    description:
      - Only files that were last written more recently than this, such as V(1d). With O(older_than), only files between the two.
    type: str
    version_added: 2.0.0
"""
