"""The commands of `python -m training` and their options: what was typed and the environment in, one outcome out.

What a person can mend is one sentence on stderr and status 2. With `--json` the last line of stdout is one object.
"""

from __future__ import annotations

import argparse
import errno
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from models.store import DEFAULT_ROOT, Store, StoreError
from training import definitions
from training.commands import export
from training.commands.evaluate import EVALUATIONS, Evaluation
from training.commands.outcome import SILENCE, Outcome
from training.errors import TrainingError, UsageError
from training.export.registry import EXPORTERS
from training.export.request import ExportRequest
from training.notices import said_once
from training.sources import parse
from training.transcribers import Wishes

if TYPE_CHECKING:
    from training.session import Surroundings

_USER_ERROR = 2
_MENDABLE = {errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS}  # a full disk, a closed folder


def run(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run one command; the status is 0, or 2 for what the user can mend."""
    options = _parser(environment).parse_args(arguments)
    try:
        with said_once(_say):
            outcome: Outcome = options.command(options)
    except (TrainingError, StoreError) as error:
        print(f"error: {error}", file=sys.stderr)
        return _USER_ERROR
    except OSError as error:
        if error.errno not in _MENDABLE:
            raise
        print(f"error: {error.filename or 'a file'} cannot be written: {error.strerror}", file=sys.stderr)
        return _USER_ERROR
    if outcome is SILENCE:
        return 0
    if options.json:
        print(json.dumps(outcome.fields, ensure_ascii=False))
    else:
        print("\n".join(outcome.lines))
    return 0


def _say(words: str) -> None:
    tqdm.write(words, file=sys.stderr)  # above a bar that is being drawn


def _parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training", description="Train, export, publish and evaluate models."
    )
    commands_of = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(name: str, command: Callable[[argparse.Namespace], Outcome], about: str) -> argparse.ArgumentParser:
        sub = commands_of.add_parser(name, help=about, description=about, parents=[_shared_options(environment)])
        sub.set_defaults(command=command)
        return sub

    add("list", _list, "what can be exported, and what the store has")
    _export_options(add("export", _export, "publish models made from published weights"))
    _train_options(add("train", _train, "train a recipe, or go on with a run that stopped"))
    _recipe_options(add("find-rate", _find_rate, "look for a recipe's learning rate, and plot it"))
    _study_options(add("study", _study, "train variants of a recipe beside each other, and plot what came of them"))
    _sweep_options(add("sweep", _sweep, "look for a recipe's best values, and plot what mattered"))
    _publish_options(add("publish", _publish, "publish a finished run as the next version of its model"))
    _evaluate_options(add("evaluate", _evaluate, "measure a published model on labelled data"))
    _quantize_options(add("quantize", _quantize, "measure a model's calibration and int8 anew and keep the record"))
    return parser


def _shared_options(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    """A parent for one command: argparse would share its defaults among all commands that have the same one."""
    shared = argparse.ArgumentParser(add_help=False)
    shared.add_argument("--json", action="store_true", help="print one object as the last line")
    shared.add_argument(
        "--artifacts",
        type=Path,
        default=Path(environment.get("PERCEPT_ARTIFACTS") or DEFAULT_ROOT),
        help="the artifact store (default: PERCEPT_ARTIFACTS, or models/artifacts)",
    )
    shared.add_argument(
        "--data",
        type=Path,
        default=_optional_path(environment.get("PERCEPT_DATA")),
        help="the data folder (default: PERCEPT_DATA)",
    )
    shared.add_argument(
        "--runs",
        type=Path,
        default=Path(environment.get("PERCEPT_RUNS") or "runs"),
        help="where trainings are kept (default: PERCEPT_RUNS, or runs)",
    )
    cache = environment.get("PERCEPT_CACHE")
    shared.set_defaults(cache=Path(cache) if cache else Path.home() / ".cache" / "percept")
    return shared


def _optional_path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _export_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="+", metavar="NAME", help=f"{', '.join(EXPORTERS)}, or {export.ALL}")
    present = parser.add_mutually_exclusive_group()
    present.add_argument("--if-missing", action="store_true", help="do nothing for models that the store has")
    present.add_argument("--force", action="store_true", help="publish the next version of a model that is there")
    parser.add_argument("--weights", metavar="PATH|hub:ORG/NAME", help="weights to use in place of the pinned ones")


def _train_options(parser: argparse.ArgumentParser) -> None:
    _recipe_options(parser)
    parser.add_argument("--publish", action="store_true", help="publish the model, unless it is worse than before")
    parser.add_argument("--force", action="store_true", help="publish it all the same")
    parser.add_argument("--name", help="publish it as a version of this model (default: the recipe's name)")


def _choice(folder: Path) -> str:
    return f"{', '.join(definitions.names(folder))}, or a .toml file"


def _recipe_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("recipe", metavar="RECIPE", help=_choice(definitions.RECIPES))
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="change the recipe, as in optimise.epochs=3"
    )
    _hardware_options(parser)


def _hardware_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(data=None)  # PERCEPT_DATA is for measuring: nothing is trained on it by accident
    parser.add_argument("--device", choices=["cpu", "cuda"], help="default: a GPU where there is one")
    parser.add_argument("--workers", type=_count, default=0, help="processes that prepare examples (default 0: none)")


def _count(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text} is no number of processes")
    return int(text)


def _study_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", metavar="STUDY", help=_choice(definitions.STUDIES))
    _hardware_options(parser)


def _sweep_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("sweep", metavar="SWEEP", help=_choice(definitions.SWEEPS))
    parser.add_argument("--trials", type=int, metavar="N", help="default: as many as the sweep says")
    _hardware_options(parser)


def _publish_options(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(data=None)
    parser.add_argument("run", metavar="RUN", help="a run's id or folder, or a recipe for its newest finished run")
    parser.add_argument("--force", action="store_true", help="publish it though it is worse than the version before")
    parser.add_argument("--name", help="publish it as the next version of this model (default: its recipe's name)")
    parser.add_argument(
        "--keep", action="store_true", help="keep its weights in models/deltas, so that `export` gives it anywhere"
    )


def _evaluate_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("kind", choices=sorted(EVALUATIONS))
    parser.add_argument("--model", help="name or name@version")
    parser.add_argument("--variant", help="fp32, int8, …")
    speech = parser.add_argument_group("for speech")
    speech.add_argument("--url", help="ask this running service, in place of the artifact in the store")
    speech.add_argument("--language", default="", metavar="CODE", help="of recordings of yours, where they tell none")
    speech.add_argument(
        "--prompt", action="append", type=_prompt, default=[], metavar="LANGUAGE=TEXT", help="goes before every clip"
    )
    speech.add_argument(
        "--numbers", action="append", type=_numbers, default=[], metavar="LANGUAGE=as-is|digits|words",
        help="how the numbers of clips in a language are to be written",
    )  # fmt: skip
    speech.add_argument("--beam-size", type=int, choices=range(1, 6), help="default: the model's own")
    speech.add_argument("--detect", action="store_true", help="let the model find the language")


def _prompt(text: str) -> tuple[str, str]:
    language, equals, prompt = text.partition("=")
    if not (language and equals and prompt):
        raise argparse.ArgumentTypeError(f"{text} is not of the form LANGUAGE=TEXT, as in zh=以下是普通话的句子。")
    return language, prompt


def _numbers(text: str) -> tuple[str, str]:
    language, _, numbers = text.partition("=")
    if not language or numbers not in ("as-is", "digits", "words"):
        raise argparse.ArgumentTypeError(f"{text} is not of the form LANGUAGE=as-is|digits|words, as in zh=words")
    return language, numbers


def _quantize_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME")


def _request(options: argparse.Namespace) -> ExportRequest:
    weights = getattr(options, "weights", None)
    return ExportRequest(
        store=Store(options.artifacts),
        cache=options.cache,
        weights=parse(weights) if weights else None,
        data=options.data,
    )


def _list(options: argparse.Namespace) -> Outcome:
    return export.list_models(Store(options.artifacts))


def _export(options: argparse.Namespace) -> Outcome:
    return export.export(options.names, _request(options), if_missing=options.if_missing, is_forced=options.force)


# What trains is loaded by the commands that train: it brings plots and more, and takes seconds.


def _around(options: argparse.Namespace) -> Surroundings:
    from training.session import Surroundings  # noqa: PLC0415

    return Surroundings(
        runs=options.runs,
        cache=options.cache,
        data=options.data,
        device=getattr(options, "device", None),
        workers=getattr(options, "workers", 0),
        say=_say,
    )


def _find_rate(options: argparse.Namespace) -> Outcome:
    from training.commands import experiments  # noqa: PLC0415

    return experiments.find_rate(options.recipe, options.set, _around(options))


def _study(options: argparse.Namespace) -> Outcome:
    from training.commands import experiments  # noqa: PLC0415

    return experiments.study(options.study, _around(options))


def _sweep(options: argparse.Namespace) -> Outcome:
    from training.commands import experiments  # noqa: PLC0415

    return experiments.sweep(options.sweep, _around(options), options.trials)


def _train(options: argparse.Namespace) -> Outcome:
    from training.commands import train  # noqa: PLC0415

    asked = train.TrainRequest(
        recipe=options.recipe,
        around=_around(options),
        store=Store(options.artifacts),
        overrides=options.set,
        is_published=options.publish,
        is_forced=options.force,
        name=options.name,
    )
    return train.train(asked)


def _publish(options: argparse.Namespace) -> Outcome:
    from training.commands import train  # noqa: PLC0415

    asked = train.PublishRequest(
        run=options.run,
        around=_around(options),
        store=Store(options.artifacts),
        is_forced=options.force,
        name=options.name,
        is_kept=options.keep,
    )
    return train.publish(asked)


def _evaluate(options: argparse.Namespace) -> Outcome:
    if options.data is None:
        raise UsageError("evaluating needs labelled data: give --data, or set PERCEPT_DATA")
    asked = Evaluation(
        store=Store(options.artifacts),
        data=options.data,
        cache=options.cache,
        model=options.model,
        variant=options.variant,
        wishes=Wishes(dict(options.prompt) or None, options.beam_size, dict(options.numbers) or None, options.detect),
        url=options.url,
        language=options.language,
    )
    return EVALUATIONS[options.kind](asked)


def _quantize(options: argparse.Namespace) -> Outcome:
    return export.quantize(options.name, _request(options))
