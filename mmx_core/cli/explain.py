"""``mmx explain``: an answer about images, or many, explained and logged."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from mmx_core.cli.errors import CommandError, is_full, one_line
from mmx_core.cli.inputs import add_inputs, check_inputs, check_model, first_path, load_inputs
from mmx_core.cli.logdir import check_target
from mmx_core.cli.many import (
    add_data,
    explained,
    not_logged,
    read_samples,
    set_name,
    told_failure,
)
from mmx_core.cli.naming import free_tag
from mmx_core.cli.plugins import load_plugins
from mmx_core.cli.table import format_table
from mmx_core.cli.target import check_writable
from mmx_core.errors import install_hint
from mmx_core.events.given import checked_step
from mmx_core.events.place import expanded
from mmx_core.export.printable import printable, token_name
from mmx_core.settings import (
    AGGREGATIONS,
    DEFAULTS,
    METHODS,
    SUPPRESSIONS,
    check_settings,
)

DTYPES = ("auto", "float32", "bfloat16", "float16")

if TYPE_CHECKING:
    from mmx_core.explainer import Explainer
    from mmx_core.explanation import ContextWord, Explanation, FloatArray


def add_parser(commands: Any) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser("explain", help="explain answers about images, and log them")
    parser.add_argument("--model", required=True, help="a checkpoint directory or a hub id")
    add_inputs(parser)
    parser.add_argument(
        "--scales",
        type=float,
        nargs="+",
        metavar="FACTOR",
        help="input resolutions, 1 among them (1 1.5 2)",
    )
    parser.add_argument(
        "--method",
        choices=METHODS,
        help="lens (the default), or occlusion, which hides parts of the picture and has one scale",
    )
    parser.add_argument(
        "--aggregation", choices=AGGREGATIONS, help=f"of a lens ({DEFAULTS.aggregation})"
    )
    parser.add_argument(
        "--suppression", choices=SUPPRESSIONS, help=f"of a lens ({DEFAULTS.suppression})"
    )
    parser.add_argument(
        "--image-gain",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="measure how much likelier the image makes each word than a plain picture does (with "
        "--data: than the others' do, unless it is switched off)",
    )
    parser.add_argument(
        "--max-new-tokens", type=int, metavar="N", help="at most, of the model's own answer (128)"
    )
    parser.add_argument(
        "--influence",
        action="store_true",
        default=None,
        help="measure how much likelier each word of the context makes each word of the answer",
    )
    parser.add_argument(
        "--used",
        action="store_true",
        default=None,
        help="measure which cells of the picture each word used, by hiding them from the text",
    )
    parser.add_argument("--device", help="such as cpu or cuda:1; CUDA if there is one")
    parser.add_argument(
        "--dtype",
        choices=DTYPES,
        default=DTYPES[0],
        help="of the weights (auto: as stored, but float32 on a CPU)",
    )
    add_data(parser)
    parser.add_argument(
        "--tag",
        metavar="SET/SAMPLE",
        help="named after the image if left out, with its directory where another "
        "picture has that name",
    )
    parser.add_argument(
        "--step", type=int, default=0, metavar="N", help="log checkpoints in ascending order (0)"
    )
    parser.add_argument("--logdir", required=True, help="the run's directory, such as runs/mine")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Explains, logs and prints the answer's tokens; of many how many were explained."""
    arguments.logdir = expanded(arguments.logdir)  # --logdir=~/runs, which no shell does
    if arguments.data is not None:
        _explain_many(arguments)
        return
    check_inputs(arguments)
    tag = _checked_tag(arguments)
    _check(arguments)
    inputs = load_inputs(arguments)
    with _stages("loading the model", "explaining", "logging") as stages:
        next(stages)
        explainer = _explainer(arguments, inputs)
        next(stages)
        explanation = _explain(explainer, inputs, tag)
        next(stages)
        if arguments.tag is None:
            path = first_path(arguments)
            tag = free_tag(path, explanation, arguments.logdir, arguments.step)
        _log(explanation, arguments, tag)
    print(summary(explanation, arguments.logdir))


