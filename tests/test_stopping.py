"""Asked to stop, any command ends with its exit status and one line, cleans up, and says what goes on."""

import contextlib
import os
import signal
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from easiedge import cli, pipeline
from easiedge.atomic import _here
from easiedge.compare import cell
from easiedge.errors import DataError, WriteError
from easiedge.refusal import of_writing
from easiedge.training.resume.checkpoints import Checkpoints
from easiedge.training.resume.halt import HALT, Terminated, stoppable

ENDS = [(signal.SIGTERM, 143, "terminated"), (signal.SIGINT, 130, "interrupted")]


@pytest.fixture(autouse=True)
def handlers():
    """A signal that nobody takes fails the test; whatever was there before comes back."""

    def unexpected(number, frame):
        raise AssertionError("nobody listens")

    before = {number: signal.signal(number, unexpected) for number in (signal.SIGINT, signal.SIGTERM)}
    yield unexpected
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("command", cli.COMMANDS)
@pytest.mark.parametrize(("number", "status", "says"), ENDS)
def test_every_command_listens_from_its_beginning(
    tmp_path, monkeypatch, capsys, handlers, command, number, status, says
):
    def job(*_):
        with tempfile.TemporaryDirectory(dir=tmp_path):
            os.kill(os.getpid(), number)
        return 0

    monkeypatch.setattr(cli, "_plain" if command in cli.PLAIN else "_hydra", job)
    assert cli.run([command]) == status
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"easiedge: {says}") and not list(tmp_path.iterdir())
    assert signal.getsignal(number) is handlers and not HALT.listening


def test_a_request_that_an_import_swallows_is_not_lost(monkeypatch):
    def importing(*_):
        with contextlib.suppress(BaseException):  # as libraries do that try to import others
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("easiedge.configuration.check_overrides", importing)
    monkeypatch.setattr(cli, "_job", lambda *_: 0)
    assert cli.run(["prune"]) == 143
    assert HALT.raised is None
    with stoppable():
        importing()
        with pytest.raises(Terminated), HALT.while_saving():
            pass


def test_who_listens_within_listens_on(handlers):
    with stoppable():
        with stoppable():
            pass
        assert HALT.listening and signal.getsignal(signal.SIGTERM) == HALT.receive
    assert signal.getsignal(signal.SIGTERM) is handlers


@pytest.mark.parametrize(
    ("outcome", "status"), [(None, 0), (Terminated(), 143), (KeyboardInterrupt(), 130)], ids=["done", "term", "int"]
)
def test_what_comes_while_the_interpreter_ends_changes_nothing(monkeypatch, outcome, status):
    def run(argv):
        if outcome is not None:
            raise outcome  # the second one, while the first was answered
        return 0

    monkeypatch.setattr(cli, "run", run)
    with pytest.raises(SystemExit) as ended:
        cli.main(["prune"])
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(os.getpid(), number)
    assert ended.value.code == status


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Terminated])
@pytest.mark.parametrize(
    ("job", "request_of", "measure"),
    [(pipeline.score, "request_of", "fidelity"), (pipeline.sensitivity, "sensitivity_request", "layer_sensitivity")],
)
def test_scores_and_sensitivity_say_that_they_go_on(tmp_path, monkeypatch, caplog, job, request_of, measure, stop):
    def stopped(*_, **__):
        raise stop

    parts = SimpleNamespace(directory=tmp_path, weighted=True)
    monkeypatch.setattr(pipeline, "assembled", lambda *_: contextlib.nullcontext(parts))
    monkeypatch.setattr(pipeline, request_of, lambda *_: SimpleNamespace(ways=None))
    monkeypatch.setattr(pipeline, measure, stopped)
    with pytest.raises(stop):
        job(SimpleNamespace(fidelity=None, sensitivity=None, seed=0))
    assert f"stopped: the same command with hydra.run.dir={tmp_path} goes on with" in caplog.text


