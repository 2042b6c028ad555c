# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client against a real TLS server that fails as it is told to."""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import errors, pool
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.transport import (
    ClusterConnection,
)
from tests.simulator.harness import Simulator
from tests.tools.services import wait_for

Make = Callable[..., Settings]


def test_the_sdk_works_over_our_transport(client: Client) -> None:
    made = client.rest.fs.create_file(name='a,"b\n.txt', dir_path="/")
    assert client.rest.fs.get_file_attr(path='/a,"b\n.txt')["id"] == made["id"]
    assert client.who_am_i()["name"] == "admin"
    assert client.version().startswith("Qumulo Core")


def test_a_certificate_that_is_not_trusted_names_ca_path(settings: Make) -> None:
    with Client(settings(ca_path=None)) as client, pytest.raises(errors.TlsError, match="ca_path"):
        client.version()


def test_a_name_that_the_certificate_lacks_is_told(settings: Make) -> None:
    with (
        Client(settings(hosts=("127.0.0.9",))) as client,
        pytest.raises(errors.QumuloError, match="127.0.0.9"),
    ):
        client.version()


def test_verification_can_be_switched_off(settings: Make) -> None:
    with Client(settings(ca_path=None, validate_certs=False)) as client:
        assert client.version()


def test_a_port_that_does_not_speak_tls_is_told(simulator: Simulator, settings: Make) -> None:
    port = int(simulator.control_url.rpartition(":")[2])
    other = settings(hosts=("127.0.0.1",), port=port, timeout=3.0, retries=0)
    with Client(other) as client, pytest.raises(errors.QumuloError):
        client.version()


def test_a_wrong_password_is_told_without_showing_it(settings: Make) -> None:
    with (
        Client(settings(password="hunter2")) as client,
        pytest.raises(errors.AuthenticationError) as caught,
    ):
        client.who_am_i()
    assert "admin" in str(caught.value) and "hunter2" not in str(caught.value)


def test_nobody_listens(settings: Make) -> None:
    with (
        Client(settings(hosts=("127.0.0.9",), port=1)) as client,
        pytest.raises(errors.UnreachableError, match=r"127\.0\.0\.9:1"),
    ):
        client.version()


def test_an_unknown_host(settings: Make) -> None:
    with (
        Client(settings(hosts=("no-such-host.invalid",))) as client,
        pytest.raises(errors.UnreachableError, match="cannot be resolved"),
    ):
        client.version()


def test_a_missing_privilege_is_named(settings: Make) -> None:
    with (
        Client(settings("nobody")) as client,
        pytest.raises(errors.MissingPrivilegeError) as caught,
    ):
        client.rest.smb.close_smb_file("x")
    assert caught.value.privilege == "PRIVILEGE_SMB_FILE_HANDLE_WRITE"
    assert caught.value.status == 403


def test_permissions_of_a_file_are_told_apart(
    simulator: Simulator, settings: Make, client: Client
) -> None:
    simulator.control("files/put", path="/secret", mode="0600")
    with (
        Client(settings("nobody")) as other,
        pytest.raises(errors.PermissionDeniedError),
    ):
        other.get("/v1/files/%2Fsecret/info/attributes?retrieve-file-lock=true")


def test_an_expired_session_is_renewed_once(simulator: Simulator, client: Client) -> None:
    client.who_am_i()
    simulator.control("tokens/expire")
    with simulator.recorded(changes=False) as seen:
        assert client.who_am_i()["name"] == "admin"
    logins = [entry for entry in seen if "login" in entry["uri"]]
    assert len(logins) == 1


def test_an_access_token_from_a_file(
    simulator: Simulator, settings: Make, client: Client, tmp_path: Path
) -> None:
    body = {"user": {"name": "helpdesk"}}
    token = client.rest.request("POST", "/v1/auth/access-tokens/", body=body)
    path = tmp_path / "token"
    path.write_text(token["bearer_token"])
    alone = settings(username=None, password=None, access_token_file=str(path))
    with Client(alone) as other:
        assert other.who_am_i()["name"] == "helpdesk"
    client.rest.request("DELETE", f"/v1/auth/access-tokens/{token['id']}")
    with Client(alone) as other, pytest.raises(errors.AuthenticationError):
        other.who_am_i()


