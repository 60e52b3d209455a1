"""Accuracy without any gradient step after selection by turns with closed-form compensation, and what it costs.

python experiments/compensation/measure.py --model vgg16 --weights W.safetensors --data DIR_OR_ZIP --share 0.8 --chunk 0.1 --out DIR

Units are chosen chunk by chunk; the network is compensated and evaluated after each chunk.  Every step is saved when it is done
and not done again when the command is started again.  Processor seconds are of all threads of this process: what the work
takes, whatever else runs on the machine.  A training epoch is extrapolated from some steps before and after the selection.
"""

from __future__ import annotations

import argparse
import copy
import json
import platform
import time
from pathlib import Path

import torch
from matplotlib import pyplot as plt

import easiedge
from easiedge.data.cifar10 import CIFAR10
from easiedge.data.in_memory import normalise
from easiedge.data.split import draw_stratified
from easiedge.model.resnet import resnet56
from easiedge.model.vgg import vgg16
from easiedge.model.weights import load_weights
from easiedge.surgery.compensate import Compensation
from easiedge.unit import Budget, FilterMask

MODELS = {"resnet56": resnet56, "vgg16": vgg16}
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
STEPS = 8  # training steps measured before, and again after


class Clock:
    """Wall and processor seconds since it was made."""

    def __init__(self):
        self.wall, self.processor = time.perf_counter(), time.process_time()

    def seconds(self):
        """Seconds by kind of clock."""
        return {"wall": time.perf_counter() - self.wall, "processor": time.process_time() - self.processor}


def training_steps(model, batches):
    """Seconds of some float32 training steps with batches of 128; the first one is not counted."""
    model = copy.deepcopy(model).train()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-6, momentum=0.9, nesterov=True, weight_decay=5e-4)
    for step in range(STEPS + 1):
        if step == 1:
            clock = Clock()
        x, y = batches[step % len(batches)]
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()
    return clock.seconds()


@torch.no_grad()
def accuracy(model, images, data):
    """Percent of images classified rightly."""
    x = normalise(images.pixels, data.mean, data.std)
    right = sum(
        int((model(a).argmax(1) == b).sum()) for a, b in zip(x.split(250), images.labels.split(250), strict=True)
    )
    return 100.0 * right / len(x)


