"""Save and load a network without pickle: ``architecture.json`` and ``model.safetensors``."""

from __future__ import annotations

import json
from pathlib import Path

import safetensors.torch
from safetensors import SafetensorError
from torch import fx, nn

from easiedge.atomic import write_atomically
from easiedge.errors import EasiEdgeError, ModelError
from easiedge.model.architecture import as_text, build, describe, reached_state

ARCHITECTURE, WEIGHTS = "architecture.json", "model.safetensors"


def save(network: nn.Module, directory: str | Path) -> None:
    """Write ``network`` into ``directory``; it loads anywhere with `load`, without its class and without pruning again.

    Args:
        network: any network whose layers and functions are torch's own, usually from `shrink`.
        directory: made if need be; files are written whole or not at all.

    Raises:
        ModelError: the network holds something that an artifact cannot.
        EasiEdgeError: the directory cannot be written.
    """
    directory = Path(directory)
    description = describe(network)
    state = {name: t.detach().cpu().contiguous().clone() for name, t in reached_state(network, description).items()}
    write_atomically(directory / WEIGHTS, safetensors.torch.save(state))
    write_atomically(directory / ARCHITECTURE, as_text(description))


def artifact_size(directory: str | Path) -> int:
    """Bytes of the files that `save` wrote into ``directory``."""
    return sum((Path(directory) / name).stat().st_size for name in (WEIGHTS, ARCHITECTURE))


def load(directory: str | Path) -> fx.GraphModule:
    """Load what `save` wrote, in eval mode on the CPU.  Nothing in the files is executed.

    Raises:
        EasiEdgeError: a file is missing.
        ModelError: the files are malformed, do not fit each other, or name anything outside the allowed set.
    """
    directory = Path(directory)
    try:
        description = json.loads((directory / ARCHITECTURE).read_text(encoding="utf-8"))
        state = safetensors.torch.load((directory / WEIGHTS).read_bytes())
    except FileNotFoundError as error:
        raise EasiEdgeError(
            f"{directory} holds no network ({Path(error.filename).name} is missing): give the folder that easiedge.save wrote"
        ) from error
    except (ValueError, SafetensorError, OSError) as error:
        raise ModelError(f"the network in {directory} cannot be read ({error}): copy or export it again") from error
    network = build(description)
    try:
        network.load_state_dict(state, assign=True)  # in the precision of the file
    except RuntimeError as error:
        first = str(error).strip().splitlines()[-1].strip()
        raise ModelError(
            f"weights and architecture in {directory} do not fit each other ({first}): copy or export it again"
        ) from error
    return network.eval()
