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
      - Absolute paths of files. A handle matches if it is open on one of these files, even under another name. A path that does not exist is an error.
      - Of a directory, only handles of the directory itself match, and the module warns. Use O(directory) for the files below it.
        A symlink is an error, because SMB clients have its target open.
      - Filters are combined with AND, the values of one filter with OR.
      - A string is one value, even if it contains commas. Write several values as a list.
    type: list
    elements: str
  file_id:
    description:
      - IDs of files, which are digits only. An ID that does not exist is an error. For directories and symlinks see O(path).
    type: list
    elements: str
  directory:
    description:
      - Absolute paths of directories. A handle matches if its file is one of them or lies anywhere below.
      - A directory that does not exist is an error, as is the path of a file or a symlink. Names are case-sensitive.
      - Repeated slashes, C(.) and a trailing slash are ignored; C(..) is an error.
    type: list
    elements: str
  glob:
    description:
      - Shell patterns for paths. One without a slash is compared with the name of the file, one that begins with a slash with the whole path,
        any other with the end of the path.
      - V(*) and V(?) stay within a name, V(**) crosses directories. Matching is case-sensitive.
    type: list
    elements: str
  user:
    description:
      - Holders of handles, by name (V(CORP\\jane), or V(jane) in any domain), SID, V(uid:1000) or V(auth_id:500). Matching is not case-sensitive.
      - A user that the cluster does not know is an error. If this cannot be checked, the module warns.
    type: list
    elements: str
  client:
    description:
      - Addresses or networks (CIDR) of clients. A client that is not connected matches nothing.
    type: list
    elements: str
  node:
    description:
      - Addresses of nodes that clients are connected to. An address that does not belong to a node is an error. This check needs
        C(PRIVILEGE_NETWORK_READ). Without it, the module warns if nothing matches.
    type: list
    elements: str
  access:
    description:
      - Access that a handle has to the content.
    type: list
    elements: str
    choices: [read, write, append, delete, execute]
"""
