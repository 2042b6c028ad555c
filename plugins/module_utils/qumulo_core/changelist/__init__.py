# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Change lists: what changed between two snapshots, as a file for whoever copies it.

- ``entries``: what a line says, and how it travels through the sorter
- ``sorting``: sorting on disk
- ``diff``: the changes, with created and deleted directories expanded
- ``places``: where the directory was in the older snapshot
- ``renames``: deletions and creations of one file, and the order in which all can be applied
- ``attributes``, ``directories``, ``mount``: sizes and times, from the API or a mount
- ``owner_names``: names of owners and groups
- ``ranges``: which bytes of a file changed
- ``formats``, ``rows``, ``bulk``, ``names``, ``storage_dna``, ``parquet``, ``packing``: how a list
  looks
- ``lists``: one list, or several of about equal bytes
- ``order``, ``stream``, ``build``: what is wanted, its entries in order, and the files
- ``checkpoints``: up to where a consumer has everything
- ``progress``: how far a run is
- ``runs``: from the options of the module to its result
- ``summary``, ``page``, ``report``: what changed over some checkpoints, as a page
- ``index_mapping``, ``search_engine``, ``search_client``: types of a search index, where it is, and
  requests to it
- ``search_index``: sending a list to it
- ``removal``: deleting from a copy what is gone
- ``handover``: StorageDNA
"""

from __future__ import annotations