@pytest.mark.usefixtures("elsewhere")
def test_a_comparison_saves_the_state_of_its_cell_and_says_that_it_goes_on(tmp_path, monkeypatch, capsys):
    true = Checkpoints.on_train_batch_end

    def asked(self, *args):
        if not list(tmp_path.rglob("step-*")):
            os.kill(os.getpid(), signal.SIGTERM)
        true(self, *args)

    monkeypatch.setattr(Checkpoints, "on_train_batch_end", asked)
    quick = [
        "recipe.train.epochs=2", "recipe.finetune.epochs=1", "calibration.images=64", "logger=none", "scoring.chunk=1",
        "compare.methods=[one_shot]", "compare.seeds=1", f"hydra.run.dir={tmp_path}",
    ]  # fmt: skip
    assert cli.run(["compare", *quick]) == 143
    err = capsys.readouterr().err
    assert err.count("stopping after this batch") == 1 and "easiedge: terminated" in err
    assert f"stopped: the same command with hydra.run.dir={tmp_path} goes on where it was" in err
    assert len(list(tmp_path.rglob("step-*.sealed"))) == 1


def test_a_cell_in_a_worker_listens(tmp_path, monkeypatch):
    heard = []
    monkeypatch.setattr(
        cell.HydraConfig, "get", lambda: SimpleNamespace(runtime=SimpleNamespace(output_dir=str(tmp_path)))
    )
    monkeypatch.setattr(cell, "prune", lambda cfg: heard.append(HALT.listening))
    cell.run_cell(None)
    assert heard == [True] and not HALT.listening


@pytest.fixture
def alone(tmp_path, monkeypatch):
    """A run directory in which a job is run by `pipeline.resumable`."""
    config = SimpleNamespace(runtime=SimpleNamespace(output_dir=str(tmp_path)))
    monkeypatch.setattr(pipeline.HydraConfig, "get", lambda: config)
    for name in (
        "keep_command",
        "keep_settings",
        "refuse_another_run",
        "check_still_there",
        "finished_before",
        "finish",
    ):
        monkeypatch.setattr(pipeline, name, lambda *_: None)
    return tmp_path


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Terminated])
def test_a_stop_behind_the_closing_table_says_how_to_go_on(alone, monkeypatch, caplog, stop):
    def stopped(*_):
        raise stop

    monkeypatch.setattr(pipeline, "finish", stopped)
    with pytest.raises(stop):
        pipeline.resumable(lambda cfg: {})(None)
    assert f"resume={alone} goes on where it was" in caplog.text


def wrapped(error, reason):
    error.__cause__ = reason
    return error


@pytest.mark.parametrize(
    ("error", "begun", "goes_on"),
    [
        (OSError(28, "No space left on device"), True, True),
        (WriteError("cannot write it"), True, True),
        (wrapped(DataError("the cache"), OSError(28, "No space left on device")), True, True),
        (WriteError("cannot write it"), False, False),
        (wrapped(DataError("no such folder"), FileNotFoundError(2, "No such file")), True, False),  # a wrong request
        (DataError("no images"), True, False),
    ],
)
def test_only_a_disk_that_cannot_be_written_lets_a_run_go_on(alone, caplog, error, begun, goes_on):
    def job(cfg):
        if begun:
            Path(alone, "config.yaml").touch()
        raise error

    with pytest.raises(type(error)):
        pipeline.resumable(job)(None)
    assert (f"resume={alone} goes on where it was" in caplog.text) == goes_on
    assert of_writing(error) == (goes_on or not begun)


def test_a_finished_run_leaves_nothing_half_written(alone):
    (alone / "pruned").mkdir()
    half = alone / "pruned" / f".model.safetensors.{_here()}-{2**22 + 1}-abc_1234"  # no process has that number
    half.touch()
    pipeline.resumable(lambda cfg: {})(None)
    assert not half.exists()