def _explain_many(arguments: argparse.Namespace) -> None:
    samples = read_samples(arguments)
    _check(arguments)
    waiting = not_logged(samples, arguments)
    failed = 0
    if waiting:
        explainer = _explainer(arguments)
        with _bar(len(waiting), "explaining") as bar, _device_errors(explainer):
            for sample, outcome in explained(explainer, waiting, arguments.batch_size):
                if isinstance(outcome, Exception):
                    failed += 1
                    told_failure(sample, outcome)
                else:
                    _log(outcome, arguments, f"{set_name(arguments)}/{sample.id}")
                bar.update()
    there = len(samples) - len(waiting)
    print(
        f"{len(waiting) - failed} explained, {there} were there, {failed} failed\n\n"
        f"{_looking(arguments.logdir)}"
    )
    if failed:
        raise SystemExit(1)


def summary(explanation: Explanation, logdir: str) -> str:
    """The answer, its tokens and the commands that show them."""
    influence = explanation.influence
    figures = {
        "probability": explanation.base.probability,
        "grounding": explanation.grounding,
        **({} if explanation.image_gain is None else {"image gain": explanation.image_gain}),
        **({} if explanation.used is None else {"used": _most_used(explanation.used)}),
    }
    rows = [
        (
            token_name(token.text),
            *(f"{values[t]:.3f}".replace("nan", "–") for values in figures.values()),
            *(() if influence is None else (_strongest(explanation.context_words, influence[t]),)),
        )
        for t, token in enumerate(explanation.tokens)
    ]
    refused = {
        asked: explanation.provenance.get(name, {}).get("refused")
        for name, asked in (("influence", "which words count"), ("used", "which cells were used"))
    }
    left_out = "".join(
        f"{asked} was not measured: {why}\n\n" for asked, why in refused.items() if why
    )
    columns = ["token", *figures, *(() if influence is None else ("most by word",))]
    return (
        f"{printable(explanation.answer)}\n\n"
        f"{format_table(columns, rows)}\n\n"
        f"{left_out}"
        f"{_looking(logdir)}"
    )


def _looking(logdir: str) -> str:
    """The commands that show a log: the panel alone, and the tab beside others."""
    return f"mmx show {shlex.quote(logdir)}\ntensorboard --logdir {shlex.quote(logdir)}"


def _most_used(used: Sequence[FloatArray]) -> FloatArray:
    """``(T,)`` nats that each token loses without the part of a picture that costs it most."""
    import numpy as np

    peaks: FloatArray = np.max([np.nan_to_num(maps).max(axis=(1, 2)) for maps in used], axis=0)
    return peaks


def _strongest(words: Sequence[ContextWord], row: FloatArray) -> str:
    """The word without which a token loses or gains most, and how many nats it adds."""
    measured = [index for index, value in enumerate(row) if value == value]
    if not measured:
        return "–"
    most = max(measured, key=lambda index: abs(row[index]))
    return f"{token_name(words[most].text)} {row[most]:+.3f}"


def _checked_tag(arguments: argparse.Namespace) -> str:
    from mmx_core.events.tags import sample_tags

    given: str | None = arguments.tag
    tag = given
    if tag is None:
        tag = os.path.splitext(os.path.basename(first_path(arguments)))[0]
    try:
        sample_tags(tag)
    except ValueError as error:
        advice = "give one with --tag" if given is None else "such as val/0007"
        raise CommandError(f"--{one_line(error)}; {advice}") from None
    return tag


def _check(arguments: argparse.Namespace) -> None:
    """Refuses what can be refused before torch is loaded."""
    try:
        check_settings(_settings(arguments))
    except ValueError as error:
        raise CommandError(f"--{error}") from None
    try:
        checked_step(arguments.step, "step")
    except ValueError as error:
        raise CommandError(f"--{error}") from None
    check_target(arguments.logdir)
    if "://" not in arguments.logdir:
        check_writable("--logdir", arguments.logdir)
    check_model(arguments.model)


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """What was asked for; a setting of a lens is none of occlusion's."""
    names = (
        "scales",
        "method",
        "aggregation",
        "suppression",
        "image_gain",
        "influence",
        "used",
        "max_new_tokens",
    )
    return {name: v for name in names if (v := getattr(arguments, name)) is not None}


