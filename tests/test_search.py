"""Ready sweeps: the epochs between removals, the search for accurate and cheap networks, and W&B's own sweeps."""

import importlib.util
import json
import math
from pathlib import Path

import pytest
import yaml
from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

from easiedge.cli import conf_dir, run
from easiedge.configuration import check_overrides
from easiedge.report.objectives import NAMES
from easiedge.report.pareto import pareto

TINY = [
    "recipe.train.epochs=2", "recipe.admm.epochs=1", "recipe.finetune.epochs=1", "calibration.images=64", "trainer.progress=false", "logger=none",
    "groups.exclude=[fc1]",
]  # fmt: skip

pytestmark = pytest.mark.usefixtures("elsewhere")

optuna = pytest.mark.skipif(
    importlib.util.find_spec("hydra_plugins") is None
    or importlib.util.find_spec("hydra_plugins.hydra_optuna_sweeper") is None,
    reason="the extra easiedge[optuna] is not installed",
)


def figures(job):
    return json.loads(Path(job, "metrics.json").read_text())


def test_the_epochs_between_removals_are_swept_for_each_seed():
    command = [
        "prune",
        "sweep=finetune_epochs",
        *TINY,
        "schedule.steps=1",
        "schedule.epochs=0,1",
        "seed=0",
        "hydra.sweep.dir=s",
    ]
    assert run(command) == 0  # without -m: the sweep brings it
    tried = [yaml.safe_load(Path("s", job, "config.yaml").read_text())["schedule"]["epochs"] for job in "01"]
    assert tried == [0, 1] and not Path("s/2").exists()
    assert [figures(f"s/{job}")["method"] for job in "01"] == ["iterative", "iterative"]
    assert figures("s/0")["dense"] == figures("s/1")["dense"]  # paired


def test_the_epochs_sweep_as_it_stands():
    cfg = yaml.safe_load((conf_dir() / "sweep" / "finetune_epochs.yaml").read_text())
    assert cfg["hydra"]["sweeper"]["params"] == {"schedule.epochs": "0,1,2,4", "seed": "0,1,2"}


@optuna
@pytest.mark.filterwarnings("ignore")  # of the sweeper's old optuna
def test_a_search_of_three_trials_prints_its_pareto_set(capsys):
    command = ["prune", "sweep=pareto", "hydra.sweeper.n_trials=3", *TINY, "schedule.iterations=1", "hydra.sweep.dir=s"]
    assert run(command) == 0
    found = yaml.safe_load(Path("s/optimization_results.yaml").read_text())["solutions"]
    runs = [figures(f"s/{job}")["pruned"] for job in "012"]
    values = [(r["val_accuracy"], float(r["macs"])) for r in runs]
    wanted = [values[i] for i in pareto(values, ["maximize", "minimize"])]
    assert sorted(tuple(s["values"]) for s in found) == sorted(wanted)
    tried = {yaml.safe_load(Path("s", job, "config.yaml").read_text())["budget"]["macs_removed"] for job in "012"}
    assert len(tried) == 3 and all(0.2 <= share <= 0.9 for share in tried)
    text = capsys.readouterr().out
    assert f"{len(wanted)} of 3 trials are not beaten" in text and "pruned.val_accuracy" in text


@optuna
@pytest.mark.filterwarnings("ignore")
def test_a_failed_trial_is_reported_and_the_search_goes_on(capsys):
    """Of the two budgets the larger is out of reach."""
    choices = "budget.macs_removed=choice(0.2,0.98)"
    fixed = ["projection.max_ratio=0.7", "recipe.finetune.lr=0.01", "hydra.sweeper.sampler.seed=1"]
    command = [
        "prune",
        "sweep=pareto",
        "hydra.sweeper.n_trials=4",
        choices,
        *fixed,
        *TINY,
        "schedule.iterations=1",
        "hydra.sweep.dir=s",
    ]
    assert run(command) == 0
    shares = [
        yaml.safe_load(Path("s", str(j), ".hydra/config.yaml").read_text())["budget"]["macs_removed"] for j in range(4)
    ]
    failed = [str(j) for j in range(4) if shares[j] == 0.98]
    assert 0 < len(failed) < 4  # the seed draws both
    out, err = capsys.readouterr()
    assert f"{len(failed)} of 4 trials failed ({', '.join(failed)})" in " ".join(out.split())
    assert err.count("Failed experiment: ") == len(failed) and "out of reach" in err


