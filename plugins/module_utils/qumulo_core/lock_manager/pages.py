# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The pages that people see."""

from __future__ import annotations

import hmac
import logging
import secrets
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from ..errors import (
    AuthenticationError,
    InputError,
    MissingPrivilegeError,
    QumuloError,
    UnresolvedHostError,
)
from . import export, record_reader, views
from .accounts import Account, accept_token, log_in
from .gate import Visit, in_thread, message, render, safe_next
from .jobs import OUTCOMES, Order
from .lib import RedirectResponse, Response, StreamingResponse
from .login_queue import RETRY_AFTER
from .plans import Choice, choose, look, people
from .record_lines import ASKED, OUTCOME
from .search import Query
from .services import Services
from .sessions import COOKIE, LOGIN_COOKIE
from .throttle import Try
from .watch import View, Watch

log = logging.getLogger(__name__)

#: Seconds that the first page waits for a list: a small cluster's comes at once.
FIRST_WAIT = 1.0
LONGEST_REASON = 500
RECORDS_PAGE = 100
#: Handles of each person that a confirmation shows by name.
SHOWN_OF_PERSON = 25


# -- login ----------------------------------------------------------------------------------------


def login_page(services: Services, visit: Visit) -> Response:
    """Show the form, or go on if somebody is logged in."""
    goal = safe_next(visit.params.get("next", ""))
    if visit.session_or_none is not None:
        return RedirectResponse(goal, 303)
    error = ""
    if services.sessions.was_replaced(visit.request.cookies.get(COOKIE, "")):
        most = services.config.max_sessions_per_account
        error = (
            f"You have been logged out, because your account has logged in more than {most} times: "
            "the oldest session ends."
        )
    return _login_form(services, visit, goal, error)


def _login_form(
    services: Services, visit: Visit, goal: str, error: str, *, status: int = 200, retry: int = 0
) -> Response:
    nonce = visit.request.cookies.get(LOGIN_COOKIE, "")
    if len(nonce) != 43:
        nonce = secrets.token_urlsafe(32)
    answer = render(
        services,
        "login.html",
        Visit(visit.request, None),
        status=status,
        csrf=services.sessions.signer.sign(f"login:{nonce}"),
        goal=goal,
        error=error,
    )
    _set_cookie(answer, LOGIN_COOKIE, nonce)
    if retry:
        answer.headers["Retry-After"] = str(retry)
    return answer


async def log_in_now(services: Services, visit: Visit) -> Response:
    """Ask the cluster who somebody is, unless too many logins of the address are under way."""
    if not services.logins.enter(visit.address):
        services.counters.add("logins_throttled")
        error = "Your address has too many logins under way: try again in a few seconds."
        goal = safe_next(visit.sent("next"))
        return _login_form(services, visit, goal, error, status=429, retry=RETRY_AFTER)
    try:
        threads = services.logins.threads
        return await in_thread(services, check_login, services, visit, limiter=threads)
    finally:
        services.logins.leave(visit.address)


