"""Rows, differences and their tables from made-up runs with known answers."""

import csv
import io
import itertools
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from easiedge.errors import RunError
from easiedge.report.comparison import comparison
from easiedge.report.comparison_csv import differences_csv, rows_csv
from easiedge.report.comparison_files import as_markdown, markdown
from easiedge.report.comparison_forest import forest_figure
from easiedge.report.comparison_latex import as_latex, latex
from easiedge.report.comparison_panels import panels_figure
from easiedge.report.comparison_picture import draw_comparison
from easiedge.report.comparison_record import as_json, comparison_of
from easiedge.report.comparison_terminal import print_comparison
from easiedge.report.comparison_values import Result

ABOUT = {"model": "net", "data": "images", "by": "filters_removed", "epochs": 3, "confidence": 0.95, "seeds": [0, 1, 2]}
SCORES = {  # by method, scope and budget: accuracy of each seed
    ("", "", None): [0.91, 0.92, 0.90],
    ("a", "global", 0.5): [0.90, 0.91, 0.89],
    ("a", "layerwise", 0.5): [0.85, 0.87, 0.83],
    ("b x=1", "global", 0.5): [0.88, 0.885, 0.87],
    ("b x=1", "layerwise", 0.5): [0.80, 0.84, 0.81],
}


def result(method, scope, budget, seed, accuracy, dense=None):
    return Result(
        method, scope, budget, seed,
        {
            "dense": {"accuracy": 0.9 + 0.001 * seed if dense is None else dense}, "seconds": {"total": 2.0},
            "pruned": {"accuracy": accuracy, "accuracy_before_finetune": accuracy - 0.1},
            "budget": {"achieved": {"filters_removed": budget or 0.0, "macs_removed": 0.25}, "reached": True},
        },
    )  # fmt: skip


def results(scores=SCORES):
    return [result(*key, seed, value) for key, values in scores.items() for seed, value in enumerate(values)]


@pytest.fixture
def found():
    return comparison(results(), ABOUT, {})


def test_differences_are_paired_and_corrected_within_their_kind(found):
    scope = [d for d in found.differences if d.kind == "scope"]
    method = [d for d in found.differences if d.kind == "method"]
    assert [(d.left, d.right) for d in scope] == [("a, global", "a, layerwise"), ("b x=1, global", "b x=1, layerwise")]
    assert [(d.left, d.right) for d in method] == [("b x=1, global", "a, global"), ("b x=1, layerwise", "a, layerwise")]
    raw = [stats.ttest_rel(SCORES[m, "global", 0.5], SCORES[m, "layerwise", 0.5]).pvalue for m in ("a", "b x=1")]
    low, high = sorted(raw)
    assert sorted(d.t_holm for d in scope) == pytest.approx([2 * low, max(2 * low, high)])
    assert scope[0].found.spread.mean == pytest.approx(0.05)


def test_rows_stand_beside_the_control(found):
    assert [row.budget for row in found.rows] == [None, 0.5, 0.5, 0.5, 0.5]
    assert found.rows[0].minus_control is None
    assert found.rows[1].minus_control.spread.mean == pytest.approx(-0.01)
    assert found.rows[1].before.mean == pytest.approx(0.8)
    assert found.rows[1].achieved == {"filters_removed": 0.5, "macs_removed": 0.25}
    assert found.dense.mean == pytest.approx(0.901)


def test_what_a_reader_must_know_is_said():
    odd = [result("a", "global", 0.5, 0, 0.9), result("a", "layerwise", 0.5, 0, 0.8, dense=0.7)]
    odd[0].metrics["budget"]["reached"] = False
    notes = "\n".join(comparison(odd, ABOUT, {"cell-7": "no memory"}).notes)
    assert "cell-7: no memory" in notes
    assert "not met in 1 of 1" in notes
    assert "seeds 0: not all runs started from the same dense network" in notes
    assert "one seed: no interval" in notes
    equal = comparison(results(), ABOUT, {})
    assert [note for note in equal.notes if "the same difference for every seed" not in note] == []


def test_training_that_ended_early_and_costs_that_differ_are_said():
    pair = [result("a", "global", 0.5, s, 0.9 + 0.01 * s) for s in range(2)] + [
        result("a", "layerwise", 0.5, s, 0.8) for s in range(2)
    ]
    pair = [replace(r, epochs=1 if r.scope == "global" else 3) for r in pair]
    for r in pair[2:]:
        r.metrics["budget"]["achieved"]["macs_removed"] = 0.7
    notes = "\n".join(comparison(pair, ABOUT, {}).notes)
    assert (
        "a, global, 0.5: 2 runs trained for 1 epochs at least instead of 3" in notes
        and "layerwise, 0.5: 2 runs trained" not in notes
    )
    assert "0.5: a, global keeps 75% of the MACs and a, layerwise 30%" in notes
    assert "equal MACs" not in "\n".join(comparison(pair, ABOUT | {"by": "macs_removed"}, {}).notes)


