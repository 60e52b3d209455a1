"""Keys and passwords on a command line are refused before anything is written, and not repeated."""

import pytest

from easiedge.cli import run
from easiedge.credentials import check_overrides_hold_no_secret, check_values_hold_no_secret
from easiedge.errors import EasiEdgeError

KNOWN = {"WANDB_API_KEY": "k" * 40, "HF_TOKEN": "hf_something", "SHORT_KEY": "abc", "HOME": "/home/somebody"}


@pytest.mark.parametrize(
    "override",
    ["+logger.api_key=x1y2z3", "logger.token=x1y2z3", "+x.AWS_SECRET_ACCESS_KEY=x1y2z3", "++db.password=x1y2z3", "+a.credentials=x1y2z3", "+apikey=x1y2z3",
     "logger.project=${oc.env:HF_TOKEN}", "x=a${oc.env: 'MY_PASSWORD' }", f"logger.group=x{'k' * 40}", "data.root=https://me:x1y2z3@host/path"],
)  # fmt: skip
def test_secrets_are_refused_and_not_repeated(override):
    with pytest.raises(EasiEdgeError, match="WANDB_API_KEY") as error:
        check_overrides_hold_no_secret([override], KNOWN)
    assert "x1y2z3" not in str(error.value) and "kkkk" not in str(error.value)


def test_what_is_no_secret_passes():
    check_overrides_hold_no_secret(
        ["data.root=${oc.env:HOME}", "+trainer.options.max_tokens=3", "groups.include=[keys]", "logger.project=abc", "+a.key=1",
         "data.root=https://host/a", "+a.tokenizer=b"], KNOWN,
    )  # fmt: skip
    check_values_hold_no_secret({"data.root": "/home/somebody", "seed": 3, "x": None}, KNOWN)


def test_a_value_that_an_interpolation_brought_in_is_seen():
    with pytest.raises(EasiEdgeError, match=r"logger\.project holds the value of HF_TOKEN"):
        check_values_hold_no_secret({"logger.project": "a hf_something"}, KNOWN)


@pytest.mark.usefixtures("elsewhere")
def test_nothing_is_written_for_a_request_with_a_secret(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SOME_TOKEN", "t0pt0pt0psecret")
    for override in (
        "logger.project=${oc.env:SOME_TOKEN}",
        "logger.project=t0pt0pt0psecret",
        "no.such.key=t0pt0pt0psecret",
    ):
        assert run(["prune", override, f"hydra.run.dir={tmp_path / 'out'}"]) == 2
    out, err = capsys.readouterr()
    assert "t0pt0pt0psecret" not in out + err and not any(tmp_path.iterdir())
