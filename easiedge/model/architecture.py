"""A network as data: its graph, layers and arguments as JSON, from which it is made again without pickle or its own code."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn

from easiedge.errors import ModelError
from easiedge.model.functions import ATTRIBUTES, METHODS, function_of, name_of
from easiedge.model.graph import trace
from easiedge.model.layers import describe_layer, make_layer

SCHEMA = 2
_PATH_PART = re.compile(r"[A-Za-z0-9_-]+")  # torch.fx writes these into generated code: nothing else may get there
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MOST, _DEEPEST = 100_000, 32  # nodes or layers of a network; parts of a layer's name
_UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {
    1: lambda description: {**description, "schema": 2},  # 2 has provenance.json beside it; the description is the same
}
_DTYPES = {
    str(d): d
    for d in (torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.bool)
}


def describe(network: nn.Module) -> dict[str, Any]:
    """The architecture of a network as JSON-able data.

    Raises:
        ModelError: a layer or function that an artifact cannot hold; it is named.
    """
    traced = trace(network)
    modules = dict(traced.named_modules())
    layers: dict[str, Any] = {}
    tensors: dict[str, Any] = {}
    nodes = []
    parameters, buffers = dict(traced.named_parameters()), dict(traced.named_buffers())
    for n in traced.graph.nodes:
        target: Any = str(n.target)
        if n.op == "call_module":
            layers.setdefault(target, describe_layer(target, modules[target]))
        elif n.op == "get_attr":
            tensor = parameters[target] if target in parameters else buffers.get(target)
            if tensor is None:
                raise ModelError(
                    f"the network reads {target!r}, which is neither a parameter nor a buffer: register it as a buffer"
                )
            tensors[target] = {
                "shape": list(tensor.shape),
                "dtype": str(tensor.dtype),
                "parameter": target in parameters,
            }
        elif n.op == "call_function":
            target = name_of(n.target)
            if target is None:
                raise ModelError(
                    f"the network calls {getattr(n.target, '__name__', n.target)!r}, which an artifact cannot hold: use torch.nn layers for it"
                )
        elif n.op == "call_method" and target not in METHODS:
            raise ModelError(f"the network calls the tensor method {target!r}, which an artifact cannot hold")
        nodes.append(
            {"name": n.name, "op": n.op, "target": target, "args": _pack(n.args), "kwargs": _pack(dict(n.kwargs))}
        )
    return {"schema": SCHEMA, "name": type(network).__name__, "layers": layers, "tensors": tensors, "nodes": nodes}


def as_text(description: dict[str, Any]) -> str:
    """The description as it is written into a file."""
    return json.dumps(description, indent=1)


def reached_state(network: nn.Module, description: dict[str, Any]) -> dict[str, Tensor]:
    """Parameters and buffers of the layers that the described forward uses, by their qualified names; not copies."""
    reached = {*description["layers"], *(name.rpartition(".")[0] for name in description["tensors"])}
    state = {name: tensor for name, tensor in network.state_dict().items() if _owner(name, reached)}
    for name in description["tensors"]:  # buffers that a state dict leaves out too
        state[name] = attribute(network, name)
    return state


def _owner(name: str, layers: set[str]) -> bool:
    """Whether a state-dict entry belongs to a layer that the graph calls."""
    parts = name.split(".")
    return any(".".join(parts[:k]) in layers for k in range(len(parts), 0, -1))


def attribute(network: nn.Module, name: str) -> torch.Tensor:
    """A parameter or buffer by its qualified name."""
    owner, _, leaf = name.rpartition(".")
    found: torch.Tensor = getattr(network.get_submodule(owner), leaf)
    return found


def upgraded(description: Any) -> dict[str, Any]:
    """The description in the current schema, whatever earlier version of easiedge wrote it.

    Raises:
        ModelError: a schema that this version does not know.
    """
    found = description.get("schema") if isinstance(description, dict) else None
    if isinstance(found, bool) or not isinstance(found, int) or not 1 <= found <= SCHEMA:
        raise ModelError(
            f"the architecture has schema {str(found)[:40]!r}; this version of easiedge reads 1 to {SCHEMA}: update easiedge, or export again"
        )
    while description["schema"] < SCHEMA:
        description = _UPGRADES[description["schema"]](description)
    return description


def build(description: Any) -> fx.GraphModule:
    """Make the network that `describe` described, with fresh weights, in training mode.

    Under ``torch.device("meta")`` it takes no memory for its weights, whatever sizes the description holds.

    Raises:
        ModelError: an unknown schema, or a description that names anything outside the allowed layers, functions and methods.
    """
    description = upgraded(description)
    try:
        return _build(description)
    except ModelError:
        raise
    except Exception as error:  # it may hold anything at all; nothing of it has run
        raise ModelError(
            f"the architecture is malformed ({type(error).__name__}: {str(error)[:200]}): export it again"
        ) from error


def _build(description: dict[str, Any]) -> fx.GraphModule:
    root = nn.Module()
    if max(len(description[part]) for part in ("layers", "tensors", "nodes")) > _MOST:
        raise ModelError(f"the artifact has more than {_MOST} layers or nodes, which no network has: export it again")
    for name, layer in description["layers"].items():
        _attach(root, name, make_layer(name, layer))
    for name, tensor in description["tensors"].items():
        value = torch.zeros(tensor["shape"], dtype=_DTYPES[tensor["dtype"]])
        _attach(
            root, name, nn.Parameter(value, requires_grad=value.is_floating_point()) if tensor["parameter"] else value
        )
    graph = fx.Graph()
    made: dict[str, fx.Node] = {}
    for node in description["nodes"]:
        op, target = node["op"], node["target"]
        if op == "call_function":
            called = function_of(target)
            if called is None:
                raise ModelError(
                    f"the artifact calls {str(target)[:80]!r}, which is not allowed: it was changed, or made by a newer version"
                )
            if target == "getattr" and node["args"]["tuple"][1] not in ATTRIBUTES:
                raise ModelError(f"the artifact reads the attribute {node['args']['tuple'][1]!r}, which is not allowed")
            target = called
        elif op == "call_method" and target not in METHODS:
            raise ModelError(f"the artifact calls the method {str(target)[:80]!r}, which is not allowed")
        elif op not in ("placeholder", "get_attr", "call_module", "call_method", "output") or not isinstance(
            target, str
        ):
            raise ModelError(f"the artifact has a node of kind {str(op)[:80]!r}, which is not known")
        elif (
            op in ("get_attr", "call_module") and target not in description["tensors" if op == "get_attr" else "layers"]
        ):
            raise ModelError(f"the artifact uses {str(target)[:80]!r}, which it does not hold")
        if not all(_NAME.fullmatch(str(key)) for key in node["kwargs"].get("dict", {})):
            raise ModelError(f"the artifact's node {str(node['name'])[:80]!r} has an argument whose name is not a name")
        if not _NAME.fullmatch(str(node["name"])) or (
            op in ("placeholder", "call_method") and not _NAME.fullmatch(target.lstrip("*"))
        ):
            raise ModelError(f"the artifact has a node named {str(node['name'])[:80]!r}, which is not a name")
        if node["name"] in made:
            raise ModelError(f"the artifact has two nodes named {str(node['name'])[:80]!r}: export it again")
        made[node["name"]] = graph.create_node(
            op, target, _unpack(node["args"], made), _unpack(node["kwargs"], made), name=node["name"]
        )
    graph.lint()
    name = str(description["name"])
    return fx.GraphModule(root, graph, class_name=name if _NAME.fullmatch(name) else "Network")


def _attach(root: nn.Module, name: str, value: Any) -> None:
    *path, leaf = name.split(".")
    if len(path) >= _DEEPEST or not all(_PATH_PART.fullmatch(part) for part in (*path, leaf)):
        raise ModelError(f"the artifact has a layer named {str(name)[:80]!r}, which is not a name")
    for part in path:
        if part not in root._modules:
            root.add_module(part, nn.Module())
        root = root.get_submodule(part)
    if isinstance(value, nn.Module):
        root.add_module(leaf, value)
    elif isinstance(value, nn.Parameter):
        root.register_parameter(leaf, value)
    else:
        root.register_buffer(leaf, value)


def _pack(value: Any) -> Any:
    """Arguments of a node as JSON: nodes, tuples, slices and dtypes become small tagged objects."""
    if isinstance(value, fx.Node):
        return {"node": value.name}
    if isinstance(value, tuple):
        return {"tuple": [_pack(v) for v in value]}
    if isinstance(value, list):
        return [_pack(v) for v in value]
    if isinstance(value, dict):
        return {"dict": {k: _pack(v) for k, v in value.items()}}
    if isinstance(value, slice):
        return {"slice": [_pack(value.start), _pack(value.stop), _pack(value.step)]}
    if value is Ellipsis:
        return {"ellipsis": True}
    if isinstance(value, torch.dtype):
        return {"dtype": str(value)}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ModelError(
        f"the network's forward holds the argument {value!r} of type {type(value).__name__}, which an artifact cannot hold"
    )


def _unpack(value: Any, made: dict[str, fx.Node]) -> Any:
    if isinstance(value, list):
        return [_unpack(v, made) for v in value]
    if not isinstance(value, dict):
        return value
    ((tag, inner),) = value.items()
    if tag == "node":
        return made[inner]
    if tag == "tuple":
        return tuple(_unpack(v, made) for v in inner)
    if tag == "dict":
        return {str(k): _unpack(v, made) for k, v in inner.items()}
    if tag == "slice":
        return slice(*(_unpack(v, made) for v in inner))
    if tag == "ellipsis":
        return Ellipsis
    if tag == "dtype":
        return _DTYPES[inner]
    raise ModelError(f"the artifact has an argument of kind {str(tag)[:80]!r}, which is not known")
