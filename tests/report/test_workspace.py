"""The prepared W&B workspace builds offline, with the panels it promises."""

import json
import sys
from pathlib import Path

import pytest

from easiedge.cli import run
from easiedge.report.workspace import shown_keys

pytestmark = pytest.mark.usefixtures("elsewhere")


@pytest.fixture
def installed():
    pytest.importorskip("wandb_workspaces", reason="the extra easiedge[workspace] is not installed")


@pytest.mark.usefixtures("installed")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_definition_has_every_section_and_key(capsys):
    assert run(["workspace", "w.json"]) == 0
    assert "w.json" in capsys.readouterr().out
    found = json.loads(Path("w.json").read_text())
    sections = found["spec"]["section"]["panelBankConfig"]["sections"]
    titles = [s["name"] for s in sections if s["panels"]]
    assert titles == ["Accuracy against cost", "ADMM", "Layers", "Pictures", "Fine-tuning"]
    assert all(s["isOpen"] for s in sections if s["name"] in titles)
    text = json.dumps(found)
    for key in shown_keys():
        assert key in text, key
    assert [len(s["panels"]) for s in sections if s["name"] in titles] == [5, 5, 1, 2, 3]


@pytest.mark.usefixtures("installed")
def test_saving_sends_it_to_the_project(monkeypatch, capsys):
    import wandb
    from wandb_workspaces.workspaces import Workspace

    sent = []
    monkeypatch.setattr(wandb, "login", lambda **options: True)
    monkeypatch.setattr(Workspace, "save", lambda self: sent.append((self.entity, self.project, self.name)))
    monkeypatch.setattr(Workspace, "url", "https://example.org/view")
    assert run(["workspace", "me/nets"]) == 0
    assert sent == [("me", "nets", "easiedge")] and "https://example.org/view" in capsys.readouterr().out


@pytest.mark.usefixtures("installed")
def test_a_server_that_refuses_is_one_line(monkeypatch, capsys):
    import wandb
    from wandb_workspaces.workspaces import Workspace

    def refused(self):
        raise ConnectionError("no such project")

    monkeypatch.setattr(wandb, "login", lambda **options: True)
    monkeypatch.setattr(Workspace, "save", refused)
    assert run(["workspace", "me/nets"]) == 2
    assert "did not take the workspace for me/nets (no such project)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [([], "saves a view"), (["a", "b"], "saves a view"), (["nets"], "not ENTITY/PROJECT"), (["a/b/c"], "not ENTITY")],
)
def test_wrong_arguments(arguments, message, capsys):
    assert run(["workspace", *arguments]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.usefixtures("installed")
def test_without_a_key(monkeypatch, capsys, tmp_path):
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["workspace", "me/nets"]) == 2
    assert "finds no key" in capsys.readouterr().err


def test_without_the_package(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "wandb_workspaces.reports.v2", None)
    assert run(["workspace", "w.json"]) == 2
    assert "easiedge[workspace]" in capsys.readouterr().err
