"""The engines by name."""

from __future__ import annotations

from collections.abc import Sequence

from easiedge.deploy.bench.engine import Engine
from easiedge.deploy.bench.onnx_engine import OnnxRuntime
from easiedge.deploy.bench.openvino_engine import OpenVinoRuntime
from easiedge.deploy.bench.torch_engine import TorchCompile, TorchEager
from easiedge.errors import EasiEdgeError

ENGINES: dict[str, Engine] = {e.name: e for e in (TorchEager(), TorchCompile(), OnnxRuntime(), OpenVinoRuntime())}


def chosen_engines(names: Sequence[str] | None) -> tuple[list[Engine], dict[str, str]]:
    """The engines of these names, each once; of all those that work here, where none is named, and why the others do not.

    Raises:
        EasiEdgeError: an unknown name, or one that was named and does not work here.
    """
    for name in names or ():
        if name not in ENGINES:
            raise EasiEdgeError(f"--engines {name!r} is unknown: choose among {', '.join(ENGINES)}")
    found, absent = [], {}
    for engine in [ENGINES[name] for name in dict.fromkeys(names)] if names else ENGINES.values():
        try:
            engine.about()
        except EasiEdgeError as error:
            if names:
                raise
            absent[engine.name] = str(error)
        else:
            found.append(engine)
    return found, absent
