# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make release``: builds the artifact, and tries it where nothing of the checkout is at hand."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import yaml

from .docs_site import VENV as DOCS_VENV
from .docs_site import galaxy
from .setup_venv import make
from .tree import CACHE, NAME, NAMESPACE, ROOT, copied_tree

BIN = Path(sys.executable).parent
DIST = CACHE / "release"
FRAGMENTS = ROOT / "changelogs" / "fragments"
#: What services install on hosts, and so what the bill of materials lists.
REQUIREMENTS = (
    "roles/_service/files/requirements.txt",
    "roles/lock_manager/files/requirements.txt",
)
TIMEOUT = 1200  # seconds

#: What the artifact consists of: files, and directories with a slash.
SHIPPED = (
    *("CHANGELOG.rst", "CONTRIBUTING.md", "LICENSE", "README.md", "SECURITY.md"),
    *("changelogs/", "docs/", "extensions/eda/", "meta/", "playbooks/", "plugins/", "roles/"),
)
#: What of that is for the checkout alone.
KEPT_BACK = ("docs/conf.py",)
#: What must never be in it, whatever the lists above say.
FORBIDDEN = (
    *("*.pyc", "*__pycache__*", "*.orig", "*.rej", "*~", "*.swp", "*.log", "*.db", "*.sqlite*"),
    *("*.pem", "*.key", "*.p12", "*.token", "*.env", "*id_rsa*", "*vault*.yml", "*.tar.gz"),
    *("tests/*", "requirements/*", "extensions/molecule/*", ".*", "galaxy.yml", "Makefile"),
    *("pyproject.toml", "noxfile.py"),
)
#: Written by ``ansible-galaxy collection build``.
WRITTEN = {"MANIFEST.json", "FILES.json"}
MOST_BYTES = 1 << 20  # of a single file
#: What the importer says of a collection that is in order: the role is internal, so that
#: antsibull-docs and people pass it over; and the playbook that sets up AWX needs a collection
#: that only those have who run AWX, so that it is no dependency.
KNOWN = (
    "roles/_service:1: role-name: Role name _service does not match",
    "couldn't resolve module/action 'awx.awx.",
)


class ReleaseError(Exception):
    """This can not be released; the message says why."""


# -- what is in it ------------------------------------------------------------------------------


def wanted(names: Iterable[str]) -> set[str]:
    """Return which files of the checkout belong into the artifact."""
    return {
        name
        for name in names
        if (name in SHIPPED or name.startswith(tuple(s for s in SHIPPED if s.endswith("/"))))
        and not any(fnmatch(name, pattern) for pattern in KEPT_BACK)
    }


def complaints(sizes: Mapping[str, int], expected: set[str]) -> Iterator[str]:
    """Yield what is wrong with the files of an artifact.

    :param sizes: bytes of each file in it
    :param expected: what should be in it
    """
    found = set(sizes) - WRITTEN
    for name in sorted(WRITTEN - set(sizes)):
        yield f"{name} is missing: this is no artifact of a collection"
    for name in sorted(expected - found):
        yield f"{name} is missing"
    for name in sorted(found - expected):
        yield f"{name} does not belong into it"
    for name in sorted(found):
        if any(fnmatch(name, pattern) for pattern in FORBIDDEN):
            yield f"{name} must never be in it"
        if sizes[name] > MOST_BYTES:
            yield f"{name} has {sizes[name]} bytes, more than {MOST_BYTES}"


def sizes_of(artifact: Path) -> dict[str, int]:
    """Return the files of an artifact.

    :raises ReleaseError: there is something else than files and directories in it
    """
    found = {}
    with tarfile.open(artifact) as archive:
        for entry in archive:
            if entry.isfile():
                found[entry.name] = entry.size
            elif not entry.isdir():
                raise ReleaseError(f"{entry.name} is neither a file nor a directory")
    return found


