"""Dense and pruned C exports of a run on emulated ARM: classes compared with the artifact, instructions by layer, sizes.

python experiments/arm/run_on_arm.py RUN_DIR --images 2 --processor aarch64 --json results/vgg16-aarch64.json
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from pathlib import Path

import torch

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "tests"))

from arm import AARCH64, CORTEX_M4, Emulated

from easiedge.deploy.artifact import save
from easiedge.deploy.export.c_format import macro
from easiedge.deploy.provenance import read_provenance
from easiedge.export import ExportRequest, export
from easiedge.model.logits import class_logits
from easiedge.model.resnet import resnet56
from easiedge.model.vgg import vgg16
from easiedge.model.weights import load_weights
from easiedge.run_directory import run_data, run_network

MODELS = {"vgg16": vgg16, "resnet56": resnet56}
PROCESSORS = {"aarch64": AARCH64, "cortex_m4": CORTEX_M4}


def measure(run: Path, network: str, processor: str, images: torch.Tensor, folder: Path) -> dict:
    """One network of the run on one processor."""
    source = run / "export" / f"{network}.c"
    emulated = Emulated(source, PROCESSORS[processor], folder)
    runs = [emulated.run(image) for image in images]
    found = torch.stack([each.logits for each in runs])
    with torch.inference_mode():
        wanted = class_logits(run_network(run, network).network(images))
    assert wanted is not None
    header, upper = source.with_suffix(".h"), network.upper()
    layers = re.findall(r"/\* (\d+)\. ([^:]+): (.*?)(?:; ([\d,]+) multiply-accumulates)? \*/", source.read_text())
    return {
        "images": len(images), "same_top1": int((found.argmax(1) == wanted.argmax(1)).sum()),
        "max_abs_diff": float((found - wanted).abs().max()), "macs": macro(header, f"{upper}_MACS"),
        "instructions": max(each.instructions for each in runs),
        "instructions_least": min(each.instructions for each in runs),
        "code_bytes": emulated.elf.sizes[".text"], "weight_bytes": macro(header, f"{upper}_WEIGHT_BYTES"),
        "activation_bytes": macro(header, f"{upper}_ACTIVATION_BYTES"), "stack_bytes": max(each.stack for each in runs),
        "layers": [
            {
                "layer": name, "what": what, "macs": int((macs or "0").replace(",", "")),
                "instructions": runs[0].by_layer.get(int(k), 0),
            }
            for k, name, what, macs in layers
        ],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("overrides", nargs="*", help="of the run's data, such as data.root=DIR")
    parser.add_argument("--images", type=int, default=2, help="on the emulated processor")
    parser.add_argument("--compared", type=int, default=1000, help="on this machine, before")
    parser.add_argument("--processor", choices=PROCESSORS, default="aarch64")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--dense", nargs=2, metavar=("MODEL", "WEIGHTS"), help="of a run that began with weights")
    options = parser.parse_args()
    found = {}
    if options.dense and not (options.run / "dense").is_dir():
        network = MODELS[options.dense[0]]()
        load_weights(network, options.dense[1])
        about = read_provenance(options.run / "pruned")
        save(network.eval(), options.run / "dense", {key: about[key] for key in ("input", "classes")})
    data = run_data(options.run, options.overrides)
    batches = data.evaluation_batches("test", options.images, section="export")
    images = torch.cat([x for x, _ in batches])[: options.images]
    for network in ("dense", "pruned"):
        request = ExportRequest(
            options.run, ("c",), network=network, images=options.compared, overrides=tuple(options.overrides)
        )
        made = export(request)
        made.check()
        wanted = ("images", "agreement", "max_abs_diff", "accuracy", "artifact_accuracy", "version")
        agreed = {k: made.entries[0][k] for k in wanted}
        with tempfile.TemporaryDirectory() as folder:
            measured = measure(options.run, network, options.processor, images, Path(folder))
        found[network] = measured | {"here": agreed}
    dense, pruned = found["dense"], found["pruned"]
    print(f"{options.run.name} on {PROCESSORS[options.processor].name}: {options.images} images")
    for name, each in found.items():
        print(
            f"  {name:6}  {each['macs']:>12,} MACs  {each['instructions']:>12,} instructions  "
            f"top-1 {each['same_top1']}/{each['images']}  code {each['code_bytes']:,} B  weights {each['weight_bytes']:,} B  "
            f"activations {each['activation_bytes']:,} B  stack {each['stack_bytes']} B  "
            f"here {each['here']['agreement']:.2%} of {each['here']['images']}"
        )
    fewer = [dense[key] / pruned[key] for key in ("macs", "instructions")]
    print(f"  MACs {fewer[0]:.2f}x fewer, instructions {fewer[1]:.2f}x fewer")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"processor": options.processor, **found}, indent=1) + "\n")


if __name__ == "__main__":
    main()
