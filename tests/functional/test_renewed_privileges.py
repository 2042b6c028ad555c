# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Privileges that are granted to an account whose session goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as budget
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import errors, pool
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain import file_refs
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.notifications import (
    Stream,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.session import (
    PRIVILEGES_REST,
    Session,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings
from tests.simulator.harness import Simulator

#: A request that needs each privilege.
URIS = {
    "PRIVILEGE_AUDIT_READ": "/v1/audit/syslog/config",
    "PRIVILEGE_SNAPSHOT_READ": "/v2/snapshots/",
    "PRIVILEGE_TIME_READ": "/v2/time/status",
}
AUDIT, SNAPSHOTS, TIME = URIS


class Clerk:
    """An account whose privileges change while its client lives."""

    def __init__(self, simulator: Simulator, settings: Settings) -> None:
        self.simulator = simulator
        self.time = 1000.0
        session = Session(settings, monotonic=lambda: self.time)
        self.client = Client(settings, session=session)

    def grant(self, *privileges: str) -> None:
        self.simulator.control("users/privileges", name="clerk", privileges=privileges)

    def may(self, privilege: str) -> bool:
        try:
            self.client.get(URIS[privilege])
        except errors.MissingPrivilegeError as exc:
            assert exc.privilege == privilege
            return False
        return True

    def logins(self) -> int:
        listed = self.simulator.control("requests")["requests"]
        return sum(entry["uri"].endswith("/login") for entry in listed)


def hired(simulator: Simulator, settings: Callable[..., Settings], **changes: Any) -> Clerk:
    simulator.reset()
    simulator.control("users/add", name="clerk", password="secret", privileges=[])
    return Clerk(simulator, settings(**{"username": "clerk", "password": "secret", **changes}))


@pytest.fixture
def clerk(simulator: Simulator, settings: Callable[..., Settings]) -> Clerk:
    return hired(simulator, settings)


def test_a_granted_privilege_takes_effect_at_once(clerk: Clerk) -> None:
    clerk.client.who_am_i()
    for granted in ([AUDIT], [AUDIT, TIME], [AUDIT, TIME, SNAPSHOTS]):
        clerk.grant(*granted)
        assert clerk.may(granted[-1])
    assert clerk.logins() == 4


def test_a_change_is_sent_again_after_the_login(clerk: Clerk) -> None:
    clerk.client.who_am_i()
    clerk.grant("PRIVILEGE_SNAPSHOT_WRITE", "PRIVILEGE_SNAPSHOT_READ")
    made = clerk.client.rest.snapshot.create_snapshot(name="kept", path="/")
    assert [entry["id"] for entry in clerk.client.get(URIS[SNAPSHOTS])["entries"]] == [made["id"]]


def test_a_missing_privilege_costs_one_login_a_minute(clerk: Clerk) -> None:
    for _turn in range(20):
        assert not clerk.may(AUDIT)
    assert clerk.logins() == 2
    clerk.grant(AUDIT)
    assert not clerk.may(AUDIT)
    clerk.time += PRIVILEGES_REST
    assert clerk.may(AUDIT)
    assert clerk.logins() == 3


def test_many_threads_that_are_refused_log_in_once(clerk: Clerk) -> None:
    clerk.client.who_am_i()
    clerk.grant(AUDIT)

    def ask(client: Client, _turn: int) -> None:
        client.get(URIS[AUDIT])

    for outcome in pool.map_unordered(clerk.client, ask, range(200), workers=8):
        assert outcome.error is None
    assert clerk.logins() == 2


def test_an_event_stream_gets_a_granted_privilege(clerk: Clerk) -> None:
    clerk.simulator.control("files/put", path="/dir/file", mode="0600")
    ref = file_refs.by_path("/dir")
    with pytest.raises(errors.PermissionDeniedError):
        Stream(clerk.client, ref, recursive=True)
    clerk.time += PRIVILEGES_REST
    clerk.grant("PRIVILEGE_FILE_FULL_ACCESS", "PRIVILEGE_FILE_READ_ACCESS")
    with Stream(clerk.client, ref, recursive=True):
        pass
    clerk.grant("PRIVILEGE_FILE_FULL_ACCESS", "PRIVILEGE_FILE_READ_ACCESS", AUDIT)
    assert clerk.may(AUDIT)  # the login helped the stream, so that the next one comes at once


def test_a_changed_password_leaves_the_refusal_as_it_is(
    clerk: Clerk, simulator: Simulator, client: Client
) -> None:
    user = clerk.client.who_am_i()["id"]
    body = {"new_password": "other"}
    client.rest.request("POST", f"/v1/users/{user}/setpassword", body=body)
    for _turn in range(3):
        assert not clerk.may(AUDIT)
        clerk.time += PRIVILEGES_REST
    listed = simulator.control("requests")["requests"]
    assert [entry["status"] for entry in listed if entry["uri"].endswith("/login")] == [
        200,
        200,  # the administrator's
        401,
    ]
    assert clerk.client.who_am_i()["name"] == "clerk"


def test_an_access_token_never_logs_in(
    simulator: Simulator, settings: Callable[..., Settings], clerk: Clerk, client: Client
) -> None:
    body = {"user": {"name": "clerk"}}
    token = client.rest.request("POST", "/v1/auth/access-tokens/", body=body)["bearer_token"]
    clerk = Clerk(simulator, settings(username=None, password=None, access_token=token))
    before = clerk.logins()
    assert not clerk.may(AUDIT)
    clerk.grant(AUDIT)
    assert clerk.may(AUDIT)
    assert clerk.logins() == before


STEPS = st.lists(
    st.one_of(
        st.sampled_from(list(URIS)),
        st.sets(st.sampled_from(list(URIS))),
        st.sampled_from([1.0, PRIVILEGES_REST / 2, PRIVILEGES_REST]),
    ),
    max_size=12,
)


@budget(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(STEPS, st.booleans(), st.booleans())
def test_grants_and_revocations(
    running_simulator: Simulator,
    settings: Callable[..., Settings],
    steps: list[str | set[str] | float],
    granted_at_next_login: bool,
    revoked_at_next_login: bool,
) -> None:
    """Whatever happens, a refusal is right, or a login within the last minute did not help."""
    clerk = hired(running_simulator, settings)
    running_simulator.control(
        "privileges",
        granted_at_next_login=granted_at_next_login,
        revoked_at_next_login=revoked_at_next_login,
    )
    granted: set[str] = set()
    ever: set[str] = set()
    useless = -PRIVILEGES_REST
    began, changes = clerk.time, 0
    for step in steps:
        if isinstance(step, float):
            clerk.time += step
        elif isinstance(step, set):
            granted = step
            ever |= step
            changes += 1
            clerk.grant(*step)
        elif clerk.may(step):
            assert step in granted or (revoked_at_next_login and step in ever)
        else:
            assert step not in granted or clerk.time - useless < PRIVILEGES_REST
            if step not in granted and clerk.time - useless >= PRIVILEGES_REST:
                useless = clerk.time
    assert clerk.logins() <= 2 + changes * len(URIS) + (clerk.time - began) / PRIVILEGES_REST