def test_training_that_began_again_and_removal_beyond_the_budget_are_said():
    some = [replace(r, epochs=4 if r.budget else 3) for r in results()]
    some[3].metrics["budget"]["achieved"]["filters_removed"] = 0.53
    notes = "\n".join(comparison(some, ABOUT, {}).notes)
    assert "a, global, 0.5: 3 runs trained for up to 4 epochs instead of 3, since training diverged" in notes
    assert "a, global, 0.5: 51.0 % went, not 50 %" in notes and "layerwise, 0.5: 5" not in notes


def test_further_limits_are_in_the_heading(found):
    limited = comparison(results(), ABOUT | {"limits": {"macs_removed": 0.8}}, {})
    assert "filters removed (and for all macs_removed=0.8)" in as_markdown(limited)
    assert "for all" not in as_markdown(found)


def test_folds_are_no_independent_draws():
    said = "seeds are 5 folds: most training images of two folds are the same"
    for folds in (5, None):
        notes = "\n".join(comparison(results(), ABOUT | {"folds": folds}, {}).notes)
        assert (said in notes) == (folds == 5)


def test_seeds_of_one_dense_network_are_said_to_be_so():
    said = "all seeds start from one dense network"
    given = ABOUT | {"one_network": True}
    assert said not in "\n".join(comparison(results(), ABOUT, {}).notes)
    assert said in "\n".join(comparison(results(), given, {}).notes)
    assert said not in "\n".join(comparison([r for r in results() if r.seed == 0], given, {}).notes)


def test_a_first_method_without_results_is_no_reference():
    found = comparison([r for r in results() if r.method != "a"], ABOUT | {"methods": ["a", "b x=1"]}, {})
    assert not [d for d in found.differences if d.kind == "method"]
    assert any("a, which the others would be compared with, has no finished run" in note for note in found.notes)


def test_the_matched_quantity_is_in_the_table(found):
    assert "filters gone [%]" in as_markdown(found)
    for r in (timed := results()):
        r.metrics["budget"]["achieved"]["latency_ms"] = 1.25
    assert "| 1.25 |" in as_markdown(comparison(timed, ABOUT | {"by": "latency_ms_max"}, {}))


def test_a_missing_seed_leaves_the_pairs_that_are_there():
    some = [r for r in results() if (r.scope, r.seed) != ("layerwise", 1)]
    d = comparison(some, ABOUT, {}).differences[0]
    assert d.found.seeds == (0, 2)
    assert d.found.spread.mean == pytest.approx(0.055)


def test_markdown_and_csv_hold_the_figures(found):
    text = as_markdown(found)
    assert "| a | global | 0.5 | 90.00 ± 2.48 | 1.00 |" in text
    assert "+5.00 [" in text and "Holm" in text
    rows = list(csv.DictReader(io.StringIO(rows_csv(found))))
    assert [float(r["accuracy"]) for r in rows] == pytest.approx([0.91, 0.9, 0.85, 0.87833333, 0.81666667], abs=1e-6)
    assert rows[0]["budget"] == "" and rows[1]["reached"] == "3"
    differences = list(csv.DictReader(io.StringIO(differences_csv(found))))
    assert [d["kind"] for d in differences] == ["scope"] * 2 + ["method"] * 2 + ["control"] * 4
    assert float(differences[0]["difference"]) == pytest.approx(0.05) and float(differences[0]["t_p"]) < float(
        differences[0]["t_holm"]
    )


