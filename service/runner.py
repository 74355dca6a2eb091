"""What the engine needs of a thing that runs a graph, and nothing more.

A runner takes named arrays and gives named arrays. It does not know requests, queues or models' meaning; tests put
a function behind it. `service.onnx_runner` has the real one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

Array = NDArray[Any]
Arrays = Mapping[str, Array]


class Runner(Protocol):
    """Runs one graph; safe to call from several threads at once."""

    def run(self, feeds: Arrays) -> dict[str, Array]:
        """Run the graph on `feeds` (every input by name) and give every output by name."""
        ...


@dataclass(frozen=True)
class FunctionRunner:
    """A runner made of a function: the seam that tests use instead of a mock."""

    function: Callable[[Arrays], dict[str, Array]]

    def run(self, feeds: Arrays) -> dict[str, Array]:
        """Call the function."""
        return self.function(feeds)
