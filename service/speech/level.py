"""How loud sound is for those who listen to it: faint sound is raised, everything else stays as it is.

Recognisers and detectors learnt from recordings whose loudest sample is near full scale. 60 dB below that they begin
to take speech for silence. It does not know speech.
"""

from __future__ import annotations

import numpy as np

from models.sound_files.resample import Samples

TARGET_PEAK = 0.25
"""What faint sound is raised to; 1 is full scale."""
MAX_GAIN = 300.0
"""More would raise nothing but the last bit of 16."""
_FAINT_PEAK = 0.01


def gains(peaks: Samples, most: float = MAX_GAIN) -> Samples:
    """Factors, from 1 to `most`, that raise sounds with these peaks: float32 of the same shape."""
    return np.clip(TARGET_PEAK / np.maximum(peaks, TARGET_PEAK / most), 1.0, most).astype(np.float32)


def raised(samples: Samples) -> Samples:
    """A stretch of a recording, `[n]`, raised where nothing in it is louder than 40 dB below full scale."""
    peak = np.abs(samples).max(initial=0.0)
    return samples if peak > _FAINT_PEAK else samples * gains(peak)
