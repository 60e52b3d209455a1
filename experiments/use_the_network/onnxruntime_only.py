"""Classify image files with onnxruntime, numpy and Pillow alone: python onnxruntime_only.py RUN_DIR/export/pruned.onnx IMAGE..."""

import json
import sys

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

path, *files = sys.argv[1:]
session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
about = json.loads(session.get_modelmeta().custom_metadata_map["easiedge"])
form, (channels, height, width) = about["input"], about["input"]["shape"]

for file in files:
    image = Image.open(file).convert("L" if channels == 1 else "RGB")
    if form.get("fit") == "crop":  # the central 0.875 of the largest part with the input's proportions
        image = ImageOps.fit(image, (width, height), Image.Resampling.BILINEAR, bleed=0.0625)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    pixels = np.asarray(image, dtype=np.float32).reshape(height, width, channels) / 255
    x = ((pixels - form["mean"]) / form["std"]).astype(np.float32).transpose(2, 0, 1)[None]
    logits = session.run(None, {"images": x})[0][0]
    probabilities = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    print(file, about["classes"][int(probabilities.argmax())], f"{probabilities.max():.3f}")
