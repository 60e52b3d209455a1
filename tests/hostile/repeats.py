"""What a long run does again and again, each made small; called over and over, none of it may leave anything behind."""

import gc
import tempfile
from collections import Counter
from pathlib import Path

import torch
from networks import images, network
from torch import nn
from training import tiny

import easiedge
from easiedge.data.image_folder import ImageFolder
from easiedge.scoring.score_store import SharedScores
from easiedge.store import Store
from easiedge.surgery.memory_estimate import memory_estimate
from easiedge.training.admm_callback import ADMMCallback
from easiedge.training.fit import fit
from easiedge.training.recipe import Recipe
from easiedge.unit import FilterMask

BUDGET = easiedge.Budget(filters_removed=0.5)


def repeats():
    """By name: something to be called again and again."""
    model, x = network("Residual").eval(), images()
    batches = [(x, torch.arange(len(x)) % 3)]
    groups = easiedge.find_groups(model, x)
    scores = easiedge.score(model, groups, batches, criterion="joint_information_gain")
    mask = easiedge.project(scores, groups, budget=BUDGET, model=model, example_inputs=x)
    found = {
        f"score {criterion}": lambda criterion=criterion: easiedge.score(model, groups, batches, criterion=criterion)
        for criterion in (
            "taylor_information_gain",
            "joint_information_gain",
            "information_gain",
            "taylor_2017",
            "layer_wise_relevance",
            "optimal_brain_surgeon",
        )
    }

    def under_the_mask():
        with easiedge.masked(model, groups, mask), torch.no_grad():
            model(x)

    def saved():
        with tempfile.TemporaryDirectory() as folder:
            easiedge.save(model, folder)
            easiedge.load(folder)

    def kept():
        with tempfile.TemporaryDirectory() as folder:
            SharedScores(Store(Path(folder)))(model, groups, batches, "l1_magnitude")

    trained, group = tiny.network(), tiny.group()
    loader = tiny.loader()
    half = FilterMask({group.name: torch.arange(tiny.UNITS) % 2 == 0})

    def steps():
        callback = ADMMCallback([group], lambda now: half, network=trained, epochs_per_iteration=1)
        fit(trained, loader, None, Recipe(epochs=2, lr=0.01), callbacks=[callback], progress=False, precision="32-true")

    return found | {
        "masked": under_the_mask,
        "find groups": lambda: easiedge.find_groups(model, x),
        "project": lambda: easiedge.project(scores, groups, budget=BUDGET, model=model, example_inputs=x),
        "select": lambda: easiedge.select(
            model, groups, batches, budget=BUDGET, chunk=0.5, compensation="least_squares"
        ),
        "compensate": lambda: easiedge.compensate(model, groups, mask, batches),
        "memory estimate": lambda: memory_estimate(
            model, groups, batches, "joint_information_gain", {}, fit=True, positions=4
        ),
        "shrink": lambda: easiedge.shrink(model, groups, mask, x),
        "save and load": saved,
        "shared scores": kept,
        "training with ADMM": steps,
    }


def census(*models):
    """Objects that are alive, by what they are."""
    gc.collect()
    found = Counter()
    for each in gc.get_objects():
        kind = type(each)
        found[
            "tensors" if issubclass(kind, torch.Tensor) else "modules" if issubclass(kind, nn.Module) else "others"
        ] += 1
    return found


def folder_data(folder):
    """Image data that have been loaded."""
    data = ImageFolder(str(folder), image_size=16, val_share=0.2, test_share=0.2)
    data.setup()
    return data
