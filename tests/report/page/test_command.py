"""``easiedge report`` from the command line."""

import json
import subprocess
import sys

import pytest
from runs_on_disk import write_run

from easiedge import cli

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_it_says_where_the_page_is_and_what_it_skipped(tmp_path, capsys):
    for number in range(8):
        write_run(tmp_path / "runs" / str(number), seed=number)
        if number > 1:
            (tmp_path / "runs" / str(number) / "metrics.json").write_text('{"schema": 1')
    assert cli.run(["report", "runs", "--title", "A study"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "2 runs: runs/report/index.html"
    assert out[1] == "skipped 2: metrics.json is cut off or no JSON (line 1)"
    assert out[-1] == "and 1 more skipped: the page names them"
    assert "<h1>A study</h1>" in (tmp_path / "runs" / "report" / "index.html").read_text()


def test_another_folder(tmp_path, capsys):
    write_run(tmp_path / "run")
    assert cli.run(["report", "run", "--out", "there/report"]) == 0
    assert (tmp_path / "there" / "report" / "runs.csv").is_file() and not (tmp_path / "run" / "report").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ([], "required: DIR"),
        (["none"], "none does not exist"),
        (["file"], "file is a file"),
        (["empty"], "there are no runs below empty"),
        (["run", "--out", "file"], "--out file is a file"),
        (["run", "more"], "unrecognized arguments: more"),
        (["run", "--titel", "x"], "unrecognized arguments"),
        (["-m", "run"], "unrecognized arguments"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path, capsys, arguments, says):
    write_run(tmp_path / "run")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    assert cli.run(["report", *arguments]) == 2
    captured = capsys.readouterr()
    assert says in captured.err and captured.err.count("\n") == 1 and captured.out == ""


def test_all_metrics_not_a_number_is_one_sentence(tmp_path, capsys):
    figures = write_run(tmp_path / "runs" / "0")
    figures["pruned"]["accuracy"] = float("nan")
    (tmp_path / "runs" / "0" / "metrics.json").write_text(json.dumps(figures))
    assert cli.run(["report", "runs"]) == 2
    assert "1 skipped, the first, 0, because pruned.accuracy is nan, not a finite number" in capsys.readouterr().err


def test_help_names_the_options_and_nothing_heavy_is_loaded(tmp_path):
    write_run(tmp_path / "run")
    code = (
        "import sys; from easiedge import cli; assert cli.run(['report', '--help']) == 0; "
        "assert not {'torch', 'matplotlib', 'scipy', 'yaml', 'hydra'} & set(sys.modules); "
        "assert cli.run(['report', 'run']) == 0; assert not {'torch', 'hydra', 'pytorch_lightning', 'wandb'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert "--out FOLDER" in done.stdout and "1 run: run/report/index.html" in done.stdout
