# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server as the vendor's own command and SDK see it."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from qumulo.lib.auth import Credentials
from qumulo.lib.request import RequestError
from qumulo.rest_client import RestClient

from tests.simulator.harness import Simulator

QQ = Path(sys.executable).parent / "qq"
TIMEOUT = 180.0
Run = Callable[..., Any]


@pytest.fixture
def qq(simulator: Simulator, tmp_path: Path) -> Run:
    """The vendor's command, logged in; it returns what is printed, as JSON if it is."""
    base = [str(QQ), "--host", simulator.addresses[0], "--port", str(simulator.port)]
    base += ["--credentials-store", str(tmp_path / "credentials")]

    def run(*arguments: str) -> Any:
        done = subprocess.run(
            [*base, *arguments],
            input="yes\n",
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        with contextlib.suppress(json.JSONDecodeError):
            return json.loads(done.stdout)
        return done.stdout

    run.command = base  # type: ignore[attr-defined]
    run("login", "-u", "admin", "-p", simulator.password())
    return run


@pytest.fixture
def rest(simulator: Simulator) -> RestClient:
    """The vendor's SDK, logged in."""
    client = RestClient(simulator.addresses[0], simulator.port, timeout=120)
    client.login("admin", simulator.password())
    return client


def refused(work: Callable[[], Any]) -> tuple[int, str]:
    """Status and error class of a request that is refused."""
    with pytest.raises(RequestError) as caught:
        work()
    return caught.value.status_code, caught.value.error_class


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# -- the vendor's command -----------------------------------------------------------------------


def test_qq_with_files(qq: Run, tmp_path: Path) -> None:
    content = tmp_path / "content"
    content.write_text("hello")
    qq("fs_create_dir", "--path", "/", "--name", "d")
    qq("fs_create_file", "--path", "/d", "--name", 'q"u,o\nte ü')
    qq("fs_write", "--path", '/d/q"u,o\nte ü', "--file", str(content))
    qq("fs_rename", "--source", '/d/q"u,o\nte ü', "--path", "/d", "--name", "b")
    qq("fs_create_symlink", "--target", "b", "--path", "/d", "--name", "s")
    qq("fs_create_link", "--target", "/d/b", "--path", "/d", "--name", "l")
    listed = qq("fs_read_dir", "--path", "/d", "--page-size", "100")
    assert sorted(entry["name"] for entry in listed["files"]) == ["b", "l", "s"]
    attributes = qq("fs_file_get_attr", "--path", "/d/b")
    assert attributes["size"] == "5" and attributes["num_links"] == 2
    assert qq("fs_read", "--path", "/d/b", "--stdout") == "hello"
    found = qq("fs_resolve_paths", "--ids", attributes["id"])
    assert found == [{"id": attributes["id"], "path": "/d/b"}]
    qq("fs_file_set_attr", "--path", "/d/b", "--mode", "0600")
    assert qq("fs_file_get_attr", "--path", "/d/b")["mode"] == "0600"
    assert qq("fs_read_dir_aggregates", "--path", "/")["total_files"] == "2"
    qq("fs_delete", "--path", "/d/l")


def test_qq_with_locked_files(qq: Run, rest: RestClient) -> None:
    qq("fs_create_file", "--path", "/", "--name", "f")
    locked = qq("fs_file_modify_lock", "--path", "/f", "--retention-days", "7")
    assert locked["retention_period"]
    qq("fs_file_modify_lock", "--path", "/f", "--enable-legal-hold")
    known = qq("fs_file_get_attr", "--path", "/f", "--retrieve-file-lock")["lock"]
    assert known["legal_hold"] and known["retention_period"] == locked["retention_period"]
    for work in (
        lambda: rest.fs.delete(path="/f"),
        lambda: rest.fs.rename(name="g", source="/f", dir_path="/"),
        lambda: rest.fs.set_file_attr(path="/f", size="0"),
        lambda: rest.fs.set_file_attr(path="/f", mode="0777"),
    ):
        assert refused(work) == (403, "fs_access_denied_error")
    shorter = refused(
        lambda: rest.fs.modify_file_lock(path="/f", retention_period="2026-11-21T00:00:00Z")
    )
    assert shorter[0] == 400


def test_qq_with_snapshots(qq: Run) -> None:
    qq("fs_create_dir", "--path", "/", "--name", "d")
    qq("snapshot_create_snapshot", "--path", "/d", "--name", "one")
    qq("fs_create_file", "--path", "/d", "--name", "new")
    qq("snapshot_create_snapshot", "--path", "/d", "--name", "two")
    listed = qq("snapshot_list_statuses")["entries"]
    assert [entry["name"] for entry in listed] == ["1_one", "2_two"]
    changes = qq("snapshot_diff", "--newer-snapshot", "2", "--older-snapshot", "1")["entries"]
    assert {"op": "CREATE", "path": "/d/new"} in changes
    qq("snapshot_modify_snapshot", "--id", "1", "--expiration", "2099-01-01T00:00:00Z")
    assert qq("snapshot_get_status", "--id", "1")["expiration"].startswith("2099")
    qq("snapshot_delete_snapshot", "--id", "1")
    assert len(qq("snapshot_list_statuses")["entries"]) == 1


def test_qq_with_smb(qq: Run, simulator: Simulator) -> None:
    simulator.control("files/put", path="/f", content="x")
    opened = simulator.control(
        "smb/open", user="CORP\\jane", path="/f", count=2, byte_ranges=[{"offset": 1, "size": 2}]
    )
    handles = qq("smb_list_file_handles", "--resolve-paths")["file_handles"]
    assert {h["handle_info"]["path"] for h in handles} == {"/f"}
    for kind in ("share-mode", "byte-range"):
        grants = qq("fs_list_locks", "--protocol", "smb", "--lock-type", kind)
        assert grants.count("10.0.0.1") == 2
    assert qq("smb_list_sessions")["session_infos"][0]["num_opens"] == 2
    qq("smb_close_file_handle", "--location", opened["locations"][0])
    assert simulator.control("state")["handles"] == 1


def test_qq_with_accounts(qq: Run) -> None:
    assert '"name": "admin"' in qq("who_am_i")  # with the roles below, no longer JSON
    assert "CORP" not in qq("auth_find_identity", "admin")
    qq("auth_create_role", "--role", "r", "--description", "d")
    qq("auth_modify_role", "--role", "r", "--grant", "PRIVILEGE_SNAPSHOT_READ")
    qq("auth_assign_role", "--role", "r", "--trustee", "nobody")
    shown = qq("auth_list_roles")
    assert "Administrators" in shown and "nobody" in shown
    assert "PRIVILEGE_SNAPSHOT_READ" in str(qq("auth_list_role", "--role", "r", "--json"))
    assert "access-v1:" in str(qq("auth_create_access_token", "nobody"))
    assert "nobody" in str(qq("auth_list_access_tokens"))


def test_qq_with_settings(qq: Run) -> None:
    assert qq("version")["revision_id"].startswith("Qumulo Core")
    assert qq("fs_get_atime_settings")["enabled"] is False
    assert qq("fs_get_notify_settings")["recursive_mode"] == "ENABLED"


def test_qq_sees_events(qq: Run, simulator: Simulator) -> None:
    command = [*qq.command, "fs_notify", "--path", "/", "--recursive", "--json"]  # type: ignore[attr-defined]
    pipe = subprocess.PIPE  # it stops when its input ends
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        try:
            simulator.wait(lambda state: state["streams"] == 1)
            simulator.control("files/put", path="/d/f", content="x")
            assert process.stdout is not None
            seen = ""
            while "child_file_added" not in seen:
                line = process.stdout.readline()
                assert line, seen
                seen += line
        finally:
            process.kill()
    assert "child_dir_added" in seen


# -- refusals -----------------------------------------------------------------------------------


def test_refusals(rest: RestClient, simulator: Simulator) -> None:
    assert refused(lambda: rest.fs.get_file_attr(path="/none")) == (404, "fs_no_such_entry_error")
    assert refused(lambda: rest.request("GET", "/v1/none"))[0] == 404
    assert refused(lambda: rest.request("DELETE", "/v1/version"))[0] == 405
    rest.fs.create_file(name="f", dir_path="/")
    assert refused(lambda: rest.fs.create_file(name="f", dir_path="/")) == (
        409,
        "fs_entry_exists_error",
    )
    stale = refused(lambda: rest.fs.set_file_attr(path="/f", mode="0600", if_match='"old"'))
    assert stale[0] == 412
    simulator.control("tokens/expire")
    assert refused(lambda: rest.auth.who_am_i())[0] == 401
    other = RestClient(simulator.addresses[0], simulator.port, timeout=120)
    assert refused(lambda: other.login("admin", "wrong"))[0] == 401
    other.login("nobody", simulator.password("nobody"))
    assert refused(lambda: other.snapshot.list_snapshots())[0] == 403


def test_session_tokens_end(rest: RestClient, simulator: Simulator) -> None:
    simulator.control("clock/advance", seconds=9.9 * 3600)
    rest.auth.who_am_i()
    simulator.control("clock/advance", seconds=0.2 * 3600)
    assert refused(lambda: rest.auth.who_am_i())[0] == 401


@pytest.mark.parametrize("revoked_at_next_login", [False, True])
@pytest.mark.parametrize("granted_at_next_login", [False, True])
def test_a_session_has_the_privileges_of_its_login(
    rest: RestClient,
    simulator: Simulator,
    granted_at_next_login: bool,
    revoked_at_next_login: bool,
) -> None:
    kept, gone, new = (f"PRIVILEGE_{name}_READ" for name in ("SNAPSHOT", "AUDIT", "TIME"))
    simulator.control(
        "privileges",
        granted_at_next_login=granted_at_next_login,
        revoked_at_next_login=revoked_at_next_login,
    )
    simulator.control("users/add", name="clerk", password="x", privileges=[kept, gone])
    session, login, token = (
        RestClient(simulator.addresses[0], simulator.port, timeout=120) for _client in range(3)
    )
    session.login("clerk", "x")
    body = {"user": {"name": "clerk"}}
    made = rest.request("POST", "/v1/auth/access-tokens/", body=body)
    token.credentials = Credentials(made["bearer_token"])
    simulator.control("users/privileges", name="clerk", privileges=[kept, new])
    login.login("clerk", "x")
    assert set(login.auth.who_am_i()["privileges"]) == {kept, new}
    assert set(token.auth.who_am_i()["privileges"]) == {kept, new}
    expected = {kept}
    if revoked_at_next_login:
        expected.add(gone)
    if not granted_at_next_login:
        expected.add(new)
    assert set(session.auth.who_am_i()["privileges"]) == expected
    for privilege, uri in ((gone, "/v1/audit/syslog/config"), (new, "/v2/time/status")):
        if privilege in expected:
            session.request("GET", uri)
        else:
            assert refused(partial(session.request, "GET", uri))[0] == 403


def test_no_more_than_two_access_tokens(rest: RestClient) -> None:
    body = {"user": {"name": "nobody"}}
    for _turn in range(2):
        rest.request("POST", "/v1/auth/access-tokens/", body=body)
    again = refused(lambda: rest.request("POST", "/v1/auth/access-tokens/", body=body))
    assert again[0] == 409


def test_all_nodes_have_one_state(simulator: Simulator, rest: RestClient) -> None:
    rest.fs.create_file(name="f", dir_path="/")
    for address in simulator.addresses:
        other = RestClient(address, simulator.port, credentials=rest.credentials, timeout=20)
        assert other.fs.get_file_attr(path="/f")["type"] == "FS_FILE_TYPE_FILE"


def test_what_was_asked_is_recorded(simulator: Simulator, rest: RestClient) -> None:
    with simulator.recorded() as changes:
        rest.fs.get_file_attr(path="/")
        rest.fs.create_file(name="f", dir_path="/")
    (change,) = changes
    assert change["method"] == "POST" and change["user"] == "admin" and change["status"] == 200


# -- change notifications -----------------------------------------------------------------------


class Stream:
    """A raw stream of events."""

    def __init__(self, simulator: Simulator, token: str, query: str, path: str = "2") -> None:
        context = ssl.create_default_context(cafile=simulator.ca_file)
        self.connection = http.client.HTTPSConnection(
            simulator.addresses[0], simulator.port, context=context, timeout=TIMEOUT
        )
        self.connection.request(
            "GET", f"/v1/files/{path}/notify?{query}", headers={"Authorization": f"Bearer {token}"}
        )
        self.answer = self.connection.getresponse()

    def lines(self) -> Iterator[str]:
        while line := self.answer.readline():
            yield line.decode().rstrip("\n")

    def events(self) -> Iterator[dict[str, Any]]:
        for line in self.lines():
            if line.startswith("data: "):
                yield from json.loads(line[6:])


@pytest.fixture
def stream(simulator: Simulator, rest: RestClient) -> Iterator[Callable[..., Stream]]:
    opened: list[Stream] = []

    def make(query: str, path: str = "2") -> Stream:
        made = Stream(simulator, rest.credentials.bearer_token, query, path)
        opened.append(made)
        if made.answer.status == 200:
            assert made.answer.getheader("content-type") == "text/event-source"
            assert made.answer.readline().startswith(b": watching")
        return made

    yield make
    for made in opened:
        made.connection.close()


def test_events_have_paths_and_spines(simulator: Simulator, stream: Callable[..., Stream]) -> None:
    simulator.control("files/put", path="/d/first")
    watch = stream("recursive=true&filter=child_file_added")
    simulator.control("files/put", path="/d/e/f", content="x")
    event = next(watch.events())
    assert event["type"] == "child_file_added" and event["path"] == "d/e/f"
    assert len(event["spine"]) == 3 and event["stream_name"] is None


def test_several_events_come_in_a_line(simulator: Simulator, stream: Callable[..., Stream]) -> None:
    watch = stream("recursive=true&filter=child_file_added")
    simulator.control("files/bulk", directory="/d", count=250)
    data = (line for line in watch.lines() if line.startswith("data: "))
    assert [len(json.loads(next(data)[6:])) for _turn in range(3)] == [100, 100, 50]


@pytest.mark.parametrize("mode", ["ENABLED", "DISABLED_IGNORE", "DISABLED_ERROR"])
def test_recursive_modes(
    simulator: Simulator, rest: RestClient, stream: Callable[..., Stream], mode: str
) -> None:
    simulator.control("files/put", path="/d/first")
    rest.fs.set_notify_settings(recursive_mode=mode)
    watch = stream("recursive=true&filter=child_file_added")
    if mode == "DISABLED_ERROR":
        assert watch.answer.status == 400
        return
    simulator.control("files/put", path="/d/below")
    simulator.control("files/put", path="/top")
    expected = "d/below" if mode == "ENABLED" else "top"
    assert next(watch.events())["path"] == expected


def test_a_directory_that_goes_ends_its_stream(
    rest: RestClient, stream: Callable[..., Stream]
) -> None:
    made = rest.fs.create_directory(name="d", dir_path="/")
    watch = stream("recursive=false", made["id"])
    rest.fs.delete(path="/d")
    assert [event["type"] for event in watch.events()] == ["self_removed"]


def test_keepalives_and_the_end_of_a_stream(
    simulator: Simulator, stream: Callable[..., Stream]
) -> None:
    simulator.control("streams", keepalive=0.02)
    watch = stream("recursive=true")
    assert ": keepalive" in next(line for line in watch.lines() if line)
    simulator.control("streams/drop")
    with contextlib.suppress(http.client.HTTPException, ConnectionError):
        for line in watch.lines():
            assert not line or line.startswith(":")
    assert simulator.control("state")["streams"] == 0


def test_a_slow_client_is_dropped(simulator: Simulator, stream: Callable[..., Stream]) -> None:
    simulator.control("streams", queue_bound=1000)
    stream("recursive=true")
    for part in range(100):
        simulator.control("files/bulk", directory=f"/d{part}", count=900)
        if simulator.control("state")["overflows"]:
            break
    assert simulator.control("state")["overflows"] == 1


# -- audit log ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["csv", "json"])
def test_audit_lines(simulator: Simulator, rest: RestClient, tmp_path: Path, form: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)
        config = {
            "enabled": True,
            "server_address": "127.0.0.1",
            "server_port": listener.getsockname()[1],
            "format": form,
        }
        rest.request("PATCH", "/v1/audit/syslog/config", body=config)
        receiver, _address = listener.accept()
        with receiver:
            receiver.settimeout(TIMEOUT)
            until(
                lambda: (
                    rest.request("GET", "/v1/audit/syslog/status")["connection_status"]
                    == "AUDIT_LOG_CONNECTED"
                )
            )
            rest.fs.create_file(name='a,"b', dir_path="/")
            with open(tmp_path / "content", "wb") as content:
                rest.fs.read_file(content, path='/a,"b')
            lines = receiver.makefile("r", encoding="utf-8")
            first, second = lines.readline(), lines.readline()
    assert first.startswith("<14>1 ") and " qumulo - - - " in first
    assert "fs_create_file" in first and "fs_read_data" in second
    body = second.split(" qumulo - - - ", 1)[1]
    if form == "json":
        assert json.loads(body)["details"]["path"] == '/a,"b'
    else:
        assert '"/a,""b"' in body


def test_qq_with_audit_destinations(qq: Run, rest: RestClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(TIMEOUT)
        rest.audit.create_destination(
            name="collector",
            enabled=True,
            server_address="127.0.0.1",
            server_port=listener.getsockname()[1],
        )
        receiver, _address = listener.accept()
        with receiver:
            receiver.settimeout(TIMEOUT)
            assert qq("audit_list_destinations")["entries"][0]["config"]["name"] == "collector"
            qq("fs_create_file", "--path", "/", "--name", "f")
            assert "fs_create_file" in receiver.makefile("r", encoding="utf-8").readline()
            shown = qq("audit_get_destination_status", "--id", "1")
            assert shown["connection_status"] == "AUDIT_LOG_CONNECTED"
    qq("audit_delete_destination", "--id", "1")
    assert qq("audit_list_destinations")["entries"] == []


# -- the vendor's shapes ------------------------------------------------------------------------


def test_an_answer_of_another_shape_is_found() -> None:
    from tests.simulator.messages import ApiError, answer
    from tests.simulator.validation import Validator

    validator = Validator()
    validator.check("GET /v1/version", answer({"revision_id": "x"}))
    for wrong in ({"revision_id": 1}, {"revision": "x"}, ["x"]):
        with pytest.raises(ApiError):
            validator.check("GET /v1/version", answer(wrong))
