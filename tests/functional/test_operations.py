# Copyright: (c) 2026, Lockstep developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Alerts, dashboard and the table of metrics speak of metrics that the services have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric

from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime import setting
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.batches import Batch
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.meters import (
    Gauges as Syncing,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.meters import (
    Totals,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.atime.meters import (
    registry as syncer,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.check import heartbeat
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager import (
    daemon,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.lock_manager.counters import (  # noqa: E501
    Counters,
)
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.service import metrics
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher import follower
from ansible_collections.lockstep.qumulo.plugins.module_utils.qumulo_core.watcher.meters import (
    Gauges,
    Meters,
)
from tests.tools.tree import ROOT

OPERATIONS = ROOT / "docs" / "operations"
#: What Prometheus adds to each series.
ADDED = {"job", "instance"}
#: What is no metric in an expression: functions, keywords, labels after "by" and "on".
LANGUAGE = {
    *("abs", "and", "by", "changes", "count", "histogram_quantile", "increase", "label_values"),
    *("max", "on", "or", "rate", "sum", "unless", "vector"),
}
GROUPING = re.compile(r"\b(by|on) \(([^)]*)\)")
SERIES = re.compile(r"([a-z_]\w*)(\{[^}]*\})?")


def registries() -> Iterator[CollectorRegistry]:
    """What each service shows on /metrics."""
    meters = Meters(lambda: Gauges(1, 1, 1.0, 1.0, {"/a": follower.FOLLOWING}, 1, 1, 1))
    meters.events.labels("child_file_added")
    meters.locks.labels("rule", "locked")
    meters.skipped.labels("symlink")
    yield meters.registry
    check = metrics.registry()
    check.register(heartbeat._Collector(SimpleNamespace(levels=lambda: [("clock", "ok")])))
    yield check
    batch = Batch([], 1)
    for counts in (batch.operations, batch.skipped, batch.malformed):
        counts["x"] += 1
    totals = Totals(0)
    totals.take(batch)
    totals.outcomes["set"] += 1
    yield syncer(totals, lambda: Syncing(1, 1, 1.0, "idle", 1, True, {"idle": 1}, 1, 1))
    page = metrics.registry()
    services = SimpleNamespace(counters=Counters(), sessions=[])
    page.register(daemon._Collector(SimpleNamespace(services=services)))
    yield page


@pytest.fixture(scope="module")
def families() -> dict[str, Metric]:
    return {family.name: family for each in registries() for family in each.collect()}


@pytest.fixture(scope="module")
def series(families: dict[str, Metric]) -> dict[str, set[str]]:
    """Names of series with their labels."""
    found: dict[str, set[str]] = {"up": set(ADDED)}
    for family in families.values():
        for sample in family.samples:
            found.setdefault(sample.name, set(ADDED)).update(sample.labels)
    return found


def expressions() -> Iterator[tuple[str, str]]:
    rules = yaml.safe_load((OPERATIONS / "alerts.yml").read_text(encoding="utf-8"))
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    board = json.loads((OPERATIONS / "dashboard.json").read_text(encoding="utf-8"))
    for panel in board["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for variable in board["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"].replace(", instance", "")


@pytest.mark.parametrize(
    ("title", "expression"), list(expressions()), ids=[title for title, _ in expressions()]
)
def test_expressions_are_about_metrics_that_exist(
    title: str, expression: str, series: dict[str, set[str]]
) -> None:
    assert expression.count("(") == expression.count(")"), title
    used: set[str] = set()
    grouped = {
        label.strip()
        for _word, labels in GROUPING.findall(expression)
        for label in labels.split(",")
    }
    rest = re.sub(r"\[[^\]]*\]|offset \w+", "", GROUPING.sub(" ", expression))
    for name, selector in SERIES.findall(rest):
        if name in LANGUAGE:
            continue
        assert name in series, f"{title}: there is no {name}"
        used.add(name)
        for label in re.findall(r"(\w+)\s*[!=]", re.sub(r'"[^"]*"', "", selector)):
            assert label in series[name], f"{title}: {name} has no label {label}"
    assert used, title
    for label in grouped:
        assert any(label in series[name] for name in used), f"{title}: by {label}"


def test_states_are_those_of_the_services() -> None:
    known = {
        *(follower.CONNECTING, follower.CATCHING_UP, follower.FOLLOWING),
        *(follower.WAITING, follower.POLLING, *setting.STATES),
    }
    named = set()
    for _title, expression in expressions():
        for states in re.findall(r'state[!=~]+"([^"]+)"', expression):
            named |= set(states.split("|"))
    assert named and named <= known


def test_every_alert_says_what_to_do() -> None:
    rules = yaml.safe_load((OPERATIONS / "alerts.yml").read_text(encoding="utf-8"))
    alerts = [rule for group in rules["groups"] for rule in group["rules"]]
    assert len({rule["alert"] for rule in alerts}) == len(alerts)
    for rule in alerts:
        assert rule["labels"]["severity"] in ("critical", "warning", "info")
        assert set(rule["annotations"]) == {"summary", "description"}
    for alert in re.findall(r"`(Lockstep\w+)`", _guides()):
        assert alert in {rule["alert"] for rule in alerts}


def _guides() -> str:
    return "".join(p.read_text(encoding="utf-8") for p in (ROOT / "docs").glob("*.md"))


def test_the_table_of_metrics_is_complete(families: dict[str, Metric]) -> None:
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `(lockstep_\w+)` \|([^|]*)\|", text, re.MULTILINE)
    told = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    there: dict[str, Any] = {}
    for family in families.values():
        if family.name.startswith("lockstep_"):
            name = family.name + ("_total" if family.type == "counter" else "")
            there[name] = {label for s in family.samples for label in s.labels} - {"le"}
    assert told == there
    for name in re.findall(r"`(process_\w+)`", text):
        assert name.removesuffix("_total") in families


def test_panels_do_not_overlap() -> None:
    board = json.loads((OPERATIONS / "dashboard.json").read_text(encoding="utf-8"))
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        cells = {
            (place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])
        }
        assert not cells & taken and max(x for x, _y in cells) < 24, panel["title"]
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
