# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter options that the SMB lock modules share (``doc_fragments/smb_filters``)."""

from __future__ import annotations

from typing import Any

from .qumulo_core.client import Client
from .qumulo_core.domain import named
from .qumulo_core.domain.file_refs import by_id
from .qumulo_core.errors import InputError
from .qumulo_core.smb_locks.filters import HandleFilter
from .qumulo_core.smb_locks.handles import ACCESS_WORDS
from .qumulo_core.smb_locks.kinds import is_directory

FILTER_SPEC: dict[str, dict[str, Any]] = {
    name: {"type": "list", "elements": "str"}
    for name in ("path", "file_id", "directory", "glob", "user", "client", "node")
}
FILTER_SPEC["access"] = {"type": "list", "elements": "str", "choices": list(ACCESS_WORDS)}


def make_filter(client: Client, params: dict[str, Any]) -> HandleFilter:
    """Return the filter for module options; paths become IDs, which survive a rename.

    :raises NotFoundError: a path does not exist.
    :raises InputError: a filter is an empty list, which would mean everybody's handles, or a path
        is that of a symlink.
    """
    for name in FILTER_SPEC:
        if params[name] is not None and not params[name]:
            raise InputError(f"'{name}' is an empty list: add a value, or leave the option out.")
    file_ids = None
    containers = []
    if params["path"] is not None or params["file_id"] is not None:
        file_ids = [by_id(file_id).text for file_id in params["file_id"] or ()]
        for path in params["path"] or ():
            found = named.existing(client, path)
            if is_directory(found, path, "path"):
                containers.append(found.path)
            file_ids.append(found.id)
    return HandleFilter.make(
        file_ids=file_ids,
        directories=params["directory"] or (),
        globs=params["glob"] or (),
        users=params["user"] or (),
        clients=params["client"] or (),
        nodes=params["node"] or (),
        access=params["access"] or (),
        containers=containers,
    )
