"""A run directory is read as it was written, and refused by name where it cannot have been."""

import json
import math

import pytest
from runs_on_disk import write_run

from easiedge.errors import EasiEdgeError, RunError
from easiedge.report.runs import find_runs, read_run


@pytest.fixture
def directory(tmp_path):
    write_run(tmp_path / "run", seed=3, scope="layerwise", budget=0.4)
    return tmp_path / "run"


def edit(directory, change):
    path = directory / "metrics.json"
    figures = json.loads(path.read_text())
    change(figures)
    path.write_text(json.dumps(figures))


def test_a_run_is_read_as_it_was_written(directory):
    run = read_run(directory)
    figures = json.loads((directory / "metrics.json").read_text())
    assert (run.seed, run.data, run.model, run.method, run.scope) == (3, "digits", "lenet", "easiedge", "layerwise")
    assert run.accuracy == figures["pruned"]["accuracy"]
    assert run.removed("macs") == pytest.approx(figures["budget"]["achieved"]["macs_removed"])
    assert run.config["recipe.finetune.epochs"] == 2
    assert run.config["groups.include"] == '["*"]'
    assert [row.layer for row in run.layers] == ["conv1", "conv2", "fc1", "head"]
    assert [row.stage for row in run.curves] == ["dense training"] * 3 + ["fine-tuning"] * 2
    assert len(run.iterations) == 3


def test_a_dense_run_has_no_pruned_figures(tmp_path):
    figures = write_run(tmp_path, dense_only=True, curves=False)
    run = read_run(tmp_path)
    assert (run.pruned, run.scope, run.removed("macs"), run.layers, run.curves) == (None, None, None, (), ())
    assert run.accuracy == figures["dense"]["accuracy"]


def test_a_control_from_which_nothing_goes_has_no_scope(tmp_path):
    write_run(tmp_path, budget=0.0, scope="global")
    run = read_run(tmp_path)
    assert run.pruned is not None and run.scope is None and run.removed("macs") == 0


def put(path, value):
    def change(figures):
        *parts, last = path.split(".")
        for part in parts:
            figures = figures[part]
        figures[last] = value

    return change


def drop(name):
    return lambda figures: figures["pruned"].pop(name)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (put("pruned.accuracy", math.nan), "pruned.accuracy is nan"),
        (put("pruned.accuracy", None), "pruned.accuracy is null"),
        (put("pruned.accuracy", "0.9"), "pruned.accuracy is '0.9', not a number"),
        (put("pruned.accuracy", True), "pruned.accuracy is true"),
        (put("pruned.accuracy", 97.0), "outside [0, 1]"),
        (put("dense.accuracy", -0.1), "outside [0, 1]"),
        (put("dense.macs", 0), "dense.macs=0 is outside"),
        (put("dense.macs", 10**400), "not a finite number"),
        (put("dense.params", 1.5), "not a whole number"),
        (put("pruned.macs", 10**7), "edited by hand"),
        (put("pruned.macs", 17), "does not agree"),
        (put("seed", True), "seed is true"),
        (put("seed", -1), "seed=-1"),
        (put("seed", 0.5), "not a whole number"),
        (put("schema", 2), "of a later easiedge"),
        (put("schema", True), "no schema number"),
        (put("method", ""), "method is ''"),
        (put("data", ["digits"]), "data is a list"),
        (put("model", "m" * 2000), "longer than"),
        (put("pruned", None), "it is null, not an object"),
        (put("dense", [1]), "a list"),
        (put("admm", {"iterations": {}}), "not a list"),
        (put("admm", {"iterations": [3]}), "number 1 is not an object"),
        (put("admm", {"iterations": [{"rho": 1}]}), "number 1: primal_residual is missing"),
        (put("budget.reached", "yes"), "neither true nor false"),
        (put("budget.requested", {"macs_removed": "half"}), "not a number"),
        (put("latency", {"machine": "m"}), "neither measured_ms nor predicted_ms"),
        (put("latency", {"machine": "m", "predicted_ms": -1}), "predicted_ms"),
        (put("seconds", {"total": math.inf}), "total is inf"),
        (drop("accuracy"), "pruned.accuracy is missing"),
        (drop("accuracy_before_finetune"), "accuracy_before_finetune is missing"),
        (lambda figures: figures.pop("dense"), "dense.accuracy is missing"),
        (lambda figures: figures.pop("schema"), "no schema number"),
    ],
)
def test_what_cannot_be_is_named(directory, change, says):
    edit(directory, change)
    with pytest.raises(EasiEdgeError) as error:
        read_run(directory)
    assert says in str(error.value)
    assert str(directory) in str(error.value)
    assert "\n" not in str(error.value)


