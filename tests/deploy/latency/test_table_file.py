"""A table travels unchanged, and one that is damaged or does not fit is refused in one sentence."""

import json
from dataclasses import replace

import numpy as np
import pytest
from device import SETTING, made_up_table
from networks import images, network

from easiedge.deploy.latency.table_file import _checksum, load_table, save_table
from easiedge.errors import EasiEdgeError
from easiedge.model.filter_groups import find_groups


@pytest.fixture(scope="module")
def parts():
    model, x = network("Residual"), images()
    groups = find_groups(model, x)
    return made_up_table(model, groups, x), (model, groups, x)


@pytest.fixture
def made(parts, tmp_path):
    save_table(parts[0], tmp_path / "table.json")
    return parts[0], tmp_path / "table.json", parts[1]


def test_a_table_says_the_same_after_its_journey(made):
    table, path, parts = made
    again = load_table(path)
    assert again.setting == SETTING and again.quality == table.quality and again.input_shape == (1, 2, 8, 8)
    n = np.array([max(g.size // 2, 1) for g in parts[1]], dtype=float)
    assert again.network(*parts).ms(n) == table.network(*parts).ms(n)
    assert path.stat().st_size < 100_000
    save_table(again, path.with_name("again.json"))
    assert path.with_name("again.json").read_bytes() == path.read_bytes()


def test_it_serves_any_copy_of_the_network_with_other_weights(made):
    table, path, (model, groups, x) = made
    other = network("Residual", seed=5)
    latency = load_table(path).network(other, find_groups(other, x), x)
    assert latency.ms(latency.widths.sizes) == table.network(model, groups, x).ms(latency.widths.sizes)


def test_some_of_the_groups_may_be_asked_about(made):
    table, _, (model, groups, x) = made
    n = np.array([max(g.size // 2, 1) for g in groups[:1]], dtype=float)
    every = {g.name: g.size for g in groups} | {groups[0].name: int(n[0])}
    assert table.network(model, groups[:1], x).ms(n) == pytest.approx(table.network(model, groups, x).ms(every))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda text: text[: len(text) // 2], "cannot be read"),
        (lambda text: text.replace('"factor":', '"factor":1', 1), "damaged"),
        (lambda text: text.replace('"schema":2', '"schema":7'), "schema 7"),
        (lambda text: "[1, 2]", "no latency table"),
        (lambda text: "{}", "no latency table"),
        (lambda text: "\udcff", "cannot be read"),
    ],
)
def test_damaged_tables_are_refused(made, change, says):
    path = made[1]
    path.write_bytes(change(path.read_text()).encode(errors="surrogateescape"))
    with pytest.raises(EasiEdgeError, match=says):
        load_table(path)


@pytest.mark.parametrize(("key", "value"), [("overhead_ms", float("nan")), ("factor", -5.0), ("factor", float("inf"))])
def test_times_that_cannot_be_are_refused(made, key, value):
    path = made[1]
    content = json.loads(path.read_text())
    del content["sha256"]
    content[key] = value
    path.write_text(json.dumps({**content, "sha256": _checksum(content)}))
    with pytest.raises(EasiEdgeError, match="are not times"):
        load_table(path)


def test_layers_in_another_order_get_their_own_times(made):
    """The table may list the layers in another order than the network has them."""
    table, path, (model, groups, x) = made[0], made[1], made[2]
    wanted = table.network(model, groups, x)
    turned = replace(table, layers=table.layers[::-1], kinds=table.kinds[::-1], dense=table.dense[::-1])
    sizes = wanted.widths.sizes
    assert turned.network(model, groups, x).ms(sizes) == pytest.approx(wanted.ms(sizes))
    assert turned.network(model, groups, x).layers_ms(sizes) == pytest.approx(wanted.layers_ms(sizes))
    assert path.exists()


def test_a_table_whose_checksum_fits_but_not_its_content_is_refused(made):

    path = made[1]
    content = json.loads(path.read_text())
    del content["sha256"]
    next(iter(content["kinds"].values()))["coefficients"][0][0] = -1.0
    path.write_text(json.dumps({**content, "sha256": _checksum(content)}))
    with pytest.raises(EasiEdgeError, match="malformed"):
        load_table(path)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(EasiEdgeError, match=r"no latency table .*nowhere.json"):
        load_table(tmp_path / "nowhere.json")


def test_a_table_for_other_layers_is_refused(made):
    table, x = made[0], images()
    other = network("Plain")
    with pytest.raises(EasiEdgeError, match=r"made for other layers: conv1 is conv 3x3/1 .* and absent in the table"):
        table.network(other, find_groups(other, x), x)
    larger = images().repeat(1, 1, 2, 2)
    with pytest.raises(EasiEdgeError, match="stem is conv 3x3/1 on 16x16"):
        table.network(made[2][0], made[2][1], larger)


def test_another_engine_or_number_of_threads_is_refused(made):
    table = made[0]
    table.check()
    table.check(engine="onnxruntime", threads=2)
    with pytest.raises(EasiEdgeError, match="threads=2, and threads=4 is asked for"):
        table.check(threads=4)
    with pytest.raises(EasiEdgeError, match="engine=onnxruntime, and engine=tflite is asked for"):
        table.check(engine="tflite")
