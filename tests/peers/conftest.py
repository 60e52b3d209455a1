"""The rivals of experiments/peers, importable."""

import sys
from pathlib import Path

import pytest

pytest.importorskip("torch_pruning", reason="Torch-Pruning is not installed: pip install 'easiedge[peers]'")
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "experiments" / "peers"))
