"""CPU milliseconds of one candidate's training, five epochs of nn1 on breast cancer, by Lightning and by the lean loop, into results/loop_cost.json."""

import copy
import json
import time
from pathlib import Path

import torch
from trials import DENSE, samples

from easiedge.model.tiny import nn1
from easiedge.search.lean_training import LeanTraining
from easiedge.training.fit import fit

EPOCHS, TIMES = 5, 5

if __name__ == "__main__":
    from dataclasses import replace

    torch.set_num_threads(1)
    (train, val, _), data, batch = samples("breast_cancer")
    recipe, network = replace(DENSE, epochs=EPOCHS), nn1(data.num_classes, data.input_shape)
    lean = LeanTraining(train, val, recipe, batch)
    jobs = {
        "lightning": lambda net: fit(net, data.train_dataloader(), data.val_dataloader(), recipe, progress=False),
        "lean": lambda net: lean(net, 0),
    }
    found = {}
    for name, job in jobs.items():
        job(copy.deepcopy(network))
        begin = time.process_time()
        for _ in range(TIMES):
            job(copy.deepcopy(network))
        found[name] = round(1e3 * (time.process_time() - begin) / TIMES, 1)
    print(found)
    text = json.dumps({"epochs": EPOCHS, "times": TIMES, "cpu_ms": found}, indent=1)
    (Path(__file__).parent / "results" / "loop_cost.json").write_text(text + "\n")
