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


def test_folders_and_words_that_are_no_secrets_pass(tmp_path):
    folder = tmp_path / "keys"
    folder.mkdir()
    key = folder / "key.json"
    key.touch()
    environment = {"SITE_KEYS_DIR": str(folder), "GOOGLE_APPLICATION_CREDENTIALS": str(key), "SSH_KEY": str(folder), "USE_TOKEN": "required",
                   "KEYBOARD": "some_layout_of_keys", "TOKENIZERS_PARALLELISM": "a_long_word_here", "MONKEY": "a_long_word_here"}  # fmt: skip
    given = [f"hydra.run.dir={folder}/x", f"weights={key}", "logger.project=required", "logger.group=some_layout_of_keys", "model=a_long_word_here",
             "data.root=${oc.env:SITE_KEYS_DIR}", "data.root=${oc.env:SSH_KEY}"]  # fmt: skip
    check_overrides_hold_no_secret(given, environment)
    check_values_hold_no_secret({"hydra.run.dir": f"{folder}/x", "weights": str(key)}, environment)


@pytest.mark.parametrize(
    "name",
    ["WANDB_API_KEY", "KEY", "apikey", "AWS_SECRET_ACCESS_KEY", "TOKEN", "HF_TOKEN", "OPENAI_API_KEY_2", "CLIENT_SECRET", "PGPASSWORD", "DB_PASS", "MYSQL_PWD",
     "GIT_PASSPHRASE", "SOME_CREDENTIALS"],
)  # fmt: skip
def test_names_that_end_like_a_secret_s_are_known(name):
    with pytest.raises(EasiEdgeError, match=f"holds the value of {name}"):
        check_overrides_hold_no_secret(["logger.project=x_/nowhere/x1y2"], {name: "/nowhere/x1y2"})


def test_passwords_may_be_shorter():
    with pytest.raises(EasiEdgeError, match="holds the value of DB_PASSWORD"):
        check_overrides_hold_no_secret(["logger.project=x1y2z3x1"], {"DB_PASSWORD": "x1y2z3x1", "HF_TOKEN": "x1y2z3"})


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
