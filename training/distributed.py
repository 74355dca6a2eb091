"""Several processes that train one network: what `torchrun` started, or this process alone.

    python -m torch.distributed.run --nproc-per-node 2 -m training train digits

Each process computes its share of every batch; gradients are averaged (torch.distributed, nccl on GPUs and gloo on
CPUs). The first process decides and writes: what it found on the validation part counts for all, the checkpoint, the
result and a publication are its own.

With the same global batch the loss follows the curve of one process, as far as rounding allows, for networks without
batch norm, dropout, mixup and cutmix. What these change:

- batch norm takes its statistics over each process's share, so gradients are those of smaller batches, and the
  running statistics that are judged and kept are the first process's;
- dropout, mixup, cutmix and SpecAugment draw from generators of each process's own, so the curve differs as it does
  between two seeds; blending pairs examples of one share only.

A run may go on with another number of processes than it began with, under the same conditions.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from training.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class World:
    """Who we are among how many."""

    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_first(self) -> bool:
        """Whether this process writes and speaks for all."""
        return self.rank == 0

    def share(self, batch: list[Any]) -> list[Any]:
        """This process's part of a global batch."""
        part = len(batch) // self.size
        return batch[self.rank * part : (self.rank + 1) * part]

    def wrapped(self, network: nn.Module) -> nn.Module:
        """The network, its gradients averaged over all processes."""
        if self.size == 1:
            return network
        devices = [self.device] if self.device.type == "cuda" else None
        return DistributedDataParallel(network, device_ids=devices)

    def mean(self, values: Tensor) -> Tensor:
        """The mean over all processes."""
        if self.size > 1:
            torch.distributed.all_reduce(values)
            values = values / self.size
        return values

    def of_first(self, value: T) -> T:
        """What the first process has, in every process: for decisions that all must take alike."""
        if self.size == 1:
            return value
        values = [value]
        torch.distributed.broadcast_object_list(values)
        return values[0]

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            torch.distributed.barrier()


def process_count() -> int:
    """How many processes `torchrun` started, this one included; 1 without it."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first_process() -> bool:
    """Whether this process speaks for all that `torchrun` started; known before they meet and after they part."""
    return int(os.environ.get("RANK", "0")) == 0


@contextmanager
def joined(device: str | None = None) -> Iterator[World]:
    """The world of this process: that of `torchrun` where it was started by it, else itself.

    A training inside another one (an encoder that is trained first) shares its world.

    Raises:
        UsageError: a GPU is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UsageError("this machine has no GPU that PyTorch can use: leave --device out")
    if "RANK" not in os.environ or not torch.distributed.is_available():
        yield World(device=torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu")))
        return
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    on_gpu = (device or "cuda") == "cuda" and torch.cuda.is_available()
    place = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if on_gpu else torch.device("cpu")
    if torch.distributed.is_initialized():
        yield World(rank, size, place)
        return
    if on_gpu:
        torch.cuda.set_device(place)  # what is sent between processes lies there
    torch.distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield World(rank, size, place)
    finally:
        torch.distributed.destroy_process_group()