def test_a_node_that_dies_is_left_for_the_next(simulator: Simulator, client: Client) -> None:
    client.version()
    for address in simulator.addresses[:-1]:
        simulator.control("nodes/stop", address=address)
    simulator.wait(lambda state: sum(state["nodes"].values()) == 1)
    for _ in range(5):
        assert client.who_am_i()["name"] == "admin"


@pytest.mark.parametrize(
    "kind", ["429", "503", "reset_before", "reset_after", "cut_body", "slow_body"]
)
def test_a_fault_that_passes_is_not_noticed(
    simulator: Simulator, client: Client, kind: str
) -> None:
    client.version()
    simulator.control("faults/add", route="attributes", kind=kind, count=2, retry_after=0.1)
    assert client.rest.fs.get_file_attr(path="/")["id"] == "2"
    hits = 1 if kind == "slow_body" else 2  # a slow answer is an answer
    assert simulator.control("faults")["faults"][0]["hits"] == hits


@pytest.mark.parametrize(
    ("kind", "error"),
    [("503", errors.BusyError), ("reset_before", errors.UnreachableError)],
)
def test_a_fault_that_stays_ends_in_a_clear_error(
    simulator: Simulator, settings: Make, kind: str, error: type[errors.QumuloError]
) -> None:
    with Client(settings(retries=2)) as client:
        client.who_am_i()
        simulator.control("faults/add", route="attributes", kind=kind)
        with pytest.raises(error) as caught:
            client.rest.fs.get_file_attr(path="/")
    assert caught.value.details["attempts"] == 3
    assert "\n" not in str(caught.value)


def test_an_answer_that_does_not_come_is_asked_for_again(
    simulator: Simulator, settings: Make
) -> None:
    with Client(settings(timeout=0.5)) as client:
        client.version()
        simulator.control("faults/add", route="attributes", kind="delay", delay=3600, count=1)
        assert client.rest.fs.get_file_attr(path="/")["id"] == "2"
    assert simulator.control("faults")["faults"][0]["hits"] == 1


def test_what_creates_is_not_sent_again_when_no_answer_comes(
    simulator: Simulator, settings: Make
) -> None:
    with Client(settings(timeout=0.5)) as client:
        client.version()
        simulator.control("faults/add", route="POST /v3/snapshots", kind="delay", delay=3600)
        with pytest.raises(errors.UnreachableError, match="no answer in time") as caught:
            client.rest.snapshot.create_snapshot(name="x", source_file_id="2")
    assert caught.value.maybe_applied
    assert simulator.control("faults")["faults"][0]["hits"] == 1


def test_a_signal_does_not_end_a_read(simulator: Simulator, client: Client) -> None:
    client.version()
    simulator.control("faults/add", route="POST /v3/snapshots", kind="delay", delay=0.5, count=1)
    seen: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _frame: seen.append(number))
    ended = threading.Event()

    def disturb() -> None:
        while not ended.wait(0.02):
            os.kill(os.getpid(), signal.SIGUSR1)

    disturbing = threading.Thread(target=disturb)
    disturbing.start()
    try:
        assert client.rest.snapshot.create_snapshot(name="x", source_file_id="2")["id"]
    finally:
        ended.set()
        disturbing.join()
        signal.signal(signal.SIGUSR1, before)
    assert seen


def test_what_creates_is_not_sent_twice(simulator: Simulator, client: Client) -> None:
    client.version()
    simulator.control("faults/add", route="POST /v3/snapshots", kind="reset_after", count=1)
    with pytest.raises(errors.UnreachableError) as caught:
        client.rest.snapshot.create_snapshot(name="x", source_file_id="2")
    assert caught.value.maybe_applied
    assert len(client.rest.snapshot.list_snapshots()["entries"]) == 1