def check_login(services: Services, visit: Visit) -> Response:
    """Ask the cluster whether somebody is who they say; if so, begin a session."""
    goal = safe_next(visit.sent("next"))
    nonce = visit.request.cookies.get(LOGIN_COOKIE, "")
    signed = services.sessions.signer.open(visit.sent("csrf")) or ""
    right = f"login:{nonce}".encode("utf-8", "replace")
    if not nonce or not hmac.compare_digest(signed.encode("utf-8", "replace"), right):
        services.counters.add("requests_refused")
        error = "This form was too old, or cookies are switched off: try again."
        return _login_form(services, visit, goal, error, status=403)
    username, token = visit.sent("username").strip(), visit.sent("token")
    attempt = Try.of(visit.address, None if token else username)
    wait = services.throttle.take(attempt)
    if wait > 0:
        services.counters.add("logins_throttled")
        log.warning("too many logins from %s", visit.address)
        minutes = max(1, round(wait / 60))
        error = f"Too many attempts: try again in {minutes} minute{'s' if minutes > 1 else ''}."
        return _login_form(services, visit, goal, error, status=429, retry=int(wait) + 1)
    try:
        if token:
            account, client = accept_token(services.config, token)
        else:
            account, client = log_in(services.config, username, visit.sent("password"))
    except AuthenticationError:
        services.counters.add("logins_refused")
        log.info("a login from %s was refused", visit.address)
        what = "this access token" if token else "this name and password"
        return _login_form(
            services, visit, goal, f"The cluster does not accept {what}.", status=401
        )
    except InputError as exc:
        services.throttle.give_back(attempt)
        return _login_form(services, visit, goal, exc.message, status=400)
    except QumuloError as exc:
        services.throttle.give_back(attempt)
        # Addresses of nodes are nothing for somebody who is not logged in.
        log.error("nobody can log in: %s", exc)
        error = "The cluster does not answer: try again in a minute, or tell its administrator."
        if isinstance(exc, UnresolvedHostError):
            error = (
                "The host name of the cluster cannot be resolved: tell the administrator of this "
                "page to check 'cluster.host' and DNS."
            )
        return _login_form(services, visit, goal, error, status=502)
    services.throttle.succeeded(attempt)
    if not account.may_see:
        log.info("%s has logged in from %s, and may see nothing", account.name, visit.address)
        nobody = Visit(visit.request, None)
        return render(services, "lacking.html", nobody, status=403, account=account)
    old = visit.session_or_none
    if old is not None:
        services.sessions.close(old.id)
    session, cookie = services.sessions.open(account, client)
    services.counters.add("logins")
    log.info("%s has logged in from %s", account.name, visit.address)
    services.checks.watch(session)
    answer = RedirectResponse(goal, 303)
    _set_cookie(answer, COOKIE, cookie)
    answer.delete_cookie(LOGIN_COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return answer


def log_out(services: Services, visit: Visit) -> Response:
    """End the session."""
    services.sessions.close(visit.session.id)
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE, path="/", secure=True, httponly=True, samesite="strict")
    return answer


def _set_cookie(answer: Response, name: str, value: str) -> None:
    answer.set_cookie(name, value, path="/", secure=True, httponly=True, samesite="strict")


# -- the list -------------------------------------------------------------------------------------


def watch_of(services: Services, account: Account) -> Watch:
    """Return the watch of an account.

    :raises MissingPrivilegeError: it may not see the list.
    """
    watch = services.watches.of(account.id) if account.may_see else None
    if watch is None:
        lacking = ", ".join(name for name, _use in account.lacking) or "a live session"
        raise MissingPrivilegeError(
            f"The account '{account.name}' lacks {lacking}: ask the administrator of the cluster "
            "to grant it, then log in again.",
            privilege=lacking,
        )
    return watch


def list_page(services: Services, visit: Visit) -> Response:
    """Show what is open."""
    account = visit.session.account
    if not account.may_see:
        return render(services, "lacking.html", visit, status=403, account=account)
    query = Query.parse(visit.params)
    watch = watch_of(services, account)
    watch.look()
    view = watch.wait(0, FIRST_WAIT)
    return render(services, "list.html", visit, account=account, **list_context(view, query))


def rows_fragment(services: Services, visit: Visit, view: View, query: Query) -> Response:
    """Return the part of the list's page that changes."""
    account = visit.session.account
    return render(services, "results.html", visit, account=account, **list_context(view, query))


def list_context(view: View, query: Query) -> dict[str, Any]:
    """Return what the templates of the list need."""
    now = datetime.now(timezone.utc)
    listing = None if view.board is None else views.listing(view.board, query, now)
    return {
        "query": query if listing is None else listing.query,
        "listing": listing,
        "error": view.error.message if view.error is not None else "",
    }


def export_csv(services: Services, visit: Visit) -> Response:
    """Return all that a query finds as a CSV file."""
    query = Query.parse(visit.params)
    view = watch_of(services, visit.session.account).look()
    entries = [] if view.board is None else view.board.handles(view.board.find(query))
    rows = (export.handle_row(entry) for entry in entries)
    return _csv(export.to_csv(export.HANDLE_COLUMNS, rows), "open-files")


