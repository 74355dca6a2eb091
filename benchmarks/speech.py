"""Speech over HTTP beside faster-whisper with the same weights: accuracy, speed, and what others feel meanwhile.

One run gives all of it. Accuracy: every English clip and Mandarin sentence of the data folder at the default beam,
for Mandarin with and without a prompt, both sides at both settings, since the better one cannot be chosen on the
clips that judge it; intervals and differences by paired bootstrap over speakers.
Speed: 30 s of joined clips, greedy and at beam 5, in interleaved rounds, texts compared. Beside a ten-minute
recording: health and photos.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import threading
import time
import wave
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import librosa
import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from benchmarks.peers.faster_whisper_peer import VERSION, Ask, Heard, running
from benchmarks.services import ROOT, Contender, free_port, is_percept_ready, started
from benchmarks.speakers import by_speaker
from service.plan import usable_processors
from service.speech.text import to_script
from training.error_rate import difference_interval, rate_interval, total
from training.evaluate_speech import Clip, ScoredClip, read_clips, score_clip

MODELS = "efficientnet-lite0,whisper-base"
PROMPT = "以下是普通话的句子。"
GROUPS = ("speech_en", "speech_zh sentences")
BEAM = 5
_RATE_HZ = 16_000
_CLIP_S, _LONG_S = 30.0, 600.0
_HEALTH_EVERY_S, _PHOTO_EVERY_S = 0.02, 0.5
_TIMEOUT_S = 600.0
PEER = f"faster-whisper {VERSION} int8"


@dataclass(frozen=True)
class Ours:
    """This service on a port, asked over HTTP."""

    port: int

    def ask(self, path: Path, language: str, prompt: str, beam_size: int | None) -> Heard:
        """One recording; None is the model's default beam."""
        fields = {"language": language} | ({"prompt": prompt} if prompt else {})
        fields |= {"beam_size": str(beam_size)} if beam_size else {}
        begun_at = time.perf_counter()
        answer = httpx.post(
            self.url("/transcribe"), data=fields, files={"file": path.read_bytes()}, timeout=_TIMEOUT_S
        )
        return Heard(str(answer.raise_for_status().json()["text"]), time.perf_counter() - begun_at)

    def url(self, route: str) -> str:
        """Of one of its routes."""
        return f"http://127.0.0.1:{self.port}{route}"


def run(rounds: int, data: Path, cache: Path) -> dict[str, Any]:
    """Measure; the result is what is written as JSON."""
    port, threads = free_port(), usable_processors()
    service = Contender(
        "percept", [sys.executable, "-m", "service"], {"MODELS": MODELS, "PORT": str(port), "LOG_LEVEL": "warning"}
    )
    clips = [clip for clip in read_clips(data) if clip.group in GROUPS]
    with (
        tempfile.TemporaryDirectory() as folder,
        started(service, lambda: is_percept_ready(port)),
        running(cache, threads) as peer,
    ):
        ours = Ours(port)
        return {
            "benchmark": "speech",
            "peer": PEER,
            "rounds": rounds,
            "accuracy": accuracy(clips, ours, peer),
            "speed": speed(clips, ours, peer, rounds, Path(folder)),
            "beside_a_long_recording": beside(clips, ours, Path(folder)),
        }


def accuracy(clips: list[Clip], ours: Ours, peer: Ask) -> list[dict[str, Any]]:
    """Error rates by set and setting, and the difference of the two sides at each setting."""
    found = []
    askers: dict[str, Callable[[Path, str, str], Heard]] = {
        "percept": lambda path, language, prompt: ours.ask(path, language, prompt, None),
        PEER: lambda path, language, prompt: peer(path, language, prompt, BEAM),
    }
    for group in GROUPS:
        chosen = [clip for clip in clips if clip.group == group]
        prompts = ("", PROMPT) if chosen[0].language == "zh" else ("",)
        scored = {
            (name, prompt): [
                _score(clip, ask, prompt) for clip in tqdm(chosen, desc=f"{name} {group}", leave=False, disable=None)
            ]
            for name, ask in askers.items()
            for prompt in prompts
        }
        found.append(_compared(group, scored))
    return found


def _score(clip: Clip, ask: Callable[[Path, str, str], Heard], prompt: str) -> ScoredClip:
    return score_clip(clip, to_script(ask(clip.path, clip.language, prompt).text, "simplified", clip.language))