@optuna
@pytest.mark.filterwarnings("ignore")
def test_a_search_in_which_every_trial_fails_ends_with_status_1(capsys):
    fixed = ["projection.max_ratio=0.5", "recipe.finetune.lr=0.01", "budget.macs_removed=choice(0.97,0.98)"]
    assert run(["prune", "sweep=pareto", "hydra.sweeper.n_trials=2", *fixed, *TINY, "hydra.sweep.dir=s"]) == 1
    assert "2 of 2 trials failed (0, 1)" in " ".join(capsys.readouterr().out.split())


@optuna
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["budget.macs_removed=interval(0.2,1.2)"], "budget.macs_removed=1.2 is outside [0, 1)"),
        (["budget.latency_ms_max=interval(0.0,5.0)"], "must be above zero"),
        (["objectives=[pruned.speed,pruned.macs]"], "choose among"),
        (["objectives=[pruned.macs]"], "2 directions (maximize, minimize) for 1 objectives"),
        (["objectives=pruned.macs"], "must be a list"),
        (["hydra.sweeper.direction=[maximize,down]"], "choose maximize or minimize"),
        (["hydra.sweeper.direction=minimize"], "1 directions"),
    ],
)
def test_wrong_searches_are_refused_before_anything_starts(overrides, message, capsys):
    assert run(["prune", "sweep=pareto", *TINY, *overrides, "hydra.sweep.dir=s"]) == 2
    assert message in capsys.readouterr().err
    assert not Path("s").exists()


@pytest.mark.parametrize(
    "arguments", [["-m", "budget.filters_removed=0.3,1.5"], ["objectives=[magic]"], ["sweep=magic"]]
)
def test_wrong_sweeps_without_a_search_are_refused_too(arguments, capsys):
    assert run(["prune", *arguments, *TINY, "hydra.sweep.dir=s"]) == 2
    err = capsys.readouterr().err
    assert "1.5 is outside" in err or "choose among" in err or "choose one of finetune_epochs, pareto" in err
    assert not Path("s").exists()


def test_a_search_without_the_package_says_what_to_install(monkeypatch, capsys):
    Plugins.instance()  # which registers the sweeper, if it is there
    monkeypatch.delitem(ConfigStore.instance().repo["hydra"]["sweeper"], "optuna.yaml", raising=False)
    assert run(["prune", "sweep=pareto", "hydra.sweep.dir=s"]) == 2
    assert "pip install 'easiedge[optuna]'" in capsys.readouterr().err


def test_an_objective_is_returned_in_any_run_and_changes_nothing(capsys):
    assert run(["prune", *TINY, "method=one_shot", "objectives=[pruned.macs]", "hydra.run.dir=o"]) == 0
    assert figures("o")["pruned"]["macs"] > 0
    assert run(["train", *TINY, "objectives=[pruned.macs]", "hydra.run.dir=t"]) == 2
    assert "objective pruned.macs is None" in capsys.readouterr().err


SWEEP = Path(__file__).resolve().parents[1] / "experiments" / "wandb" / "sweep.yaml"


@pytest.mark.skipif(not SWEEP.is_file(), reason="experiments/ is not in this copy")
def test_the_wandb_sweep_names_a_logged_figure_and_every_command_composes():
    sweep = yaml.safe_load(SWEEP.read_text())
    assert sweep["method"] in ("grid", "random", "bayes") and sweep["metric"]["goal"] in ("minimize", "maximize")
    assert sweep["metric"]["name"].replace("/", ".") in NAMES
    start = sweep["command"].index("easiedge")
    assert sweep["command"][-1] == "${args_no_hyphens}"
    command = [part for part in sweep["command"][start + 1 :] if not part.startswith("${")]
    assert command[0] == "prune"
    ends = {}
    for name, space in sweep["parameters"].items():
        ends[name] = (
            space["values"]
            if "values" in space
            else [space["min"], math.sqrt(space["min"] * space["max"]), space["max"]]
        )
    for end in (0, -1):
        check_overrides(conf_dir(), [*command[1:], *(f"{name}={values[end]}" for name, values in ends.items())])
    for name, values in ends.items():
        for value in values[1:-1]:
            check_overrides(conf_dir(), [*command[1:], f"{name}={value}"])
