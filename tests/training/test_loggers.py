"""Loggers write where they say, and say so where they cannot."""

from __future__ import annotations

import csv
import os
from pathlib import Path

import pytest
from training import tiny

from easiedge.errors import EasiEdgeError
from easiedge.training.fit import fit
from easiedge.training.loggers import close_logger, log_fact, make_logger
from easiedge.training.recipe import Recipe


def test_none_and_unknown(tmp_path: Path) -> None:
    assert make_logger("none", tmp_path) is None
    with pytest.raises(EasiEdgeError, match="wandb, csv, none"):
        make_logger("tensorboard", tmp_path)


def test_csv_holds_one_row_of_figures_an_epoch(tmp_path: Path) -> None:
    logger = make_logger("csv", tmp_path, config={"seed": 0})
    fit(tiny.network(), tiny.loader(), tiny.loader(64), Recipe(epochs=3), logger=logger, progress=False, seed=0)
    with (tmp_path / "csv" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len([row for row in rows if row["val_accuracy"]]) == 3
    assert len([row for row in rows if row["train_loss"]]) == 3


def test_csv_into_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EasiEdgeError, match="cannot be written"):
        make_logger("csv", tmp_path / "file")


def test_what_was_logged_before_a_stop_stays(tmp_path: Path) -> None:
    for epochs in (1, 2, 3):
        logger = make_logger("csv", tmp_path)
        fit(tiny.network(), tiny.loader(), None, Recipe(epochs=epochs), logger=logger, progress=False, seed=0)
        close_logger(logger)
    found = {path.parent.name: len(path.read_text().splitlines()) for path in tmp_path.glob("csv*/metrics.csv")}
    assert found.keys() == {"csv", "csv-1", "csv-2"} and found["csv-1"] < found["csv-2"] < found["csv"]


@pytest.mark.filterwarnings("default")
def test_wandb_is_offline_by_default_and_writes_below_the_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    logger = make_logger("wandb", tmp_path, name="n", group="g", config={"seed": 3}, tags=["t"])
    try:
        fit(tiny.network(), tiny.loader(), tiny.loader(64), Recipe(epochs=2), logger=logger, progress=False, seed=0)
        run = logger.experiment
        assert run.offline
        assert (run.group, run.tags, run.config["seed"]) == ("g", ("t",), 3)
        assert run.summary["val_accuracy"] > 0.2
        log_fact(logger, "dense/trained_by_job", "4")
        assert run.summary["dense/trained_by_job"] == "4"
        assert "WANDB_MODE" not in os.environ
    finally:
        close_logger(logger)
    assert wandb.run is None
    assert capfd.readouterr() == ("", "")
    assert list((tmp_path / "wandb").glob("offline-run-*/*.wandb"))


def test_wandb_online_without_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    monkeypatch.delenv("WANDB_IDENTITY_TOKEN_FILE", raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(EasiEdgeError, match="no key"):
        make_logger("wandb", tmp_path, online=True)
