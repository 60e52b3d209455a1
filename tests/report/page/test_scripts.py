"""The page's sorting and filtering under node, where there is one."""

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

ASSETS = Path(str(files("easiedge.report.page").joinpath("assets")))


@pytest.mark.skipif(shutil.which("node") is None, reason="no node on PATH to run the page's scripts with")
def test_sorting_and_filtering():
    checks = Path(__file__).with_name("table_model_checks.js")
    done = subprocess.run(["node", str(checks), str(ASSETS)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "ok"


@pytest.mark.parametrize("path", sorted(ASSETS.glob("*.js")), ids=lambda path: path.name)
def test_scripts_only_make_text(path):
    """Nothing from a run is ever read as markup or code."""
    text = path.read_text()
    assert not [
        word
        for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "new Function")
        if word in text
    ]
