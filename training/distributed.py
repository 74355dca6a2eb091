"""Several processes that train one network: what `torchrun` started, or this process alone.

Each process computes its share of every batch; gradients are averaged (torch.distributed, nccl on GPUs and gloo on
CPUs). With the same global batch the loss follows the curve of one process, as far as rounding allows, for networks
without batch norm and dropout: batch statistics are taken over each process's share, and dropout and blending draw
from generators of their own.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from training.errors import UsageError


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

    def wait(self) -> None:
        """Until all processes are here."""
        if self.size > 1:
            torch.distributed.barrier()


@contextmanager
def joined(device: str | None = None) -> Iterator[World]:
    """The world of this process: that of `torchrun` where it was started by it, else itself.

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
    torch.distributed.init_process_group("nccl" if on_gpu else "gloo")
    try:
        yield World(rank, size, place)
    finally:
        torch.distributed.destroy_process_group()
