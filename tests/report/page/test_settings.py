"""Which runs are one setting, what settings are called, and which stand beside each other."""

import itertools
import json

import pytest
from runs_on_disk import config, metrics, write_run, write_study

from easiedge.report.page.front import pareto_front
from easiedge.report.page.influence import influences
from easiedge.report.page.labels import series_labels
from easiedge.report.page.scopes import scope_pairs
from easiedge.report.page.section_page import _notes
from easiedge.report.page.sections import sections_of
from easiedge.report.page.settings import settings_of
from easiedge.report.paired import holm, paired
from easiedge.report.runs import find_runs


def section(folder):
    (found,) = sections_of(find_runs(folder).runs)
    return found


def test_runs_that_differ_only_in_seed_logger_or_place_are_one_setting(tmp_path):
    for seed in range(3):
        write_run(tmp_path / str(seed), seed=seed, data__root=f"/data/{seed}", logger__kind="csv" if seed else "none")
    write_run(tmp_path / "other", seed=0, recipe__admm__epochs=4)
    settings = settings_of(find_runs(tmp_path).runs)
    assert sorted(len(s.runs) for s in settings) == [1, 3]


def test_a_seed_that_stays_the_same_says_nothing(tmp_path):
    write_study(tmp_path, seeds=3, budgets=(0.5,))  # folds.seed is 0 in all
    assert {len(s.accuracies) for s in settings_of(find_runs(tmp_path).runs)} == {3}


def test_an_option_called_seed_that_is_set_apart_makes_another_setting(tmp_path):
    write_run(tmp_path / "0", seed=0)
    write_run(tmp_path / "1", seed=1, scoring__options__seed=7)
    assert len(settings_of(find_runs(tmp_path).runs)) == 2


def test_weights_that_every_seed_has_its_own_of_do_not_split_a_setting(tmp_path):
    for seed, scope in itertools.product(range(2), ("global", "layerwise")):
        write_run(tmp_path / f"{scope}{seed}", seed=seed, scope=scope, weights=f"dense/{seed}.safetensors")
    assert sorted(len(s.runs) for s in settings_of(find_runs(tmp_path).runs)) == [2, 2]
    write_run(tmp_path / "more", seed=0, weights="other.safetensors")
    assert len(settings_of(find_runs(tmp_path).runs)) > 2, "now weights say more than the seed"


def test_a_seed_run_twice_counts_once(tmp_path):
    for name in ("a", "b"):
        write_run(tmp_path / name, seed=0)
    figures = json.loads((tmp_path / "b" / "metrics.json").read_text())
    figures["pruned"]["accuracy"] -= 0.1
    (tmp_path / "b" / "metrics.json").write_text(json.dumps(figures))
    write_run(tmp_path / "c", seed=1)
    (setting,) = settings_of(find_runs(tmp_path).runs)
    values = [run.accuracy for run in setting.runs]
    assert setting.accuracies == {0: pytest.approx((values[0] + values[1]) / 2), 1: values[2]}
    assert setting.accuracy.n == 2


def test_pairs_are_the_settings_that_differ_in_scope_alone_and_their_p_values_are_corrected(tmp_path):
    write_study(tmp_path, seeds=4, budgets=(0.3, 0.6), methods=("easiedge",))
    write_run(tmp_path / "alone", scope="global", seed=0, budget=0.9)
    pairs = scope_pairs(section(tmp_path).settings)
    assert [p.overall.requested["filters_removed"] for p in pairs] == [0.3, 0.6]
    expected = []
    for budget in (0.3, 0.6):
        by_scope = [
            {seed: metrics(config(seed=seed, scope=scope, budget=budget))["pruned"]["accuracy"] for seed in range(4)}
            for scope in ("global", "layerwise")
        ]
        expected.append(paired(*by_scope))
    assert [p.difference for p in pairs] == expected
    assert [p.corrected for p in pairs] == holm([d.t_p for d in expected])


def test_a_single_seed_has_a_difference_but_no_test_and_says_why(tmp_path):
    write_study(tmp_path, seeds=1, budgets=(0.5,), methods=("easiedge",))
    (pair,) = scope_pairs(section(tmp_path).settings)
    assert pair.corrected is None and pair.difference.spread.low is None
    assert "one seed" in pair.difference.why_not


def test_series_are_named_by_as_little_as_tells_them_apart(tmp_path):
    write_study(tmp_path / "a", seeds=1, budgets=(0.3, 0.5))
    write_run(tmp_path / "long", method="easiedge", finetune=9)
    names = list(series_labels(section(tmp_path).settings).values())
    assert names == [
        "easiedge, global, epochs=2", "easiedge, global, epochs=9", "easiedge, layerwise", "one_shot, global", "one_shot, layerwise",
    ]  # fmt: skip
    assert len(set(section(tmp_path).labels.values())) == len(section(tmp_path).settings)