def _csv(body: Iterator[bytes], name: str) -> Response:
    stamp = datetime.now(timezone.utc).strftime("%Y%m%d-%H%M%S")
    disposition = f'attachment; filename="{name}-{stamp}.csv"'
    return StreamingResponse(
        body, media_type="text/csv; charset=utf-8", headers={"Content-Disposition": disposition}
    )


# -- closing --------------------------------------------------------------------------------------


def confirm(services: Services, visit: Visit) -> Response:
    """Show whose work could be lost, before anything is closed."""
    session = visit.session
    account = session.account
    if not account.may_close:
        return message(
            services,
            visit,
            403,
            "You may look, but not close",
            f"The account '{account.name}' lacks PRIVILEGE_SMB_FILE_HANDLE_WRITE: ask the "
            "administrator of the cluster to grant it, then log in again.",
        )
    choice = Choice.parse(visit.form)
    query = Query.parse({name: visit.sent(name) for name in visit.form})
    watch = watch_of(services, account)
    board = watch.wait(0, services.config.cluster.timeout).board
    if board is None:
        raise InputError("The list is not there yet: wait for it, and choose again.")
    handles, spared = choose(board, choice, query)
    with session.client.clone() as client:
        handles = look(client, handles, choice, watch.names)
    plan = services.plans.make(session.id, choice, handles, spared, "/" + query.link().rstrip("?"))
    return render(
        services,
        "confirm.html",
        visit,
        plan=plan,
        people=people(plan.handles),
        risky=sum(handle.can_lose_work for handle in plan.handles),
        shown=SHOWN_OF_PERSON,
        lines=views.lines,
    )


def close(services: Services, visit: Visit) -> Response:
    """Close exactly what was shown."""
    session = visit.session
    reason = " ".join(visit.sent("reason").split())
    if len(reason) > LONGEST_REASON:
        raise InputError(f"The reason has more than {LONGEST_REASON} characters: shorten it.")
    watch = watch_of(services, session.account)
    plan = services.plans.take(visit.sent("plan"), session.id)
    if not plan.handles:
        raise InputError("There is nothing in this confirmation that can be closed.")
    order = Order(session.account, visit.address, plan, reason)
    job = services.jobs.start(order, session.client.clone(), watch)
    return RedirectResponse(f"/closings/{job.id}", 303)


def closing_page(services: Services, visit: Visit) -> Response:
    """Show how a closing goes, or went."""
    watch_of(services, visit.session.account)
    job = services.jobs.of(visit.request.path_params["job"], visit.session.account)
    if job is None:
        return message(
            services,
            visit,
            404,
            "Not kept any more",
            "There is no such closing of yours: what was closed stands under Closed files.",
        )
    job = job.at_present()
    # What needs attention comes first.
    order = {"failed": 0, "unknown": 1, "reopened": 2, "gone": 3, "closed": 4}
    results = sorted(job.results, key=lambda result: order[result.outcome])
    return render(services, "closing.html", visit, job=job, results=results, words=OUTCOMES)


# -- the record -----------------------------------------------------------------------------------


def records_page(services: Services, visit: Visit) -> Response:
    """Show who closed what, the newest first."""
    watch_of(services, visit.session.account)
    before = record_reader.place(
        visit.params.get("before", ""),
        "There is no such place in the record: begin at its end.",
    )
    page = record_reader.newest(services.config.audit_file, RECORDS_PAGE, before, without=ASKED)
    return render(
        services,
        "closings.html",
        visit,
        records=[
            # A record of another release may have fewer columns.
            {**dict.fromkeys(export.RECORD_COLUMNS, ""), "clients": [], **record}
            for record in page.records
        ],
        page=page,
        newest=before is None,
        words=OUTCOMES,
    )


def records_csv(services: Services, visit: Visit) -> Response:
    """Return the whole record as a CSV file."""
    watch_of(services, visit.session.account)
    rows = (
        export.record_row(record)
        for record in record_reader.oldest_first(services.config.audit_file)
        if record["event"] == OUTCOME
    )
    return _csv(export.to_csv(export.RECORD_COLUMNS, rows), "closed-files")