def _compared(group: str, scored: dict[tuple[str, str], list[ScoredClip]]) -> dict[str, Any]:
    spoken = {key: by_speaker([(each.clip.path, each.edits) for each in clips]) for key, clips in scored.items()}
    rates = {key: total(edits).rate for key, edits in spoken.items()}
    some = next(iter(scored.values()))
    return {
        "group": group,
        "measure": some[0].clip.measure,
        "clips": len(some),
        "speakers": len(next(iter(spoken.values()))),
        "settings": [
            {"name": name, "prompt": prompt, "rate": rates[name, prompt], "interval": list(rate_interval(edits))}
            for (name, prompt), edits in spoken.items()
        ],
        "differences": [
            {
                "prompt": prompt,
                "difference": rates["percept", prompt] - rates[PEER, prompt],
                "interval": list(difference_interval(spoken["percept", prompt], spoken[PEER, prompt])),
            }
            for prompt in dict.fromkeys(prompt for _, prompt in scored)
        ],
    }


def speed(clips: list[Clip], ours: Ours, peer: Ask, rounds: int, folder: Path) -> list[dict[str, Any]]:
    """Seconds for 30 s of joined clips, by language and beam, in interleaved rounds."""
    found = []
    for group in GROUPS:
        chosen = [clip for clip in clips if clip.group == group]
        path, language = folder / f"{chosen[0].language}.wav", chosen[0].language
        _write(path, joined([clip.path for clip in chosen], _CLIP_S))
        for beam in (1, BEAM):
            heard: dict[str, list[Heard]] = {"percept": [], PEER: []}
            for _ in range(rounds + 1):
                heard["percept"].append(ours.ask(path, language, "", beam))
                heard[PEER].append(peer(path, language, "", beam))
            found.append(
                _timed(language, beam, {name: each[1:] for name, each in heard.items()})
            )  # the first warms up
    return found


def _timed(language: str, beam: int, heard: dict[str, list[Heard]]) -> dict[str, Any]:
    medians = {name: statistics.median(each.seconds for each in heards) for name, heards in heard.items()}
    return {
        "language": language,
        "beam_size": beam,
        "seconds": {name: round(seconds, 3) for name, seconds in medians.items()},
        "seconds_by_round": {name: [round(each.seconds, 3) for each in heards] for name, heards in heard.items()},
        "ratio": round(medians[PEER] / medians["percept"], 2),
        "texts": {name: heards[-1].text for name, heards in heard.items()},
    }


def beside(clips: list[Clip], ours: Ours, folder: Path) -> dict[str, Any]:
    """What health checks and photos take while ten minutes are transcribed."""
    path = folder / "long.wav"
    english = [clip.path for clip in clips if clip.group == GROUPS[0]]
    _write(path, joined(english, _LONG_S))
    is_over = threading.Event()
    took: dict[str, list[float]] = {"/health/live": [], "/classify-image": []}
    photo = (ROOT / "docs" / "examples" / "clock.jpg").read_bytes()
    calls: dict[str, tuple[float, Callable[[httpx.Client], httpx.Response]]] = {
        "/health/live": (_HEALTH_EVERY_S, lambda client: client.get("/health/live")),
        "/classify-image": (_PHOTO_EVERY_S, lambda client: client.post("/classify-image", files={"file": photo})),
    }

    def ask(route: str) -> None:
        every_s, call = calls[route]
        with httpx.Client(base_url=ours.url("")) as client:
            while not is_over.wait(every_s):
                begun_at = time.perf_counter()
                call(client).raise_for_status()
                took[route].append(time.perf_counter() - begun_at)

    threads = [threading.Thread(target=ask, args=(route,)) for route in calls]
    for thread in threads:
        thread.start()
    seconds = ours.ask(path, "en", "", None).seconds
    is_over.set()
    for thread in threads:
        thread.join()
    return {
        "recording_s": _LONG_S,
        "seconds": round(seconds, 1),
        "health_p50_ms": round(float(np.quantile(took["/health/live"], 0.5)) * 1000, 1),
        "health_p99_ms": round(float(np.quantile(took["/health/live"], 0.99)) * 1000, 1),
        "photo_p50_ms": round(float(np.quantile(took["/classify-image"], 0.5)) * 1000, 1),
        "photo_max_ms": round(max(took["/classify-image"]) * 1000, 1),
    }


def joined(paths: list[Path], seconds: float) -> NDArray[np.float32]:
    """Clips one behind the other, again and again, cut at `seconds`; float32 at 16 kHz."""
    wanted, pieces, i = round(seconds * _RATE_HZ), list[NDArray[np.float32]](), 0
    while sum(map(len, pieces)) < wanted:
        pieces.append(librosa.load(paths[i % len(paths)], sr=_RATE_HZ)[0])
        i += 1
    return np.concatenate(pieces)[:wanted]


def _write(path: Path, samples: NDArray[np.float32]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(_RATE_HZ)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
