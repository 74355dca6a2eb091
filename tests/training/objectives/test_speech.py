"""What is said becomes targets, recordings become batches, and figures are those of `training.error_rate`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.ctc import Units, best_path
from tests.spoken import spoken
from training.data.speech import Recordings, SpeechData
from training.data.transcripts import Listed
from training.error_rate import count_edits, total
from training.networks.ctc import HOP, CtcNetwork
from training.objectives.objective import generator
from training.objectives.speech import MIN_SAMPLES, SpeechObjective, SpeechParts, divide, tokens_of, units_of
from training.recipe import Recipe, parse
from training.sections import Ctc

CPU = torch.device("cpu")
TEXTS = ("ah", "ee oo", "Oo, ah ee!", "ah ah", "ee")


def recipe(language: str = "en", **sections: dict[str, Any]) -> Recipe:
    content: dict[str, Any] = {
        "task": "speech-recognition",
        "language": language,
        "data": {"source": "recordings", "units": "words"},
        "network": {"kind": "ctc", "mels": 16, "channels": [12, 12], "width": 12, "layers": 1, "dropout": 0.0},
        "loss": {"kind": "ctc"},
    }
    for name, values in sections.items():
        content[name] = {**content.get(name, {}), **values}
    return parse("tiny", content)


def recordings(texts: tuple[str, ...] = TEXTS) -> Recordings:
    sounds = [spoken(text.lower().replace(",", "").replace("!", "")) for text in texts]
    ends = np.cumsum([len(each) for each in sounds]).tolist()
    return Recordings(
        np.concatenate([np.rint(each * 32767).astype(np.int16) for each in sounds]),
        tuple(zip([0, *ends[:-1]], ends, strict=True)),
        tuple(Listed(Path(f"{n}.wav"), text, f"speaker {n % 2}") for n, text in enumerate(texts)),
        tuple(str(n) for n in range(len(texts))),
    )


def objective(config: Recipe | None = None, given: Recordings | None = None) -> SpeechObjective:
    config, given = config or recipe(), given or recordings()
    units = units_of(given, config)
    torch.manual_seed(3)
    assert isinstance(config.network, Ctc)
    network = CtcNetwork(config.network, len(units.texts) + 1)
    return SpeechObjective(config, SpeechParts(given, given, given), units, network)


@pytest.mark.parametrize(
    ("language", "units", "text", "tokens"),
    [
        ("en", "words", "Oo, ah-ee!", ("oo", "ah", "ee")),
        ("en", "characters", "Oo, ah", ("o", "o", " ", "a", "h")),
        ("zh", "words", "你好，世界 a", ("你", "好", "世", "界", "a")),
        ("zh", "characters", "漢語", ("汉", "语")),
        ("de", "words", "Straße", ("straße",)),
        ("en", "words", "…", ()),
    ],
)
def test_texts_as_units(language: str, units: str, text: str, tokens: tuple[str, ...]) -> None:
    assert tokens_of(text, recipe(language, data={"units": units})) == tokens


def test_units_are_all_that_occur() -> None:
    assert units_of(recordings(), recipe()) == Units(("ah", "ee", "oo"), " ")
    assert units_of(recordings(), recipe(data={"units": "characters"})) == Units((" ", "a", "e", "h", "o"), "")


@pytest.mark.parametrize(
    ("language", "units", "measure"), [("en", "words", "wer"), ("en", "characters", "cer"), ("zh", "words", "cer")]
)
def test_the_measure_is_by_what_is_written(language: str, units: str, measure: str) -> None:
    assert objective(recipe(language, data={"units": units})).measure == measure


def test_a_validation_part_by_speaker_or_by_content() -> None:
    given = recordings(("ah", "ee", "oo") * 8)
    data = SpeechData(given, given)
    found = divide(data, recipe(data={"validation": 0.5}))
    assert len({each.speaker for each in found.validation.listed}) == 1
    assert len(found.train) + len(found.validation) == 24
    mixed = divide(data, recipe(data={"validation": 0.25, "split_by": "content"}))
    assert len({each.speaker for each in mixed.validation.listed}) == 2
    assert len(mixed.validation) == 6
    assert len(divide(data, recipe(data={"validation": 0})).validation) == 0


def test_an_example_without_variation_is_the_recording_and_its_words() -> None:
    given = objective()
    audio, targets = given.example((0, 2))
    assert audio.tolist() == given.parts.train.audio(2).tolist()
    assert [given.units.texts[token - 1] for token in targets] == ["oo", "ah", "ee"]


def test_joined_recordings_join_their_texts() -> None:
    """Words have their own pitch and length here: as many words' worth of sound are heard as are written."""
    config = recipe(augment={"joined": 3})
    given = objective(config)
    lengths = {}
    for index in range(5):
        for epoch in range(12):
            audio, targets = given.example((epoch, index))
            own = [given.units.texts.index(word) + 1 for word in tokens_of(TEXTS[index], config)]
            assert targets[: len(own)] == own
            bursts = loud_stretches(audio)
            assert bursts == len(targets)
            lengths[len(targets) - len(own)] = True
    assert {0, 1, 2} <= lengths.keys()