def listed() -> list[str]:
    """Return the files of the checkout, as git knows them."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    return [name for name in done.stdout.decode().split("\0") if name and (ROOT / name).exists()]


def traces(artifact: Path, words: Iterable[str]) -> Iterator[str]:
    """Yield files in which a word stands that tells about this machine."""
    patterns = [word.encode() for word in words]
    with tarfile.open(artifact) as archive:
        for entry in archive:
            file = archive.extractfile(entry)
            data = file.read() if file is not None else b""
            for pattern in patterns:
                if pattern in data:
                    yield f"{entry.name} speaks of {pattern.decode()}"


# -- the version --------------------------------------------------------------------------------


def version_complaints(version: str, releases: Mapping[str, object], left: int) -> Iterator[str]:
    """Yield why a version can not be released.

    :param version: of galaxy.yml
    :param releases: of the changelog
    :param left: fragments that are in no release yet
    """
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        yield f"galaxy.yml has the version {version}, which is none to release"
    if version not in releases:
        yield f"the changelog has no {version}: run 'antsibull-changelog release'"
    if left:
        yield f"{left} changelog fragments are in no release: run 'antsibull-changelog release'"


def check_version() -> None:
    """See that galaxy.yml and the changelog speak of the same version.

    :raises ReleaseError: they do not
    """
    text = (ROOT / "changelogs" / "changelog.yaml").read_text(encoding="utf-8")
    left = len(list(FRAGMENTS.glob("*.y*ml")))
    wrong = list(version_complaints(galaxy()["version"], yaml.safe_load(text)["releases"], left))
    if wrong:
        raise ReleaseError("\n".join(wrong))


# -- the bill of materials ----------------------------------------------------------------------


def merged(texts: Iterable[str]) -> str:
    """Join requirements files with hashes; what stands in several of them, once."""
    blocks: dict[str, None] = {}
    for text in texts:
        lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
        for block in re.split(r"\n(?=\S)", "\n".join(lines)):
            if block.strip():
                blocks[block.strip()] = None
    return "\n".join(sorted(blocks)) + "\n"


# -- parts --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Release:
    """What is made, and where."""

    version: str
    dist: Path = DIST

    @property
    def artifact(self) -> Path:
        """What is uploaded."""
        return self.dist / f"{NAMESPACE}-{NAME}-{self.version}.tar.gz"

    @property
    def bill(self) -> Path:
        """The bill of materials."""
        return self.dist / f"{NAMESPACE}-{NAME}-{self.version}.cdx.json"

    @property
    def installed(self) -> Path:
        """A collections path that has nothing but the artifact."""
        return self.dist / "installed"

    @property
    def collection(self) -> Path:
        """The collection in it."""
        return self.installed / "ansible_collections" / NAMESPACE / NAME


def environment(**more: str) -> dict[str, str]:
    """The environment of all commands: nothing that leads to the checkout, or to a cluster."""
    dropped = ("ANSIBLE_", "QUMULO_", "PYTHON", "PYTEST_", "GALAXY_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(dropped)}
    return {
        **kept,
        "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}",
        "ANSIBLE_HOME": str(DIST / "home"),
        "ANSIBLE_COLLECTIONS_PATH": str(DIST / "nowhere"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LC_ALL": "C.UTF-8",
        **more,
    }


def run(command: Sequence[str], *, cwd: Path = ROOT, **more: str) -> str:
    """Run a command; return what it printed.

    :raises ReleaseError: it failed
    """
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment(**more),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise ReleaseError(f"{done.stdout}\n{' '.join(command)} ended with {done.returncode}")
    return done.stdout


def build(release: Release) -> None:
    """Build the artifact of what git knows, and its checksum."""
    release.dist.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="lockstep-release-") as place:
        tree = copied_tree(Path(place))
        galaxy_command = [str(BIN / "ansible-galaxy"), "collection", "build", "--force"]
        run([*galaxy_command, "--output-path", str(release.dist)], cwd=tree)
    digest = hashlib.sha256(release.artifact.read_bytes()).hexdigest()
    checksum = release.dist / f"{release.artifact.name}.sha256"
    checksum.write_text(f"{digest}  {release.artifact.name}\n", encoding="ascii")
    run(["sha256sum", "--check", checksum.name], cwd=release.dist)  # as SECURITY.md says
    print(f"{release.artifact.relative_to(ROOT)}, {release.artifact.stat().st_size} bytes")


def contents(release: Release) -> None:
    """See that all is in it that should be, and nothing else."""
    sizes = sizes_of(release.artifact)
    wrong = list(complaints(sizes, wanted(listed())))
    wrong += traces(release.artifact, {str(ROOT), str(Path.home() / "")} - {"/", "/root/"})
    if wrong:
        raise ReleaseError("\n".join(wrong))
    print(f"{len(sizes)} files, all that should be and no others")


def bill(release: Release) -> None:
    """Write the bill of materials, with the versions and hashes that services install."""
    trouble = make(DOCS_VENV, ROOT / "requirements" / "docs.txt", "about a minute")
    if trouble:
        raise ReleaseError(trouble)
    facts = galaxy()
    with tempfile.TemporaryDirectory(prefix="lockstep-release-") as place:
        texts = [(ROOT / name).read_text(encoding="utf-8") for name in REQUIREMENTS]
        requirements = Path(place) / "requirements.txt"
        requirements.write_text(merged(texts), encoding="utf-8")
        project = Path(place) / "pyproject.toml"
        project.write_text(
            f'[project]\nname = "{NAMESPACE}.{NAME}"\nversion = "{release.version}"\n'
            f"description = {json.dumps(facts['description'])}\n"
            'license = {text = "GPL-3.0-or-later"}\n',
            encoding="utf-8",
        )
        options = ["--pyproject", str(project), "--output-reproducible", "--validate"]
        options += ["--spec-version", "1.6", "--output-format", "JSON", "-o", str(release.bill)]
        run([str(DOCS_VENV / "bin" / "cyclonedx-py"), "requirements", *options, str(requirements)])
    found = json.loads(release.bill.read_text(encoding="utf-8"))
    names = {part["name"].lower() for part in found["components"]}
    lacking = {"qumulo-api", "requests", "prometheus-client", "starlette", "uvicorn"} - names
    if lacking or found["metadata"]["component"]["version"] != release.version:
        raise ReleaseError(f"the bill of materials lacks {lacking or 'the version'}")
    print(f"{release.bill.relative_to(ROOT)}, {len(found['components'])} packages")


#: A command of the collection as guides show it, and what makes it work.
_COMMAND = re.compile(r"python3? -m (qumulo_core[\w.]*)")
_PATH = re.compile(r"^(?:\$ )?(export PYTHONPATH=~/\.ansible/.*)$", re.MULTILINE)


def commands(collection: Path) -> tuple[set[str], set[str]]:
    """Return the commands that guides show, and the lines that come before them.

    :raises ReleaseError: there is none, or one that a hub would refuse
    """
    texts = [
        path.read_text(encoding="utf-8")
        for pattern in ("*.md", "docs/**/*.md", "roles/*/README.md", "playbooks/**/*.yml")
        for path in sorted(collection.glob(pattern))
    ]
    names = {name.rstrip(".") for text in texts for name in _COMMAND.findall(text)}
    before = {line for text in texts for line in _PATH.findall(text)}
    if not names or not before:
        raise ReleaseError("the guides show no command of the collection")
    return names, before


def at_home(release: Release) -> None:
    """Install the artifact as a person does: offline, into an empty home; start each command."""
    with tempfile.TemporaryDirectory(prefix="lockstep-home-") as home:
        # What is typed goes by the defaults of Ansible.
        typed = ["env", "-u", "ANSIBLE_HOME", "-u", "ANSIBLE_COLLECTIONS_PATH"]
        typed += [f"HOME={home}", f"PATH={BIN}{os.pathsep}{os.environ['PATH']}", "sh", "-euc"]
        script = f"ansible-galaxy collection install ./{release.artifact.name} --offline"
        run([*typed, script], cwd=release.dist)
        names, before = commands(
            Path(home) / ".ansible/collections/ansible_collections" / NAMESPACE / NAME
        )
        for line in sorted(before):
            for name in sorted(names):
                said = run([*typed, f"{line}; python3 -m {name} --help"], cwd=release.dist)
                if not said.startswith("usage: "):
                    raise ReleaseError(f"python3 -m {name} --help says:\n{said}")
    print(f"it can be installed offline, and {len(names)} commands of the guides start")


def install(release: Release) -> None:
    """Install the artifact into an empty place, and ask what is there for what it is."""
    shutil.rmtree(release.installed, ignore_errors=True)
    command = [str(BIN / "ansible-galaxy"), "collection", "install", "--offline"]
    run([*command, "--collections-path", str(release.installed), str(release.artifact)])
    at_home(release)
    paths = {"ANSIBLE_COLLECTIONS_PATH": str(release.installed)}
    modules = sorted(
        f"{NAMESPACE}.{NAME}.{path.stem}"
        for path in release.collection.glob("plugins/modules/*.py")
    )
    run([str(BIN / "ansible-doc"), "--json", *modules], cwd=release.dist, **paths)
    # What a role copies to a host starts there.
    place = release.dist / "packed"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    role = release.collection / "roles" / "_service" / "files"
    packer = [sys.executable, str(role / "pack.py"), str(release.collection)]
    packed = json.loads(run([*packer, str(role / "requirements.txt"), str(place)]))
    if not packed["release"].startswith(f"{release.version}-"):
        raise ReleaseError(f"a host would be told that this is {packed['release']}")
    with tarfile.open(packed["archive"]) as archive:
        # Python 3.11.2 of Debian 12 has no filters yet; the archive is the project's own.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(place)
    services = sorted(path.parent.name for path in place.glob("qumulo_core/*/main.py"))
    for service in services:
        run([sys.executable, "-m", f"qumulo_core.{service}", "--help"], cwd=place)
    print(f"{len(modules)} modules and {len(services)} services are there once installed")


def demo(release: Release) -> None:
    """Run the demo and the connection check from what is installed."""
    run(
        [sys.executable, "-m", "tests.tools.demo", "--installed", str(release.installed)],
        PYTHONPATH=str(ROOT),
    )
    print("the demo runs from it, and changes nothing the second time")


def hub(release: Release) -> None:
    """Import the artifact as a public hub does; a warning counts as an error."""
    config = release.dist / "galaxy-importer.cfg"
    config.write_text(
        "[galaxy-importer]\nCHECK_CHANGELOG = True\nCHECK_REQUIRED_TAGS = True\n"
        "REQUIRE_V1_OR_GREATER = True\nRUN_ANSIBLE_DOC = True\nRUN_ANSIBLE_LINT = True\n",
        encoding="utf-8",
    )
    said = run(
        [sys.executable, "-m", "galaxy_importer.main", str(release.artifact)],
        cwd=release.dist,
        GALAXY_IMPORTER_CONFIG=str(config),
    )
    wrong = [
        line
        for line in said.splitlines()
        if line.startswith(("WARNING", "ERROR", "CRITICAL"))
        and not any(known in line for known in KNOWN)
    ]
    if wrong or "completed successfully" not in said or "ansible-lint run complete" not in said:
        raise ReleaseError("\n".join(wrong or [said]))
    print("a hub takes it, without a warning")


PARTS: dict[str, Callable[[Release], None]] = {
    "build": build,
    "contents": contents,
    "bill": bill,
    "install": install,
    "demo": demo,
    "hub": hub,
}


def main() -> int:
    """Run; 0 if it can be uploaded."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--parts", default=",".join(PARTS), help="names, separated by commas")
    parser.add_argument(
        "--rehearse", action="store_true", help="though the changelog may not be written yet"
    )
    options = parser.parse_args()
    release = Release(galaxy()["version"])
    try:
        if not options.rehearse:
            check_version()
        for name in options.parts.split(","):
            PARTS[name](release)
    except ReleaseError as exc:
        print(f"This can not be released:\n{exc}")
        return 1
    if not options.rehearse:
        print(f"\n{release.version} is ready in {release.dist.relative_to(ROOT)}. To publish it:")
        print(f"  git tag {release.version} && git push --tags")
        print(f"  ansible-galaxy collection publish {release.artifact.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
