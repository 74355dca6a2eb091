"""faster-whisper, asked line by line, in an environment of its own (argv: model folder, threads).

Each line of standard input is `{"path", "language", "prompt", "beam_size"}`; each line of standard output
`{"text", "seconds"}`. int8, and everything else at the library's defaults.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any


def main() -> None:
    """Answer every line."""
    from faster_whisper import WhisperModel  # installed for this process only

    model = WhisperModel(sys.argv[1], device="cpu", compute_type="int8", cpu_threads=int(sys.argv[2]))
    for line in sys.stdin:
        asked: dict[str, Any] = json.loads(line)
        begun_at = time.perf_counter()
        segments, _ = model.transcribe(
            asked["path"],
            language=asked["language"],
            beam_size=asked["beam_size"],
            initial_prompt=asked.get("prompt") or None,
        )
        text = "".join(segment.text for segment in segments)
        print(json.dumps({"text": text, "seconds": time.perf_counter() - begun_at}), flush=True)


if __name__ == "__main__":
    main()