def test_names_cannot_break_out_of_the_tables(tmp_path):
    evil = r"a|b_{$x^2$}&%#~\input{/etc/passwd}" + "\n% new line <b>"
    some = comparison(
        [result(evil, scope, 0.5, s, 0.9 - 0.01 * s) for s in range(2) for scope in ("global", "layerwise")],
        ABOUT,
        {evil: evil},
    )
    tex = as_latex(some)
    body = "\n".join(line for line in tex.splitlines() if not line.startswith("%"))
    assert r"\input" not in body
    assert all(line.startswith(("%", "  ", "\\begin", "\\end")) or not line for line in tex.splitlines())
    for line in body.splitlines():
        if line.startswith("  ") and "rule" not in line:
            assert len(re.findall(r"(?<!\\)&", line)) in (5, 10)
    rows = [line for line in as_markdown(some).splitlines() if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", line)) for line in rows} == {12, 7}
    assert all(r"\$x^2\$" in line and r"\<b>" in line for line in rows if "global" in line)
    draw_comparison(some, tmp_path / "c")  # matplotlib reads $...$ as mathematics


@pytest.mark.parametrize("name", ["[A] b", "*B"])
def test_a_row_s_first_sign_is_not_taken_for_the_line_break_s(name):
    some = comparison([result(name, "global", 0.5, s, 0.9) for s in range(2)], ABOUT, {})
    after = [line.strip() for before, line in itertools.pairwise(as_latex(some).splitlines()) if before.endswith(r"\\")]
    assert after and not any(line.startswith(("[", "*")) for line in after)


def test_markdown_has_no_live_signs():
    assert markdown("a|b <b>x</b> $x$ `c` [l](u) *e* joint_information_gain < 0.001 [-1, 2]") == (
        r"a\|b \<b>x\</b> \$x\$ \`c\` [l]\(u) \*e\* joint_information_gain < 0.001 [-1, 2]"
    )


def test_latex_escapes_every_sign():
    assert (
        latex("a_b & 50% $x$ {~^#\\}")
        == r"a\_b \& 50\% \$x\$ \{\textasciitilde{}\textasciicircum{}\#\textbackslash{}\}"
    )


@pytest.mark.parametrize("width", [80, 160])
def test_terminal_tables_fit(found, tmp_path, width):
    console = Console(width=width, record=True, force_terminal=True)
    print_comparison(found, tmp_path, console)
    text = console.export_text()
    assert max(map(len, (line for line in text.splitlines() if str(tmp_path) not in line))) <= width
    assert "Global minus layerwise" in text and "90.00 ± 2.48" in text


@pytest.mark.parametrize("width", [80, 100, 140, None])
def test_names_stand_whole_in_terminal_tables(tmp_path, width):
    names = ["easiedge joint_information_gain", "one_shot taylor_information_gain"]
    many = [
        result(n, scope, 0.5, s, 0.9 + 0.01 * s) for n in names for scope in ("global", "layerwise") for s in range(2)
    ]
    out = io.StringIO()
    print_comparison(
        comparison(many, ABOUT, {}),
        tmp_path,
        Console(file=out, width=width, force_terminal=width and True, no_color=True),
    )
    words = set(re.sub(r"\x1b\[[0-9;]*m", "", out.getvalue()).split())
    assert {"joint_information_gain", "taylor_information_gain", "layerwise", "budget", "one_shot"} <= words
    assert width or all(" ".join(name.split()) in out.getvalue() for name in names)


def test_no_colour_without_a_terminal(found, tmp_path):
    out = io.StringIO()
    print_comparison(found, tmp_path, Console(file=out))
    assert "\x1b[" not in out.getvalue()


def test_pictures_are_drawn_for_any_number_of_methods(tmp_path):
    many = {
        (f"m{i}", scope, b): [0.9 - 0.1 * b, 0.9]
        for i in range(6)
        for scope in ("global", "layerwise")
        for b in (0.3, 0.5)
    }
    paths = draw_comparison(comparison(results(many), ABOUT, {}), tmp_path / "c")
    assert [p.name for p in paths] == ["c.png", "c.svg"]
    one = {("m", "global", 0.5): [0.9]}
    assert draw_comparison(comparison(results(one), ABOUT | {"by": "latency_ms_max"}, {}), tmp_path / "d")
    assert draw_comparison(comparison(results({("", "", None): [0.9]}), ABOUT, {}), tmp_path / "e") == []


def test_a_panel_that_would_press_the_others_flat_has_a_scale_of_its_own():
    scores = {("", "", None): [0.92, 0.92, 0.925]} | {
        (m, scope, b): [0.9 - far * (scope == "global"), 0.901, 0.902]
        for m, far in (("a", 0.01), ("b", 0.02), ("c", 0.6))
        for scope in ("global", "layerwise")
        for b in (0.3, 0.5)
    }
    figure = panels_figure(comparison(results(scores), ABOUT, {}))
    above, below = figure.axes[:3], figure.axes[3:]
    for line in (above, below):
        limits = [axes.get_ylim() for axes in line]
        assert limits[0] == limits[1] and limits[2][1] - limits[2][0] > 5 * (limits[0][1] - limits[0][0])
        shown = [any(label.get_visible() for label in axes.yaxis.get_ticklabels()) for axes in line]
        assert shown == [True, False, True]
    for axes, far in zip(above, (0.01, 0.02, 0.6), strict=True):
        low, high = axes.get_ylim()
        assert low <= 100 * (0.901 - far / 3) <= high


def test_no_bar_is_drawn_where_there_is_no_interval():
    one = comparison(
        results({("", "", None): [0.9], ("m", "global", 0.5): [0.8], ("m", "layerwise", 0.5): [0.7]}), ABOUT, {}
    )
    figure = panels_figure(one)
    assert figure.get_suptitle() == "net on images, 1 seed"
    (bars,) = [c.lines[2][0] for c in figure.axes[0].containers if c.get_label() == "global"]
    assert all(len(segment) == 0 or not np.isfinite(segment).all() for segment in bars.get_segments())


def test_titles_of_panels_do_not_run_into_each_other():
    long = "easiedge schedule.iterations=2 schedule.readjust=0.1 $x$ "
    scores = {(f"{long}{i}", s, 0.5): [0.9, 0.8] for i in range(3) for s in ("global", "layerwise")}
    figure = panels_figure(comparison(results(scores), ABOUT, {}))
    figure.draw_without_rendering()
    boxes = [axes.title.get_window_extent() for axes in figure.axes[:3]]
    assert all(left.x1 < right.x0 for left, right in itertools.pairwise(boxes)) and boxes[-1].x1 < figure.bbox.x1


def test_many_methods_in_one_scope_each_stand_one_below_the_other(tmp_path):
    scores = {("", "", None): [0.91, 0.92]} | {
        (f"method number {i}, $of$ so many words that one line does not hold them", "global" if i % 2 else "layerwise", b): [0.9 - 0.01 * i, 0.9]
        for i in range(7)
        for b in (0.3, 0.5)
    }  # fmt: skip
    found = comparison(results(scores), ABOUT, {})
    figure = forest_figure(found)
    panels = figure.axes
    assert [axes.get_title() for axes in panels] == ["filters removed: 30 %", "filters removed: 50 %"]
    assert [label.get_text().split(",")[0] for label in panels[0].get_yticklabels()] == [
        f"method number {i}" for i in range(7)
    ]
    assert panels[0].get_ylim()[0] > panels[0].get_ylim()[1]  # the first on top
    for axes in panels:
        points = {line.get_ydata()[0]: line.get_xdata()[0] for line in axes.lines if line.get_marker() in ("o", "s")}
        assert points == pytest.approx({i: 50 * (0.9 - 0.01 * i + 0.9) for i in range(7)})
        assert axes.get_xlim()[1] <= 100.5
    assert [p.name for p in draw_comparison(found, tmp_path / "c")] == ["c.png", "c.svg"]


def test_what_is_saved_comes_back(found):
    assert comparison_of(as_json(found)) == found
    alone = comparison([r for r in results() if r.seed == 0], ABOUT, {"cell": "why"})
    again = comparison_of(as_json(alone))
    assert as_markdown(again) == as_markdown(alone)


@pytest.mark.parametrize(
    "change",
    [
        lambda r: r.update(schema=2),
        lambda r: r.pop("rows"),
        lambda r: r["rows"][0].update(odd=1),
        lambda r: r.update(dense=3),
    ],
)
def test_what_was_not_saved_by_us_is_refused(found, change):
    record = json.loads(as_json(found))
    change(record)
    with pytest.raises(RunError, match="comparison"):
        comparison_of(json.dumps(record))
    with pytest.raises(RunError):
        comparison_of("[")


def test_methods_with_a_scope_of_their_own_are_held_against_the_first():
    scores = {
        ("a", "global", 0.5): [0.90, 0.91, 0.89],
        ("b", "layerwise", 0.5): [0.88, 0.885, 0.87],
        ("c", "global", 0.5): [0.8, 0.8, 0.8],
    }
    found = comparison(results(scores), ABOUT | {"methods": ["a", "b", "c"]}, {})
    pairs = {(d.left, d.right): d.found.spread.mean for d in found.differences if d.kind == "method"}
    assert pairs == pytest.approx({("b, layerwise", "a, global"): -0.065 / 3, ("c, global", "a, global"): -0.1})
    assert "Minus a, each at its own scope" in as_markdown(found)


def test_where_scopes_are_compared_each_is_held_against_its_like():
    found = comparison(results(), ABOUT, {})
    assert {(d.left, d.right) for d in found.differences if d.kind == "method"} == {
        ("b x=1, global", "a, global"),
        ("b x=1, layerwise", "a, layerwise"),
    }
    assert "Minus a at the same scope" in as_markdown(found)
