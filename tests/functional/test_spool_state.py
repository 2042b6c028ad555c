# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A spool whose files are deleted, replaced, damaged or locked by somebody else."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service import damage
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.instance import (
    AlreadyRunningError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.spool import (
    Counts,
    Entry,
    SpoolDamagedError,
    SpoolError,
    SpoolGoneError,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service.sqlite import (
    SqliteSpool,
)
from tests.tools.services import core_environment


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a spool is to be: in a directory of its own, as on a host."""
    (tmp_path / "state").mkdir()
    return tmp_path / "state" / "spool.db"


@pytest.fixture
def owned(path: Path) -> Iterator[SqliteSpool]:
    """A spool of a running service."""
    spool = SqliteSpool(str(path), postpone=True, own=True)
    yield spool
    spool.close()


def put(spool: SqliteSpool, *keys: str) -> None:
    spool.put([Entry(key, "p", 0, 0.0) for key in keys])


def run(code: str, path: Path) -> str:
    """What a program says that gets the path of a spool."""
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        env=core_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- deleted or replaced ------------------------------------------------------------------------


def delete_directory(path: Path) -> None:
    shutil.rmtree(path.parent)


def replace_directory(path: Path) -> None:
    path.parent.rename(path.parent.with_name("old"))
    shutil.copytree(path.parent.with_name("old"), path.parent)


def delete_file(suffix: str) -> Callable[[Path], None]:
    def delete(path: Path) -> None:
        path.with_name(path.name + suffix).unlink()

    return delete


LOSSES = {
    "directory deleted": delete_directory,
    "directory replaced": replace_directory,
    "database deleted": delete_file(""),
    "log deleted": delete_file("-wal"),
    "index deleted": delete_file("-shm"),
    "lock deleted": delete_file(".lock"),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)
def test_nothing_is_taken_once_the_files_are_not_the_open_ones(
    path: Path, owned: SqliteSpool, loss: Callable[[Path], None]
) -> None:
    put(owned, "a")
    loss(path)
    for _again in range(2):
        with pytest.raises(SpoolGoneError, match="was deleted or replaced while the service"):
            put(owned, "b")
    with pytest.raises(SpoolGoneError):
        owned.due(9.0, 9)
    assert isinstance(owned.failure, SpoolGoneError)


def test_what_is_deleted_while_it_is_written_does_not_count(path: Path, owned: SqliteSpool) -> None:
    with pytest.raises(SpoolGoneError), owned.writing():
        delete_directory(path)
    assert isinstance(owned.failure, SpoolGoneError)


def test_an_end_leaves_the_log_of_a_restored_backup(tmp_path: Path, path: Path) -> None:
    # SQLite deletes the log of the last connection by its name, whoever it belongs to by then.
    code = (
        "import os, shutil, sys\n"
        "from qumulo_core.service.spool import Entry, SpoolGoneError\n"
        "from qumulo_core.service.sqlite import SqliteSpool\n"
        "spool = SqliteSpool(sys.argv[1], postpone=True, own=True)\n"
        "spool.put([Entry('a', '', 0, 0.0)])\n"
        "state = os.path.dirname(sys.argv[1])\n"
        "shutil.copytree(state, state + '.backup')\n"
        "shutil.rmtree(state)\n"
        "os.rename(state + '.backup', state)\n"
        "try:\n"
        "    spool.put([Entry('b', '', 0, 0.0)])\n"
        "except SpoolGoneError:\n"
        "    spool.close()\n"
        "    del spool\n"
        "    print('gone')\n"
    )
    assert run(code, path) == "gone\n"
    spool = SqliteSpool(str(path), postpone=True)
    assert spool.counts() == Counts(1, 0, 0.0)
    spool.close()


# -- two at once --------------------------------------------------------------------------------


def test_a_spool_has_one_service(path: Path, owned: SqliteSpool) -> None:
    with pytest.raises(AlreadyRunningError, match=f"process {os.getpid()} since"):
        SqliteSpool(str(path), postpone=True, own=True)
    operator = SqliteSpool(str(path), postpone=True)
    put(operator, "a")
    operator.close()
    assert owned.counts().waiting == 1


def test_a_closed_spool_can_be_owned_again(path: Path) -> None:
    for _start in range(2):
        SqliteSpool(str(path), postpone=True, own=True).close()


# -- rows that cannot be read -------------------------------------------------------------------

#: What a row can become, as SQL.
ODD = {
    "payload is no UTF-8": "payload = CAST(x'ff' AS TEXT)",
    "payload is a blob": "payload = x'00'",
    "stamp is text": "stamp = 'x'",
    "version is a blob": "version = x'01'",
    "attempts is real": "attempts = 0.5",
    "error is no UTF-8": "error = CAST(x'c3' AS TEXT)",
    "number is text": "number = 'x'",
    "key is no UTF-8": "key = CAST(x'fe' AS TEXT)",
    "state is unknown": "state = 7",
    "state is text": "state = 'x'",
}


@pytest.mark.parametrize("change", ODD.values(), ids=ODD)
@pytest.mark.parametrize("key", ["b", b"b"])
def test_a_row_that_cannot_be_read_is_set_aside(path: Path, change: str, key: str | bytes) -> None:
    spool = SqliteSpool(str(path), postpone=True)
    spool.put([Entry(each, "p", 0, 0.0) for each in ("a", key, "c")])
    with spool.writing() as database:
        database.execute(f"UPDATE item SET {change} WHERE key = ?", (key,))
    spool.close()
    spool = SqliteSpool(str(path), postpone=True, own=True)
    assert [item.key for item in spool.due(1.0, 9)] == ["a", "c"]
    assert spool.counts() == Counts(2, 0, 0.0)
    assert spool.unreadable() == 1
    (line,) = Path(spool.unreadable_file).read_text().splitlines()
    kept = json.loads(line)
    assert kept["reason"]
    assert set(kept["row"]) >= {"key", "payload", "due"}
    assert "1 unreadable row in" in spool.wrong()[0]
    spool.done(spool.due(1.0, 9))
    put(spool, "b")
    assert spool.counts() == Counts(1, 0, 0.0)
    spool.close()


def test_a_note_that_cannot_be_read_is_none(path: Path) -> None:
    spool = SqliteSpool(str(path), postpone=True, own=True)
    spool.set_notes(a="1", b="2")
    with spool.writing() as database:
        database.execute("UPDATE note SET value = CAST(x'ff' AS TEXT) WHERE name = 'a'")
        database.execute("UPDATE note SET value = 'x' WHERE name = 'number'")
    assert (spool.note("a"), spool.note("b"), spool.unreadable()) == (None, "2", 1)
    put(spool, "a")
    spool.close()


# -- damaged ------------------------------------------------------------------------------------


def spoil(path: Path, start: int = 0) -> None:
    data = bytearray(path.read_bytes())
    data[start:] = random.Random(start).randbytes(len(data) - start)
    path.write_bytes(data)


def filled(path: Path, count: int = 400) -> None:
    """Make a spool of several pages."""
    spool = SqliteSpool(str(path), postpone=True)
    spool.put([Entry(f"{number:04}", "p" * 50, 0, 0.0) for number in range(count)])
    spool.set_notes(checkpoint="here")
    spool.close()


def test_a_damaged_database_is_moved_aside_at_the_start(path: Path) -> None:
    filled(path)
    spoil(path)
    with pytest.raises(SpoolDamagedError, match="The service moves it aside"):
        SqliteSpool(str(path), postpone=True)  # a command leaves it to the service
    content = path.read_bytes()
    spool = SqliteSpool(str(path), postpone=True, own=True)
    put(spool, "a")
    assert spool.counts() == Counts(1, 0, 0.0)
    (aside,) = spool.damaged()
    assert Path(aside).read_bytes() == content
    assert aside.startswith(f"{path}.damaged-20")
    assert aside in spool.wrong()[0]
    spool.close()


def test_damage_that_shows_while_it_is_open(path: Path) -> None:
    filled(path)
    spool = SqliteSpool(str(path), postpone=True, own=True)
    with spool.reading() as database:
        database.execute("PRAGMA cache_size = 1")
    spoil(path, 8192)
    with pytest.raises(SpoolDamagedError, match="is now .*damaged-"):
        for _try in range(100):
            spool.done(spool.due(9.0, 100))
            put(spool, "x")
    failure = spool.failure
    assert isinstance(failure, SpoolDamagedError)
    with pytest.raises(SpoolDamagedError):
        put(spool, "a")
    spool.close()
    spool = SqliteSpool(str(path), postpone=True, own=True)
    put(spool, "a")
    assert spool.counts() == Counts(1, 0, 0.0)
    spool.close()


def test_damage_again_and_again_does_not_fill_the_disk(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(damage, "MOST", 3)
    for _time in range(3):
        filled(path, 1)
        spoil(path)
        SqliteSpool(str(path), postpone=True, own=True).close()
    spoil(path)
    with pytest.raises(SpoolError, match="Replace the disk"):
        SqliteSpool(str(path), postpone=True, own=True)
    assert len(damage.kept(str(path))) == 3


#: Batches in which all of it is done.
TURNS = 30


def use(spool: SqliteSpool) -> None:
    """Do all that a service does."""
    spool.note("checkpoint")
    spool.set_notes(checkpoint="there")
    put(spool, "0001", "new")
    spool.bring_forward(100.0, 1.0)
    for _turn in range(TURNS):
        items = spool.due(200.0, 150)
        if not items:
            break
        spool.later([(item, 300.0, "why") for item in items[::3]])
        spool.give_up([(item, "why") for item in items[1::3]])
        spool.done(items[2::3])
        spool.counts()
    else:
        pytest.fail("the same entries are due for ever")
    spool.items(given_up=True, limit=1000)
    spool.retry(None, 0.0)
    spool.first_number()
    spool.get("0005")
    spool.known(["0005"])
    for _turn in range(TURNS):
        items = spool.due(400.0, 150)
        if not items:
            break
        spool.done(items)
    else:
        pytest.fail("the same entries are due for ever")


@cache
def sound() -> bytes:
    """A database of several pages."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "spool.db"
        filled(path)
        return path.read_bytes()


@given(st.lists(st.tuples(st.integers(0, 60_000), st.binary(min_size=1, max_size=64)), max_size=12))
def test_whatever_is_damaged_a_few_starts_later_it_works(
    wounds: list[tuple[int, bytes]],
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "spool.db"
        data = bytearray(sound())
        for at, wound in wounds:
            at %= len(data)
            data[at : at + len(wound)] = wound[: len(data) - at]
        path.write_bytes(data)
        for _start in range(4):
            spool = SqliteSpool(str(path), postpone=True, own=True)
            try:
                use(spool)
                break
            except SpoolError:
                # The service ends only if the next start finds something else.
                assert spool.failure is not None
            finally:
                spool.close()
        else:
            pytest.fail("it never works again")


# -- causes -------------------------------------------------------------------------------------


def test_too_many_open_files_are_the_cause(path: Path) -> None:
    code = (
        "import resource, sys\n"
        "from qumulo_core.errors import QumuloError\n"
        "from qumulo_core.service.sqlite import SqliteSpool\n"
        "spool = SqliteSpool(sys.argv[1], postpone=True)\n"
        "spool.close()\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))\n"
        "for own in (False, True):\n"
        "    try:\n"
        "        SqliteSpool(sys.argv[1], postpone=True, own=own)\n"
        "    except QumuloError as exc:\n"
        "        print(exc)\n"
    )
    spool, lock = run(code, path).splitlines()
    assert spool.startswith(f"Cannot use the spool {path}: this process has too many files open.")
    assert lock.startswith(f"Cannot open the lock file {path}.lock: this process has too many")
    assert "LimitNOFILE=" in spool


def test_a_directory_of_another_account_is_the_cause() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can become another account")
    code = (
        "import os, sys\n"
        "from qumulo_core.errors import QumuloError\n"
        "from qumulo_core.service.sqlite import SqliteSpool\n"
        "os.setuid(65534)\n"
        "try:\n"
        "    SqliteSpool(sys.argv[1], postpone=True)\n"
        "except QumuloError as exc:\n"
        "    print(exc)\n"
    )
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "spool.db"
        Path(directory).chmod(0o755)
        filled(path, 1)
        assert "permission denied. Grant access to" in run(code, path)
