# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packs the library for a host: ``pack.py COLLECTION REQUIREMENTS DIRECTORY``.

The same files give the same archive, byte by byte, so that its name tells whether a host has
them already. Prints ``{"release": ..., "archive": ...}``.
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


def pack(library: Path) -> bytes:
    """Return the library as a tar archive that depends on names and contents alone."""
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in sorted(library.rglob("*")):
            if path.suffix not in SUFFIXES or not path.is_file():
                continue
            entry = tarfile.TarInfo(str(Path(library.name) / path.relative_to(library)))
            data = path.read_bytes()
            entry.size, entry.mode = len(data), 0o644
            archive.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


def main() -> None:
    """Run."""
    collection, requirements, directory = (Path(argument) for argument in sys.argv[1:])
    packed = pack(collection / LIBRARY)
    made_of = hashlib.sha256(packed + requirements.read_bytes()).hexdigest()
    archive = directory / "library.tar.gz"
    archive.write_bytes(gzip.compress(packed, mtime=0))
    release = f"{version(collection)}-{made_of[:12]}"
    sys.stdout.write(json.dumps({"release": release, "archive": str(archive)}) + "\n")


if __name__ == "__main__":
    main()
