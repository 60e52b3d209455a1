"""The public names, and that importing them is quick."""

import subprocess
import sys

import pytest

import easiedge


def test_every_public_name_is_there():
    for name in easiedge.__all__:
        assert getattr(easiedge, name) is not None
    assert set(easiedge._WHERE) == set(easiedge.__all__)


def test_unknown_names_are_attribute_errors():
    with pytest.raises(AttributeError, match="no_such"):
        _ = easiedge.no_such


def test_importing_easiedge_and_its_command_line_does_not_import_torch():
    code = "import sys, easiedge, easiedge.cli; sys.exit('torch' in sys.modules or 'hydra' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
