"""SHA-256 of values, tensors and whole networks: equal digests mean that the same computation gives the same bits.

Tensors enter by dtype, shape, strides (kernels choose by them), kind of device and bytes; networks by their traced graph, the
plain attributes of their layers, parameters and buffers, but not by their mode, training or evaluation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.weak import WeakIdKeyDictionary

from easiedge.errors import ModelError
from easiedge.model.graph import device_of, trace

_seen: Any = WeakIdKeyDictionary()  # bytes of long-lived tensors, such as calibration images, are hashed once


class UndigestibleError(TypeError):
    """A value whose content cannot be told, such as a function; what depends on it is computed, never looked up."""


def digest(*values: Any) -> str:
    """64 hexadecimal digits of ``values``: numbers, texts, tensors, networks, and lists, mappings and dataclasses of them.

    An object of another kind stands for what its method ``digestible()`` returns, such as the names and times of files.

    Raises:
        UndigestibleError: anything else.
    """
    found = hashlib.sha256()
    for value in values:
        _add(found, value)
    return found.hexdigest()


def circumstances(network: nn.Module) -> dict[str, Any]:
    """What else decides the bits of a result: the code, torch, and the processor that ``network`` is computed on."""
    device = device_of(network)
    return {
        "easiedge": _own_code(),
        "torch": torch.__version__,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processor": {name: str(value) for name, value in sorted(torch.cpu.get_capabilities().items())},
        "threads": torch.get_num_threads(),
        "matmul": torch.get_float32_matmul_precision(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
    }


def tensor_digest(tensor: Tensor) -> str:
    """SHA-256 of the bytes; remembered as long as the tensor lives and torch counts no write to it."""
    if tensor.is_inference():
        return _bytes_digest(tensor)
    known = _seen.get(tensor)
    if known is None or known[0] != tensor._version:
        known = _seen[tensor] = (tensor._version, _bytes_digest(tensor))
    return known[1]


def _bytes_digest(tensor: Tensor) -> str:
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise UndigestibleError(f"a tensor of layout {tensor.layout}")
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return hashlib.sha256(flat.view(torch.uint8).numpy().data if flat.numel() else b"").hexdigest()


def _form(tensor: Tensor) -> tuple[str, list[int], list[int], str]:
    return str(tensor.dtype), list(tensor.shape), list(tensor.stride()), tensor.device.type


def _add(found: Any, value: Any) -> None:
    """Feed ``value``, with its kind and length in front, so that no two different values feed the same bytes."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes | torch.dtype | torch.device):
        _text(found, type(value).__name__, repr(value))
    elif isinstance(value, Tensor):
        _text(found, "tensor", f"{_form(value)} {tensor_digest(value)}")
    elif isinstance(value, nn.Module):
        _text(found, "network", _network(value))
    elif isinstance(value, Mapping):
        _text(found, "mapping", str(len(value)))
        _all(found, (part for item in sorted(value.items(), key=lambda item: repr(item[0])) for part in item))
    elif isinstance(value, AbstractSet):
        _text(found, "set", repr(sorted(map(repr, value))))
    elif isinstance(value, Sequence):
        _text(found, "sequence", str(len(value)))
        _all(found, value)
    elif is_dataclass(value) and not isinstance(value, type):
        _text(found, "dataclass", f"{type(value).__module__}.{type(value).__qualname__} {len(fields(value))}")
        _all(found, (part for f in fields(value) for part in (f.name, getattr(value, f.name))))
    elif callable(content := getattr(value, "digestible", None)) and not isinstance(value, type):
        _text(found, "object", f"{type(value).__module__}.{type(value).__qualname__}")
        _add(found, content())
    else:
        raise UndigestibleError(f"{type(value).__module__}.{type(value).__qualname__}")


def _all(found: Any, values: Iterable[Any]) -> None:
    for value in values:
        _add(found, value)


def _text(found: Any, kind: str, text: str) -> None:
    found.update(f"{kind}:{len(text)}:{text};".encode())


def _network(network: nn.Module) -> str:
    """Graph, layers, parameters and buffers of a network.  Its weights are hashed anew each time: training writes to them."""
    try:
        traced = trace(network)
    except ModelError as error:
        raise UndigestibleError(str(error)) from error
    found = hashlib.sha256()
    _text(found, "graph", str(traced.graph))
    for owner in (network, traced):  # layers that work in training only are not in the graph
        for name, layer in owner.named_modules():
            _text(found, "layer", f"{name} {_kind(layer)} {_plain(layer)}")
    constants = {str(n.target): _attribute(traced, str(n.target)) for n in traced.graph.nodes if n.op == "get_attr"}
    state = {**constants, **dict(network.named_buffers()), **dict(network.named_parameters())}
    for name, tensor in sorted(state.items()):
        if not isinstance(tensor, Tensor):
            raise UndigestibleError(f"attribute {name} of the network")
        _text(found, "state", f"{name} {_form(tensor)} {_bytes_digest(tensor)}")
    return found.hexdigest()


def _kind(layer: nn.Module) -> str:
    """The layer's class; that of a traced network is made anew by each trace, and its graph says it all."""
    return (
        "graph" if isinstance(layer, torch.fx.GraphModule) else f"{type(layer).__module__}.{type(layer).__qualname__}"
    )


def _plain(layer: nn.Module) -> dict[str, str]:
    """Strides, paddings, momenta: the public attributes of a layer that are numbers or texts, or tuples of them."""
    if isinstance(layer, torch.fx.GraphModule):
        return {}
    simple = (bool, int, float, str, type(None))
    return {
        name: repr(value)
        for name, value in sorted(vars(layer).items())
        if not name.startswith("_") and name != "training"
        if isinstance(value, simple) or (isinstance(value, tuple | list) and all(isinstance(v, simple) for v in value))
    }


def _attribute(network: nn.Module, path: str) -> Any:
    owner, _, name = path.rpartition(".")
    return getattr(network.get_submodule(owner), name)


@cache
def _own_code() -> str:
    """Digest of easiedge's own source files: results of other code are other results, whatever the version says."""
    package = Path(__file__).resolve().parents[1]
    found = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        content = path.read_bytes()
        _text(found, "file", f"{path.relative_to(package).as_posix()} {hashlib.sha256(content).hexdigest()}")
    return found.hexdigest()
