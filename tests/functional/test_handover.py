# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hand-over to StorageDNA, and what a copy loses by a list."""

from __future__ import annotations

import os
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core import errors
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.changelist import (
    handover,
    removal,
)
from tests.simulator.harness import Simulator


@pytest.fixture
def config(simulator: Simulator, tmp_path: Path) -> Path:
    """A configuration as StorageDNA has it."""
    path = tmp_path / "DNAClientServices.conf"
    path.write_text(
        "[General]\nOther=%(x)s\n"
        f"FastScanWorkFolder={tmp_path}/work\n"
        f"QumuloClusterIP={','.join(simulator.addresses)}\n"
        f"QumuloClusterPort={simulator.port}\n"
        f"QumuloUsername=admin\nQumuloPassword={simulator.password()}\n"
    )
    return path


def run(simulator: Simulator, config: Path, *more: str) -> int:
    options = ["--project={AB-12}", "--index=3", f"--config={config}", "--path=/p"]
    return handover.main([*options, f"--ca-path={simulator.ca_file}", *more])


def test_a_list_lies_where_its_consumer_looks(
    simulator: Simulator, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    simulator.control("files/put", path="/p/a/one", content="12345")
    assert run(simulator, config, "--checkpoint=dna", "--deletions") == 0
    dest = tmp_path / "work/sdna-scan-files/{AB-12}/3-files.xml"
    assert capsys.readouterr().out == f"{dest}\n"
    root = ElementTree.parse(dest).getroot()
    assert root.attrib["size"] == "5"
    assert [element.attrib["name"] for element in root] == ["a/one", "a"]
    assert run(simulator, config, "--checkpoint=dna", "--commit") == 0
    assert run(simulator, config, "--checkpoint=dna", "--deletions") == 0
    assert len(ElementTree.parse(dest).getroot()) == 0


def test_its_callers_know_the_exit_codes(
    simulator: Simulator, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(simulator, tmp_path / "none", "--checkpoint=x") == 23
    assert "Cannot read" in capsys.readouterr().err
    text = config.read_text()
    config.write_text(text.replace("QumuloPassword=", "Password="))
    assert run(simulator, config, "--checkpoint=x") == 23
    assert "lacks QumuloPassword" in capsys.readouterr().err
    config.write_text(text.replace(f"Port={simulator.port}", "Port=99999"))
    assert run(simulator, config, "--checkpoint=x") == 23
    config.write_text(text)
    for pair in (("--newer=1", "--older=2"), ("--newer-id=1", "--older-id=2")):
        assert run(simulator, config, *pair) == 1
        assert "There is no snapshot" in capsys.readouterr().err
    assert run(simulator, config, "--checkpoint=x", "--project=../x") == 4
    config.write_text(text.replace(f"{tmp_path}/work", f"{config}/work"))
    assert run(simulator, config, "--checkpoint=x") == 4
    output = capsys.readouterr()
    assert simulator.password() not in output.out + output.err


NAMES = st.binary(min_size=1, max_size=5).filter(
    lambda name: not set(b"/\0") & set(name) and name not in (b".", b"..")
)


@given(st.lists(NAMES, max_size=8, unique=True), st.data())
def test_what_a_list_names_is_gone(
    tmp_path_factory: pytest.TempPathFactory, made: list[bytes], data: st.DataObject
) -> None:
    top = os.fsencode(tmp_path_factory.mktemp("copy"))
    for number, name in enumerate(made):
        if number % 2:
            os.makedirs(os.path.join(top, name, b"in", b"it"))
        else:
            Path(os.fsdecode(os.path.join(top, name))).touch()
    gone = data.draw(st.lists(st.sampled_from(made or [b"none"]), max_size=8, unique=True))
    listed = tmp_path_factory.mktemp("list") / "l"
    mark = (b"./", b"")
    listed.write_bytes(b"".join(mark[name[:1] not in (b"#", b";")] + name + b"\0" for name in gone))
    expected = set(made) - set(gone)
    assert removal.apply(str(listed), os.fsdecode(top), check_mode=True) == len(
        set(made) & set(gone)
    )
    assert set(os.listdir(top)) == set(made)
    removal.apply(str(listed), os.fsdecode(top), check_mode=False)
    assert set(os.listdir(top)) == expected
    assert removal.apply(str(listed), os.fsdecode(top), check_mode=False) == 0


def test_nothing_outside_of_the_copy_is_deleted(tmp_path: Path) -> None:
    outside, copy = tmp_path / "outside", tmp_path / "copy"
    (outside / "kept").mkdir(parents=True)
    copy.mkdir()
    (copy / "link").symlink_to(outside)
    (copy / "directory").mkdir()
    (copy / "directory" / "link").symlink_to(outside)
    listed = tmp_path / "l"
    listed.write_bytes(b"link/kept\0directory\0")
    assert removal.apply(str(listed), str(copy), check_mode=False) == 1
    assert os.listdir(outside) == ["kept"] and os.listdir(copy) == ["link"]
    for bad in (b"../outside\0", b"/etc\0", b"a/../../b\0", b"a/./b\0", b"link\0\0", b"link"):
        listed.write_bytes(b"link\0" + bad)
        with pytest.raises(errors.InputError):
            removal.apply(str(listed), str(copy), check_mode=False)
    assert os.listdir(copy) == ["link"]
