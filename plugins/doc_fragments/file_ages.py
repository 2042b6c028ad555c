# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters by when files were last written."""

from __future__ import annotations


class ModuleDocFragment:
    """Files of which age are meant."""

    DOCUMENTATION = r"""
options:
  older_than:
    description:
      - Only files that were last written this span ago or earlier, such as V(7d). Other files are left alone, also those that are named one by one.
      - The span counts back from the cluster's time, and has a fixed length (V(s), V(min), V(h), V(d), V(w)).
    type: str
  newer_than:
    description:
      - Only files that were last written later than this span ago, such as V(1d). Together with O(older_than), files between the two.
    type: str
    version_added: 2.0.0
"""
