# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The one-sentence ``msg`` of each module's result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .qumulo_core.domain.pruning import describe_left

#: ``(result, check_mode) -> sentence``.
Answer = Callable[["Mapping[str, Any]", bool], str]


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _done(count: int, done: str, check_mode: bool) -> str:
    """Say that something was done, or would be in check mode."""
    if check_mode:
        return f"would be {done}"
    return f"was {done}" if count == 1 else f"were {done}"


def _left(snapshots: Sequence[Mapping[str, Any]]) -> str:
    """Return which snapshots cannot be deleted, as the end of a sentence."""
    if not snapshots:
        return ""
    return f"; {len(snapshots)} cannot be deleted: {describe_left(snapshots)}"


def smb_locks(result: Mapping[str, Any], check_mode: bool) -> str:
    """Return the answer of ``qumulo_smb_lock_info``."""
    totals = result["totals"]
    listed = ""
    if "dest" in result:
        listed = f"; all {'to be listed' if check_mode else 'listed'} in {result['dest']}"
    elif result["truncated"]:
        listed = f"; {len(result['handles'])} returned"
    if not totals["handles"]:
        return f"No handle matches{listed}.{_itself_only(result)}"
    return (
        f"{_many(totals['handles'], 'handle')} of {_many(totals['users'], 'user')} on "
        f"{_many(totals['files'], 'file')}; work can be lost through "
        f"{totals['can_lose_work'] or 'none'}{listed}."
    )


def _itself_only(result: Mapping[str, Any]) -> str:
    """Return which directories nothing was looked for below."""
    named = result.get("directories") or ()
    if not named:
        return ""
    return f" Only {named[0]} itself was looked at, which is a directory, and nothing below it."


def smb_break(result: Mapping[str, Any], check_mode: bool) -> str:
    """Return the answer of ``qumulo_smb_lock``."""
    totals = result["totals"]
    closed, spared, reopened = (totals[key] for key in ("closed", "spared", "reopened"))
    if not (closed or spared or reopened):
        nothing = f"No handle matches; nothing {_done(1, 'closed', check_mode)}."
        return nothing + _itself_only(result)
    parts = [f"{_many(closed, 'handle')} {_done(closed, 'closed', check_mode)}"]
    if spared:
        parts.append(f"{spared} {_done(spared, 'spared', check_mode)}")
    if reopened:
        parts.append(f"{reopened} {_done(reopened, 'reopened immediately', check_mode)}")
    risk = ""
    if closed:
        can = "can" if check_mode else "could"
        risk = f"; work {can} be lost through {totals['can_lose_work'] or 'none'}"
    return f"{', '.join(parts)}{risk}."


def file_lock(result: Mapping[str, Any], check_mode: bool) -> str:
    """Return the answer of ``qumulo_file_lock``: what is set, as the cluster confirmed it."""
    locked, unchanged = result["locked"], result["unchanged"]
    left_out = result["left_out"]
    rest = f"; {left_out} left out because of their age" if left_out else ""
    if result["held_back"]:
        rest += f"; {result['held_back']} held back because of names elsewhere (hard links)"
    if not locked + unchanged:
        done = "would be" if check_mode else "was"
        if result["held_back"]:
            return f"No file {done} locked{rest}."
        return f"No file matches, so none {done} locked{rest}."
    parts = [
        f"{_many(locked, 'lock')} {_done(locked, 'changed', check_mode)}, "
        f"{unchanged} {_done(unchanged, 'already correct', check_mode=False)}"
    ]
    ends, end = ("would end", "would end") if check_mode else ("ends", "end")
    first, last = result.get("retention_until"), result.get("retention_until_latest")
    if first is not None and first == last:
        parts.append(f"the retention period {ends} at {first}")
    elif first is not None:
        parts.append(f"the retention periods {end} between {first} and {last}")
    if result.get("legal_hold") is not None:
        which = "all files" if result["legal_hold"] else "none of them"
        state = "would be" if check_mode else "are" if result["legal_hold"] else "is"
        parts.append(f"{which} {state} under legal hold")
    if result["truncated"]:
        parts.append(f"only the first {_many(len(result['files']), 'file')} by path returned")
    return f"{'; '.join(parts)}{rest}."


def file_locks(result: Mapping[str, Any], check_mode: bool) -> str:
    """Return the answer of ``qumulo_file_lock_info``."""
    totals, listed = result["totals"], result["listed"]
    what = "matches" if listed == 1 else "match"
    if "dest" in result:
        what = _done(listed, f"listed in {result['dest']}", check_mode)
    return (
        f"{totals['locked']} of {_many(totals['files'], 'file')} locked, {totals['held']} under "
        f"legal hold, {totals['unlocked']} unlocked; {listed} {what}."
    )


