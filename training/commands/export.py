"""`list`, `export` and `quantize`: models that are made of published weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from models.manifest import Manifest, Variant
from models.store import Artifact, Store
from training.commands.outcome import Outcome
from training.errors import Interrupted, UsageError
from training.export.registry import EXPORTERS, PINNED, exporter
from training.export.request import ExportRequest

ALL = "all"


def list_models(store: Store) -> Outcome:
    """What can be exported, and what the store has."""
    names = sorted({*EXPORTERS, *store.names()})
    models = [{"name": name, "is_exportable": name in EXPORTERS, "versions": store.versions(name)} for name in names]
    lines = [
        f"{name:20} {'published weights' if name in EXPORTERS else 'trained here':18} {_versions(store, name)}"
        for name in names
    ]
    return Outcome(tuple(lines), {"models": models})


def _versions(store: Store, name: str) -> str:
    versions = store.versions(name)
    return f"in the store: {', '.join(versions)}" if versions else "not exported yet"


def export(names: list[str], request: ExportRequest, *, if_missing: bool, is_forced: bool) -> Outcome:
    """Publish each model's next version, or leave those alone that the store has (`if_missing`).

    Raises:
        UsageError: a name is unknown, its version is there and nobody said what to do, or weights go with many names.
    """
    wanted = sorted(PINNED) if ALL in names else list(dict.fromkeys(names))
    if request.weights is not None and len(wanted) != 1:
        raise UsageError("--weights is for one model: name exactly one")
    store = request.store
    kept = {each: _present(each, store, if_missing, is_forced) for each in wanted}
    reports = in_turn(wanted, lambda each: _described(each, kept[each], request))
    lines = tuple(line for report in reports for line in report.lines)
    return reports[0] if len(reports) == 1 else Outcome(lines, {"models": [each.fields for each in reports]})


def _described(name: str, kept: Artifact | None, request: ExportRequest) -> Outcome:
    return described(kept or exporter(name).export(request), kept is None)


def in_turn(names: Sequence[str], make: Callable[[str], Outcome]) -> list[Outcome]:
    """Make one after the other.

    Raises:
        Interrupted: Ctrl-C; those before stand, so that the same command would refuse them, and another is named.
    """
    made: list[Outcome] = []
    for name in names:
        try:
            made.append(make(name))
        except KeyboardInterrupt as stop:
            raise _interrupted(names, len(made)) from stop
    return made


def _interrupted(names: Sequence[str], place: int) -> Interrupted:
    if place == 0:
        return Interrupted(f"{names[0]} is not published; the same command begins it again")
    stands = f"{', '.join(names[:place])} {'are' if place > 1 else 'is'} published"
    return Interrupted(
        f"{stands}; this makes the rest",
        lambda typed: [*(each for each in typed if each not in {*names, ALL}), *names[place:]],
    )


def _present(name: str, store: Store, if_missing: bool, is_forced: bool) -> Artifact | None:
    """The artifact to leave alone, or None where one is to be made."""
    has_it = bool(store.versions(name))
    if if_missing and has_it:
        return store.find(name)
    exporter(name)  # an unknown name is said before any work is done
    if has_it and not is_forced:
        raise UsageError(
            f"{store.find(name).id} is in the store already: --force makes another version, --if-missing keeps it"
        )
    return None


def described(artifact: Artifact, is_new: bool) -> Outcome:
    manifest = artifact.manifest
    variants = {name: _variant_fields(each) for name, each in manifest.variants.items()}
    fields = {"name": manifest.name, "version": manifest.version, "exported": is_new, "variants": variants}
    fields |= {key: words for key in ("uncalibrated", "withheld") if (words := getattr(manifest, key))}
    state = "published" if is_new else "in the store already"
    return Outcome((f"{artifact.id} {state}: {artifact.folder}", *_variant_lines(manifest)), fields)


def _variant_fields(variant: Variant) -> dict[str, Any]:
    return {
        "parity": variant.parity.model_dump() if variant.parity else None,
        "gate": variant.gate.model_dump() if variant.gate else None,
        "bytes": sum(ref.bytes for ref in variant.files.values()),
    }


def _variant_lines(manifest: Manifest) -> list[str]:
    lines = []
    for name, each in manifest.variants.items():
        text = f"  {name}: {sum(ref.bytes for ref in each.files.values()) / 1e6:.1f} MB"
        if each.parity:
            text += f", at most {max(each.parity.max_abs_diff.values()):.1e} from PyTorch"
        if each.gate:
            gate = each.gate
            text += f", {gate.metric} {gate.candidate:.3f} against {gate.reference:.3f} of fp32 ({gate.data})"
        lines.append(text)
    if manifest.withheld:
        lines.append(f"  {manifest.withheld}")
    if manifest.uncalibrated:
        lines.append(f"  scores are not calibrated: {manifest.uncalibrated}")
    return lines


def quantize(name: str, request: ExportRequest) -> Outcome:
    """Measure int8 ranges, gate and figures of one model anew, and keep them as a record.

    Raises:
        UsageError: the model keeps no such record.
        DataError: there are no photos to measure on.
    """
    found = exporter(name)
    if found.quantize is None:
        raise UsageError(f"{name} has no calibration record: its variants are made at export")
    path = found.quantize(request)
    return Outcome((f"{name}: written to {path}; commit it, and export again",), {"name": name, "record": path.name})
