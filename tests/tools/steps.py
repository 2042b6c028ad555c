# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks, one function each: what to run, and how many tests that was."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.hosts import molecule
from tests.hosts.image import Unavailable
from tests.nfs import prepare as guest
from tests.simulator.harness import start

from . import needs, programs, targets
from .log import BIN, Counts, Log, StepError, StepSkipped
from .tree import CACHE, PLAIN_PYTHON, ROOT, copied_tree, linked_tree

WORK = CACHE / "test"
#: Copies for tools that look for git above them and then leave out what it ignores.
OUTSIDE = Path(tempfile.gettempdir()) / (
    f"lockstep-qumulo-{os.getuid()}-{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
)
#: Scenarios on test hosts at a time.
HOST_LANES = 2
IN_CI = os.environ.get("CI") == "true"
#: A test that takes longer hangs: the longest takes a minute, and some machines are very busy.
TIMEOUT = ("--timeout=600", "--timeout-method=signal")
_MINOR = f"{sys.version_info[0]}.{sys.version_info[1]}"


# -- quick checks ---------------------------------------------------------------------------


def ruff(log: Log) -> Counts:
    """Style and common mistakes of all Python files."""
    log.run([str(BIN / "ruff"), "check", "--no-cache", "."])
    return log.run([str(BIN / "ruff"), "format", "--no-cache", "--check", "."])


def mypy(log: Log) -> Counts:
    """Types, strictly."""
    cache = ["--cache-dir", str(WORK / "mypy")]
    log.run(
        [
            str(BIN / "mypy"),
            *cache,
            "--config-file",
            str(ROOT / "pyproject.toml"),
            "-p",
            "qumulo_core",
        ],
        cwd=ROOT / "plugins" / "module_utils",
    )
    return log.run(
        [
            str(BIN / "mypy"),
            *cache,
            "-p",
            "tests.simulator",
            "-p",
            "tests.hosts",
            "-p",
            "tests.nfs",
            "-p",
            "tests.tools",
            "-p",
            "tests.bench",
        ]
    )


def docs(log: Log) -> Counts:
    """Changelog and documentation of the collection, and its site with all links."""
    place = _copy("docs")
    log.run([str(BIN / "antsibull-changelog"), "lint"], cwd=place)
    command = ["antsibull-docs", "lint-collection-docs", "--plugin-docs", "--skip-rstcheck"]
    others = molecule.collections(log.run_plainly)
    paths = {"ANSIBLE_COLLECTIONS_PATH": f"{linked_tree()}{os.pathsep}{others}"}
    log.run([str(BIN / command[0]), *command[1:], "."], cwd=place, env=paths)
    return log.run([str(BIN / "python"), "-m", "tests.tools.docs_site"])


# -- tests ----------------------------------------------------------------------------------


def _fetch_programs(log: Log) -> None:
    """Fetch programs of Debian's packages; without them some tests are skipped, except in CI."""
    if not programs.missing() or not shutil.which("apt-get") or not shutil.which("dpkg"):
        return
    try:
        if os.geteuid() == 0:
            needs.update(log.run)
        programs.fetch(lambda argv, cwd: log.run(argv, cwd=cwd))
    except StepError as exc:
        log.note(f"{exc}: {' and '.join(programs.missing())} cannot be fetched.")


