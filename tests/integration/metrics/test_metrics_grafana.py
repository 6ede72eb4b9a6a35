"""docs/grafana/pawl.json: a dashboard that Grafana can import, whose questions a real Prometheus can answer."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pawl.daemon.metrics.catalogue import FAMILIES
from tests.integration.metrics.conftest import Scraped
from tests.support import eventually

PAGE: dict[str, Any] = json.loads((Path(__file__).parents[3] / "docs" / "grafana" / "pawl.json").read_text("utf-8"))
# What Grafana puts in before it asks.
_VARIABLES = {
    "$__rate_interval": "1m", "$__interval": "1m", "$app": "shop", "$job": ".+",
}  # fmt: skip
# The shop has no database, no queue, and no change under watch.
_NOT_HERE = re.compile(r"pawl_(database|queue|watch)_")


def inside(value: Any, key: str) -> Iterator[Any]:
    """What stands under a key, anywhere."""
    match value:
        case dict():
            for name, item in value.items():
                if name == key:
                    yield item
                yield from inside(item, key)
        case list():
            for item in value:
                yield from inside(item, key)


EXPRESSIONS = [str(expr) for expr in inside(PAGE, "expr")]
QUERIES = [str(one["definition"]) for one in PAGE["templating"]["list"]]


def asked(expr: str) -> str:
    for name, value in _VARIABLES.items():
        expr = expr.replace(name, value)
    assert "$" not in expr, "a variable that nobody sets"
    return expr


def test_it_is_what_grafana_exports() -> None:
    assert PAGE["schemaVersion"] >= 36
    assert PAGE["id"] is None
    assert [one["name"] for one in PAGE["__inputs"]] == ["DS_PROMETHEUS"]
    sources = list(inside(PAGE["panels"], "datasource")) + list(inside(PAGE["templating"], "datasource"))
    assert {json.dumps(one) for one in sources} == {'{"type": "prometheus", "uid": "${DS_PROMETHEUS}"}'}
    kinds = {one["id"] for one in PAGE["__requires"] if one["type"] == "panel"}
    assert {panel["type"] for panel in PAGE["panels"]} == kinds | {"row"}


def test_panels_have_ids_of_their_own_and_do_not_overlap() -> None:
    ids = [panel["id"] for panel in PAGE["panels"]]
    assert len(ids) == len(set(ids)) > 20
    taken: set[tuple[int, int]] = set()
    for panel in PAGE["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert not taken & cells, panel["title"]
        taken |= cells
        refs = [target["refId"] for target in panel.get("targets", [])]
        assert len(refs) == len(set(refs))


def test_every_metric_named_is_in_the_catalogue_with_the_labels_that_are_asked_for() -> None:
    labels = {family.name: {*family.labels, "job", "instance"} for family in FAMILIES}
    labels |= {
        f"{family.name}_{part}": {*labels[family.name], "le"}
        for family in FAMILIES
        if family.kind == "histogram"
        for part in ("bucket", "sum", "count")
    }
    for expr in [*EXPRESSIONS, *QUERIES]:
        named = re.findall(r"\b((?:pawl|process)_\w+)(?:\{([^}]*)\})?", expr)
        assert named, expr
        for name, selector in named:
            assert name in labels, expr
            assert set(re.findall(r"(\w+)\s*=", selector)) <= labels[name], expr
        grouped = {name.strip() for group in re.findall(r"by \(([^)]*)\)", expr) for name in group.split(",")}
        assert grouped <= {label for name, _ in named for label in labels[name]}, expr


def test_what_a_legend_names_is_a_label_of_the_answer() -> None:
    for panel in PAGE["panels"]:
        for target in panel.get("targets", []):
            wanted = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            grouped = re.search(r"by \(([^)]*)\)", target["expr"])
            if grouped:
                assert wanted <= {name.strip() for name in grouped[1].split(",")}, target["expr"]


@pytest.fixture
def busy(scraped: Scraped) -> Scraped:
    """With requests and errors in the last minute."""
    for path in ("/", "/items/7", "/wp-login.php"):
        scraped.pawl.get(path, "shop")
    scraped.prometheus.becomes('sum(rate(pawl_requests_total{app="shop"}[1m])) > bool 0', 1)
    return scraped


def test_a_real_prometheus_answers_every_question(busy: Scraped) -> None:
    for expr in EXPRESSIONS:
        question = asked(expr)
        if _NOT_HERE.search(expr):
            assert busy.prometheus.query(question) == {}, "then it has an answer to be checked"
        elif "> 0" in expr:
            busy.prometheus.query(question)  # whether there was any depends on the minute
        else:
            eventually(lambda asked=question: busy.prometheus.query(asked), within_s=60)  # type: ignore[misc]


def test_the_variables_are_filled(busy: Scraped) -> None:
    for query, wanted in zip(QUERIES, ("shop", "pawl"), strict=True):
        found = re.fullmatch(r"label_values\((\w+), (\w+)\)", query)
        assert found is not None
        series = busy.prometheus.ask("series", **{"match[]": found[1]})
        assert {one[found[2]] for one in series} == {wanted}


def test_a_deploy_is_marked_at_the_time_it_went_live(busy: Scraped) -> None:
    annotation = PAGE["annotations"]["list"][0]
    [(labels, at_ms)] = busy.prometheus.query(asked(annotation["expr"])).items()
    live = busy.pawl.status("shop")["live"]
    assert f"release={live['release']}" in labels
    assert annotation["useValueForTime"] is True
    since = busy.prometheus.number('pawl_app_live_since_timestamp_seconds{app="shop"}')
    assert since is not None
    assert at_ms == since * 1000
