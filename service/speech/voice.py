"""How likely each 32 ms of a recording is speech, by the Silero model, for audio that arrives in blocks.

The graph takes a run of frames, each led by the end of the frame before it (without these 64 samples the model
scores speech near zero), and its recurrent state, so any division into blocks gives the same curve. A state that
has listened to hum or noise for long grows deaf to speech in it: after a second without speech it is made anew,
from that second. It does not know thresholds or windows.
"""

from __future__ import annotations

import numpy as np

from models.sound_files.resample import Samples
from service.runner import Array, Runner
from service.speech.level import gains

FRAME_SAMPLES = 512
_CONTEXT_SAMPLES = 64
STATE_SHAPE = (1, 1, 128)
# Faint recordings are raised by their loudest frame so far. With more than this, quiet beginnings became so loud that
# 5 to 8 of 837 lone syllables and digits were not heard any more.
_MAX_GAIN = 30.0
# A recording is led by its own beginning, backwards: without it, 11 of 300 lone spoken digits were not heard; with
# silence in its place hum and hiss were, since they then set in suddenly.
_LEAD_SAMPLES = 2 * FRAME_SAMPLES
_GROUP = 31  # frames, a second: how long the detector must hear nothing before its state is made anew
_QUIET = 0.1  # no frame of the group is likelier than this
_EMPTY: Samples = np.zeros(0, np.float32)


class VoiceActivity:
    """The curve of one recording; make a new one for each, the runner may be shared."""

    def __init__(self, runner: Runner) -> None:
        """`runner` runs Silero's 16 kHz sequence graph: input `[n, 576]`, h and c `[1, 1, 128]`."""
        self._runner = runner
        self._is_begun = False
        self._context: Samples = np.zeros(_CONTEXT_SAMPLES, np.float32)
        self._pending = _EMPTY
        self._hidden: Samples = np.zeros(STATE_SHAPE, np.float32)
        self._cell: Samples = np.zeros(STATE_SHAPE, np.float32)
        self._peak = np.float32(0)
        self._group: list[Samples] = []  # the rows of the second that is being heard
        self._loudest_voice = 0.0

    def push(self, samples: Samples) -> Samples:
        """Probabilities 0…1 of the frames that `samples`, 16 kHz `[n]`, completes: float32 `[frames]`."""
        held = np.concatenate([self._pending, samples])
        if not self._is_begun and len(held) < _LEAD_SAMPLES:
            self._pending = held
            return _EMPTY
        whole = len(held) // FRAME_SAMPLES * FRAME_SAMPLES
        self._pending = held[whole:]
        return self._run(held[:whole].reshape(-1, FRAME_SAMPLES))

    def flush(self) -> Samples:
        """The probability of the last, incomplete frame, filled up with silence: `[1]`, or `[0]` if there is none."""
        rest, self._pending = self._pending, _EMPTY
        frame = np.pad(rest, (0, -len(rest) % FRAME_SAMPLES))
        return self._run(frame.reshape(-1, FRAME_SAMPLES))

    def _run(self, frames: Samples) -> Samples:
        if not len(frames):
            return _EMPTY
        if not self._is_begun:
            self._is_begun = True
            beginning = frames.reshape(-1)[:_LEAD_SAMPLES]
            self._step(self._led(beginning[::-1].reshape(-1, FRAME_SAMPLES)))
        rows = self._led(frames)
        curve = []
        while len(rows):
            room = _GROUP - sum(map(len, self._group))
            curve.append(self._run_group(rows[:room]))
            rows = rows[room:]
        return np.concatenate(curve)

    def _led(self, frames: Samples) -> Samples:
        """Frames as the graph takes them: raised, each behind the end of the one before it."""
        ends = frames[:, -_CONTEXT_SAMPLES:]
        contexts = np.concatenate([self._context[None], ends[:-1]])
        self._context = ends[-1].copy()
        rows: Samples = np.concatenate([contexts, frames], axis=1) * self._gains(frames)[:, None]
        return rows

    def _run_group(self, rows: Samples) -> Samples:
        """Rows that lie within one second of the recording; at its end the state may be made anew."""
        outputs = self._step(rows)
        curve = np.asarray(outputs["speech_probs"], np.float32).reshape(-1)
        self._loudest_voice = max(self._loudest_voice, float(curve.max()))
        self._group.append(rows.copy())  # not a view that keeps a whole block alive
        if sum(map(len, self._group)) == _GROUP:
            if self._loudest_voice < _QUIET:
                self._hidden = self._cell = np.zeros(STATE_SHAPE, np.float32)
                self._step(np.concatenate(self._group))
            self._group, self._loudest_voice = [], 0.0
        return curve

    def _step(self, rows: Samples) -> dict[str, Array]:
        outputs = self._runner.run({"input": rows, "h": self._hidden, "c": self._cell})
        self._hidden, self._cell = outputs["hn"], outputs["cn"]
        return outputs

    def _gains(self, frames: Samples) -> Samples:
        """A factor for each frame, 1…30; it only falls in the course of a recording."""
        peaks = np.maximum.accumulate(np.maximum(np.abs(frames).max(axis=1), self._peak))
        self._peak = peaks[-1]
        return gains(peaks, _MAX_GAIN)
