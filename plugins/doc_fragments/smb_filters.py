# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for open SMB handles."""

from __future__ import annotations


class ModuleDocFragment:
    """Which handles are meant."""

    DOCUMENTATION = r"""
options:
  path:
    description:
      - Absolute paths of files. A handle matches if it is open on one of them, under whatever name.
      - All filters that are set must fit; of the values of one filter one must.
    type: list
    elements: str
  file_id:
    description:
      - IDs of files.
    type: list
    elements: str
  directory:
    description:
      - Absolute paths of directories. A handle matches if its file is one of them or lies anywhere below.
    type: list
    elements: str
  glob:
    description:
      - Shell patterns for paths. One without a slash is compared with the name of the file, one that begins with a slash with the whole path,
        any other with the end of the path.
      - V(*) and V(?) stay within a name, V(**) crosses directories. Case counts.
    type: list
    elements: str
  user:
    description:
      - Holders of handles, by name (V(CORP\\jane), or V(jane) in any domain), SID, V(uid:1000) or V(auth_id:500). Case does not count.
    type: list
    elements: str
  client:
    description:
      - Addresses or networks (CIDR) of clients.
    type: list
    elements: str
  node:
    description:
      - Addresses of nodes that clients are connected to.
    type: list
    elements: str
  access:
    description:
      - What a handle may do with the content.
    type: list
    elements: str
    choices: [read, write, append, delete, execute]
"""
