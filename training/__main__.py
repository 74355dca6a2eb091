"""`python -m training COMMAND`: runs it, and at Ctrl-C says how to go on.

Libraries are loaded behind this file, which takes seconds, so that Ctrl-C is answered in words then too.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
from collections.abc import Mapping, Sequence
from types import FrameType

from training.errors import Interrupted

_INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None, environment: Mapping[str, str] | None = None) -> int:
    """Run one command; the status is 0, 2 for what the user can mend, or 130 where it was interrupted."""
    environment = os.environ if environment is None else environment
    typed = sys.argv[1:] if arguments is None else arguments
    try:
        from training import command_line  # noqa: PLC0415

        return command_line.run(typed, environment)
    except KeyboardInterrupt as stop:
        if environment.get("RANK", "0") == "0":  # of several processes the first speaks
            begun = sys.orig_argv[: -len(typed) or None] if arguments is None else ["python", "-m", "training"]
            is_distributed = "TORCHELASTIC_RUN_ID" in environment
            print(_farewell(stop, begun, typed, is_distributed), file=sys.stderr, flush=True)
        return _INTERRUPTED


def _farewell(stop: KeyboardInterrupt, begun: Sequence[str], typed: Sequence[str], is_distributed: bool) -> str:
    """What stands, and the command that goes on from there."""
    stop = stop if isinstance(stop, Interrupted) else Interrupted("the same command begins again")
    words = f"\ninterrupted: {stop}"
    if is_distributed:  # the command was torchrun's, and is not known here
        return words
    return f"{words}:\n  {shlex.join([*begun, *stop.going_on(typed)])}"


def _once(number: int, frame: FrameType | None) -> None:
    """Ctrl-C unwinds the command; pressed again it ends the process at once."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    raise KeyboardInterrupt


if __name__ == "__main__":
    signal.signal(signal.SIGINT, _once)
    sys.exit(main())
