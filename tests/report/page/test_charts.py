"""The charts' figures, and their print form."""

import json
import math
from dataclasses import replace

import pytest
from PIL import Image
from runs_on_disk import write_run, write_study

from easiedge.errors import RunError
from easiedge.report.page.chart import Axis, Bars, Forest, Heat, Lines, Series, plain, thinned
from easiedge.report.page.cost_charts import cost_charts
from easiedge.report.page.details import FRAMES, detail_of, framed, layers_chart
from easiedge.report.page.paper import picture, write_pictures
from easiedge.report.page.scope_charts import MOST_ROWS, scope_chart
from easiedge.report.page.scopes import scope_pairs
from easiedge.report.page.sections import sections_of
from easiedge.report.page.sensitivity import cost_sentence, read_sensitivity, sensitivity_charts
from easiedge.report.page.settings import settings_of
from easiedge.report.runs import find_runs


def section(folder):
    (found,) = sections_of(find_runs(folder).runs)
    return found


def test_a_point_is_the_mean_over_the_seeds_with_its_interval(tmp_path):
    write_study(tmp_path, seeds=3, budgets=(0.3, 0.7), methods=("easiedge",))
    found = section(tmp_path)
    macs, params = cost_charts(found)
    assert (macs.key, params.key) == ("1-accuracy-macs", "1-accuracy-params")
    series = next(s for s in macs.series if s.name == "easiedge, global")
    assert list(series.x) == sorted(series.x)
    setting = next(s for s in found.settings if s.scope == "global" and s.requested["filters_removed"] == 0.7)
    assert series.y[0] == pytest.approx(sum(run.accuracy for run in setting.runs) / 3)
    assert series.low[0] == pytest.approx(setting.accuracy.low) and series.n == (3, 3)
    assert next(s for s in macs.series if s.name == "easiedge, layerwise").dashed


def test_intervals_of_accuracy_do_not_stretch_a_chart_beyond_what_can_be(tmp_path):
    for seed, accuracy in enumerate((0.8, 0.99)):
        figures = write_run(tmp_path / str(seed), seed=seed)
        figures["pruned"]["accuracy"] = accuracy
        (tmp_path / str(seed) / "metrics.json").write_text(json.dumps(figures))
    chart = cost_charts(section(tmp_path))[0]
    assert max(h for s in chart.series for h in s.high) > 1, "the figure is kept"
    assert picture(chart).axes[0].get_ylim()[1] <= 1.01


def test_milliseconds_of_two_devices_have_no_mean(tmp_path):
    for seed in range(2):
        write_run(tmp_path / str(seed), seed=seed, latency=True)
    assert any("latency" in c.key for c in cost_charts(section(tmp_path)))
    figures = json.loads((tmp_path / "1" / "metrics.json").read_text())
    figures["latency"]["machine"] = "another board"
    (tmp_path / "1" / "metrics.json").write_text(json.dumps(figures))
    assert not any("latency" in c.key for c in cost_charts(section(tmp_path)))


def test_latency_has_a_chart_for_each_device(tmp_path):
    write_run(tmp_path / "0", latency=True)
    write_run(tmp_path / "1", latency=True, budget=0.7)
    path = tmp_path / "1" / "metrics.json"
    figures = json.loads(path.read_text())
    figures["latency"] |= {"machine": "another board", "measured_ms": 0.5}
    path.write_text(json.dumps(figures))
    titles = [c.title for c in cost_charts(section(tmp_path)) if "latency" in c.key]
    assert titles == [
        "Accuracy against latency on a board, 4 threads: lenet on digits",
        "Accuracy against latency on another board, 4 threads: lenet on digits",
    ]
    assert next(s for c in cost_charts(section(tmp_path)) if "another" in c.title for s in c.series if s.n).x == (0.5,)