def _check_conversation(inputs: Mapping[str, Any]) -> None:
    """Refuses what can be refused before the model is loaded, once torch is."""
    from mmx_core.sample import Sample
    from mmx_core.stages.conversation import conversation_of

    given = {"images" if name == "image" else name: value for name, value in inputs.items()}
    try:
        conversation_of(Sample("", **given))
    except (ValueError, TypeError) as error:
        raise CommandError(printable(str(error))) from None


def _explainer(arguments: argparse.Namespace, inputs: Mapping[str, Any] | None = None) -> Explainer:
    try:
        import torch
        from transformers.utils import logging

        from mmx_core.explainer import Explainer
    except ImportError as error:
        raise CommandError(
            f"expected torch and transformers, got {one_line(error)}; install them: "
            f"{install_hint('core')}"
        ) from None
    load_plugins()
    if inputs is not None:
        _check_conversation(inputs)
    if arguments.device is not None:
        try:
            torch.empty(0, device=arguments.device)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            raise CommandError(
                f"--device: expected one that torch can use, got {arguments.device!r} "
                f"({one_line(error)}); cpu always works"
            ) from None
    logging.disable_progress_bar()  # there is one bar, ours
    try:
        return Explainer.from_pretrained(
            arguments.model,
            device=arguments.device,
            dtype=arguments.dtype if arguments.dtype == "auto" else getattr(torch, arguments.dtype),
            **_settings(arguments),
        )
    except torch.OutOfMemoryError:
        raise CommandError(
            "--device: expected room for the model's weights, got too little; use another, or cpu"
        ) from None
    except Exception as error:  # a stranger's files can make every library below raise its own
        raise CommandError(
            f"--model: expected a checkpoint directory or a hub id of a supported model, got "
            f"{arguments.model!r} ({one_line(error)}); check its files, or for a hub id the network"
        ) from None


def _explain(explainer: Explainer, inputs: Mapping[str, Any], tag: str) -> Explanation:
    with _device_errors(explainer):
        try:
            return explainer.explain(**inputs, id=tag.rpartition("/")[2])
        except (ValueError, TypeError) as error:
            raise CommandError(printable(str(error))) from None


@contextmanager
def _device_errors(explainer: Explainer) -> Iterator[None]:
    import torch

    try:
        yield
    except torch.OutOfMemoryError:
        raise CommandError(
            "--scales: expected what fits into the device's memory, got "
            f"{_listed(explainer.scales)}; leave the largest out, or use --device cpu"
        ) from None
    except (RuntimeError, NotImplementedError) as error:
        raise CommandError(
            f"--device: expected one that can run the model, got an error of torch's "
            f"({one_line(error)}); cpu always works"
        ) from None


def _log(explanation: Explanation, arguments: argparse.Namespace, tag: str) -> None:
    from tensorboard.compat import tf

    from mmx_core.events.writer import add_explanation

    try:
        add_explanation(
            arguments.logdir, tag, explanation, arguments.step, replaces=True, strict=True
        )
    except (OSError, NotImplementedError, tf.errors.OpError) as error:
        if is_full(error):
            raise
        raise CommandError(
            f"--logdir: expected a directory that can be written, got {arguments.logdir!r} "
            f"({one_line(error)}); name another"
        ) from None


@contextmanager
def _stages(*names: str) -> Iterator[Iterator[None]]:
    """A progress bar over stages, each begun by ``next``."""
    form = "{desc}: {bar} {n_fmt}/{total_fmt} [{elapsed}]"
    with _bar(len(names), names[0], bar_format=form) as bar:

        def begin() -> Iterator[None]:
            for index, name in enumerate(names):
                bar.update(index - bar.n)
                bar.set_description_str(name)
                yield

        yield begin()
        bar.update(len(names) - bar.n)


def _bar(total: int, description: str, **settings: Any) -> Any:
    """A progress bar, where a terminal shows it."""
    try:
        from tqdm import tqdm
    except ImportError:
        raise CommandError(
            f"expected tqdm, found none; install it: {install_hint('core')}"
        ) from None
    return tqdm(total=total, desc=description, file=sys.stderr, disable=None, **settings)


def _listed(scales: Any) -> str:
    return " ".join(f"{scale:g}" for scale in scales)