def loud_stretches(audio: np.ndarray) -> int:
    """How many words: stretches of sound with at least 80 ms of silence between them."""
    blocks = np.abs(audio[: len(audio) // 160 * 160]).reshape(-1, 160).max(-1) > 0.03
    begins, last = 0, -100
    for place in np.flatnonzero(blocks).tolist():
        begins += place - last > 8
        last = place
    return begins


def test_wordless_examples_have_nothing_to_write() -> None:
    given = objective(recipe(augment={"wordless": 0.5}))
    found = [given.example((epoch, 0))[1] for epoch in range(60)]
    assert 15 < sum(not targets for targets in found) < 45
    assert all(targets in ([], [1]) for targets in found)


def test_examples_repeat_and_vary_by_epoch() -> None:
    given = objective(recipe(augment={"joined": 2, "speed": 0.1, "room": 0.5, "noise_db": 10.0, "wordless": 0.1}))
    for index in range(3):
        first, again = given.example((1, index)), given.example((1, index))
        assert (first[0].tolist(), first[1]) == (again[0].tolist(), again[1])
    assert len({given.example((epoch, 0))[0].tobytes() for epoch in range(6)}) == 6


def test_a_batch_is_padded_with_silence() -> None:
    given = objective()
    sounds = [np.ones(count, np.float32) for count in (2000, 1700, 1800)]
    padded, lengths, targets, target_lengths = given.collate(list(zip(sounds, ([1, 2], [], [3]), strict=True)))
    assert (padded.shape, lengths.tolist()) == ((3, 2000), [2000, 1700, 1800])
    assert (targets.tolist(), target_lengths.tolist()) == ([1, 2, 3], [2, 0, 1])
    assert [int(row.sum()) for row in padded] == [2000, 1700, 1800]


def test_the_loss_of_a_batch_is_that_of_its_recordings() -> None:
    given = objective()
    given.network.eval()
    examples = [given.example((0, index)) for index in range(5)]
    found = given.step(given.network, given.collate(examples), generator(0), CPU)
    singles = []
    for audio, targets in examples:
        features = given.network.features(torch.from_numpy(audio)[None])
        logits, _ = given.network(features)
        scores = torch.log_softmax(logits, -1).transpose(0, 1)
        frames, wanted = torch.tensor([scores.shape[0]]), torch.tensor([targets])
        singles.append(float(F.ctc_loss(scores, wanted, frames, torch.tensor([len(targets)])).detach()))
    assert float(found.loss.detach()) == pytest.approx(np.mean(singles), rel=1e-4)
    assert found.count == 5
    assert found.amount == pytest.approx(sum(len(audio) for audio, _ in examples) / 16_000)


def test_figures_are_those_of_each_recording_alone() -> None:
    given = objective()
    with torch.no_grad():  # so that something is heard at all
        given.network.classifier.weight.mul_(30)
    found = given.judge(given.network, "test", CPU)
    edits, losses = [], []
    for row, listed in enumerate(given.parts.test.listed):
        with torch.inference_mode():
            features = given.network.features(torch.from_numpy(given.parts.test.audio(row))[None])
            scores = torch.log_softmax(given.network(features)[0][0], -1).numpy()
        wanted = torch.tensor([[given.units.texts.index(word) + 1 for word in tokens_of(listed.text, given.recipe)]])
        lengths = torch.tensor([len(scores)]), torch.tensor([wanted.shape[1]])
        losses.append(float(F.ctc_loss(torch.from_numpy(scores)[:, None], wanted, *lengths, zero_infinity=True)))
        heard = given.units.text([each.token for each in best_path(scores)])
        edits.append(count_edits(tokens_of(listed.text, given.recipe), tokens_of(heard, given.recipe)))
        assert found.details[row].heard == heard
        assert (found.details[row].name, found.details[row].said) == (f"{row}.wav", TEXTS[row])
    assert sum(each.errors for each in edits) > 0
    assert sum(each.reference for each in edits) == 9
    assert found.figures["wer"] == total(edits).rate
    assert found.figures["accuracy"] == sum(not each.errors for each in edits) / 5
    assert found.score[0] == -total(edits).rate
    assert found.loss == pytest.approx(np.mean(losses), rel=1e-4)


def test_recordings_of_any_length_are_judged_together_in_their_order() -> None:
    short = recordings(("ah", "ee"))
    spans = ((0, 40), short.spans[1])  # 2.5 ms: shorter than a frame
    cut = Recordings(short.sound, spans, short.listed, short.contents)
    found = objective(given=cut).judge(objective(given=cut).network, "test", CPU)
    assert [each.name for each in found.details] == ["0.wav", "1.wav"]
    assert MIN_SAMPLES >= 10 * HOP
