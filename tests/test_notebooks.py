"""The notebooks import and plot, define nothing, store nothing, and run from a clean kernel."""

import ast
import os
import re
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="needs pip install 'easiedge[dev]'")

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request):
    return nbformat.read(request.param, as_version=4)


def code(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_four():
    assert [path.stem[0] for path in NOTEBOOKS] == ["1", "2", "3", "4"]


def test_nothing_is_stored_or_defined(notebook):
    nbformat.validate(notebook)
    assert notebook.cells[0].cell_type == "markdown" and notebook.cells[0].source.startswith("# ")
    for cell in code(notebook):
        assert cell.outputs == [] and cell.execution_count is None
        python = "\n".join(line for line in cell.source.splitlines() if not line.startswith("!"))
        assert not [node for node in ast.walk(ast.parse(python)) if isinstance(node, DEFINITIONS)]


def test_links_lead_somewhere(notebook):
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)#]+)\)", cell.source):
                assert target.startswith("https://") or (NOTEBOOKS[0].parent / target).exists(), target


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning", "ignore::UserWarning")
def test_it_runs_from_a_clean_kernel(notebook, monkeypatch, tmp_path):
    nbclient = pytest.importorskip("nbclient", reason="needs pip install 'easiedge[dev]'")
    home = Path(__file__).parent.parent
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(home), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep))
    monkeypatch.setenv("PATH", os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
    nbclient.NotebookClient(
        notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    printed = "\n".join(str(out.get("text", "")) for cell in code(notebook) for out in cell.outputs)
    assert "Traceback" not in printed and "broke while running" not in printed
    assert (
        any("image/png" in out.get("data", {}) for cell in code(notebook) for out in cell.outputs)
        or "pruned:" in printed
    )
