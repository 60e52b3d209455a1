"""The artifact's size as a function of the units kept is what the files have, and never less."""

import pytest
from networks import NETWORKS, images, network, random_mask

from easiedge.deploy.artifact import artifact_size, save
from easiedge.model.artifact_size import artifact_bytes
from easiedge.model.cost import network_cost
from easiedge.model.filter_groups import find_groups
from easiedge.surgery.shrink import shrink
from easiedge.unit import Budget


@pytest.mark.parametrize("name", NETWORKS)
def test_predicted_bytes_bound_the_files_closely(name, tmp_path):
    model, x = network(name), images()
    groups = find_groups(model, x)
    cost = network_cost(model, groups, x, Budget(artifact_mb_max=1.0))
    for share in (0.0, 0.3, 0.8):
        mask = random_mask(groups, share, seed=1)
        save(shrink(model, groups, mask, x), tmp_path / str(share))
        files = artifact_size(tmp_path / str(share))
        assert files <= cost.total(mask.kept())["artifact_bytes"] <= files + 400
    tensors, beside = artifact_bytes(model)
    assert tensors + beside == cost.dense["artifact_bytes"]
