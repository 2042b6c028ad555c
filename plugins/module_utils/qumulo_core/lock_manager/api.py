# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The read-only JSON API; the page's own script uses it, with the same session."""

from __future__ import annotations

import asyncio
from datetime import datetime, timezone
from typing import Any

from ..errors import InputError
from ..times import format_rfc3339
from . import record_reader
from .board import SHOWN_OF_FILE, Entry
from .gate import Visit, in_thread, message
from .lib import JSONResponse, Response
from .pages import RECORDS_PAGE, rows_fragment, watch_of
from .search import Query
from .services import Services
from .watch import View

#: Seconds that a status request waits for a newer list.
LONGEST_WAIT = 20.0
_LOOK_EVERY = 0.2
HANDLES_PAGE = 500


async def status(services: Services, visit: Visit) -> Response:
    """How fresh the list is; with ``after=N`` as soon as it is another than generation N."""
    watch = watch_of(services, visit.session.account)
    after = visit.params.get("after", "")
    if after and not (after.isascii() and after.isdigit() and len(after) < 16):
        raise InputError("'after' is the number of a generation.")
    view = watch.look()
    waited = 0.0
    while (
        after
        and view.error is None
        # An older list than the one that is known is another login's.
        and view.generation == int(after)
        and waited < LONGEST_WAIT
        and not services.stopping.is_set()
    ):
        await asyncio.sleep(_LOOK_EVERY)  # not a thread for each page that is open
        waited += _LOOK_EVERY
        view = watch.look()
        if services.sessions.find_by_id(visit.session.id) is None:
            return JSONResponse({"error": "Log in first."}, 401)
    session = visit.session
    return JSONResponse({**_head(view), "account": session.account.name, "login": session.mark})


async def files(services: Services, visit: Visit) -> Response:
    """A page of files with their handles; as HTML rows if that is what is accepted."""
    query = Query.parse(visit.params)
    view = watch_of(services, visit.session.account).look()
    if "text/html" in visit.request.headers.get("accept", ""):
        return await in_thread(services, rows_fragment, services, visit, view, query)
    return await in_thread(services, _files, view, query)


def _files(view: View, query: Query) -> Response:
    items: list[dict[str, Any]] = []
    found_files = found_handles = 0
    pages = 1
    if view.board is not None:
        found = view.board.find(query)
        found_files, found_handles, pages = found.files, found.handles, found.pages
        items = [
            {
                "file_id": group.file_id,
                "path": group.path,
                "handles_found": len(group.entries),
                "handles_in_all": group.total,
                "handles": [_handle(entry) for entry in group.entries[:SHOWN_OF_FILE]],
            }
            for group in view.board.page(found, query.page)
        ]
    return JSONResponse(
        {
            **_head(view),
            "found": {"files": found_files, "handles": found_handles},
            "page": query.page,
            "pages": pages,
            "files": items,
        }
    )


def handles(services: Services, visit: Visit) -> Response:
    """A page of handles, one by one."""
    query = Query.parse(visit.params)
    view = watch_of(services, visit.session.account).look()
    entries = [] if view.board is None else view.board.handles(view.board.find(query))
    begin = (query.page - 1) * HANDLES_PAGE
    return JSONResponse(
        {
            **_head(view),
            "found": {"handles": len(entries)},
            "page": query.page,
            "pages": max(1, -(-len(entries) // HANDLES_PAGE)),
            "handles": [_handle(entry) for entry in entries[begin : begin + HANDLES_PAGE]],
        }
    )


def closing(services: Services, visit: Visit) -> Response:
    """One's own closing: how far it has come, and what became of each handle."""
    watch_of(services, visit.session.account)
    job = services.jobs.of(visit.request.path_params["job"], visit.session.account)
    if job is None:
        return message(services, visit, 404, "", "There is no such closing of yours.")
    return JSONResponse(job.render())


def closings(services: Services, visit: Visit) -> Response:
    """The record of who closed what, the newest first."""
    watch_of(services, visit.session.account)
    before = record_reader.place(
        visit.params.get("before", ""), "'before' is the 'older' of the answer before."
    )
    page = record_reader.newest(services.config.audit_file, RECORDS_PAGE, before)
    return JSONResponse(
        {
            "records": page.records,
            "older": page.older or None,
            "unreadable": page.unreadable,
            "error": page.error or None,
        }
    )


def _head(view: View) -> dict[str, Any]:
    board = view.board
    age = None
    if board is not None:
        age = round((datetime.now(timezone.utc) - board.taken).total_seconds(), 1)
    return {
        "generation": view.generation,
        "taken": None if board is None else format_rfc3339(board.taken),
        "age_seconds": age,
        "open_handles": None if board is None else len(board),
        "open_files": None if board is None else board.files,
        "error": None if view.error is None else view.error.message,
    }


def _handle(entry: Entry) -> dict[str, Any]:
    return {
        **entry.handle.render(),
        "seen_since": format_rfc3339(entry.sighting.since),
        "seen_at_least": entry.sighting.at_least,
    }
