"""Whatever is typed behind ``easiedge prune`` is taken or refused in one line, and nothing is left that looks like a result."""

import contextlib
import io

import pytest
from hostile import requests
from hypothesis import HealthCheck, Phase, given, settings

pytestmark = pytest.mark.usefixtures("elsewhere")


def test_every_key_of_the_configuration_is_among_those_that_are_tried():
    assert {"seed", "budget.macs_removed", "schedule.policy._target_", "trainer.precision"} <= {*requests.KEYS}
    assert {"sgd", "digits"}.isdisjoint(requests.KEYS) and "joint_information_gain" in requests.GROUPS["scoring"]


@settings(max_examples=12, deadline=None, derandomize=True, database=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))  # fmt: skip
@given(request_=requests.overrides)
def test_any_overrides(tmp_path_factory, request_):
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
        wrong = requests.asked(request_, tmp_path_factory.mktemp("hostile") / "run", lambda: ("", said.getvalue()))
    assert wrong is None


FOUND = [
    ["data=null"], ["+compensation=null"], ["trainer=-1"], ["-m", "--cfg"], ["calibration='x'"], ["checkpoints=null"], ["++model._target_={_target_: os.system}"],
    ["data.shift=1e30"], ["seed=99999999999999999999999"], ["recipe.train.epochs=1.5"], ["schedule.rho=nan"], ["recipe.train.lr='fast'"],
    ["--package", "budget"], ["logger.tags=[[a]]"],
]  # fmt: skip  # by fuzzing


@pytest.mark.parametrize("request_", FOUND, ids=str)
def test_what_once_broke(tmp_path, capsys, request_):
    assert requests.asked(request_, tmp_path / "run", capsys.readouterr) is None
