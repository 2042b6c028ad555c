# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The page that shows a summary: HTML with SVG in it, and nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape

from ..times import format_rfc3339
from .summary import Interval, Summary

_WIDTH, _HEIGHT = 720, 200
_COLOURS = (("created", "#2f7d4f"), ("modified", "#c58a1b"), ("deleted", "#a8423f"))
_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; overflow-wrap: anywhere; }
td.bar { width: 30%; } td.bar svg { display: block; width: 100%; height: .8rem; }
svg text { font: 12px system-ui, sans-serif; fill: currentColor; }
.key span { display: inline-block; width: .8rem; height: .8rem; margin: 0 .3rem 0 1rem; }
"""


def size_of(count: int) -> str:
    """Return a number of bytes for a person."""
    size = float(count)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if size < 1024:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} PiB"


def text_of(name: str) -> str:
    """Return a name for HTML; what is no Unicode text is shown as a question mark."""
    return escape(name.encode("utf-8", "replace").decode())


def page(summary: Summary, owners: Mapping[str, str]) -> str:
    """Return the page.

    :param owners: names of auth IDs, as far as they are known.
    """
    title = f"Changes in {text_of(summary.path)}"
    first, last = summary.intervals[0], summary.intervals[-1]
    by_owner = [(owners.get(row[0], row[0]), *row[1:]) for row in summary.by_owner.top()]
    return "".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            f"<title>{title}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n",
            f"<h1>{title}</h1>\n<p>{_when(first, last)}</p>\n",
            _key(),
            _chart(summary.intervals),
            _intervals(summary.intervals),
            _table("By directory", "Directory", summary.by_directory.top()),
            _table("By type", "Type", summary.by_type.top()),
            _table("By owner", "Owner", by_owner),
            _files(summary.biggest),
            "</body>\n</html>\n",
        )
    )


def _when(first: Interval, last: Interval) -> str:
    return f"From {format_rfc3339(first.since)} to {format_rfc3339(last.until)}."


def _key() -> str:
    parts = "".join(f'<span style="background:{colour}"></span>{name}' for name, colour in _COLOURS)
    return f'<p class="key">{parts}</p>\n'


def _chart(intervals: Iterable[Interval]) -> str:
    """Return stacked bars of entries, one an interval."""
    shown = list(intervals)
    most = max(one.created + one.modified + one.deleted for one in shown) or 1
    step = _WIDTH / len(shown)
    parts = []
    for number, one in enumerate(shown):
        bottom = float(_HEIGHT)
        for name, colour in _COLOURS:
            count = getattr(one, name)
            height = count * (_HEIGHT - 10) / most
            bottom -= height
            if count:
                parts.append(
                    f'<rect x="{number * step + step * 0.1:.1f}" y="{bottom:.1f}" '
                    f'width="{step * 0.8:.1f}" height="{height:.1f}" fill="{colour}">'
                    f"<title>{format_rfc3339(one.until)}: {count:,} {name}</title></rect>"
                )
        parts.append(
            f'<text x="{number * step + step / 2:.1f}" y="{_HEIGHT + 16}" '
            f'text-anchor="middle">{one.until:%d %b}</text>'
        )
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT + 24}" width="100%" role="img" '
        f'aria-label="Changes over time">{"".join(parts)}</svg>\n'
    )


def _row(cells: Iterable[str], tag: str = "td") -> str:
    return f"<tr>{''.join(f'<{tag}>{cell}</{tag}>' for cell in cells)}</tr>\n"


def _intervals(intervals: Iterable[Interval]) -> str:
    rows = "".join(
        _row(
            (
                format_rfc3339(one.until),
                f"{one.created:,}",
                f"{one.modified:,}",
                f"{one.deleted:,}",
                size_of(one.bytes),
            )
        )
        for one in intervals
    )
    head = _row(("Until", "Created", "Modified", "Deleted", "Size"), "th")
    return f"<h2>Checkpoints</h2>\n<table>\n{head}{rows}</table>\n"


def _table(title: str, first: str, groups: list[tuple[str, int, int]]) -> str:
    most = max((size for _name, _count, size in groups), default=0) or 1
    rows = "".join(
        f"<tr><td>{text_of(name)}</td><td>{count:,}</td><td>{size_of(size)}</td>"
        f'<td class="bar"><svg viewBox="0 0 100 10" preserveAspectRatio="none">'
        f'<rect width="{100 * size / most:.1f}" height="10" fill="#4a6fa5"/></svg></td></tr>\n'
        for name, count, size in groups
    )
    head = _row((first, "Files", "Size", ""), "th")
    return f"<h2>{title}</h2>\n<table>\n{head}{rows}</table>\n"


def _files(files: list[tuple[str, int]]) -> str:
    rows = "".join(_row((text_of(path), size_of(size))) for path, size in files)
    head = _row(("File", "Size"), "th")
    return f"<h2>Biggest files</h2>\n<table>\n{head}{rows}</table>\n"
