# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbook that feeds a search index, with an engine that refuses what a real one refuses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import snapshots
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.client import Client
from tests.functional import search_engine
from tests.functional.search_engine import SearchEngine
from tests.simulator.harness import Simulator
from tests.tools.environment import clean_environment
from tests.tools.tree import ROOT, linked_tree

Play = Callable[..., subprocess.CompletedProcess[str]]
PASSWORD = "correct-horse-battery"


@pytest.fixture
def engine() -> Iterator[SearchEngine]:
    """A search engine."""
    with search_engine.running() as running:
        yield running


@pytest.fixture
def feed(simulator: Simulator, engine: SearchEngine, tmp_path: Path) -> Play:
    """Runs the playbook, with variables as text, as surveys and ``-e`` give them."""
    kept = clean_environment()

    def run(*options: str, env: dict[str, str] | None = None, **variables: Any) -> Any:
        given = {
            "search_path": "/p",
            "search_url": engine.url,
            "search_directory": str(tmp_path / "work"),
            "search_retries": "0",
            **variables,
        }
        command = [str(Path(sys.executable).parent / "ansible-playbook"), *options]
        command += [str(ROOT / "playbooks/search_index.yml")]
        for name, value in given.items():
            text = f"{name}={value}" if _is_plain(value) else json.dumps({name: value})
            command += ["-e", text]
        return subprocess.run(
            command,
            env={
                **kept,
                **simulator.environment(),
                "ANSIBLE_COLLECTIONS_PATH": str(linked_tree()),
                "ANSIBLE_PYTHON_INTERPRETER": os.environ.get(
                    "LOCKSTEP_HOST_PYTHON", sys.executable
                ),
                "ANSIBLE_NOCOLOR": "true",
                "ANSIBLE_HOME": str(tmp_path / "ansible"),
                "XDG_STATE_HOME": str(tmp_path / "state"),
                "STATE_DIRECTORY": str(tmp_path / "state"),
                **(env or {}),
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


def _is_plain(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and not set(value) & set(" '\"{}=\\")


def ok(done: subprocess.CompletedProcess[str]) -> str:
    """Output of a run that went well."""
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """Output of a run that failed with sentences, on one line."""
    assert done.returncode != 0, done.stdout
    said = " ".join((done.stdout + done.stderr).split())
    assert "Traceback" not in said and "is undefined" not in said, said
    return said


def committed(client: Client) -> int:
    """How many snapshots of checkpoints never expire."""
    return sum(snapshot.expires is None for snapshot in snapshots.list_all(client))


def test_index_follows_changes_and_renames(
    simulator: Simulator, client: Client, feed: Play, engine: SearchEngine
) -> None:
    names = ["a, b", 'it\'s "q"', "line\nfeed", "{{ 1 + 1 }}", "2", "2024-01-01", "ü", "u\u0308"]
    names += ["-n", "a:b", "trailing ", "tail .", "x" * 250, "/".join(["y" * 200] * 15)]
    for name in names:
        simulator.control("files/put", path=f"/p/d/{name}", content="123")
        simulator.control("files/put", path=f"/p/gone/deep/{name}", content="1")
    nested = ["/".join(["y" * 200] * depth) for depth in range(1, 15)]
    ok(feed(search_requests="5"))
    names += nested
    expected = ["d", "gone", "gone/deep"]
    expected += [f"{directory}/{name}" for directory in ("d", "gone/deep") for name in names]
    assert engine.paths == sorted(expected)
    mapping = engine.indexes["files"]
    assert mapping["properties"]["mtime"]["type"] == "date"
    assert mapping["properties"]["size"] == {"type": "long"}
    (document,) = (d for d in engine.documents.values() if d["path"] == "d/2")
    assert document["size"] == 3 and document["owner_name"] == "admin"
    assert document["mtime"].endswith("Z") and document["owner"] == "500"
    # A directory stands for everything in it, whether it is deleted or renamed.
    client.rest.fs.rename(source="/p/d", dir_path="/p", name="moved")
    for name in sorted(names, key=len, reverse=True):
        client.rest.fs.delete(path=f"/p/gone/deep/{name}")
    client.rest.fs.delete(path="/p/gone/deep")
    client.rest.fs.delete(path="/p/gone")
    output = ok(feed(search_requests="5"))
    assert engine.paths == sorted(["moved", *(f"moved/{name}" for name in names)])
    assert f"{len(names) + 1} entries were sent to the index files, and" in output
    assert committed(client) == 1
    for body in engine.bodies:
        actions = [line for line in body.splitlines() if b'{"_id"' in line]
        assert 1 <= len(actions) <= 5


def test_requests_are_bounded_by_bytes(
    simulator: Simulator, feed: Play, engine: SearchEngine
) -> None:
    simulator.control("files/bulk", directory="/p/d", count=400, pattern="f{:0200d}")
    engine.limit = 65536
    ok(feed(search_request_bytes="65536"))
    assert len(engine.documents) == 401 and len(engine.bodies) > 3


@pytest.mark.parametrize(
    ("failure", "said"),
    [
        ({"items": 400}, "refused 2 of 2 entries: e: rejected."),
        ("silence", "gave no answer within 2 s: raise timeout"),
    ],
    ids=str,
)
def test_failed_request_is_repeated_by_the_next_run(
    simulator: Simulator,
    client: Client,
    feed: Play,
    engine: SearchEngine,
    failure: Any,
    said: str,
) -> None:
    for name in "abcdefg":
        simulator.control("files/put", path=f"/p/{name}")
    engine.failures = [None, failure]
    assert said in refused(feed(search_requests="2", search_timeout="2"))
    assert len(engine.bodies) == 2 and committed(client) == 0
    # What has arrived, and is gone before the next run, goes from the index.
    assert len(engine.documents) == 2
    for path in engine.paths:
        client.rest.fs.delete(path=f"/p/{path}")
    left = sorted(set("abcdefg") - set(engine.paths))
    ok(feed())
    assert engine.paths == left and committed(client) == 1


def test_busy_engine_is_asked_again(simulator: Simulator, feed: Play, engine: SearchEngine) -> None:
    simulator.control("files/put", path="/p/a")
    engine.failures = [503, {"items": 429}]
    ok(feed(search_retries="2"))
    assert engine.paths == ["a"] and len(engine.bodies) == 3


def test_login_is_sent_and_never_shown(
    simulator: Simulator, feed: Play, engine: SearchEngine
) -> None:
    simulator.control("files/put", path="/p/a")
    engine.login = ("feeder", PASSWORD)
    done = feed("-vvv", search_user="feeder", env={"SEARCH_PASSWORD": PASSWORD + "\n"})
    assert PASSWORD not in ok(done) and engine.paths == ["a"]
    wrong = feed(search_user="feeder", env={"SEARCH_PASSWORD": "not-the-password"})
    said = refused(wrong)
    assert "does not accept the user name and password (401)" in said
    assert "not-the-password" not in said


@pytest.mark.parametrize(
    "wrong",
    [
        {
            "search_path": ("", "search_path is ''"),
            "search_url": ("", "search_url is missing"),
            "search_name": ("a/b", "search_name is 'a/b'"),
            "search_directory": ("work", "search_directory is 'work'"),
            "search_requests": ("0", "search_requests is '0'"),
            "search_request_bytes": ("1", "search_request_bytes is '1'"),
            "search_timeout": ("0", "search_timeout is '0'"),
            "search_retries": ("-1", "search_retries is '-1'"),
            "search_owner_names": ("maybe", "search_owner_names is 'maybe'"),
            "search_user": ("feeder", "search_user and search_password go together"),
            "search_ca_path": ("ca.pem", "search_ca_path is 'ca.pem'"),
        },
        {
            "search_path": (5, "search_path is '5'"),
            "search_url": ("https://me:secret-word@engine.example.com/files", "without a user"),
            "search_name": ("a\n", "search_name is"),
            "search_requests": ("5\n", "search_requests is"),
            "search_request_bytes": ("1e9", "search_request_bytes is '1e9'"),
            "search_timeout": ("", "search_timeout is ''"),
            "search_retries": ("1.5", "search_retries is '1.5'"),
            "search_owner_names": ("", "search_owner_names is ''"),
            "search_password": (PASSWORD, "search_user and search_password go together"),
        },
    ],
    ids=("first", "second"),
)
def test_wrong_variables_end_in_sentences(
    simulator: Simulator, feed: Play, engine: SearchEngine, wrong: dict[str, tuple[Any, str]]
) -> None:
    with simulator.recorded() as changes:
        output = refused(feed(**{variable: value for variable, (value, _said) in wrong.items()}))
    assert changes == [] and engine.requests == []
    assert [said for _value, said in wrong.values() if said not in output] == []
    assert "secret-word" not in output and PASSWORD not in output


def test_engine_that_is_not_there_is_named(simulator: Simulator, feed: Play) -> None:
    simulator.control("files/put", path="/p/a")
    said = refused(feed(search_url="http://127.0.0.1:1/files"))
    assert "Cannot get an answer from the search engine at 127.0.0.1:1: Connection refused" in said


def test_check_mode_changes_nothing(
    simulator: Simulator, feed: Play, engine: SearchEngine, tmp_path: Path
) -> None:
    simulator.control("files/put", path="/p/a")
    with simulator.recorded() as changes:
        ok(feed("--check"))
    assert changes == [] and engine.requests == ["GET /files/_mapping"]
    assert not (tmp_path / "work").exists()


def test_lists_are_in_a_private_directory(
    simulator: Simulator, feed: Play, engine: SearchEngine, tmp_path: Path
) -> None:
    simulator.control("files/put", path="/p/a")
    ok(feed(search_directory="", search_owner_names="false"))
    place = tmp_path / "state" / "search_index"
    assert place.stat().st_mode & 0o7777 == 0o700
    assert (place / "search-index.bulk").exists()
    (document,) = engine.documents.values()
    assert "owner_name" not in document and document["owner"] == "500"


def test_index_of_an_earlier_release_is_refused(
    simulator: Simulator, client: Client, feed: Play, engine: SearchEngine
) -> None:
    simulator.control("files/put", path="/p/a")
    old = {"properties": {"path": {"type": "text"}, "mtime": {"type": "text"}}}
    engine.indexes["files"] = json.loads(json.dumps(old))
    said = refused(feed())
    assert "its field mtime has the type text instead of date" in said
    assert "Use a new index (url) with a new checkpoint (search_name" in said
    assert engine.indexes["files"] == old and engine.bodies == []
    assert snapshots.list_all(client) == []


def test_index_without_fields_gets_them(
    simulator: Simulator, feed: Play, engine: SearchEngine
) -> None:
    """A first file called like a date would else make a date of every path."""
    simulator.control("files/put", path="/p/2024-01-01")
    engine.indexes["files"] = {"_meta": {"of": "an administrator"}}
    ok(feed())
    assert engine.indexes["files"]["properties"]["path"]["type"] == "text"
    assert engine.indexes["files"]["_meta"]["of"] == "an administrator"
    assert engine.paths == ["2024-01-01"]


def test_new_index_needs_a_list_of_everything(
    simulator: Simulator, client: Client, feed: Play, engine: SearchEngine
) -> None:
    for name in "ab":
        simulator.control("files/put", path=f"/p/{name}")
    ok(feed())
    engine.indexes.clear()
    engine.documents.clear()
    assert "a new index needs a list of everything" in refused(feed())
    assert len(snapshots.list_all(client)) == 1
    engine.indexes["files"] = {}
    assert "a new index needs a list of everything" in refused(feed())
    ok(feed(search_name="another"))
    assert engine.paths == ["a", "b"]


def test_one_index_holds_one_directory(
    simulator: Simulator, feed: Play, engine: SearchEngine
) -> None:
    for path in ("/p/a", "/q/a"):
        simulator.control("files/put", path=path)
    ok(feed(search_path="/p/"))
    said = refused(feed(search_path="/q"))
    assert "holds the files of the directory /p, and the list is of the directory /q" in said
    said = refused(feed(search_name="another"))
    assert "holds the files of the checkpoint search-index" in said
    ok(feed())


def test_each_hard_link_is_a_document(
    simulator: Simulator, client: Client, feed: Play, engine: SearchEngine
) -> None:
    simulator.control("files/put", path="/p/one")
    client.rest.fs.create_link(name="two", target="/p/one", dir_path="/p")
    ok(feed())
    assert engine.paths == ["one", "two"]
    assert len({document["file_id"] for document in engine.documents.values()}) == 1
    assert {document["num_links"] for document in engine.documents.values()} == {2}
    client.rest.fs.delete(path="/p/one")
    ok(feed())
    assert engine.paths == ["two"]
