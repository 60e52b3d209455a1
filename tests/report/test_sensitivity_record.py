"""Layer sensitivity: what is written is read back, continued only by the same request, shown and drawn."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console

from easiedge.errors import EasiEdgeError
from easiedge.report.sensitivity_pictures import draw_sensitivity
from easiedge.report.sensitivity_record import FILE, GroupCurve, LayerSensitivity, continued, write_sensitivity
from easiedge.report.sensitivity_terminal import bearable, cost_line, print_sensitivity


def found(groups=2, shares=(0.2, 0.5)):
    """Group i of 10 units loses i times its share."""
    fresh = LayerSensitivity("net", "set", 0, "val", 500, 0.9, shares, "l1_magnitude", "none", "abc", 0.5)
    for i in range(groups):
        accuracy = tuple(0.9 - 0.01 * i * 10 * s for s in shares)
        fresh = fresh.with_group(GroupCurve(f"layer{i}", 10, tuple(round(10 * s) for s in shares), accuracy, 0.25))
    return fresh


def test_what_is_written_is_read_back_and_goes_on(tmp_path):
    whole = found()
    fresh = replace(whole, groups=(), scoring_seconds=0.0)
    assert continued(fresh, tmp_path) == fresh
    write_sensitivity(replace(whole, groups=whole.groups[:1]), tmp_path)
    assert continued(fresh, tmp_path) == replace(whole, groups=whole.groups[:1])
    record = json.loads((tmp_path / FILE).read_text())
    assert (record["schema"], record["kind"], record["metric"]) == (1, "layer_sensitivity", "accuracy")
    assert record["groups"][0]["accuracy"] == [0.9, 0.9] and record["groups"][0]["removed"] == [2, 5]
    assert record["seconds"] == {"sensitivity": 0.25, "one_global_scoring": 0.5}
    lines = (tmp_path / "sensitivity.csv").read_text().splitlines()
    assert lines[0] == "group,units,share,removed,accuracy" and lines[2] == "layer0,10,0.5,5,0.9"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda r: r | {"identity": "other"}, "another network"),
        (lambda r: {k: v for k, v in r.items() if k != "seconds"}, "not a record"),
        (lambda r: r | {"groups": [r["groups"][0] | {"accuracy": [0.5]}]}, "1 accuracies for 2 shares"),
        (lambda r: [r], "not a record"),
    ],
)
def test_what_cannot_be_continued_is_named(tmp_path, damage, message):
    write_sensitivity(found(), tmp_path)
    path = tmp_path / FILE
    path.write_text(json.dumps(damage(json.loads(path.read_text()))))
    with pytest.raises(EasiEdgeError, match=message) as error:
        continued(replace(found(), groups=()), tmp_path)
    assert str(path) in str(error.value)


def test_half_a_file_is_named(tmp_path):
    write_sensitivity(found(), tmp_path)
    (tmp_path / FILE).write_text((tmp_path / FILE).read_text()[:100])
    with pytest.raises(EasiEdgeError, match="not a record"):
        continued(found(), tmp_path)


def test_the_most_sensitive_group_stands_first_and_few_of_many_are_shown():
    console = Console(width=80, record=True, file=open("/dev/null", "w"))  # noqa: PTH123, SIM115
    with console.file:
        print_sensitivity(found(groups=14), Path("out"), console)
    text = console.export_text()
    shown = [line.split()[0] for line in text.splitlines() if re.match(r"layer\d", line)]
    assert shown == [f"layer{i}" for i in (13, 12, 11, 10, 9, 4, 3, 2, 1, 0)]
    assert "28 accuracies took 3.5 s, 7.0 times as long as one global scoring of all 140 units, 0.5 s" in text
    assert max(len(line) for line in text.splitlines() if "out (" not in line) <= 98


def test_a_group_bears_shares_up_to_the_first_that_costs_over_a_point():
    group = GroupCurve("a", 10, (1, 2, 3), (0.895, 0.85, 0.9), 0.0)
    assert bearable(found(), group) == 0.1
    assert bearable(found(), replace(group, accuracy=(0.5, 0.9, 0.9))) == 0.0


def test_the_cost_is_told_where_there_is_nothing_to_compare_with():
    assert "times" not in cost_line(replace(found(), scoring_seconds=0.0))


@pytest.mark.parametrize("groups", [1, 3, 55])
def test_pictures_of_few_and_of_many_layers(tmp_path, groups):
    made = draw_sensitivity(found(groups, tuple(i / 10 for i in range(1, 10))), tmp_path)
    assert [p.name for p in made] == ["sensitivity_curves.png", "sensitivity_heat_map.png"]
    for path in made:
        with Image.open(path) as picture:
            assert picture.width > 500 and picture.height > 200
        svg = path.with_suffix(".svg").read_text()
        assert svg.startswith("<?xml") and "<svg" in svg
