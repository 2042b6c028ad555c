# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make docs``: the documentation site, every warning an error, every link of its own checked."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import yaml

from .event_sources import documentation, page
from .setup_venv import make
from .tree import CACHE, NAME, NAMESPACE, ROOT, linked_tree

VENV = CACHE / "docs" / "venv"
SOURCE = CACHE / "docs" / "source"
SITE = CACHE / "docs" / "site"
#: Roles for use by others of the collection alone.
INTERNAL = "_service_role"
_TIMEOUT = 600  # seconds
#: A link of a guide to a file of the repository that is no part of the site.
_OUTWARD = re.compile(r"\]\(\.\./([^)#\s]+)(#[^)\s]+)?\)")


class SiteError(Exception):
    """The site can not be made; the message says why."""


def galaxy() -> dict[str, str]:
    """Return what galaxy.yml says, the version among it."""
    found: dict[str, str] = yaml.safe_load((ROOT / "galaxy.yml").read_text(encoding="utf-8"))
    return found


def anchor_of(heading: str) -> str:
    """Return the anchor that a heading of Markdown gets on a web page."""
    words = re.sub(r"[`*]|\]\([^)]*\)|\[", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def outward(text: str, where: str, base: str) -> str:
    """Turn links to files of the repository into addresses.

    :raises SiteError: there is no such file, or no such heading in it
    """

    def address(found: re.Match[str]) -> str:
        path, anchor = found.group(1), found.group(2) or ""
        target = ROOT / path
        if not target.exists():
            raise SiteError(f"{where}: there is no {path}")
        if anchor:
            content = target.read_text(encoding="utf-8")
            headings = re.findall(r"^#+ (.*)$", content, re.MULTILINE)
            if anchor[1:] not in map(anchor_of, headings):
                raise SiteError(f"{where}: {path} has no heading for {anchor}")
        return f"]({base}/{path}{anchor})"

    return _OUTWARD.sub(address, text)


def gather(version: str) -> None:
    """Lay the guides where Sphinx reads them."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    shutil.copytree(ROOT / "docs", SOURCE, ignore=shutil.ignore_patterns("__pycache__"))
    base = f"{galaxy()['repository']}/blob/{version}"
    for path in sorted(SOURCE.rglob("*.md")):
        text = outward(path.read_text(encoding="utf-8"), path.name, base)
        path.write_text(text, encoding="utf-8")


def _run(command: list[str], **environment: str) -> None:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("ANSIBLE_", "PYTHON"))}
    done = subprocess.run(
        [str(VENV / "bin" / command[0]), *command[1:]],
        cwd=ROOT,
        env={
            **kept,
            "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "ANSIBLE_COLLECTIONS_PATH": str(linked_tree()),
            "ANSIBLE_HOME": str(CACHE / "ansible"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LC_ALL": "C.UTF-8",
            **environment,
        },
        stdin=subprocess.DEVNULL,
        timeout=_TIMEOUT,
        check=False,
    )
    if done.returncode:
        raise SiteError(f"{command[0]} exited with {done.returncode}")


def reference() -> None:
    """Let antsibull-docs write a page for each module and role; write those of event sources."""
    pages = SOURCE / "collections"
    pages.mkdir()
    config = SOURCE.parent / "antsibull-docs.cfg"
    config.write_text("breadcrumbs = false\nindexes = false\n", encoding="utf-8")
    _run(
        [
            *("antsibull-docs", "--config-file", str(config), "collection", "--use-current"),
            *("--squash-hierarchy", "--fail-on-error", "--no-indexes", "--dest-dir", str(pages)),
            f"{NAMESPACE}.{NAME}",
        ]
    )
    (pages / f"{INTERNAL}.rst").unlink()
    for path in sorted((ROOT / "extensions/eda/plugins/event_source").glob("*.py")):
        text = page(f"{NAMESPACE}.{NAME}.{path.stem}", *documentation(path))
        (pages / f"{path.stem}_event_source.md").write_text(text, encoding="utf-8")


# -- links --------------------------------------------------------------------------------------


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" or (tag == "a" and name == "name"):
                self.anchors.add(value or "")
            elif name in ("href", "src") and value:
                self.links.append(value)


def broken_links(site: Path) -> Iterator[str]:
    """Yield each link of a page to a file or an anchor that is not there."""
    pages: dict[Path, _Page] = {}
    for path in site.rglob("*.html"):
        pages[path] = _Page()
        pages[path].feed(path.read_text(encoding="utf-8"))
    for path, parsed in sorted(pages.items()):
        for link in parsed.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = path
            if parts.path:
                target = Path(os.path.normpath(path.parent / unquote(parts.path)))
            anchor = unquote(parts.fragment)
            if not target.exists():
                yield f"{path.relative_to(site)}: {link} is not there"
            elif anchor and target in pages and anchor not in pages[target].anchors:
                yield f"{path.relative_to(site)}: {link} has no such place"


def build() -> Path:
    """Make the site; return its first page.

    :raises SiteError: it can not be made, or has broken links
    """
    trouble = make(VENV, ROOT / "requirements" / "docs.txt", "about a minute")
    if trouble:
        raise SiteError(trouble)
    version = galaxy()["version"]
    gather(version)
    reference()
    shutil.rmtree(SITE, ignore_errors=True)
    options = ["-W", "--keep-going", "-q", "-E", "-b", "html", "-j", "auto"]
    doctrees = ["-d", str(SOURCE.parent / "doctrees")]
    _run(
        ["sphinx-build", *options, *doctrees, str(SOURCE), str(SITE)],
        LOCKSTEP_VERSION=version,
    )
    broken = list(broken_links(SITE))
    if broken:
        raise SiteError("\n".join(["Broken links:", *broken]))
    return SITE / "index.html"


def main() -> int:
    """Run; 0 if the site is made."""
    try:
        print(f"The site is in {build().relative_to(ROOT)}")
    except SiteError as exc:
        print(exc)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