def test_many_series_share_colours_by_method_and_scope(tmp_path):
    for number in range(30):
        write_run(tmp_path / str(number), finetune=number + 1, scope=("global", "layerwise")[number % 2])
    macs = cost_charts(section(tmp_path))[0]
    assert {s.name for s in macs.series} == {
        "Pareto front of the means",
        "dense network",
        "easiedge, global",
        "easiedge, layerwise",
    }
    assert "too many" in macs.note and not next(s for s in macs.series if s.name == "easiedge, global").line


def test_only_so_many_pairs_are_drawn(tmp_path):
    write_study(
        tmp_path, seeds=1, budgets=[i / 50 for i in range(1, MOST_ROWS + 6)], methods=("easiedge",), curves=False
    )
    found = section(tmp_path)
    chart = scope_chart(found, scope_pairs(found.settings))
    assert len(chart.rows) == MOST_ROWS and f"{MOST_ROWS + 5}" in chart.note
    assert all(map(math.isnan, chart.series[0].low))


def test_units_kept_are_the_mean_least_and_most_over_the_seeds(tmp_path):
    for seed in range(3):
        write_run(tmp_path / str(seed), seed=seed)
    (setting,) = settings_of(find_runs(tmp_path).runs)
    chart = layers_chart([detail_of(setting, "it", 50)])
    assert chart.categories == ("conv1", "conv2", "fc1"), "the classifier owns no units"
    assert chart.series[0].y == (20, 50, 500)
    kept = [[run.layers[k].units_after for run in setting.runs] for k in range(3)]
    assert chart.series[1].y == tuple(pytest.approx(sum(k) / 3) for k in kept)
    assert chart.series[1].low == tuple(map(min, kept)) and chart.series[1].high == tuple(map(max, kept))


def test_admm_and_training_are_the_mean_over_what_is_there(tmp_path):
    write_run(tmp_path / "0", seed=0)
    write_run(tmp_path / "1", seed=1)
    path = tmp_path / "1" / "metrics.json"
    figures = json.loads(path.read_text())
    del figures["admm"]["iterations"][2]
    figures["admm"]["iterations"][0]["primal_residual"] = None
    path.write_text(json.dumps(figures))
    (setting,) = settings_of(find_runs(tmp_path).runs)
    first, second = (run.iterations for run in setting.runs)
    detail = detail_of(setting, "it", 50)
    charts = {c.key: c for c in framed([detail])}
    assert set(charts) == set(FRAMES)
    assert charts["admm-residuals"].series[0].y == (
        first[0]["primal_residual"], pytest.approx((first[1]["primal_residual"] + second[1]["primal_residual"]) / 2), first[2]["primal_residual"],
    )  # fmt: skip
    assert charts["training-accuracy"].breaks == (("dense training", 1), ("fine-tuning", 4))
    assert len(charts["training-accuracy"].series[0].y) == 5


def test_runs_without_curves_or_layers_have_no_such_charts(tmp_path):
    write_run(tmp_path, curves=False, method="one_shot")
    (tmp_path / "layers.csv").unlink()
    (setting,) = settings_of(find_runs(tmp_path).runs)
    detail = detail_of(setting, "it", 50)
    assert framed([detail]) == [] and layers_chart([detail]) is None


def test_thinning_keeps_both_ends():
    series = Series("s", (), tuple(map(float, range(1000))))
    few = thinned(series, 11)
    assert (few.x[0], few.x[-1], len(few.y)) == (1, 1000, 11)
    assert all(x == y + 1 for x, y in zip(few.x, few.y, strict=True))
    assert thinned(few, 20) is few


def test_charts_become_plain_values_that_json_can_hold():
    found = plain(Lines("k", "t", Axis("x", log=True), Axis("y"), (Series("s", (1.0, 2.0), (math.nan, 0.123456789)),)))
    assert found == {
        "key": "k", "title": "t", "x": {"label": "x", "log": True}, "y": {"label": "y"}, "kind": "lines",
        "series": [{"name": "s", "x": [1, 2], "y": [None, 0.12346]}],
    }  # fmt: skip
    json.dumps(found, allow_nan=False)