def test_residuals_that_were_not_finite_are_gaps(directory):
    edit(
        directory, lambda figures: figures["admm"]["iterations"][0].update(primal_residual=None, dual_residual=math.nan)
    )
    first = read_run(directory).iterations[0]
    assert first["primal_residual"] is None and first["dual_residual"] is None and first["rho"] == 1.0


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("metrics.json", '{"schema": 1, "seed', "cut off or no JSON (line 1)"),
        ("metrics.json", "", "is empty"),
        ("metrics.json", "[1, 2]", "does not hold an object"),
        ("metrics.json", "[" * 100_000, "cut off or no JSON"),
        ("metrics.json", b"\xff\xfe{}", "not UTF-8"),
        ("metrics.json", '{"schema": ' + "9" * 5000 + "}", "no JSON"),
        ("metrics.json", r'{"schema": 1, "seconds": {"\uD83D": 1}}', "half a character"),
        ("config.yaml", "a: !!python/object/apply:os.system ['true']", "no plain YAML"),
        ("config.yaml", "a: [1, 2", "no plain YAML"),
        ("config.yaml", "- 1\n- 2\n", "does not hold a mapping"),
        ("config.yaml", "", "does not hold a mapping"),
        ("config.yaml", "a: &a\n  b: *a\n", "nested more than"),
        ("config.yaml", "a: &a [1, *a]\n", "without end"),
        ("config.yaml", "? {a: 1}\n: 2\n", "no plain YAML"),
        ("layers.csv", "group,layer\n", "no column units_before"),
        ("curves.csv", "stage,epoch,train_loss,val_loss,val_accuracy,lr\nfine,0,1,1,0.5", "cut off"),
        ("curves.csv", "stage,epoch,train_loss,val_loss,val_accuracy,lr\nfine,0,1\n", "more or fewer cells"),
        ("curves.csv", "stage,epoch,train_loss,val_loss,val_accuracy,lr\nfine,0,x,1,0.5,1\n", "train_loss='x'"),
        ("curves.csv", "stage,epoch,train_loss,val_loss,val_accuracy,lr\nfine,0,1,1,50,1\n", "outside [0, 1]"),
        ("curves.csv", "stage,epoch,train_loss,val_loss,val_accuracy,lr\nfine,-1,1,1,0.5,1\n", "not a count"),
    ],
)  # fmt: skip
def test_files_that_are_cut_off_or_hostile_are_named(directory, name, content, says):
    (directory / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(RunError) as error:
        read_run(directory)
    assert says in str(error.value) and name in str(error.value)


def test_a_thousand_million_values_in_a_few_lines_of_yaml_end_at_once(directory):
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 10)}]" for i in range(1, 10)]
    (directory / "config.yaml").write_text("\n".join(lines))
    with pytest.raises(RunError, match="more than 5000 values"):
        read_run(directory)


@pytest.mark.parametrize("row", ["a,a,10,11,1,1,1,1", "a,a,10,0,1,1,1,1", "a,a,ten,1,1,1,1,1", "a,a,10,5,1,1,1"])
def test_layers_that_cannot_be_are_named(directory, row):
    path = directory / "layers.csv"
    path.write_text(path.read_text().splitlines()[0] + "\n" + row + "\n")
    with pytest.raises(RunError, match=r"layers\.csv line 2"):
        read_run(directory)


def test_losses_that_are_empty_or_not_a_number_are_gaps(directory):
    (directory / "curves.csv").write_text("stage,epoch,train_loss,val_loss,val_accuracy,lr\nfine,0,nan,,inf,1e-3\n")
    row = read_run(directory).curves[0]
    assert (row.train_loss, row.val_loss, row.val_accuracy, row.lr) == (None, None, None, 1e-3)


def test_runs_are_found_in_natural_order_and_the_rest_is_named(tmp_path):
    for number in (10, 9, 1):
        write_run(tmp_path / "sweep" / str(number), seed=number)
    (tmp_path / "sweep" / "9" / "metrics.json").write_text("{")
    (tmp_path / "sweep" / "11").mkdir()
    (tmp_path / "sweep" / "11" / "config.yaml").write_text("seed: 1\n")
    (tmp_path / "again").symlink_to(tmp_path / "sweep")
    write_run(tmp_path / "sweep" / "1" / "dense")  # part of a run, whatever it holds
    write_run(tmp_path / "dense")  # a folder that the user called so
    (tmp_path / "sensitivity.json").write_text("{}")
    found = find_runs(tmp_path)
    assert [str(r.directory.relative_to(tmp_path)) for r in found.runs] == ["dense", "sweep/1", "sweep/10"]
    assert [(s.directory.name, s.reason) for s in found.skipped] == [
        ("9", "metrics.json is cut off or no JSON (line 1)")
    ]
    assert [p.name for p in found.unfinished] == ["11"]
    assert found.sensitivities == (tmp_path / "sensitivity.json",)


def test_a_folder_that_is_none_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    for path, says in ((tmp_path / "none", "does not exist"), (tmp_path / "file", "is a file")):
        with pytest.raises(RunError, match=says):
            find_runs(path)
    with pytest.raises(RunError, match="not a directory"):
        read_run(tmp_path / "none")
