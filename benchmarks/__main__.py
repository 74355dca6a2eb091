"""`python -m benchmarks`: this service and its peers in one run; JSON and plot go to `benchmarks/results`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks import photos, report


def main() -> int:
    """Run the benchmark and print its medians."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="seconds of each round (default 5)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8], help="numbers of clients (default 1 8)")
    options = parser.parse_args()
    data = os.environ.get("PERCEPT_DATA")
    result = photos.run(options.rounds, options.seconds, tuple(options.clients), Path(data) if data else None)
    print("\n".join(report.lines(result)))
    print(report.write(result))
    return 0


if __name__ == "__main__":
    sys.exit(main())
