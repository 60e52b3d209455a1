"""The configurations for CIFAR-100 and ImageNet on tiny stand-ins with the same shapes: composed, and run for a moment."""

import json

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image
from safetensors.torch import save_file

import easiedge
from easiedge.assembly import chosen_groups
from easiedge.cli import conf_dir, run
from easiedge.configuration import composed
from easiedge.data import imagenet
from easiedge.deploy.image_input import image_input
from easiedge.model import torchvision_classifier
from easiedge.model.filter_groups import find_groups
from easiedge.model.vgg import vgg16
from easiedge.targets import check_targets

NAMES = ("vgg16_cifar100", "resnet56_cifar100", "resnet50_imagenet")
QUICK = [
    "method=one_shot", "scoring=l1_magnitude", "scoring.chunk=1.0", "compensation=none", "recipe.train.epochs=1", "recipe.train.lr=1e-4", "recipe.finetune.epochs=1", "recipe.finetune.lr=1e-4",
    "+trainer.options.limit_train_batches=2", "+trainer.options.limit_val_batches=1", "calibration.images=8", "trainer.progress=false", "logger=none", "hydra.run.dir=out", "trainer.precision=32-true",
]  # fmt: skip

pytestmark = pytest.mark.usefixtures("elsewhere")


class Original:
    """What torchvision.datasets.CIFAR100 shows: a hundred classes of 32x32, two training images each; few test images."""

    classes = tuple(f"class {i:02}" for i in range(100))

    def __init__(self, root, train, download):
        count = 200 if train else 20
        self.data = np.random.default_rng(train).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
        self.targets = [i % 100 for i in range(count)]


def imagenet_of(folder, classes=4):
    for part, count in (("train", 5), ("val", 1)):
        for c in range(classes):
            (folder / part / f"n{c:08}").mkdir(parents=True)
            for i in range(count):
                pixels = np.random.default_rng([c, i, count]).integers(0, 256, (50, 80, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / part / f"n{c:08}" / f"{i}.JPEG")


@pytest.mark.parametrize("name", NAMES)
def test_the_experiments_compose_for_a_gpu_too(name):
    cfg = composed(conf_dir(), [f"experiment={name}", "data.root=x", "trainer=gpu"])
    check_targets(cfg, [])
    assert cfg.trainer.options.accelerator == "gpu" and cfg.budget.macs_removed == 0.5
    assert cfg.recipe.train.epochs == (90 if "imagenet" in name else 60)
    assert cfg.data._target_.endswith("ImageNet" if "imagenet" in name else "CIFAR100")


@pytest.mark.parametrize("name", ["resnet18", "vgg16_imagenet"])
def test_the_inspection_study_takes_published_weights_by_default(name):
    cfg = composed(conf_dir(), [f"experiment=infrastructure/{name}", "data.root=x"])
    check_targets(cfg, [])
    assert cfg.model.pretrained and cfg.model.name == name.removesuffix("_imagenet") and cfg.data.image_size == 224
    assert cfg.folds.count == 5


def test_filters_of_the_studys_vgg_are_pruned_and_not_its_neurons():
    cfg = composed(conf_dir(), ["experiment=infrastructure/vgg16_imagenet", "data.root=x"])
    with torch.device("meta"):
        network = torchvision.models.vgg16()
    groups = find_groups(network.to_empty(device="cpu"), torch.zeros(2, 3, 64, 64))
    assert sum(group.size for group in chosen_groups(groups, cfg.groups)) == 4224 < sum(group.size for group in groups)


@pytest.mark.parametrize(
    "name", [pytest.param("vgg16_cifar100", marks=pytest.mark.slow), "resnet56_cifar100"]
)  # 15 million weights are written time and again
def test_cifar100_runs(name, tmp_path, monkeypatch):
    monkeypatch.setattr(torchvision.datasets, "CIFAR100", Original)
    assert run(["prune", f"experiment={name}", "data.root=here", "data.batch_size=8", *QUICK]) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["data"] == "cifar100" and metrics["budget"]["achieved"]["macs_removed"] >= 0.5
    network = easiedge.load(tmp_path / "out" / "pruned")
    assert [m.out_features for m in network.modules() if hasattr(m, "out_features")][-1] == 100


def test_imagenet_runs_from_published_weights_which_are_not_trained(tmp_path, monkeypatch, caplog):
    imagenet_of(tmp_path / "images")
    made, plain = [], torchvision.models.get_model

    def offline(name, weights=None, **options):
        made.append((name, weights))
        return plain(name, weights=None, **({"num_classes": 4, "width_per_group": 4} | options))  # thin

    for module, name in ((imagenet, "CLASSES"), (torchvision_classifier, "PRETRAINED_CLASSES")):
        monkeypatch.setattr(module, name, 4)
    monkeypatch.setattr(torchvision.models, "get_model", offline)
    request = [
        "prune", "experiment=resnet50_imagenet", "data.root=images", "data.image_size=32", "data.batch_size=8", "data.shift=2", "data.stream=true",
        *QUICK,
    ]  # fmt: skip
    assert run(request) == 0
    assert made == [("resnet50", "DEFAULT")]
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["data"] == "imagenet" and metrics["model"] == "resnet50" and metrics["seconds"]["train"] == 0
    assert metrics["budget"]["achieved"]["macs_removed"] >= 0.5 and metrics["seconds"]["finetune"] > 0
    assert image_input(easiedge.read_provenance(tmp_path / "out" / "pruned"), "pruned").fit == "crop"
    weights = f"weights={tmp_path / 'out' / 'dense' / 'model.safetensors'}"
    cfg = composed(conf_dir(), ["experiment=resnet50_imagenet", "data.root=images", "data.image_size=32", weights])
    data = imagenet.ImageNet("images", image_size=32)
    data.setup()
    easiedge.assembly.make_network(cfg, data)
    assert made[1:] == [("resnet50", None)]  # nothing is downloaded where weights are given


@pytest.mark.parametrize(
    ("name", "other"),
    [
        pytest.param("infrastructure/vgg16", vgg16, marks=pytest.mark.slow),
        ("infrastructure/resnet18", torchvision.models.resnet18),
    ],
)
def test_a_network_trained_elsewhere_is_transferred_to_photographs_and_pruned_by_the_study(
    name, other, tmp_path, monkeypatch
):
    for kind in ("Negative", "Positive"):
        (tmp_path / "photographs" / kind).mkdir(parents=True)
        for i in range(10):
            pixels = np.random.default_rng([i, len(kind)]).integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "photographs" / kind / f"{i}.png")
    save_file(other(num_classes=7).state_dict(), tmp_path / "elsewhere.safetensors")
    monkeypatch.setattr(torchvision.models._api.WeightsEnum, "get_state_dict", None)  # nothing is downloaded
    asked = [
        f"experiment={name}",
        "data.root=photographs",
        "transfer=elsewhere.safetensors",
        "data.image_size=32",
        "data.batch_size=8",
        "seed=6",
    ]
    study = [
        "method=iterative",
        "scoring=taylor_2017",
        "schedule.steps=2",
        "budget.filters_removed=0.3",
        "schedule.test_levels=true",
    ]
    quick = [o for o in QUICK if not o.startswith(("method=", "scoring=", "compensation="))]
    assert run(["prune", *asked, *study, *quick]) == 0
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["budget"]["achieved"]["filters_removed"] >= 0.3 and len(metrics["levels"]) == 2
    assert all(
        level["test_accuracy"] * 4 == round(level["test_accuracy"] * 4) for level in metrics["levels"]
    )  # a fifth of 20
    assert metrics["dense"]["filters"] > metrics["pruned"]["filters"]
