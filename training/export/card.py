"""`model-card.md`: what a model is, where it comes from, how good it was found to be, what not to trust it with."""

from __future__ import annotations

from models.ctc import Units
from models.manifest import Calibration, Gate, ImagePreprocessing, Manifest, Metric, Variant

FILE = "model-card.md"
ERROR_RATES = ("wer", "cer")


def image_card(manifest: Manifest, limits: str) -> str:
    """The card of an image classifier, as Markdown."""
    spec = manifest.preprocessing
    graph = manifest.graphs["model"]
    about = f"Image classification: {graph.outputs[0].shape[-1]} classes."
    used = _input_text(spec) if isinstance(spec, ImagePreprocessing) else ""
    return _card(manifest, (about, used), _calibration_text(manifest), limits)


def speech_card(manifest: Manifest, languages: int, limits: str) -> str:
    """The card of a speech recogniser, as Markdown."""
    about = f"Speech recognition in {languages} languages, and translation into English."
    used = (
        "Input: mono sound of 16 kHz, at most 30 s to a window; the log-mel spectrogram is inside the encoder graph. "
        "The decoder graph takes tokens and what the encoder found."
    )
    return _card(manifest, (about, used), "", limits)


def ctc_card(manifest: Manifest, units: Units, limits: str) -> str:
    """The card of a CTC recogniser, as Markdown."""
    some = ", ".join(units.texts[:40]) + (" …" if len(units.texts) > 40 else "")
    about = f"Speech recognition in {manifest.decoding['language']}: {len(units.texts)} units ({some})."
    used = (
        "Input: mono sound of 16 kHz, float32 `[1, samples]`, at most 30 s to a run; the log-mel features are inside "
        "the graph. Output: natural logarithms of each frame's distribution over the blank and the units."
    )
    return _card(manifest, (about, used), "", limits or "Knows the units it was trained on and no others.")


def _card(manifest: Manifest, about: tuple[str, ...], calibration: str, limits: str) -> str:
    parts = [
        f"# {manifest.name}, version {manifest.version}",
        *about,
        "## Origin",
        _origin(manifest),
        "## Variants",
        _variants(manifest),
        f"Not published: {manifest.withheld}." if manifest.withheld else "",
        "## Figures",
        _figures(manifest.metrics),
        calibration,
        "## Limits",
        limits,
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _input_text(spec: ImagePreprocessing) -> str:
    return (
        f"Input: the shorter side resized to {spec.resize_px} px ({spec.interpolation}), then the centre square of "
        f"{spec.crop_px} px, as uint8 RGB; normalisation and softmax are inside the graph."
    )


def _origin(manifest: Manifest) -> str:
    origin = manifest.provenance
    lines = [
        f"- weights: {origin.source}",
        f"- sha256 of the weights: `{origin.weights_sha256}`",
        f"- licence: {origin.licence}",
        f"- exported by {origin.exporter} on {origin.date.isoformat()}",
    ]
    more = [f"- trained on {origin.data}"] if origin.data else []
    return "\n".join([*lines, *more, *([f"- {origin.note}"] if origin.note else [])])


def _variants(manifest: Manifest) -> str:
    rows = [_variant_row(name, variant) for name, variant in manifest.variants.items()]
    return _table(["variant", "MB", "largest difference from PyTorch", "gate"], rows)


def _variant_row(name: str, variant: Variant) -> list[str]:
    size_mb = sum(ref.bytes for ref in variant.files.values()) / 1e6
    parity = "" if variant.parity is None else f"{max(variant.parity.max_abs_diff.values()):.1e}"
    return [name, f"{size_mb:.1f}", parity, "" if variant.gate is None else _gate_text(variant.gate)]


def _gate_text(gate: Gate) -> str:
    if gate.metric in ERROR_RATES:
        return (
            f"{gate.metric.upper()} {gate.candidate:.1%} on {gate.data}, fp32 {gate.reference:.1%}{_loss_text(gate)}"
        )
    right, wanted = round(gate.candidate * gate.count), round(gate.reference * gate.count)
    return f"{right} of {gate.count} right on {gate.data}, fp32 {wanted}{_loss_text(gate)}"


def _loss_text(gate: Gate) -> str:
    """Points of the rate, with the interval that decides."""
    if gate.loss is None or gate.loss_low is None or gate.loss_high is None:
        return ""
    of = ""
    if gate.looks is not None and gate.lost is not None and gate.gained is not None:
        of = f", {gate.lost} lost and {gate.gained} gained in {gate.looks} looks"
    return (
        f"; loses {100 * gate.loss:.2f} points [{100 * gate.loss_low:.2f}, {100 * gate.loss_high:.2f}] of "
        f"{100 * gate.margin:g} allowed{of}"
    )


def _figures(metrics: tuple[Metric, ...]) -> str:
    if not metrics:
        return "None were measured."
    rows = [
        [each.metric, f"{each.value:.3f}", each.variant, f"{each.data} ({each.count})", each.note] for each in metrics
    ]
    return _table(["metric", "value", "variant", "data (items)", "note"], rows)


def _calibration_text(manifest: Manifest) -> str:
    found = manifest.calibration
    if found is None:
        why = f" ({manifest.uncalibrated})" if manifest.uncalibrated else ""
        return f"Scores are the softmax's own: not calibrated{why}, so 0.8 need not mean right in four cases of five."
    parts = [
        f"Scores are calibrated with temperature {found.temperature:.3f} on {found.data}.",
        f"Expected calibration error {found.ece:.3f}{_before(found.ece_before)}"
        + ("." if found.nll is None else f", negative log-likelihood {found.nll:.3f}{_before(found.nll_before)}."),
        f"A best score below {found.confident_score:.3f}{_or_peak(found.confident_peak)} should not be believed "
        "(`confident` is false)" + (f": {_reached(found)}." if found.confident_share is not None else "."),
    ]
    if found.group_score is not None:
        parts.append(
            f"A group's score below {found.group_score:.3f}{_or_peak(found.group_peak)} should not be believed either"
            + (f": {_groups_reached(found)}." if found.group_share is not None else ".")
        )
    return " ".join(parts)


def _or_peak(least: float | None) -> str:
    """What the scores' logarithms must show as well."""
    if least is None:
        return ""
    return f", or one less than {least:.2f} standard deviations above the mean of all (of logarithms),"


def _groups_reached(found: Calibration) -> str:
    right = "" if found.group_right is None else f", and {found.group_right:.1%} of those are right"
    share = found.strange_group_share
    strange = "" if share is None else f"; {share:.1%} of pictures of nothing that it knows reach it"
    return f"{found.group_share:.1%} of the pictures have one that reaches it{right}{strange}"


def _before(figure: float | None) -> str:
    return "" if figure is None else f" ({figure:.3f} at temperature 1)"


def _reached(found: Calibration) -> str:
    right = "" if found.confident_right is None else f", and {found.confident_right:.1%} of those are right"
    strange = (
        ""
        if found.strange_share is None
        else f"; {found.strange_share:.1%} of pictures of nothing that it knows reach it"
    )
    return f"{found.confident_share:.1%} of the pictures reach it{right}{strange}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
