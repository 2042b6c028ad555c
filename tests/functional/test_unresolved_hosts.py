# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Host names that cannot be resolved: whoever connects says so, and fails over if it can."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import errors
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.change_feed import config
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.change_feed.feed import (
    Feed,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import (
    search_client,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist.search_engine import (  # noqa: E501
    Engine,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain import file_refs
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.notifications import (
    Stream,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.settings import Settings
from tests.functional.module_calls import Call, call
from tests.simulator.harness import Simulator
from tests.tools.lock_manager_page import running_page
from tests.tools.services import core_environment, wait_for
from tests.tools.visitor import Visitor

__all__ = ["call"]

# RFC 6761: names below "invalid" are never resolved.
WRONG, OTHER = "no-such-host.invalid", "another.invalid"
CAUSE = f"The host name '{WRONG}' cannot be resolved ("
STEP = "check its spelling in 'host', and DNS on the machine that connects."
ROOT = file_refs.by_path("/")
Make = Callable[..., Settings]


@pytest.mark.parametrize("first", [True, False])
def test_the_next_host_is_used(simulator: Simulator, settings: Make, first: bool) -> None:
    good = simulator.addresses[0]
    hosts = (WRONG, good) if first else (good, WRONG)
    with Client(settings(hosts=hosts)) as client:
        assert client.who_am_i()["name"] == "admin"
        for _turn in range(4):
            with client.clone() as other:
                assert other.version()
            with Stream(client, ROOT, recursive=False):
                pass


def test_a_stream_turns_to_the_next_host_by_itself(simulator: Simulator, settings: Make) -> None:
    with Client(settings(hosts=(WRONG, OTHER, simulator.addresses[0]))) as client:
        client.token()
        client._session._resting.clear()  # nobody has tried the names before
        client._session._next_start = 0
        with Stream(client, ROOT, recursive=False):
            pass


def test_a_host_that_cannot_be_resolved_is_named(settings: Make) -> None:
    with Client(settings(hosts=(WRONG,))) as client:
        with pytest.raises(errors.UnresolvedHostError) as caught:
            client.version()
        assert caught.value.message.startswith(CAUSE) and caught.value.message.endswith(STEP)


def test_all_hosts_are_named_if_none_is_left(simulator: Simulator, settings: Make) -> None:
    with (
        Client(settings(hosts=(WRONG, OTHER))) as client,
        pytest.raises(errors.UnresolvedHostError) as caught,
    ):
        client.version()
    said = caught.value.message
    assert f"any of the 2 hosts on port {simulator.port}" in said
    assert f"{WRONG}: cannot be resolved (" in said and f"{OTHER}: cannot be resolved (" in said
    with (
        Client(settings(hosts=(WRONG, "127.0.0.9"))) as client,
        pytest.raises(errors.UnreachableError) as caught,
    ):
        client.version()
    assert not isinstance(caught.value, errors.UnresolvedHostError)
    assert f"{WRONG}: cannot be resolved (" in caught.value.message
    assert "127.0.0.9: [Errno 111] Connection refused" in caught.value.message


def test_a_stream_names_the_cause(simulator: Simulator, settings: Make) -> None:
    with Client(settings()) as client:
        client.token()
        session = client._session
        for hosts, kind, said in (
            ((WRONG,), errors.UnresolvedHostError, CAUSE),
            ((WRONG, OTHER), errors.UnresolvedHostError, "any of the 2 hosts"),
            (("127.0.0.9",), errors.UnreachableError, "Connection refused"),
        ):
            client.settings = session.settings = settings(hosts=hosts)
            with pytest.raises(kind) as caught:
                Stream(client, ROOT, recursive=False)
            assert said in caught.value.message
            assert "HTTPSConnectionPool" not in caught.value.message


def test_a_module_names_the_host(simulator: Simulator, call: Call) -> None:
    options = {"host": [WRONG], "username": "admin", "password": "x", "port": simulator.port}
    done = call("qumulo_snapshot_info", **options)
    assert done["failed"] and CAUSE in done["msg"] and STEP in done["msg"]


def test_the_connection_check_names_the_host(simulator: Simulator) -> None:
    variables = {**simulator.environment(), "QUMULO_HOST": f"{WRONG},{simulator.addresses[0]}"}
    done = subprocess.run(
        [sys.executable, "-m", "qumulo_core.check.main"],
        env={**core_environment(), **variables},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert CAUSE in done.stdout and STEP in done.stdout
    assert "logged in as admin" in done.stdout


def test_the_event_source_names_the_host(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    variables = {**simulator.environment(), "QUMULO_HOST": WRONG}
    feed = Feed(config.parse({"path": "/p"}, variables))
    with caplog.at_level(logging.WARNING):
        feed.start()
        try:
            wait_for(lambda: CAUSE in caplog.text)
        finally:
            feed.stop()
            feed.join(120)


def test_the_login_of_the_page_names_the_cause(
    simulator: Simulator, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = {"host": [WRONG], "port": simulator.port, "ca_path": simulator.ca_file}
    with running_page(simulator, tmp_path, cluster=cluster) as page:
        visitor = Visitor(page.url, str(tmp_path / "ca.pem"))
        answer = visitor.try_login("admin", "x")
    assert answer.status_code == 502
    assert "host name of the cluster cannot be resolved" in answer.text
    assert WRONG not in answer.text  # nothing for somebody who is not logged in
    assert CAUSE in caplog.text


@pytest.mark.parametrize(
    ("url", "proxy", "said"),
    [
        (f"http://{WRONG}:9200/files", "", f"'{WRONG}' of the search engine cannot be resolved"),
        (f"https://{WRONG}:9200/files", "", f"'{WRONG}' of the search engine cannot be resolved"),
        ("http://127.0.0.1:9/files", f"http://{OTHER}:3128", f"'{OTHER}' of the proxy"),
        ("https://127.0.0.1:9/files", f"http://{OTHER}:3128", f"'{OTHER}' of the proxy"),
    ],
)
def test_a_search_engine_and_its_proxy_are_named(
    monkeypatch: pytest.MonkeyPatch, url: str, proxy: str, said: str
) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    if proxy:
        monkeypatch.setenv("http_proxy", proxy)
        monkeypatch.setenv("https_proxy", proxy)
    engine = Engine(url=url)
    with pytest.raises(errors.UnresolvedHostError, match=said):
        search_client.Connection(engine).request("GET", "")