def pytest(log: Log) -> Counts:
    """Python tests, with and without the simulator, and their coverage."""
    lacking = needs.provide("pytest", log.run)
    if lacking and IN_CI:
        raise StepError(needs.sentence("pytest", lacking))
    _fetch_programs(log)  # for configurations in guides
    command = [str(BIN / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    # Four at a time, though there are two cores: services under test mostly wait.
    command += ["-n", "4", "--dist", "loadfile", "--no-loadscope-reorder"]
    command += ["--cov", "--cov-config=pyproject.toml", "--cov-report=term", "--durations=10"]
    try:
        return log.run(
            [*command, *TIMEOUT], env={"COVERAGE_FILE": str(WORK / "coverage")}, count=True
        )
    except StepError as exc:
        if not lacking:
            raise
        raise StepError(f"{exc}; {needs.sentence('pytest', lacking)}", exc.counts) from exc


def eda(log: Log) -> Counts:
    """The rulebooks, run by a real ansible-rulebook."""
    lacking = needs.provide("eda", log.run)
    if lacking:
        raise (StepError if IN_CI else StepSkipped)(needs.sentence("eda", lacking))
    command = [str(BIN / "python"), "-m", "pytest", "-q", "-p", "no:cacheprovider", *TIMEOUT]
    return log.run([*command, "tests/eda"], count=True)


def sanity(log: Log) -> Counts:
    """ansible-test sanity, without any file left out."""
    place = _ansible_test_place("sanity")
    log.run(
        ["ansible-test", "sanity", "--venv", "--python", _MINOR, "--color", "no"],
        cwd=place,
        env=_ansible_test_environment(),
    )
    return Counts()


def units(log: Log) -> Counts:
    """ansible-test units."""
    place = _ansible_test_place("units")
    return log.run(
        ["ansible-test", "units", "--venv", "--python", _MINOR, "--color", "no"],
        cwd=place,
        env=_ansible_test_environment(),
        count=True,
    )


def integration(log: Log) -> Counts:
    """Every module from real playbooks against a simulated cluster."""
    lacking = needs.provide("integration", log.run)
    if lacking:
        raise StepError(needs.sentence("integration", lacking))
    place = _ansible_test_place("integration")
    names = targets.names(place / "tests/integration/targets")
    with start(["--validate"]) as simulator:
        # JSON is YAML.
        config = place / "tests/integration/integration_config.yml"
        config.write_text(json.dumps(targets.variables(simulator)), encoding="utf-8")
        log.run(
            [
                "ansible-test",
                "integration",
                "--venv",
                "--python",
                _MINOR,
                "--color",
                "no",
                *names,
            ],
            cwd=place,
            env=_ansible_test_environment(),
        )
    return Counts(len(names))


def _copy(name: str, *, without: tuple[str, ...] = ()) -> Path:
    OUTSIDE.mkdir(mode=0o700, exist_ok=True)
    return copied_tree(OUTSIDE / name, without=without)


def _ansible_test_place(name: str) -> Path:
    """A copy of the checkout, and the stand-in that ansible-test would fetch from the network."""
    cache = WORK / "home" / ".ansible" / "test" / "cache"
    cache.mkdir(parents=True, exist_ok=True)
    for version in ("24_2", "23_1_2", "21_3_1"):
        shutil.copy(ROOT / "tests/tools/get_pip_standin.py", cache / f"get_pip_{version}.py")
    return _copy(name, without=PLAIN_PYTHON)


def _ansible_test_environment() -> dict[str, str]:
    return {"HOME": str(WORK / "home"), "ANSIBLE_COLLECTIONS_PATH": ""}


# -- the whole ------------------------------------------------------------------------------


def ansible_lint(log: Log) -> Counts:
    """ansible-lint with its strictest profile."""
    place = _copy("lint")
    others = molecule.collections(log.run_plainly)
    return log.run(
        [str(BIN / "ansible-lint"), "--offline", "--nocolor", "-q"],
        cwd=place,
        env={"ANSIBLE_COLLECTIONS_PATH": f"{place.parents[2]}{os.pathsep}{others}"},
    )


def _release(log: Log, *parts: str) -> Counts:
    command = [str(BIN / "python"), "-m", "tests.tools.release", "--rehearse"]
    log.run([*command, "--parts", ",".join(parts)])
    return Counts(len(parts))


def importer(log: Log) -> Counts:
    """The artifact as a public hub would import it, without a warning."""
    return _release(log, "build", "hub")


def release(log: Log) -> Counts:
    """The artifact: what is in it, its bill of materials, and the demo once it is installed."""
    return _release(log, "build", "contents", "bill", "install", "demo")


def demo(log: Log) -> Counts:
    """What README promises first."""
    return log.run([str(BIN / "python"), "-m", "tests.tools.demo"])


def matrix(log: Log) -> Counts:
    """The oldest and the newest ansible-core and Python on hosts, and older SDKs."""
    ends = ["control_node(2.16)", "control_node(2.21)", "hosts(3.9)", "hosts(3.13)"]
    ends += ["sdk(7.2.1)", "sdk(7.6.0)"]  # the other steps run with the newest
    log.run([str(BIN / "nox"), "--session", *ends], env={"NOX_COLOR": "no"})
    left_out = set(re.findall(r"^nox > Session (\S+) skipped", log.text(), re.MULTILINE))
    if left_out == set(ends):
        raise StepSkipped("no interpreter of the matrix is installed")
    return Counts(len(ends) - len(left_out))


def image(log: Log) -> Counts:
    """What test hosts are made of: their image, collections, wheels."""
    with _hosts_wanted():
        molecule.prepare(log.run_plainly)
    return Counts(1)


@contextmanager
def _hosts_wanted() -> Iterator[None]:
    """Let a machine that can have no test hosts be a reason to leave a step out, but not in CI."""
    try:
        yield
    except Unavailable as exc:
        if IN_CI:
            raise StepError(str(exc)) from exc
        raise StepSkipped(str(exc)) from exc
    except RuntimeError as exc:
        raise StepError(str(exc)) from exc


def hosts(log: Log) -> Counts:
    """The roles on hosts with a real systemd; two at a time, for they mostly wait."""
    lines: list[str] = []

    def paths(env: Mapping[str, str]) -> dict[str, str]:
        found = [str(linked_tree()), env.get("LOCKSTEP_COLLECTIONS", "")]
        return {**env, "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(filter(None, found))}

    def scenario(name: str, command: Sequence[str], env: Mapping[str, str]) -> None:
        path = WORK / "logs" / f"hosts-{name}.log"
        began = time.monotonic()
        with open(path, "w+", encoding="utf-8", errors="replace") as file:
            own = Log(file)
            try:
                own.run(command, env=paths(env))
            except StepError as exc:
                tail = "\n".join(own.text().splitlines()[-80:])
                raise StepError(
                    f"scenario {name}: {exc}\n{tail}\n    -- the end of {path}"
                ) from exc
            if molecule.SECRET in own.text():
                raise StepError(f"scenario {name}: a password stands in what a play has printed")
        lines.append(f"{name}: {time.monotonic() - began:.0f} s")

    try:
        with _hosts_wanted():
            count = molecule.run_scenarios(
                molecule.scenarios(), log.run_plainly, scenario, lanes=HOST_LANES
            )
    finally:
        log.note("\n".join(lines))
    return Counts(count)


def nfs(log: Log) -> Counts:
    """The syncer through a real NFS mount, on a virtual machine."""
    try:
        guest.prepare(log.run_plainly)
    except Unavailable as exc:
        if IN_CI:
            raise StepError(str(exc)) from exc
        raise StepSkipped(str(exc)) from exc
    return log.run([*guest.PYTEST, *TIMEOUT], count=True)


STEPS: dict[str, Callable[[Log], Counts]] = {
    "ruff": ruff,
    "mypy": mypy,
    "docs": docs,
    "pytest": pytest,
    "eda": eda,
    "units": units,
    "sanity": sanity,
    "integration": integration,
    "ansible-lint": ansible_lint,
    "importer": importer,
    "release": release,
    "demo": demo,
    "matrix": matrix,
    "image": image,
    "hosts": hosts,
    "nfs": nfs,
}