def snapshot(result: Mapping[str, Any], check_mode: bool) -> str:
    """Return the answer of ``qumulo_snapshot``."""
    if "deleted" in result:
        gone, left = len(result["deleted"]), result["not_deleted"]
        if "missing_id" in result:
            return f"Snapshot {result['missing_id']} does not exist."
        if not (gone or left):
            return f"No snapshot matches; nothing {_done(1, 'deleted', check_mode)}."
        return f"{_many(gone, 'snapshot')} {_done(gone, 'deleted', check_mode)}{_left(left)}."
    found = result["snapshot"]
    name = found.get("name") or found["suffix"]
    expires = found["expiration"]
    until = "never expires" if expires == "never" else f"expires at {expires}"
    if check_mode and result["changed"]:
        until = "never expire" if expires == "never" else f"expire at {expires}"
        return f"The snapshot {name} of {found['path']} would exist and {until}."
    return f"The snapshot {name} of {found['path']} exists and {until}."


def snapshots(result: Mapping[str, Any], check_mode: bool) -> str:
    """Return the answer of ``qumulo_snapshot_info``."""
    del check_mode
    if not result["snapshots"]:
        return "No snapshot matches." if result["total"] else "There are no snapshots."
    newest = result["snapshots"][0]
    return f"{_many(result['count'], 'snapshot')}, the newest {newest['name']} of {newest['path']}."


def changelist(result: Mapping[str, Any], check_mode: bool) -> str:
    """Return the answer of ``qumulo_changelist``."""
    if "deleted" in result:
        gone = len(result["deleted"])
        there = "would be" if check_mode and result["changed"] else "is"
        return (
            f"The checkpoint {there} at {result['newer']['name']}; "
            f"{_many(gone, 'snapshot')} {_done(gone, 'deleted', check_mode)}"
            f"{_left(result['not_deleted'])}."
        )
    older = result.get("older")
    since = f"since {older['name']}" if older else "in the whole tree"
    if not older and not check_mode:
        since += ", because the checkpoint had no committed snapshot to compare with"
    if "totals" not in result:
        listed = f"all changes {since}" if older else "the whole tree"
        return f"A snapshot would be taken and {listed} listed."
    totals = result["totals"]
    counts = ", ".join(
        f"{totals[key]} {key}" for key in ("created", "modified", "deleted", "renamed")
    )
    listed = "to be listed" if check_mode else "listed"
    return f"{counts} {since}; {listed} in {result['dest']}."


def removal(result: Mapping[str, Any], check_mode: bool) -> str:
    """Return the answer of ``qumulo_changelist_removal``."""
    removed = result["removed"]
    return f"{_many(removed, 'name')} {_done(removed, 'removed', check_mode)}."


def copy_info(result: Mapping[str, Any], _check_mode: bool) -> str:
    """Return the answer of ``qumulo_changelist_copy_info``."""
    counts = [f"{each['found']} exist in {each['path']}" for each in result["directories"]]
    first = (
        "Of the first name" if result["listed"] == 1 else f"Of the first {result['listed']} names"
    )
    return f"{first}, {', '.join(counts)}." if result["listed"] else "The list has no names."


def search_index(result: Mapping[str, Any], check_mode: bool) -> str:
    """Return the answer of ``qumulo_changelist_index``."""
    index, indexed, deleted = (result[key] for key in ("index", "indexed", "deleted"))
    if not indexed and not deleted:
        made = "would be prepared" if check_mode else "was prepared"
        return f"The index {index} {made if result['created'] else 'needs no change'}."
    sent = "would be sent" if check_mode else _done(indexed, "sent", check_mode)
    return (
        f"{'1 entry' if indexed == 1 else f'{indexed} entries'} {sent} to the index {index}, and "
        f"{deleted} deleted, in {_many(result['requests'], 'request')}."
    )


def report(result: Mapping[str, Any], check_mode: bool) -> str:
    """Return the answer of ``qumulo_changelist_report``."""
    intervals = result["intervals"]
    counts = ", ".join(
        f"{sum(one[key] for one in intervals)} {key}" for key in ("created", "modified", "deleted")
    )
    shows = "would show" if check_mode and result["changed"] else "shows"
    return f"{result['dest']} {shows} {counts} in {_many(len(intervals), 'interval')}."


def settings(result: Mapping[str, Any], check_mode: bool) -> str:
    """Return the answer of ``qumulo_settings``."""
    changed = [
        name
        for name, after in sorted(result["settings"].items())
        if after != result["before"][name]
    ]
    if not changed:
        return "The settings match already."
    return f"{' and '.join(changed)} {_done(len(changed), 'changed', check_mode)}."
