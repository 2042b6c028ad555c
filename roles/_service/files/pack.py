# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs the library for a host: ``pack.py COLLECTION REQUIREMENTS DIRECTORY [WHEELS]``.

The same files give the same archive, byte by byte, so that its name tells whether a host has
them already. Prints ``{"release": ..., "archive": ...}``. With a directory of wheels it packs them
too, which is faster than to copy them one by one; they do not count for the name.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import re
import sys
import tarfile
from pathlib import Path

#: What the library consists of; no byte code, no editor's back-ups.
SUFFIXES = frozenset([".py", ".html", ".css", ".js", ".svg"])
LIBRARY = Path("plugins/module_utils/qumulo_core")
#: What makes ``python -m qumulo_core.NAME`` work on hosts, where units name it. Hubs refuse files
#: of this name, so the collection has none, and there it is ``python -m qumulo_core.NAME.main``.
RUN = b"""from ..service import command
from .main import main

if __name__ == "__main__":
    raise SystemExit(command.entry(main))
"""


def version(collection: Path) -> str:
    """Return the version of the collection, of an installed one or a checkout."""
    manifest = collection / "MANIFEST.json"
    if manifest.is_file():
        facts = json.loads(manifest.read_text(encoding="utf-8"))
        return str(facts["collection_info"]["version"])
    found = re.search(r"^version: *(\S+)", (collection / "galaxy.yml").read_text(), re.MULTILINE)
    if found is None:
        raise SystemExit(f"{collection} does not say which version it is")
    return found.group(1)


def _files(library: Path) -> dict[Path, bytes]:
    """Return the files of the library by their places in it."""
    found = {
        path.relative_to(library): path.read_bytes()
        for path in library.rglob("*")
        if path.suffix in SUFFIXES and path.is_file() and path.name != "__main__.py"
    }
    return {
        **found,
        **{path.with_name("__main__.py"): RUN for path in found if path.name == "main.py"},
    }


def pack(library: Path) -> bytes:
    """Return the library as a tar archive that depends on names and contents alone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path, data in sorted(_files(library).items()):
            entry = tarfile.TarInfo(str(Path(library.name) / path))
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def main() -> None:
    """Run."""
    collection, requirements, directory, *wheels = (Path(argument) for argument in sys.argv[1:])
    packed = pack(collection / LIBRARY)
    made_of = hashlib.sha256(packed + requirements.read_bytes()).hexdigest()
    archive = directory / "library.tar.gz"
    archive.write_bytes(gzip.compress(packed, mtime=0))
    with tarfile.open(directory / "wheels.tar", "w") as together:
        for path in sorted(path for place in wheels for path in place.glob("*.whl")):
            together.add(path, path.name)
    release = f"{version(collection)}-{made_of[:12]}"
    sys.stdout.write(json.dumps({"release": release, "archive": str(archive)}) + "\n")


if __name__ == "__main__":
    main()