HOSTILE = "_$\\frac{1}{$ <b>&\"' %\n\u4e2d\U0001f600"
SERIES = Series(HOSTILE, (), (0.5, math.nan, 0.7), (0.4, math.nan, math.nan), (0.6, math.nan, math.nan), (3, 1, 1))


@pytest.mark.parametrize(
    "chart",
    [
        Lines("lines", HOSTILE, Axis(HOSTILE, "percent"), Axis("y", log=True), (SERIES, replace(SERIES, hue=-1, wide=True)), ((HOSTILE, 1),)),
        Lines("gaps", "t", Axis("x"), Axis("y", log=True), (Series("s", (), (math.nan, 0.0)),)),
        Bars("bars", HOSTILE, (HOSTILE, "b", "c"), Axis("units"), (SERIES, replace(SERIES, low=(0.4,) * 3, high=(0.8,) * 3))),
        Forest("forest", HOSTILE, Axis("x", "percent"), (HOSTILE, "b", "c"), (SERIES,), (True, False, False)),
        Heat("heat", HOSTILE, (HOSTILE, "b"), ("1 %", HOSTILE), ((0.5, 0.6), (0.7, math.nan)), Axis("x"), Axis("y", "percent")),
    ],
    ids=lambda chart: chart.key,
)  # fmt: skip
def test_pictures_take_any_name_and_are_sharp_enough_for_print(tmp_path, chart):
    png, svg = write_pictures([chart], tmp_path)
    with Image.open(png) as image:
        assert image.info["dpi"][0] == pytest.approx(300, abs=1) and image.width > 1000
    text = svg.read_text()
    assert "<text" not in text and 'href="http' not in text, "letters are paths"
    assert picture(chart).axes[0].get_title(loc="left").strip().startswith(chart.title.replace("\n", " ")[:10])


def sensitivity(**more):
    groups = [{"name": f"conv{i}", "size": 8, "accuracy": [0.9 - 0.1 * i * s for s in (0.0, 0.5)]} for i in range(3)]
    return {
        "schema": 1, "kind": "layer_sensitivity", "model": "lenet", "data": "digits", "seed": 0, "metric": "accuracy", "split": "val",
        "dense": 0.9, "shares": [0.0, 0.5], "groups": groups, "seconds": {"sensitivity": 12.0, "one_global_scoring": 3.0},
        "criterion": "l1_magnitude", **more,
    }  # fmt: skip


def test_layer_sensitivity_becomes_curves_and_a_map(tmp_path):
    path = tmp_path / "sensitivity.json"
    path.write_text(json.dumps(sensitivity()))
    found = read_sensitivity(path)
    curves, heat = sensitivity_charts(found, 1)
    assert [s.name for s in curves.series] == ["dense network", "conv0", "conv1", "conv2"]
    assert heat.values[2] == pytest.approx((0.9, 0.8)) and heat.columns == ("0 %", "50 %")
    assert "4 times as long" in cost_sentence(found)


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"schema": 2}, "schema 2"),
        ({"kind": "other"}, "kind is 'other'"),
        ({"shares": [0.5, 0.1]}, "do not rise"),
        ({"shares": [0.1]}, "2 accuracies for 1 shares"),
        ({"shares": [0.0, 1.5]}, r"shares\[1\]=1.5 is outside"),
        ({"groups": []}, "groups are empty"),
        ({"groups": [3]}, "number 1 is not an object"),
        ({"dense": None}, "dense is null"),
    ],
)
def test_a_sensitivity_file_that_cannot_be_is_named(tmp_path, more, says):
    path = tmp_path / "sensitivity.json"
    path.write_text(json.dumps(sensitivity(**more)))
    with pytest.raises(RunError, match=says):
        read_sensitivity(path)
