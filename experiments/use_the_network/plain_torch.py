"""Classify image files with a pruned network: python plain_torch.py RUN_DIR/pruned IMAGE..."""

import sys

import numpy as np
import torch
from PIL import Image, ImageOps

import easiedge

folder, *files = sys.argv[1:]
network = easiedge.load(folder)  # imports torch and safetensors; neither Lightning nor Hydra nor the network's own code
about = easiedge.read_provenance(folder)
form, (channels, height, width) = about["input"], about["input"]["shape"]

for file in files:
    image = Image.open(file).convert("L" if channels == 1 else "RGB")
    if form.get("fit") == "crop":  # the central 0.875 of the largest part with the input's proportions
        image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR, bleed=0.0625)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, dtype=np.float32).reshape(height, width, channels) / 255
    x = torch.from_numpy((pixels - form["mean"]) / form["std"]).float().permute(2, 0, 1)[None]
    with torch.inference_mode():
        probabilities = network(x).softmax(1)[0]
    print(file, about["classes"][int(probabilities.argmax())], f"{float(probabilities.max()):.3f}")
