"""What is measured of a Whisper where recordings are at hand: parity, error rates of both variants, and the gate.

The fp32 graphs must write what PyTorch writes, greedily, on every recording.

int8 may lose at most two points of any rate, and the interval of what it loses must say so: WER of the English set
and CER of the Mandarin sentences, both at the model's default beam, decoded as they are served. The gate that is kept
is that of the set whose interval reaches furthest.
"""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime
from pathlib import Path

import librosa
from tqdm import tqdm

from models.manifest import Gate, Metric, Parity
from models.store import Store
from training.error_rate import Edits
from training.errors import DataError
from training.evaluate_speech import Clip, GroupScore, SpeechReport, evaluate_speech, read_clips
from training.export import record, silero, speech, speech_parity
from training.export.gate import judge_clips
from training.export.record import Int8Record, Record
from training.export.request import ExportRequest
from training.export.speech_graph import decoder_to_onnx, encoder_to_onnx
from training.export.speech_model import SpeechModel
from training.export.speech_parity import Recording
from training.export.speech_session import SpeechSession
from training.networks.log_mel import RATE_HZ, WINDOW_S
from training.transcribers import Wishes, offline

MARGIN = 0.02
"""Some forty recordings cannot show less of a recogniser that is wrong in one word of twelve."""
_GATED = ("speech_en", "speech_zh sentences")
_NOTE = "beam 5, language given"


def quantize(model: SpeechModel, request: ExportRequest) -> Path:
    """Measure both variants and write the record that later exports reuse.

    Raises:
        ParityError: on some recording the graphs do not compute what PyTorch computes.
        DataError: there is no data folder, or it has no recordings.
    """
    if request.data is None:
        raise DataError("the gate of speech needs recordings with transcripts: give --data, or set PERCEPT_DATA")
    checked = _parity(model, read_clips(request.data))
    with tempfile.TemporaryDirectory() as scratch:
        store = Store(Path(scratch))
        silero.export(ExportRequest(store, request.cache))
        speech.export(model, ExportRequest(store, request.cache, records=request.records), is_gated=False)
        reports = {name: _measured(store, model.name, name, request.data) for name in ("fp32", "int8")}
    return record.save(request.records, _record(model, reports, checked))


def _measured(store: Store, model: str, variant: str, data: Path) -> SpeechReport:
    with offline(store.root, model, variant, Wishes()) as transcribe:
        return evaluate_speech(data, transcribe)


def _parity(model: SpeechModel, clips: list[Clip]) -> Parity:
    """The worst of all recordings, as one figure."""
    session = SpeechSession(encoder_to_onnx(model.network), decoder_to_onnx(model.network))
    longest = model.network.size.text_positions // 2
    worst = 0.0
    for clip in tqdm(clips, unit="clip", desc="parity", leave=False, disable=None):
        found = speech_parity.check(model, session, {clip.path.name: _recording(clip)}, longest)
        worst = max(worst, *found.max_abs_diff.values())
    return Parity(max_abs_diff={f"{len(clips)} recordings": worst}, tolerance=speech_parity.TOLERANCE)


def _recording(clip: Clip) -> Recording:
    audio, _ = librosa.load(clip.path, sr=RATE_HZ, duration=WINDOW_S)
    return Recording(audio, clip.language)


def _record(model: SpeechModel, reports: dict[str, SpeechReport], parity: Parity) -> Record:
    metrics = [_metric(group, variant) for variant, report in reports.items() for group in report.groups]
    return Record(
        name=model.name,
        weights_sha256=model.provenance.weights_sha256,
        date=datetime.now(UTC).date(),
        int8=Int8Record(gate=judge(reports["fp32"], reports["int8"])),
        parity=parity,
        metrics=tuple(metrics),
    )


def _metric(group: GroupScore, variant: str) -> Metric:
    low, high = group.interval
    return Metric(
        metric=group.measure,
        value=round(group.edits.rate, 4),
        data=f"eval/{group.group}",
        count=len(group.clips),
        variant=variant,
        note=f"{_NOTE}, normaliser {group.clips[0].clip.normaliser}, 95 % interval {low:.1%} to {high:.1%}",
    )


def judge(reference: SpeechReport, candidate: SpeechReport) -> Gate:
    """The verdict on the set that shows the least, both measured on the same recordings.

    Raises:
        DataError: the gated sets are not among the recordings.
    """
    pairs = [
        (before, after)
        for before in reference.groups
        for after in candidate.groups
        if before.group == after.group and before.group in _GATED
    ]
    if not pairs:
        raise DataError(f"the recordings hold none of the sets {', '.join(_GATED)}")
    verdicts = [
        judge_clips(before.measure, f"eval/{before.group}", *_edits(before, after), allowed=MARGIN)
        for before, after in pairs
    ]
    return max(verdicts, key=lambda gate: gate.loss_high or 0.0)


def _edits(before: GroupScore, after: GroupScore) -> tuple[list[Edits], list[Edits]]:
    return [each.edits for each in before.clips], [each.edits for each in after.clips]
