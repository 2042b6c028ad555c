# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs Molecule's scenarios on test hosts that reach a simulated cluster."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.simulator.harness import start
from tests.simulator.identities import PRIVILEGES
from tests.tools.tree import CACHE, ROOT, linked_tree

from .image import Unavailable, build, environment, podman
from .network import network, of_checkout

BIN = Path(sys.executable).parent
SCENARIOS = ROOT / "extensions" / "molecule"
#: Collections of others that roles and scenarios use, from the package that bundles them.
BUNDLE = ROOT / "requirements" / "ansible-collections.txt"
WANTED = ("awx/awx",)
#: Requirements that are installed on hosts.
SERVICES = tuple(sorted(ROOT.glob("roles/*/files/requirements*.txt")))

#: The scenario that installs all services.
TOGETHER = "together"
#: The account of the services; its password must not be seen in what plays print.
ACCOUNT, SECRET = "lockstep", "Never-to-be-seen-1!"

Run = Callable[[Sequence[str], Mapping[str, str]], None]


def scenarios() -> list[str]:
    """Return the names of all scenarios; the one that takes longest is the first."""
    names = (path.parent.name for path in SCENARIOS.glob("*/molecule.yml"))
    return sorted(names, key=lambda name: (name != TOGETHER, name))


def collections(run: Run) -> Path:
    """Return a collections path with the collections of others; fetched once."""
    place = CACHE / "collections" / _digest([BUNDLE], WANTED)
    if place.is_dir():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    # A place of its own, for several steps may come here at the same time.
    with tempfile.TemporaryDirectory(dir=place.parent) as directory:
        fetched, unpacked = Path(directory) / "fetched", Path(directory) / "unpacked"
        _pip(
            run, "download", "--no-deps", "--require-hashes", "-d", str(fetched), "-r", str(BUNDLE)
        )
        with zipfile.ZipFile(next(fetched.glob("*.whl"))) as wheel:
            beginnings = tuple(f"ansible_collections/{name}/" for name in WANTED)
            wheel.extractall(unpacked, [n for n in wheel.namelist() if n.startswith(beginnings)])
        try:
            unpacked.rename(place)
        except OSError:
            if not place.is_dir():
                raise
    return place


def wheels(run: Run, image: str) -> Path:
    """Return a directory with all wheels that services install on hosts; fetched once."""
    place = CACHE / "wheels" / _digest(SERVICES)
    if place.is_dir():
        return place
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    python = podman("run", "--rm", "--network", "none", image, "python3", "-c", code).stdout.strip()
    fetched = CACHE / "wheels" / "fetching"
    shutil.rmtree(fetched, ignore_errors=True)
    fetched.mkdir(parents=True)
    platforms = [f"--platform=manylinux{n}_x86_64" for n in ("2014", "_2_17", "_2_28")]
    for requirements in SERVICES:
        _pip(
            run,
            *("download", "--require-hashes", "--only-binary=:all:", *platforms),
            *(f"--python-version={python}", "-d", str(fetched), "-r", str(requirements)),
        )
    fetched.rename(place)
    return place


def prepare(run: Run) -> tuple[str, Path, Path]:
    """Have all that scenarios need: the image, collections, wheels; made and fetched once.

    :raises Unavailable: this machine can have no test hosts
    """
    image = build(lambda argv: run(argv, {}))
    return image, collections(run), wheels(run, image)


def run_scenarios(
    names: Sequence[str],
    run: Run,
    run_scenario: Callable[[str, Sequence[str], Mapping[str, str]], None],
    *,
    lanes: int = 1,
) -> int:
    """Run scenarios; return how many.

    :param run: runs a command with additions to the environment, and raises if it fails
    :param run_scenario: the same for a scenario, whose name comes first
    :param lanes: as many at a time, each with a cluster of its own
    :raises Unavailable: this machine can have no test hosts
    """
    image, others, packages = prepare(run)
    with network(ROOT, image) as net, _keys() as keys:

        def one(name: str) -> None:
            with start(["--address", net.gateway]) as simulator:
                simulator.control(
                    "users/add", name=ACCOUNT, password=SECRET, privileges=list(PRIVILEGES)
                )
                variables = {
                    "CONTAINERS_CONF": environment()["CONTAINERS_CONF"],
                    "LOCKSTEP_RUN": of_checkout(ROOT)[0],
                    "LOCKSTEP_NETWORK": net.name,
                    "LOCKSTEP_IMAGE": image,
                    "LOCKSTEP_HOST_ADDRESS": net.host(scenarios().index(name)),
                    "LOCKSTEP_KEYS": str(keys),
                    "ANSIBLE_SSH_CONTROL_PATH_DIR": str(keys),
                    "LOCKSTEP_WHEELS": str(packages),
                    "LOCKSTEP_COLLECTIONS": str(others),
                    "LOCKSTEP_CLUSTER_HOST": net.gateway,
                    "LOCKSTEP_CLUSTER_PORT": str(simulator.port),
                    "LOCKSTEP_CLUSTER_USER": ACCOUNT,
                    "LOCKSTEP_CLUSTER_PASSWORD": SECRET,
                    "LOCKSTEP_CLUSTER_CA": simulator.ca_file,
                    "LOCKSTEP_CLUSTER_CONTROL": simulator.control_url,
                }
                command = [str(BIN / "molecule"), "test", "--no-command-borders"]
                run_scenario(name, [*command, "--scenario-name", name], variables)

        with ThreadPoolExecutor(lanes) as pool:
            for outcome in [pool.submit(one, name) for name in names]:
                outcome.result()
    return len(names)


@contextmanager
def _keys() -> Iterator[Path]:
    """A directory for a run's keys and sockets; these need a short path."""
    with tempfile.TemporaryDirectory(prefix="lockstep-") as place:
        key = Path(place) / "key"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test hosts", "-f", str(key)],
            check=True,
            timeout=60,
        )
        yield Path(place)


def main(names: Sequence[str]) -> int:
    """Run scenarios in the foreground; 0 if all is well."""

    def run(command: Sequence[str], env: Mapping[str, str]) -> None:
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "QUMULO_"))}
        paths = os.pathsep.join(
            filter(None, [str(linked_tree()), env.get("LOCKSTEP_COLLECTIONS", "")])
        )
        additions = {
            "ANSIBLE_COLLECTIONS_PATH": paths,
            "ANSIBLE_HOME": str(CACHE / "ansible"),
            "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
            "LC_ALL": "C.UTF-8",
        }
        subprocess.run(command, cwd=ROOT, env={**kept, **additions, **env}, check=True)

    unknown = [name for name in names if name not in scenarios()]
    if unknown:
        print(f"There is no scenario {unknown[0]}: choose from {', '.join(scenarios())}.")
        return 2
    try:
        run_scenarios(list(names) or scenarios(), run, lambda _name, *rest: run(*rest))
    except Unavailable as exc:
        print(f"Left out: {exc}.")
        return 1 if os.environ.get("CI") == "true" else 0
    except subprocess.CalledProcessError as exc:
        return exc.returncode
    return 0


def _pip(run: Run, *arguments: str) -> None:
    run([sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check"], {})


def _digest(files: Sequence[Path], words: Sequence[str] = ()) -> str:
    content = b"".join(path.read_bytes() for path in files) + " ".join(words).encode()
    return hashlib.sha256(content).hexdigest()[:12]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
