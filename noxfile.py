# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The versions that are promised: of ansible-core, of Python on the hosts, of the vendor's SDK.

``make test-matrix`` runs all of it; ``make test`` its ends. An interpreter that this machine does
not have is left out, except where CI=true.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
CACHE = ROOT / ".cache"


def pinned(name: str) -> str:
    """Return the version of a package that the checkout uses, which is the newest."""
    text = (ROOT / "requirements" / "run.in").read_text(encoding="utf-8")
    found = re.search(rf"^{re.escape(name)}==(\S+)$", text, re.MULTILINE)
    assert found is not None, name
    return found[1]


#: ansible-core with the Python of the control node: the oldest of ``requires_ansible`` (see
#: meta/runtime.yml), those between, and the newest.
CORES = {
    "2.16": ("3.11", "ansible-core>=2.16.0,<2.16.1"),
    "2.18": ("3.11", "ansible-core~=2.18.0"),
    "2.21": ("3.13", "ansible-core~=2.21.0"),
}
#: Python of the hosts on which modules and services run.
PYTHONS = ("3.9", "3.10", "3.11", "3.12", "3.13")
#: The vendor's SDK: the oldest that is promised, one from the middle, and the newest.
SDKS = ("7.2.1", "7.6.0", pinned("qumulo-api"))
#: Tests of the library that depend on the SDK, and need nothing else.
SDK_TESTS = tuple(
    f"tests/unit/plugins/module_utils/qumulo_core/test_{name}.py"
    for name in ("failures", "sdk", "session", "settings")
)
#: What is driven with all of them: each module in a real playbook that needs nothing else.
PLAYBOOKS = ("tests/functional/test_playbooks.py", "-k", "freed or finished or copied")

nox.options.envdir = str(CACHE / "nox")
nox.options.sessions = ["control_node", "hosts", "sdk"]


def find_python(version: str) -> str:
    """Return an interpreter of a version: of the PATH, or of pyenv, whose shims may not work."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    for path in sorted((pyenv / "versions").glob(f"{version}.*/bin/python{version}")):
        return str(path)
    return shutil.which(f"python{version}") or f"python{version}"


def environment(session: nox.Session) -> dict[str, str]:
    """Environment of the tests: the checkout as a collection, and no cluster of anybody's."""
    tree = CACHE / "tree"
    link = tree / "ansible_collections" / "lockstep" / "qumulo"
    link.parent.mkdir(parents=True, exist_ok=True)
    if not link.is_symlink():
        link.symlink_to(ROOT, target_is_directory=True)
    return {
        "ANSIBLE_COLLECTIONS_PATH": str(tree),
        "ANSIBLE_HOME": str(session.create_tmp()),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "LC_ALL": "C.UTF-8",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


@nox.session(python=False)
@nox.parametrize("core", list(CORES), ids=list(CORES))
def control_node(session: nox.Session, core: str) -> None:
    """Real playbooks with a version of ansible-core, against the simulator."""
    version, wanted = CORES[core]
    python = _venv(session, f"core-{core}", version)
    _pip(session, python, wanted, "-r", "requirements/matrix.in")
    _pytest(session, python, *PLAYBOOKS)


@nox.session(python=False)
@nox.parametrize("version", PYTHONS, ids=list(PYTHONS))
def hosts(session: nox.Session, version: str) -> None:
    """The library with a version of Python, and modules that run on hosts with it."""
    python = _venv(session, f"python-{version}", version)
    _pip(session, python, "pytest", "hypothesis", "-r", "requirements/lock_manager.in")
    _pytest(session, python, "tests/unit")
    _pytest(session, sys.executable, *PLAYBOOKS, LOCKSTEP_HOST_PYTHON=python)


@nox.session(python=False)
@nox.parametrize("release", SDKS, ids=list(SDKS))
def sdk(session: nox.Session, release: str) -> None:
    """All integration tests of the modules with a release of the vendor's SDK."""
    python = _venv(session, f"sdk-{release}", f"{sys.version_info[0]}.{sys.version_info[1]}")
    _pip(session, python, f"qumulo-api=={release}", "requests", "pytest", "hypothesis")
    _pytest(session, python, *SDK_TESTS)
    session.run(*(sys.executable, "-m", "tests.tools.targets", "--python", python), external=True)


def _pip(session: nox.Session, python: str, *packages: str) -> None:
    quietly = ("--quiet", "--disable-pip-version-check")
    session.run(python, "-m", "pip", "install", *quietly, *packages, external=True)


def _pytest(session: nox.Session, python: str, *tests: str, **variables: str) -> None:
    session.run(
        *(python, "-m", "pytest", "-q", "-p", "no:cacheprovider", *tests),
        env={**environment(session), **variables},
        external=True,
    )


def _venv(session: nox.Session, name: str, version: str) -> str:
    """Return the interpreter of a virtual environment; skip if this machine lacks the version."""
    base = find_python(version)
    if shutil.which(base) is None:
        if os.environ.get("CI") == "true":
            session.error(f"Python {version} is not installed: put python{version} on the PATH")
        session.skip(f"Python {version} is not installed")
    place = CACHE / "nox" / name
    python = place / "bin" / "python"
    if not python.exists():
        session.run(base, "-m", "venv", str(place), external=True)
    return str(python)