def selection(model, groups, batches, options, file):
    """Masks after each chunk and the seconds so far, with training steps before and after; from ``file`` if it is there."""
    if file.exists():
        return json.loads(file.read_text())
    training = [training_steps(model, batches)]
    chunks, clock = [], Clock()

    def note(done, of, mask):
        keep = {name: "".join("01"[int(k)] for k in kept) for name, kept in mask.keep.items()}
        chunks.append({"removed": mask.share_removed(), **clock.seconds(), "keep": keep})
        print(f"chunk {done}/{of}: {chunks[-1]['wall']:.0f} s, processor {chunks[-1]['processor']:.0f} s", flush=True)

    easiedge.select(
        model, groups, batches, budget=Budget(filters_removed=options.share), chunk=options.chunk,
        compensation="least_squares", ridge=options.ridge, positions=options.positions, progress=note, passes=options.passes, readjust=options.readjust,
    )  # fmt: skip
    training.append(training_steps(model, batches))
    epoch = {k: (training[0][k] + training[1][k]) / (2 * STEPS) * 45_000 / 128 for k in training[0]}
    result = {"chunks": chunks, "training": training, "epoch": epoch}
    file.write_text(json.dumps(result))
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="vgg16")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--share", type=float, default=0.8, help="share of the units that goes in the end")
    parser.add_argument("--chunk", type=float, default=0.1)
    parser.add_argument("--images", type=int, default=1024)
    parser.add_argument("--positions", type=int, default=32)
    parser.add_argument("--ridge", type=float, default=1e-3)
    parser.add_argument("--passes", type=int, default=2, help="of the scores' probes")
    parser.add_argument(
        "--readjust", type=float, default=0.1, help="damping of the joint form; 0 for gates that stay as they are"
    )
    parser.add_argument(
        "--part", choices=("val", "test"), default="val", help="choose on val; test: 5,000 images, once"
    )
    parser.add_argument("--at", type=float, nargs="*", help="shares at which to evaluate; every chunk by default")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    data = CIFAR10(options.data, **(IMAGENET if options.model == "resnet56" else {}))
    data.setup()
    part = data.val if options.part == "val" else data.test.take(draw_stratified(data.test.labels, 5000, 0))
    model = MODELS[options.model]()
    load_weights(model, options.weights)
    model.eval()
    batches = data.calibration_batches(options.images)
    groups = easiedge.find_groups(model, batches[0][0][:2])
    if options.model == "resnet56":  # block-internal units
        groups = [g for g in groups if g.name.startswith("layer") and g.name.endswith("conv1")]
    name = "-".join(
        f"{k}{getattr(options, k):g}" for k in ("share", "chunk", "images", "positions", "ridge", "passes", "readjust")
    )
    name = f"{options.model}-{name}"
    chosen = selection(model, groups, batches, options, options.out / f"{name}-selection.json")
    file = options.out / f"{name}-{options.part}.json"
    rows = json.loads(file.read_text())["rows"] if file.exists() else [
        {"removed": 0.0, "accuracy": accuracy(model, part, data)}
    ]  # fmt: skip
    session = Compensation(model, groups, batches, ridge=options.ridge, positions=options.positions)
    for chunk in chosen["chunks"]:
        share = chunk["removed"]
        if any(abs(r["removed"] - share) < 1e-9 for r in rows):
            continue
        if options.at and min(abs(share - a) for a in options.at) > 2e-3:
            continue
        mask = FilterMask({g: torch.tensor([k == "1" for k in keep]) for g, keep in chunk["keep"].items()})
        clock = Clock()
        compact = session.compensated(mask)[1]
        rows.append({"removed": share, "compensation": clock.seconds(), "accuracy": accuracy(compact, part, data)})
        settings = {k: v for k, v in vars(options).items() if k not in ("out", "weights", "data")}
        machine = {"torch": torch.__version__, "threads": torch.get_num_threads(), "python": platform.python_version()}
        timing = [{k: v for k, v in c.items() if k != "keep"} for c in chosen["chunks"]]
        record = {**settings, **machine, "images_evaluated": len(part.labels), "rows": rows, "selection": timing}
        file.write_text(json.dumps({**record, "training": chosen["training"], "epoch": chosen["epoch"]}, indent=1))
        print(f"{share:.3f} removed: {rows[-1]['accuracy']:.2f} %, dense {rows[0]['accuracy']:.2f} %", flush=True)
    draw(rows, chosen, options, options.out.parent / f"{options.model}-{options.part}.png")


def draw(rows, chosen, options, file):
    """Accuracy by share removed, and the cost in training epochs."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    share = [100 * r["removed"] for r in rows]
    left.plot(share, [r["accuracy"] for r in rows], "o-", color="#1f5fa8")
    left.axhline(rows[0]["accuracy"], color="0.6", lw=1, ls="--")
    left.set(xlabel="units removed [%]", ylabel=f"{options.part} accuracy, no gradient step [%]")
    epoch = chosen["epoch"]["processor"]
    right.plot(
        [100 * c["removed"] for c in chosen["chunks"]],
        [c["processor"] / epoch for c in chosen["chunks"]],
        "o-",
        color="#1f5fa8",
    )
    right.set(xlabel="units removed [%]", ylabel="selection, in float32 training epochs", ylim=(0, None))
    for ax in (left, right):
        ax.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{options.model}: chunks of {options.chunk:g}, {options.images} images")
    figure.savefig(file, dpi=110)


if __name__ == "__main__":
    main()
