"""Seeds of passes and processes: all different, and the same as ever, since runs of before go on with them."""

from pathlib import Path

import easiedge
from easiedge.seeds import STEP, numbered_seed


def test_no_two_pairs_share_one():
    found = {numbered_seed(number, of) for number in range(30) for of in (*range(30), STEP - 1)}
    assert len(found) == 30 * 31 and numbered_seed(2, 5) == 2_000_011


def test_the_number_stands_in_one_place():
    files = Path(easiedge.__file__).parent.rglob("*.py")
    assert [f.name for f in files if "1_000_003" in f.read_text(encoding="utf-8")] == ["seeds.py"]
