"""What the processes of one run tell one another; in a single process all of it does nothing and costs nothing.

Every process tells the same story (`easiedge.pipeline`) with its share of each batch.  What has to be the same everywhere is either a sum
over all of them, or what the first process says: rank 0 alone decides, writes and speaks.

The collectives are torch.distributed's: gloo for values and tensors on the CPU, NCCL for tensors on GPUs.  Values travel pickled, which is
safe here alone: the other end is a process of the same user that runs the same code, never a file.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from easiedge.errors import ProcessError
from easiedge.launch import ENVIRONMENT, MET, STORE, Place

T = TypeVar("T")
LOST = "another process of this run has ended or does not answer: the run stops, and goes on where it was when it is started again"


@dataclass(frozen=True)
class _Joined:
    place: Place
    store: Any


_joined: _Joined | None = None
_speaking: Any = None  # the store of the last group, which errors are still told to when the group is gone


def rank() -> int:
    """Of this process, from 0."""
    return 0 if _joined is None else _joined.place.rank


def world_size() -> int:
    """How many processes."""
    return 1 if _joined is None else _joined.place.size


def local_size() -> int:
    """How many processes there are on this machine."""
    return 1 if _joined is None else _joined.place.local_size


def first() -> bool:
    """Whether this is the process that decides, writes and speaks."""
    return rank() == 0


def summed(tensor: Tensor) -> Tensor:
    """The sum over all processes, in place, with the same bits on each."""
    if _joined is not None:
        with _reached():
            dist.all_reduce(tensor)
    return tensor


def stacked(tensor: Tensor) -> Tensor:
    """Those of all processes, ``[processes, ...]``, by rank."""
    if _joined is None:
        return tensor[None]
    parts = [torch.empty_like(tensor) for _ in range(world_size())]
    with _reached():
        dist.all_gather(parts, tensor.contiguous())
    return torch.stack(parts)


def below_one_another(rows: Tensor) -> Tensor:
    """The rows ``[rows, columns]`` of all processes in one matrix, by rank."""
    if _joined is None:
        return rows
    counts = [int(count) for count in stacked(torch.tensor(len(rows)))]
    padded = rows.new_zeros(max(counts), rows.shape[1])
    padded[: len(rows)] = rows
    return torch.cat([part[:count] for part, count in zip(stacked(padded), counts, strict=True)])


def highest(*numbers: int) -> tuple[int, ...]:
    """Of each number, the largest that a process gave."""
    if _joined is None:
        return numbers
    found = torch.tensor(numbers)
    with _reached():
        dist.all_reduce(found, dist.ReduceOp.MAX)
    return tuple(found.tolist())


def told(value: T) -> T:
    """What the first process gave."""
    if _joined is None:
        return value
    box: list[Any] = [value if first() else None]
    with _reached():
        dist.broadcast_object_list(box, 0, device=torch.device("cpu"))
    found: T = value if first() else box[0]
    return found


def gathered(value: T) -> list[T]:
    """What each process gave, by rank."""
    if _joined is None:
        return [value]
    found: list[Any] = [None] * world_size()
    with _reached():
        dist.all_gather_object(found, value)
    return found


def by_the_first(make: Callable[[], T]) -> T:
    """What ``make()`` gives in the first process, where alone it is called; its error is everyone's."""
    if _joined is None:
        return make()
    if not first():
        value, error = told((None, None))
    else:
        try:
            value, error = make(), None
        except Exception as raised:
            value, error = None, raised
        told((value, error))
    if error is not None:
        raise error
    found: T = value  # type: ignore[assignment]
    return found


@contextmanager
def first_before_the_others() -> Iterator[None]:
    """Within, the first process has finished before the others begin: it fetches what they then find."""
    if not first():
        told(None)
    yield
    if first():
        told(None)


def same_network(network: nn.Module) -> nn.Module:
    """The first process's weights and buffers, on every process."""
    if _joined is not None:
        with _reached(), torch.no_grad():
            for tensor in network.state_dict().values():
                told_tensor = tensor.detach().contiguous()
                dist.broadcast(told_tensor, 0)
                tensor.copy_(told_tensor)
    return network


@contextmanager
def joined(place: Place, timeout: float) -> Iterator[None]:
    """Within, this process is one of ``place.size``.

    Args:
        place: which one; the others are met by `easiedge.launch`'s file, or as torchrun's environment says.
        timeout: seconds that a process waits for the others in any exchange.

    Raises:
        ProcessError: the others cannot be met; or within, wherever they are waited for, one has ended or does not answer.
    """
    global _joined, _speaking
    if place.size == 1:
        yield
        return
    on_gpus = torch.cuda.is_available() and dist.is_nccl_available() and place.local_size <= torch.cuda.device_count()
    if torch.cuda.is_available():
        torch.cuda.set_device(place.local_rank % torch.cuda.device_count())
    where = os.environ.get(STORE)
    with _reached():
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if on_gpus else "gloo", init_method=f"file://{where}" if where else "env://",
            rank=place.rank, world_size=place.size, timeout=timedelta(seconds=timeout),
        )  # fmt: skip
    if where:
        Path(where).with_name(MET).touch()
    before = {name: os.environ.pop(name) for name in ENVIRONMENT if name in os.environ}  # Lightning would act on them
    _speaking = dist.distributed_c10d._get_default_store()
    _joined = _Joined(place, _speaking)
    try:
        yield
        dist.destroy_process_group()
    finally:
        _joined = None
        os.environ.update(before)


def met() -> bool:
    """Whether this process has joined others, now or before."""
    return _speaking is not None


def speaks(status: int) -> bool:
    """Whether this process is the one to say that the run ends with ``status``: the first of all that has something to say."""
    if _speaking is None:
        return True
    try:
        alone = _speaking.add("easiedge/said", 1) == 1
        if alone:
            _speaking.set("easiedge/status", str(status))
    except Exception:  # the store is gone with the process that held it
        return True
    return bool(alone)


def said(status: int) -> int:
    """The exit status that was said first, or ``status``."""
    if _speaking is None:
        return status
    try:
        return int(_speaking.get("easiedge/status")) if _speaking.check(["easiedge/status"]) else status
    except Exception:
        return status


@contextmanager
def _reached() -> Iterator[None]:
    """Exchanges in which the others take part.

    Raises:
        ProcessError: they do not.
    """
    try:
        yield
    except RuntimeError as error:  # torch.distributed's errors, all of them
        raise ProcessError(LOST) from error


def own_part(length: int) -> slice:
    """Which of ``length`` things are this process's: neighbours, as many for each process as for any other, or one less."""
    size, here = world_size(), rank()
    return slice(length * here // size, length * (here + 1) // size)
