# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in a release and what is not; ``make release`` itself is a step of ``make test``."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path

import pytest
import yaml

from tests.tools import release
from tests.tools.tree import ROOT

WRITTEN = dict.fromkeys(release.WRITTEN, 1)


def complain(*changes: str, size: int = 1, **sizes: int) -> list[str]:
    """What is said of an artifact that has these files more, or with a minus these less."""
    expected = {"README.md", "plugins/modules/qumulo_x.py"}
    found = {**WRITTEN, **dict.fromkeys(expected, 1), **sizes}
    for name in changes:
        if name.startswith("-"):
            del found[name[1:]]
        else:
            found[name] = size
    return list(release.complaints(found, expected))


def test_what_is_right_is_not_complained_of() -> None:
    assert complain() == []


@pytest.mark.parametrize("name", ["README.md", "plugins/modules/qumulo_x.py", "MANIFEST.json"])
def test_what_lacks_is_named(name: str) -> None:
    assert any(text.startswith(f"{name} is missing") for text in complain(f"-{name}"))


@pytest.mark.parametrize(
    "name",
    [
        *("tests/unit/test_x.py", "requirements/dev.txt", ".gitignore", ".venv/bin/python"),
        *("plugins/module_utils/__pycache__/x.cpython-311.pyc", "roles/watcher/files/ca.pem"),
        *("docs/access.token", "extensions/molecule/watcher/molecule.yml", "galaxy.yml"),
        "playbooks/vault.yml",
    ],
)
def test_what_must_not_be_there_is_named(name: str) -> None:
    assert f"{name} does not belong into it" in complain(name)
    # Even if a list that is too long would let it in.
    found = {**WRITTEN, name: 1}
    assert f"{name} must never be in it" in list(release.complaints(found, {name}))


def test_large_files_are_named() -> None:
    assert len(complain("docs/film.mp4", size=release.MOST_BYTES + 1)) == 2


def test_all_that_people_need_is_wanted() -> None:
    wanted = release.wanted(release.listed())
    for needed in (
        *("README.md", "LICENSE", "CHANGELOG.rst", "SECURITY.md", "CONTRIBUTING.md"),
        *("meta/runtime.yml", "changelogs/changelog.yaml", "playbooks/check_connection.yml"),
        *("docs/first_day.md", "docs/operations/alerts.yml", "docs/operations/dashboard.json"),
        "roles/_service/files/requirements.txt",
        "plugins/module_utils/qumulo_core/lock_manager/templates/list.html",
    ):
        assert needed in wanted
    assert not any(name.startswith(("tests", "extensions/molecule")) for name in wanted)
    assert not any(name.endswith("__main__.py") for name in wanted)


def test_links_between_documents_hold_once_installed() -> None:
    """What a guide names by a relative path is in the artifact, or outside of it on purpose."""
    wanted = release.wanted(release.listed())
    outside = {"tests/simulator/README.md", "playbooks"}
    for name in sorted(name for name in wanted if name.endswith(".md")):
        text = (ROOT / name).read_text(encoding="utf-8")
        for link in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", text):
            target = str((ROOT / name).parent.joinpath(link).resolve().relative_to(ROOT))
            assert target in wanted | outside, f"{name}: {link}"


def test_traces_of_a_machine_are_found(tmp_path: Path) -> None:
    artifact = tmp_path / "a.tar.gz"
    with tarfile.open(artifact, "w:gz") as archive:
        for name, data in (("a", b"nothing"), ("b", b"see /home/jane/src for more")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    assert list(release.traces(artifact, ["/home/jane"])) == ["b speaks of /home/jane"]


def test_links_in_an_artifact_are_refused(tmp_path: Path) -> None:
    artifact = tmp_path / "a.tar.gz"
    with tarfile.open(artifact, "w:gz") as archive:
        entry = tarfile.TarInfo("a")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(release.ReleaseError, match="a is neither"):
        release.sizes_of(artifact)


@pytest.mark.parametrize(
    ("version", "left", "wrong"),
    [("1.1.0", 0, 0), ("1.2.0", 0, 1), ("1.1.0", 2, 1), ("1.1.0-dev", 0, 2)],
)
def test_version_and_changelog_belong_together(version: str, left: int, wrong: int) -> None:
    found = list(release.version_complaints(version, {"1.0.0": {}, "1.1.0": {}}, left))
    assert len(found) == wrong


def test_the_version_stands_in_one_place() -> None:
    version = release.galaxy()["version"]
    releases = yaml.safe_load((ROOT / "changelogs/changelog.yaml").read_text())["releases"]
    assert version in releases or list(release.FRAGMENTS.glob("*.yml"))
    for path in ("pyproject.toml", "Makefile", "meta/runtime.yml"):
        assert version not in (ROOT / path).read_text(encoding="utf-8"), path


def test_what_is_new_says_since_when() -> None:
    """No module or option is younger than the version that is about to be released."""
    version = [int(part) for part in release.galaxy()["version"].split(".")]
    for path in (ROOT / "plugins" / "modules").glob("*.py"):
        text = path.read_text(encoding="utf-8")
        added = re.findall(r"version_added: ([\d.]+)", text)
        assert added, path
        assert all([int(part) for part in each.split(".")] <= version for each in added), path


def test_requirements_are_joined() -> None:
    one = "# comment\na==1 \\\n    --hash=sha256:00\n    # via x\nb==2 \\\n    --hash=sha256:11\n"
    two = "b==2 \\\n    --hash=sha256:11\nc==3 ; python_version < '3.10' \\\n    --hash=sha256:22\n"
    joined = release.merged([one, two])
    assert re.findall(r"^\w+==\d", joined, re.MULTILINE) == ["a==1", "b==2", "c==3"]
    assert joined.count("sha256") == 3 and "comment" not in joined
