"""What is worth knowing about a benchmark, in words."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from easiedge.report.bench_terminal import bench_tables, beside_eager, busy, most_lost, width_advice


def row(
    engine="onnxruntime",
    network="pruned",
    faster=4.0,
    clock="wall",
    disturbed=0.0,
    batch=1,
    precision="float32",
    **more,
):
    times = {"estimate": faster, "low": faster, "high": faster, "clock": clock} if network == "pruned" else None
    return {
        "engine": engine, "network": network, "precision": precision, "batch": batch, "threads": 1, "median_ms": 2.0, "p5_ms": 1.9, "p95_ms": 2.2,
        "disturbed": disturbed, "times_faster": times, "images_per_s": 500.0, "share_of_peak": 0.5, "file_bytes": 1e6, "peak_mb": 3.0,
        "joules_per_image": None, **more,
    }  # fmt: skip


def content(macs=(800, 200), widths=((64, 128), (32, 47)), **more):
    networks = {
        name: {"macs": m, "params": m, "source": "made \x1b[2J again [/b]", "widths": list(w)}
        for name, m, w in zip(("dense", "pruned"), macs, widths, strict=True)
    }
    sitting = {"cores": [0], "gmacs_per_s": 100.0, "idle_watts": 7.0}
    return {
        "input_shape": [1, 8, 8], "machine": "a board", "networks": networks, "sittings": {"1": sitting}, "layers": {}, "reasons": {}, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("faster", "widths", "engine", "said"),
    [
        (2.0, ((64, 128), (32, 47)), "onnxruntime", True),
        (3.9, ((64, 128), (32, 47)), "onnxruntime", False),  # it followed its MACs
        (2.0, ((64, 128), (32, 48)), "onnxruntime", False),  # the widths are even
        (2.0, ((60, 127), (30, 47)), "onnxruntime", False),  # the dense network's are no better
        (2.0, ((64, 128), (32, 47)), "torch", False),
    ],
)
def test_uneven_widths_are_named_where_an_engine_fell_behind(faster, widths, engine, said):
    advice = width_advice(content(widths=widths), [row(engine, faster=faster)])
    assert bool(advice) == said
    if said:
        assert "1 of 2 convolutions" in advice and "projection.round_to=16" in advice and engine in advice


def test_a_busy_machine_is_told_with_what_it_means():
    assert busy([row(disturbed=0.04)]) == ""
    assert "up to 30% of a network's runs, which are left out" in busy([row(disturbed=0.3)])
    assert "* marks ratios of processor time" in busy([row(disturbed=1.0, clock="processor")])


def test_times_beside_eager_torch():
    rows = [row("torch", "dense", median_ms=10.0), row("onnxruntime", median_ms=2.5), row("openvino", batch=8)]
    assert beside_eager(rows).endswith("batch 1: onnxruntime 4.0")
    assert beside_eager(rows[1:]) == ""


def test_layers_that_lost_most():
    layers = [
        {"layer": name, "dense_ms": 4.0, "pruned_ms": 2.0, "dense_macs": 100, "pruned_macs": 25, "lost_ms": lost}
        for name, lost in (("a", 0.1), ("b", 1.0), ("c", -0.5), ("d", 0.5))
    ]
    assert most_lost(layers) == "b (4.0 times fewer MACs, 2.0 times faster), d (4.0 times fewer MACs, 2.0 times faster)"
    assert most_lost(()) == ""


@pytest.mark.parametrize("width", [80, 150])
def test_nothing_from_a_file_is_obeyed_and_percentiles_are_always_there(width):
    out = StringIO()
    rows = [row(network="dense"), row(clock="processor", disturbed=0.5)]
    bench_tables(
        content(reasons={"[red]x": "no [/b]"}),
        rows,
        1,
        Path("r[/x]"),
        Console(file=out, width=width, force_terminal=False),
    )
    said = out.getvalue()
    assert "\x1b" not in said and "[/b]" in said and "r[/x]" in said and "[red]x" in said
    assert "1.9 - 2.2" in said and "*4.00" in said
    assert ("peak MB" in said) == ("billion float32 MACs" in said) == (width > 100)
