"""`python -m benchmarks`: this service and its peers in one run; JSON and plot go to `benchmarks/results`."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from benchmarks import photos, report, speech_report


def main() -> int:
    """Run a benchmark and print what it found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("what", nargs="?", choices=["photos", "speech"], default="photos")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    parser.add_argument("--seconds", type=float, default=5.0, help="photos: seconds of each round (default 5)")
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8], help="photos: numbers of clients (1 8)")
    options = parser.parse_args()
    data = Path(os.environ["PERCEPT_DATA"]) if os.environ.get("PERCEPT_DATA") else None
    return _speech(options, data) if options.what == "speech" else _photos(options, data)


def _photos(options: argparse.Namespace, data: Path | None) -> int:
    result = photos.run(options.rounds, options.seconds, tuple(options.clients), data)
    print("\n".join(report.lines(result)))
    print(report.write(result, report.plot))
    return 0


def _speech(options: argparse.Namespace, data: Path | None) -> int:
    from benchmarks import speech  # needs what training needs

    if data is None:
        print("error: speech is measured on recordings with transcripts: set PERCEPT_DATA", file=sys.stderr)
        return 2
    cache = Path(os.environ.get("PERCEPT_CACHE") or Path.home() / ".cache" / "percept")
    result = speech.run(options.rounds, data, cache)
    print("\n".join(speech_report.lines(result)))
    print(report.write(result, speech_report.plot))
    return 0


if __name__ == "__main__":
    sys.exit(main())
