"""bench.json beside a run: read as it was written, refused by name, and never in the way of the run itself."""

import json

import pytest
from runs_on_disk import write_run

from easiedge.errors import RunError
from easiedge.report.page.cost_charts import cost_charts
from easiedge.report.page.sections import sections_of
from easiedge.report.runs import find_runs, read_run

MACHINE = "a made-up processor"


def row(engine="onnxruntime", network="pruned", batch=1, median=2.0, faster=4.0, precision="float32", threads=1):
    estimate = {"estimate": faster, "low": faster, "high": faster} if network == "pruned" else None
    return {
        "engine": engine, "network": network, "precision": precision, "batch": batch, "threads": threads, "median_ms": median,
        "times_faster": estimate,
    }  # fmt: skip


def write_bench(run, *rows, **more):
    (run / "bench").mkdir(exist_ok=True)
    content = {"schema": 1, "machine": MACHINE, "rows": list(rows), **more}
    (run / "bench" / "bench.json").write_text(json.dumps(content))


@pytest.fixture
def directory(tmp_path):
    write_run(tmp_path / "run")
    return tmp_path / "run"


def test_the_pruned_networks_rows_per_image(directory):
    write_bench(
        directory,
        row(network="dense", median=8.0),
        row(),
        row(batch=32, median=16.0),
        row("openvino", precision="int8"),
    )
    found = read_run(directory).engines
    assert [(e.engine, e.precision, e.batch, e.ms, e.times_faster) for e in found] == [
        ("onnxruntime", "float32", 1, 2.0, 4.0),
        ("onnxruntime", "float32", 32, 0.5, 4.0),
        ("openvino", "int8", 1, 2.0, 4.0),
    ]
    assert {(e.machine, e.threads) for e in found} == {(MACHINE, 1)}


@pytest.mark.parametrize(
    ("rows", "more", "says"),
    [
        ([row(median=-1.0)], {}, "row 1: median_ms"),
        ([row(), row(faster="four")], {}, "row 2: times_faster.estimate"),
        ([row(batch=0)], {}, "row 1: batch"),
        (["none"], {}, "row 1: is not an object"),
        ([row()], {"schema": 2}, "schema 2"),
        ([row()], {"machine": 7}, "machine"),
    ],
)
def test_what_cannot_be_is_named_and_the_run_is_read_without_it(directory, rows, more, says):
    write_bench(directory, *rows, **more)
    with pytest.raises(RunError, match=says):
        read_run(directory)
    found = find_runs(directory.parent)
    assert len(found.runs) == 1 and found.runs[0].engines == () and found.runs[0].layers
    (skipped,) = found.skipped
    assert (
        skipped.directory == directory / "bench" / "bench.json"
        and says in skipped.reason
        and "without it" in skipped.reason
    )


def test_damaged_tables_do_not_take_the_run_away(directory):
    (directory / "layers.csv").write_text("group,layer\nconv1")
    (directory / "curves.csv").write_bytes(b"\xff\xfe")
    found = find_runs(directory)
    assert len(found.runs) == 1 and found.runs[0].layers == () and found.runs[0].curves == ()
    assert sorted(s.directory.name for s in found.skipped) == ["curves.csv", "layers.csv"]


def test_a_chart_for_each_engine_that_timed_every_seed(tmp_path):
    for seed in (0, 1):
        for budget, ms in ((0.3, 3.0), (0.6, 1.5)):
            run = tmp_path / f"{seed}-{budget}"
            write_run(run, seed=seed, budget=budget)
            others = [row("openvino", median=9.0)] if seed == 0 else []
            write_bench(run, row(median=ms + seed), row(batch=8, median=80.0), *others)
    (section,) = sections_of(find_runs(tmp_path).runs)
    charts = {c.title: c for c in cost_charts(section)}
    (title,) = [t for t in charts if "latency in" in t]
    assert "latency in onnxruntime" in title and "1 thread(s) of a made-up processor" in charts[title].x.label
    points = sorted(x for series in charts[title].series for x in series.x)
    assert points.count(2.0) >= 1 and points.count(3.5) >= 1 and 10.0 not in points
