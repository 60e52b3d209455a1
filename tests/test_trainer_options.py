"""What of Lightning's Trainer a run takes, and what is said of the rest."""

import inspect
from pathlib import Path

import pytest
import pytorch_lightning as pl
from omegaconf import OmegaConf

import easiedge
from easiedge.cli import run
from easiedge.errors import EasiEdgeError
from easiedge.trainer_options import ELSEWHERE, OPTIONS, check_trainer, check_trainer_here

ROOT = Path(easiedge.__file__).parents[1]


def check(**options):
    check_trainer(OmegaConf.create(options))


@pytest.mark.parametrize(
    ("name", "value"),
    [("limit_train_batches", "abc"), ("limit_train_batches", 0), ("limit_train_batches", 1.5), ("limit_val_batches", 0.0), ("limit_val_batches", True),
     ("accumulate_grad_batches", 0), ("accumulate_grad_batches", {0: 1}), ("accelerator", "tpu"), ("accelerator", [1]), ("deterministic", "yes"),
     ("max_time", 3), ("max_time", "soon"), ("num_sanity_val_steps", -1), ("detect_anomaly", 1), ("gradient_clip_algorithm", "x")],
)  # fmt: skip
def test_a_value_of_the_wrong_kind_is_refused(name, value):
    with pytest.raises(EasiEdgeError, match=rf"trainer\.options\.{name}=.* must be "):
        check(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "instead"),
    [("callbacks", [1], "easiedge.training.fit in Python"), ("fast_dev_run", True, "limit_train_batches"), ("max_steps", 1, r"recipe\.finetune\.epochs"),
     ("max_epochs", 3, r"recipe\.train\.epochs"), ("gradient_clip_val", 1.0, r"recipe\.train\.gradient_clip"), ("precision", 16, r"trainer\.precision"),
     ("logger", True, "logger=wandb, csv or none"), ("enable_progress_bar", True, r"trainer\.progress"), ("devices", 2, r"trainer\.processes"),
     ("strategy", "ddp", r"trainer\.processes"), ("default_root_dir", "x", r"hydra\.run\.dir"), ("plugins", [], ""), ("no_such", 1, "")],
)  # fmt: skip
def test_what_is_given_elsewhere_is_named_there(name, value, instead):
    with pytest.raises(EasiEdgeError, match=rf"trainer\.options\.{name} is not taken.*{instead}.*limit_train_batches"):
        check(**{name: value})


def test_what_is_taken_passes():
    check(limit_train_batches=3, limit_val_batches=0.5, accumulate_grad_batches=2, accelerator="cpu", deterministic="warn", benchmark=None, devices=1,
          max_time="00:12:00:00", num_sanity_val_steps=0, gradient_clip_algorithm="value", inference_mode=False, detect_anomaly=True,
          num_nodes=1, strategy="auto")  # fmt: skip
    check(devices=[0])


def test_the_lists_are_of_lightning_s_arguments_and_are_written_down():
    assert {*OPTIONS, *ELSEWHERE} <= set(inspect.signature(pl.Trainer.__init__).parameters)
    assert not {*OPTIONS} & {*ELSEWHERE}
    comment, readme = (ROOT / "conf/trainer/auto.yaml").read_text(), (ROOT / "README.md").read_text()
    assert all(name in comment and f"`{name}`" in readme for name in OPTIONS)


def test_what_this_machine_and_these_data_do_not_give_is_refused(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    monkeypatch.setattr("torch.backends.mps.is_available", lambda: False)
    for accelerator in ("gpu", "cuda", "mps"):
        with pytest.raises(EasiEdgeError, match="is not on this machine"):
            check_trainer_here({"accelerator": accelerator}, [], [])
    with pytest.raises(
        EasiEdgeError, match=r"limit_val_batches=0\.01 of 3 batches is less than one: give 0\.3334 or more"
    ):
        check_trainer_here({"limit_val_batches": 0.01}, [1], [1, 2, 3])
    check_trainer_here(
        {"limit_val_batches": 0.3334, "limit_train_batches": 0.1, "accelerator": "cpu"}, iter(()), [1] * 3
    )


@pytest.mark.usefixtures("elsewhere")
def test_a_request_that_is_refused_leaves_no_directory(tmp_path, capsys):
    for option in ("limit_train_batches=abc", "accumulate_grad_batches=0", "callbacks=[1]", "fast_dev_run=true", "max_steps=1", "max_epochs=3"):  # fmt: skip
        assert run(["train", f"+trainer.options.{option}", "hydra.run.dir=out/run"]) == 2
        assert f"trainer.options.{option.partition('=')[0]}" in capsys.readouterr().err
    assert not list(tmp_path.glob("out/run/*"))