def test_networks_and_data_have_sections_of_their_own(tmp_path):
    write_run(tmp_path / "0")
    write_run(tmp_path / "1", data="mnist")
    write_run(tmp_path / "2", model="vgg16", data="cifar10")
    write_run(tmp_path / "3", dense_only=True)
    found = sections_of(find_runs(tmp_path).runs)
    assert [(s.title, len(s.settings), len(s.dense)) for s in found] == [
        ("lenet on digits", 1, 1), ("lenet on mnist", 1, 0), ("vgg16 on cifar10", 1, 0),
    ]  # fmt: skip


def described(folder, number, seed, **about):
    write_run(folder / f"{number}-{seed}", seed=seed, data="image_folder", data__root=f"/data/{number}")
    path = folder / f"{number}-{seed}" / "metrics.json"
    figures = json.loads(path.read_text())
    figures["contents"] |= about
    path.write_text(json.dumps(figures))
    return path


def test_other_data_of_the_same_name_have_a_section_of_their_own_wherever_they_lie(tmp_path):
    for number, digest in enumerate(("cracks", "flowers", "cracks")):
        described(tmp_path, number, number, digest=digest)
    found = sections_of(find_runs(tmp_path).runs)
    assert [sorted(r.seed for r in s.runs) for s in found] == [[0, 2], [1]]
    assert [s.title for s in found] == [
        f"lenet on image_folder (1,797 images of 10 classes, {start})" for start in ("crac", "flow")
    ]


@pytest.mark.parametrize(("maker", "sections"), [("easiedge.data.image_folder.ImageFolder", 2), ("my.Data", 2), ("easiedge.data.mnist.MNIST", 1)])  # fmt: skip
def test_where_runs_do_not_say_what_data_they_had_the_place_decides_if_anyone_can_bring_them(tmp_path, maker, sections):
    for number in range(2):
        path = described(tmp_path, number, 0)
        figures = json.loads(path.read_text())
        del figures["contents"]
        path.write_text(json.dumps(figures))
        config = path.with_name("config.yaml")
        config.write_text(config.read_text().replace("easiedge.data.image_folder", maker))
    assert len(sections_of(find_runs(tmp_path).runs)) == sections


def test_older_runs_of_well_known_data_join_those_that_say_what_they_had(tmp_path):
    write_study(tmp_path, seeds=2, budgets=(0.5,), methods=("easiedge",))
    path = tmp_path / "0" / "metrics.json"
    figures = json.loads(path.read_text())
    del figures["contents"]
    path.write_text(json.dumps(figures))
    assert len(sections_of(find_runs(tmp_path).runs)) == 1


def test_seeds_whose_dense_networks_differ_are_named(tmp_path):
    write_study(tmp_path, seeds=3, budgets=(0.5,), methods=("easiedge",))
    assert not any("same dense network" in note for note in _notes(section(tmp_path)))
    path = tmp_path / "1" / "metrics.json"
    figures = json.loads(path.read_text())
    figures["dense"]["accuracy"] -= 0.01
    path.write_text(json.dumps(figures))
    assert any(note.startswith("Runs of seed 1 did not all start") for note in _notes(section(tmp_path)))


@pytest.mark.parametrize("seed", range(20))
def test_front_is_what_nothing_beats(seed):
    import random

    draw = random.Random(seed)
    points = [(draw.randint(0, 6), draw.randint(0, 6)) for _ in range(12)]
    beaten = {
        i
        for i, (cost, good) in enumerate(points)
        for other_cost, other_good in points
        if other_cost <= cost and other_good >= good and (other_cost, other_good) != (cost, good)
    }
    front = pareto_front([p[0] for p in points], [p[1] for p in points])
    assert set(front) == set(range(12)) - beaten
    assert [points[i][0] for i in front] == sorted(points[i][0] for i in front)


def test_numbers_that_vary_between_equal_settings_are_found_with_those_that_follow_them(tmp_path):
    for epochs, seed in itertools.product((1, 2, 8), range(2)):
        write_run(
            tmp_path / f"{epochs}-{seed}", seed=seed, recipe__admm__epochs=epochs, schedule__epochs_per_iteration=epochs
        )
    write_run(tmp_path / "other", method="one_shot", recipe__admm__epochs=5)  # has no epochs_per_iteration
    (found,) = influences(section(tmp_path).settings)
    assert (found.name, found.along) == ("recipe.admm.epochs", ("schedule.epochs_per_iteration",))
    assert [[s.values["recipe.admm.epochs"] for s in family] for family in found.families] == [[1, 2, 8]]


def test_two_numbers_that_vary_on_their_own_have_a_family_for_each_value_of_the_other(tmp_path):
    for epochs, chunk in itertools.product((1, 2), (0.1, 0.2, 0.4)):
        write_run(tmp_path / f"{epochs}-{chunk}", finetune=epochs, scoring__chunk=chunk)
    found = {i.name: i for i in influences(section(tmp_path).settings)}
    assert sorted(found) == ["recipe.finetune.epochs", "scoring.chunk"]
    assert sorted(map(len, found["scoring.chunk"].families)) == [3, 3]
    assert sorted(map(len, found["recipe.finetune.epochs"].families)) == [2, 2, 2]
    assert all(i.along == () for i in found.values())
