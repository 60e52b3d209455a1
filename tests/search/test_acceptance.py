"""An accuracy of exactly T times the original's is enough, whatever floating point makes of the product."""

import pytest

from easiedge.search.acceptance import least_accuracy


@pytest.mark.parametrize(("share", "thousandths"), [(0.985, 985), (0.995, 995), (0.99, 990), (0.9, 900), (0.95, 950)])
def test_equality_passes_and_one_sample_less_does_not(share, thousandths):
    rounded_up = 0
    for samples in range(200, 1200, 7):
        for right in range(1, samples + 1):
            least, rest = divmod(thousandths * right, 1000)
            if rest:
                continue
            floor = least_accuracy(share, right / samples)
            assert least / samples >= floor > (least - 1) / samples
            rounded_up += least / samples < share * (right / samples)
    assert rounded_up  # the product alone would have refused some
