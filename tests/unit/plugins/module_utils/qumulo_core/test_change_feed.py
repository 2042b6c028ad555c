# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The change feed without a cluster: records, quiet folders, the hand-over, and the options."""

from __future__ import annotations

import threading
import time

import pytest

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import environment
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.change_feed import (
    config,
    handover,
    quiet,
    records,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import entries
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.domain.file_refs import (
    by_id,
    by_path,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.errors import InputError
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.events import (
    Event,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher import (
    pace as pace_of,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.rules import Root

CREATE, DELETE, MODIFY = entries.CREATE, entries.DELETE, entries.MODIFY
ROOT = Root("7", "/projects")
WHERE = {"QUMULO_HOST": "a,b", "QUMULO_USERNAME": "jane", "QUMULO_PASSWORD": "x"}
WAIT = 30.0


# -- records ------------------------------------------------------------------------------------


def test_a_notification_is_told_with_its_absolute_path():
    record = records.of_event(Event("child_file_moved_to", "a/b.mov", ("7", "8", "9")), ROOT)
    assert record == {
        "change": "moved_to",
        "type": "child_file_moved_to",
        "object": "file",
        "path": "/projects/a/b.mov",
        "relative_path": "a/b.mov",
        "name": "b.mov",
        "directory": "/projects",
        "file_id": "9",
        "origin": "stream",
    }


def test_paths_below_the_top_directory_have_one_slash():
    record = records.of_event(Event("child_dir_added", "a", ("2", "8")), Root("2", "/"))
    assert (record["path"], record["object"]) == ("/a", "directory")


def test_a_named_stream_is_named():
    event = Event("child_stream_added", "a", ("7", "9"), "Zone.Identifier")
    assert records.of_event(event, ROOT)["stream_name"] == "Zone.Identifier"


def test_the_end_of_the_directory_is_told_with_its_own_path():
    record = records.of_event(Event("self_removed", "", ()), ROOT)
    assert (record["change"], record["path"], record["file_id"]) == (
        "self_removed",
        "/projects",
        "7",
    )


@pytest.mark.parametrize("group", sorted(records.GROUPS))
def test_every_type_of_a_group_has_a_change(group):
    for name in records.expand_types([group]):
        change = records.of_event(Event(name, "a", ("7", "9")), ROOT)["change"]
        assert change == group or (group == "moved" and change in ("moved_to", "moved_from"))


def test_a_type_that_there_is_not_is_refused():
    with pytest.raises(InputError, match="'types' has 'deleted'"):
        records.expand_types(["added", "deleted"])


@pytest.mark.parametrize(
    ("operation", "kind", "asked", "told"),
    [
        (CREATE, "file", ["added"], ("added", "child_file_added")),
        (CREATE, "file", ["moved"], ("added", "child_file_added")),
        (CREATE, "directory", ["child_dir_moved_to"], ("added", "child_dir_added")),
        (CREATE, "file", ["removed", "written"], None),
        (DELETE, "file", ["moved"], ("removed", "child_file_removed")),
        (DELETE, "directory", ["added"], None),
        (MODIFY, "file", ["written"], ("written", "child_data_written")),
        (MODIFY, "file", ["attributes"], ("written", "child_data_written")),
        (MODIFY, "directory", ["written"], None),
        (MODIFY, "directory", ["attributes"], ("attributes", "child_mtime_changed")),
    ],
)
def test_what_a_tree_diff_finds_is_told_if_it_was_asked_for(operation, kind, asked, told):
    types = records.expand_types(asked)
    record = records.of_difference(operation, kind, ROOT, "a", "9", types)
    assert told == (None if record is None else (record["change"], record["type"]))


# -- quiet folders ------------------------------------------------------------------------------


def changed(path, change="child_data_written"):
    return records.of_event(Event(change, path, ("7", "9")), ROOT)


def test_each_change_begins_the_quiet_period_anew():
    folders = quiet.QuietFolders(10, 1)
    folders.note(changed("a/x"), 0)
    folders.note(changed("b/deep/y"), 5)
    folders.note(changed("a/z"), 8)
    assert folders.wait(8) == 7
    assert folders.due(14.9) == []
    assert folders.due(15) == [("b", 1)]
    assert folders.due(18) == [("a", 2)]
    assert len(folders) == 0 and folders.wait(18) is None


def test_what_lies_above_the_folders_counts_for_none():
    folders = quiet.QuietFolders(10, 2)
    folders.note(changed("readme.txt"), 0)
    folders.note(changed("year/readme.txt"), 0)
    folders.note(changed("year", "child_dir_added"), 0)
    assert len(folders) == 0
    folders.note(changed("year/project", "child_dir_added"), 0)
    assert folders.due(10) == [("year/project", 1)]


@pytest.mark.parametrize("change", ["child_dir_removed", "child_dir_moved_from"])
def test_a_folder_that_is_gone_is_never_quiet(change):
    folders = quiet.QuietFolders(10, 1)
    folders.note(changed("a/x"), 0)
    folders.note(changed("a", change), 1)
    assert folders.due(100) == []


# -- the hand-over ------------------------------------------------------------------------------


def numbers(*some):
    return [{"n": n} for n in some]


def running(work):
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_a_full_hand_over_makes_the_giver_wait():
    between = handover.Handover(2)
    given = []

    def give():
        for n in range(5):
            between.put(numbers(n))
            given.append(n)

    giver = running(give)
    assert between.take(2, WAIT) == numbers(0, 1)
    assert between.take(2, WAIT) == numbers(2, 3)
    assert between.take(1, 0) == numbers(4)
    giver.join(WAIT)
    assert given == [0, 1, 2, 3, 4]


def test_no_more_waits_than_there_is_room_for():
    between = handover.Handover(3)
    taken = []

    def endless():
        n = 0
        while True:
            taken.append(n)
            yield {"n": n}
            n += 1

    def give():
        with pytest.raises(handover.StoppedError):
            between.put(endless())

    giver = running(give)
    assert len(between.take(3, WAIT)) == 3
    between.stop()
    giver.join(WAIT)
    assert not giver.is_alive()
    assert len(taken) <= 3 + 3 + 1 + 1  # taken, waiting, in the giver's hand


def test_a_batch_does_not_wait_for_more_than_it_holds():
    between = handover.Handover(10)
    between.put(numbers(1, 2, 3))
    assert between.take(2, 3600) == numbers(1, 2)
    assert between.take(2, 0) == numbers(3)


def test_an_error_comes_after_what_was_told_before_it():
    between = handover.Handover(10)
    between.put(numbers(1))
    between.fail(InputError("no"))
    assert between.take(5, 3600) == numbers(1)
    with pytest.raises(InputError, match="no"):
        between.take(5, 3600)


def test_whoever_waits_for_arrival_waits_for_what_was_put_before():
    between = handover.Handover(10)
    between.put(numbers(1, 2))
    arrived = []
    waiter = running(lambda: arrived.append(between.wait_done()))
    assert len(between.take(2, 0)) == 2
    between.done(1)
    assert not arrived
    between.done(1)
    waiter.join(WAIT)
    assert arrived == [True]


def test_what_never_arrives_is_not_waited_for_after_the_end():
    between = handover.Handover(10)
    between.put(numbers(1))
    arrived = []
    waiter = running(lambda: arrived.append(between.wait_done()))
    between.stop()
    waiter.join(WAIT)
    assert arrived == [False]
    assert between.take(1, 0) == []


def test_a_reader_keeps_up_when_it_has_waited_for_more():
    now = [0.0]
    pace = pace_of.Pace(lambda: now[0])
    assert not pace.kept_up_since(0.0)
    pace.reading()
    now[0] = 1.0
    assert pace.kept_up_since(1.0 - pace_of.LULL)
    assert not pace.kept_up_since(1.0)


def test_a_reader_that_always_has_something_to_hand_over_does_not_keep_up():
    now = [0.0]
    pace = pace_of.Pace(lambda: now[0])
    for _time in range(1000):
        pace.reading()
        now[0] += pace_of.LULL / 2
        pace.handing_over()
        now[0] += 1.0  # the taker is slow
    assert not pace.kept_up_since(0.0)
    pace.reading()
    now[0] += 2 * pace_of.LULL
    pace.handing_over()
    assert pace.kept_up_since(now[0] - 2 * pace_of.LULL)
    now[0] += 100
    assert not pace.kept_up_since(now[0] - 50)


# -- options ------------------------------------------------------------------------------------


def test_where_the_cluster_is_comes_from_the_environment():
    made = config.parse({"path": "/projects/"}, {**WHERE, "QUMULO_PORT": "8001"})
    cluster = made.cluster
    assert (cluster.hosts, cluster.port) == (("a", "b"), 8001)
    assert (cluster.username, cluster.password) == ("jane", "x")
    assert made.directory == by_path("/projects") and made.checkpoint is None and made.batch == 1


def test_a_text_for_patterns_is_one_pattern():
    made = config.parse({"path": "/a, b", "include": "x, y*", "exclude": "x, y,1"}, WHERE)
    assert made.directory == by_path("/a, b")
    found = [name for name in ("x, y", "x, y,1", "x", "y", "1") if made.names.matches(name)]
    assert found == ["x, y"]


def test_a_number_is_a_file_id_and_no_path():
    assert config.parse({"file_id": 4711}, WHERE).directory == by_id("4711")
    with pytest.raises(InputError, match="'4711' is not an absolute path.*ID as file_id"):
        config.parse({"path": 4711}, WHERE)


def test_a_token_of_the_environment_goes_before_a_password():
    made = config.parse({"path": "/"}, {**WHERE, "QUMULO_ACCESS_TOKEN": "access-v1:x"})
    assert made.cluster.access_token == "access-v1:x" and made.cluster.username is None


def test_an_option_goes_before_the_environment(tmp_path):
    token = tmp_path / "token"
    token.write_text("access-v1:y")
    made = config.parse(
        {"path": "/", "host": ["c"], "port": 9, "access_token_file": str(token)},
        {**WHERE, "QUMULO_ACCESS_TOKEN": "access-v1:x"},
    )
    cluster = made.cluster
    assert (cluster.hosts, cluster.port) == (("c",), 9)
    assert cluster.access_token_file == str(token)
    assert cluster.access_token is None and cluster.username is None


def test_a_password_comes_from_a_file(tmp_path):
    (tmp_path / "password").write_text("secret\n")
    options = {"path": "/", "username": "joe", "password_file": str(tmp_path / "password")}
    made = config.parse(options, {**WHERE, "QUMULO_ACCESS_TOKEN": "access-v1:x"})
    assert (made.cluster.username, made.cluster.password) == ("joe", "secret")
    assert made.cluster.access_token is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "by 'path' or by 'file_id'"),
        ({"path": "/a", "file_id": "3"}, "by 'path' or by 'file_id'"),
        ({"path": "a"}, "slash"),
        ({"file_id": "x"}, "is not a file ID"),
        ({"path": "/a", "password": "x"}, "'password' does not belong into a rulebook: set QUM"),
        ({"path": "/a", "access_token": "x"}, "'access_token' does not belong into a rulebook"),
        ({"path": "/a", "chekpoint": "x"}, "did you mean 'checkpoint'"),
        ({"path": "/a", "checkpoint": "a/b"}, "leave out slashes"),
        ({"path": "/a", "checkpoint": "a", "recursive": False}, "leave out 'recursive: false'"),
        ({"path": "/a", "batch_size": 0}, "'batch_size'"),
        ({"path": "/a", "quiet": "soon"}, "'quiet'"),
        ({"path": "/a", "quiet": "5m"}, "'quiet': '5m' could be minutes or months: write 5min"),
        ({"path": "/a", "quiet": "0s"}, "'quiet' must be greater than zero"),
        ({"path": "/a", "silence": 0}, "'silence' must be greater than zero"),
        ({"path": "/a", "quiet_depth": 2}, "'quiet_depth' has no effect without 'quiet'"),
        ({"path": "/a", "checkpoint_interval": "1h"}, "no effect without 'checkpoint'"),
        ({"path": "/a", "poll_interval": "1h"}, "'poll_interval' has no effect without"),
        ({"path": "/a", "batch_delay": "1s"}, "'batch_delay' has no effect without a 'batch_size'"),
        ({"path": "/a", "types": ["deleted"]}, "'types' has 'deleted'"),
        ({"path": "/a", "include": [""]}, "include"),
        ({"path": "/a", "password_file": "x", "access_token_file": "y"}, "exclude each other"),
    ],
)
def test_what_makes_no_sense_ends_in_a_sentence(options, message):
    with pytest.raises(InputError, match=message):
        config.parse(options, WHERE)


def test_without_a_cluster_the_variable_is_named():
    with pytest.raises(InputError, match="QUMULO_HOST"):
        config.parse({"path": "/"}, {})


def test_a_port_that_is_none_is_refused():
    with pytest.raises(InputError, match="QUMULO_PORT"):
        environment.read({"QUMULO_PORT": "https"})


def test_secrets_do_not_show():
    found = environment.read({**WHERE, "QUMULO_PASSWORD": "hunter2", "QUMULO_ACCESS_TOKEN": "tok"})
    assert "hunter2" not in repr(found) and "tok" not in repr(found)


def test_the_clock_is_monotonic_by_default():
    pace = pace_of.Pace()
    pace.reading()
    assert not pace.kept_up_since(time.monotonic() + 3600)