def test_what_creates_is_sent_again_if_it_was_turned_away(
    simulator: Simulator, client: Client
) -> None:
    client.version()
    simulator.control("faults/add", route="POST /v3/snapshots", kind="429", count=3)
    client.rest.snapshot.create_snapshot(name="x", source_file_id="2")
    assert len(client.rest.snapshot.list_snapshots()["entries"]) == 1


def test_an_idle_connection_that_was_closed_costs_nothing(
    simulator: Simulator, client: Client
) -> None:
    client.version()
    simulator.control("connections/reset")
    wait_for(client._connection._is_stale)  # the reset is on its way
    client.rest.snapshot.create_snapshot(name="x", source_file_id="2")


def test_the_clusters_clock(simulator: Simulator, client: Client) -> None:
    simulator.control("clock/skew", seconds=3600)
    clock = client.clock()
    assert abs(clock.skew - timedelta(hours=1)) < timedelta(seconds=clock.uncertainty + 1)
    assert client.clone().clock() is clock


def test_the_clusters_clock_takes_one_request_unless_it_must_be_known_better(
    simulator: Simulator, client: Client
) -> None:
    client.version()
    before = simulator.control("state")["requests"]
    client.measure_clock()
    asked = simulator.control("requests", since=before)["requests"]
    assert [request["uri"] for request in asked] == ["/v1/version"]
    assert client.measure_clock(uncertainty=0.05).uncertainty < 0.4


def test_paged_listings(simulator: Simulator, client: Client) -> None:
    simulator.control("files/bulk", directory="/many", count=250)
    simulator.control("pages", entries=100)
    names = [e["name"] for e in client.paged("/v1/files/%2Fmany/entries/", "files", limit=1000)]
    assert len(names) == len(set(names)) == 250


def test_a_listing_without_its_key_makes_no_sense(client: Client) -> None:
    with pytest.raises(errors.ProtocolError):
        list(client.paged("/v1/files/2/entries/", "grants"))
    with pytest.raises(errors.ProtocolError):
        list(client.pages("/v1/version"))


def test_the_pool_keeps_order_and_reports_each_error(client: Client) -> None:
    def work(own: Client, name: str) -> str:
        return str(own.rest.fs.get_file_attr(path=name)["id"])

    outcomes = list(pool.map_ordered(client, work, ["/", "/none", "/"] * 20, workers=4))
    assert [outcome.value for outcome in outcomes] == ["2", None, "2"] * 20
    assert isinstance(outcomes[1].error, errors.NotFoundError)


def test_the_pool_reads_an_endless_list_only_as_far_as_it_is_asked(client: Client) -> None:
    taken = 0

    def endless() -> object:
        nonlocal taken
        while True:
            taken += 1
            yield taken

    results = pool.map_unordered(client, lambda own, item: item, endless(), workers=2)
    for _ in range(10):
        next(results)
    results.close()  # type: ignore[attr-defined]
    assert taken <= 10 + 2 * pool.LOOK_AHEAD * pool.CHUNK


def test_a_defect_in_the_work_ends_the_run(client: Client) -> None:
    def work(own: Client, item: int) -> int:
        return 1 // item

    with pytest.raises(ZeroDivisionError):
        list(pool.map_unordered(client, work, [1, 0, 1], workers=2))


def test_a_connection_is_opened_once_for_its_first_request(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[object] = []
    plain = ClusterConnection._open

    def counted(self: ClusterConnection) -> object:
        opened.append(connection := plain(self))
        # What the cluster sends after the handshake, such as a session ticket, has arrived.
        arrived = select.poll()  # descriptors may be above what select() takes
        arrived.register(connection.sock, select.POLLIN)
        arrived.poll(500)
        return connection

    monkeypatch.setattr(ClusterConnection, "_open", counted)
    client.version()  # logs in
    before = len(opened)
    for number in range(1, 4):
        with client.clone() as other:
            other.version()
            assert other.answered_at is not None
        assert len(opened) == before + number
