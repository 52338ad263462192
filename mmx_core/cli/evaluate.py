"""``mmx evaluate``: methods side by side on one model and one set of samples."""

from __future__ import annotations

import argparse
import json
import os
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmx_core.cli.errors import CommandError, is_full, missing, one_line
from mmx_core.cli.inputs import add_template_variables, check_model, template_variables
from mmx_core.cli.logdir import check_target
from mmx_core.cli.plugins import load_plugins, with_epilog
from mmx_core.cli.table import format_table
from mmx_core.cli.target import check_writable
from mmx_core.export.printable import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mmx_core.evaluation.processes import Processes
    from mmx_core.evaluation.run import Plan
    from mmx_core.explainer import Explainer
    from mmx_core.sample import Sample

FILLS = ("blur", "mean", "other")
TRIALS = ("curves", "regions", "synergy")
ANSWERS = ("model", "reference")
_ALL = "all"


def add_parser(commands: Any) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser(
        "evaluate", help="compare methods on a set of samples: plausibility, faithfulness, cost"
    )
    parser.add_argument("--model", required=True, help="a checkpoint directory or a hub id")
    parser.add_argument(
        "--data",
        required=True,
        metavar="NAME",
        help="coco, grandf, openpsg, clevr-xai or wiki-visa (with --root), a part of one such as "
        "coco:train2017, or PACKAGE:NAME such as demo:val",
    )
    parser.add_argument("--root", metavar="DIR", help="where the data set lies")
    parser.add_argument(
        "--answers",
        choices=ANSWERS,
        default=ANSWERS[0],
        help="of a set with --root: explain what the model writes, or the reference answers",
    )
    parser.add_argument(
        "--methods",
        nargs="+",
        default=(_ALL,),
        metavar="NAME",
        help="all, or some of those below (all)",
    )
    parser.add_argument(
        "--samples", type=int, metavar="N", help="the first N (all; of a PACKAGE 100)"
    )
    parser.add_argument(
        "--faithfulness-samples",
        type=int,
        metavar="N",
        help="trials on the first N alone: they are dear (all)",
    )
    parser.add_argument(
        "--trials",
        nargs="+",
        choices=TRIALS,
        default=TRIALS[:1],
        help="curves: insertion, deletion and flips; regions: each part of the picture left out; "
        "synergy: what cells and words do together (curves)",
    )
    parser.add_argument(
        "--fill",
        choices=FILLS,
        default=FILLS[0],
        help="what hides the image: its blur, its mean colour, another of the set (blur)",
    )
    parser.add_argument(
        "--steps", type=int, default=20, metavar="N", help="of each curve, at most (20)"
    )
    add_template_variables(parser)
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--device", help="such as cpu or cuda:1; CUDA if there is one")
    parser.add_argument("--logdir", metavar="DIR", help="log every method as a run")
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="results.json, results.csv and what resumes a killed evaluation",
    )
    parser.set_defaults(run=run)
    with_epilog(parser, lambda: f"methods: {' '.join(_methods())}")


def run(arguments: argparse.Namespace) -> None:
    """Evaluates and prints the table."""
    _check(arguments)
    samples = _samples(arguments)
    from mmx_core.evaluation.journal import Journal, OtherConfiguration
    from mmx_core.evaluation.processes import Processes
    from mmx_core.evaluation.run import Plan
    from mmx_core.evaluation.trials import Perturbed

    methods = _chosen(arguments.methods)
    total = len(samples)
    perturbed = arguments.faithfulness_samples
    plan = Plan(
        methods=methods,
        faithfulness_samples=total if perturbed is None else perturbed,
        perturbed=Perturbed(
            trials=tuple(name for name in TRIALS if name in arguments.trials),
            fill=arguments.fill,
            steps=arguments.steps,
        ),
        seed=arguments.seed,
    )
    processes = Processes.from_environment()
    journal = Journal(arguments.out, processes.rank)
    try:
        journal.claim(_configuration(arguments, plan))
    except OtherConfiguration as error:
        raise CommandError(
            f"--out: expected a new directory or the same evaluation, got {str(arguments.out)!r}, "
            f"which began with {printable(str(error))}; name another"
        ) from None
    except OSError as error:
        if is_full(error):
            raise
        raise CommandError(
            f"--out: expected a directory that can be written, got {str(arguments.out)!r} "
            f"({one_line(error)}); name another"
        ) from None
    processes.begin()
    try:
        try:
            order = _evaluate(arguments, samples, plan, journal, processes)
            lost = not processes.wait()
            if lost and processes.rank:
                print(
                    "a process is lost: if it was the first, run the same again, which goes on",
                    file=sys.stderr,
                )
            elif lost:
                print("a process is lost: what it left is measured by the first", file=sys.stderr)
                _evaluate(arguments, samples, plan, journal, Processes())
        except ValueError as error:
            raise CommandError(f"--data: {printable(str(error))}") from None
        if processes.rank == 0:
            _report(arguments, journal, order, plan, _left_out(samples))
    finally:
        processes.end()


def _evaluate(
    arguments: argparse.Namespace,
    samples: Sequence[Sample],
    plan: Plan,
    journal: Any,
    processes: Processes,
) -> list[str]:
    from tqdm import tqdm

    from mmx_core.evaluation.run import evaluate

    explainer = _explainer(arguments, processes)
    mine = len(range(processes.rank, len(samples), processes.count))
    hidden = None if processes.rank == 0 else True  # None: unless a terminal shows it
    with tqdm(total=mine, unit="sample", file=sys.stderr, disable=hidden) as progress:
        return evaluate(
            explainer,
            samples,
            plan,
            journal,
            processes=processes,
            logdir=arguments.logdir,
            begun=progress.unpause,
            finished=progress.update,
        )


def _report(
    arguments: argparse.Namespace,
    journal: Any,
    order: Sequence[str],
    plan: Plan,
    left_out: Mapping[str, Sequence[str]],
) -> None:
    from mmx_core.evaluation.report import (
        as_csv,
        columns,
        difference_rows,
        remarks,
        summarise,
        table_rows,
    )

    trials = plan.perturbed.trials
    results = summarise(
        journal.entries(),
        data=arguments.data,
        order=order,
        methods=plan.methods,
        trials=trials,
        left_out=left_out,
    )
    text = json.dumps(results, indent=1, allow_nan=False)
    (arguments.out / "results.json").write_text(text + "\n", encoding="utf-8")
    (arguments.out / "results.csv").write_text(as_csv(results), encoding="utf-8")
    header = [name.removesuffix("_per_token").replace("_", " ") for name in columns(trials)]
    print(format_table(("method", *header), table_rows(results)))
    if differences := difference_rows(results):
        print(f"\nless those of {plan.methods[0]}, over the same samples; * leaves 0 out\n")
        print(format_table(("method", *header[: len(differences[0]) - 1]), differences))
    print()
    for remark in remarks(results, len(order)):
        print(printable(remark))
    print("- where a method does not have it: func and f1 iou need activations of the text, too")
    print("± is half of a bootstrap 95 % interval over samples; seconds are per token, peak in MB")
    print(f"\n{arguments.out / 'results.json'}\n{arguments.out / 'results.csv'}")


def _check(arguments: argparse.Namespace) -> None:
    if find_spec("lemminflect") is None:
        raise CommandError(
            "expected lemminflect, which tells nouns, found none; install it: pip install "
            "lemminflect"
        )
    check_model(arguments.model)
    template_variables(arguments.chat_template_kwargs)
    if arguments.logdir is not None:
        check_target(arguments.logdir)
        if "://" not in arguments.logdir:
            # A set's package may go elsewhere.
            arguments.logdir = os.path.abspath(arguments.logdir)
            check_writable("--logdir", arguments.logdir)
    arguments.out = arguments.out.absolute()
    check_writable("--out", str(arguments.out))
    for name, least in (("samples", 1), ("faithfulness_samples", 0), ("steps", 1)):
        value = getattr(arguments, name)
        if value is not None and value < least:
            flag = name.replace("_", "-")
            raise CommandError(f"--{flag}: expected at least {least}, got {value}")


def _methods() -> tuple[str, ...]:
    from mmx_core.evaluation.registry import methods

    load_plugins()
    return tuple(methods())


def _chosen(names: Sequence[str]) -> tuple[str, ...]:
    there = _methods()
    if _ALL in names:
        return there
    for name in names:
        if name not in there:
            raise missing("--methods", "methods", name, there)
    return tuple(dict.fromkeys(names))


def _samples(arguments: argparse.Namespace) -> Sequence[Sample]:
    from mmx_core.evaluation.load import load_samples

    try:
        samples = load_samples(
            arguments.data,
            root=arguments.root,
            count=arguments.samples,
            references=arguments.answers == "reference",
        )
    except (ValueError, OSError) as error:
        raise CommandError(f"--data: {printable(str(error))}") from None
    if not len(samples):
        missing = "; ".join(
            f"{len(ids)} left out: {why}" for why, ids in _left_out(samples).items()
        )
        told = f" ({missing})" if missing else ""
        raise CommandError(f"--data: expected samples, got none in {arguments.data!r}{told}")
    return samples


def _left_out(samples: Sequence[Sample]) -> Mapping[str, Sequence[str]]:
    """What a set lists and cannot give: ids by reason."""
    found: Mapping[str, Sequence[str]] = getattr(samples, "left_out", {})
    return found


def _explainer(arguments: argparse.Namespace, processes: Processes) -> Explainer:
    import torch
    from transformers.utils import logging

    from mmx_core.explainer import Explainer

    logging.disable_progress_bar()  # there is one bar, ours
    device = arguments.device
    if device is None and torch.cuda.is_available():
        device = f"cuda:{processes.local_rank % torch.cuda.device_count()}"
    try:
        variables = template_variables(arguments.chat_template_kwargs)
        return Explainer.from_pretrained(
            arguments.model, device=device, chat_template_kwargs=variables
        )
    except Exception as error:  # a stranger's files can make every library below raise its own
        raise CommandError(
            f"--model: expected a checkpoint directory or a hub id of a supported model, got "
            f"{arguments.model!r} ({one_line(error)}); check its files, or for a hub id the network"
        ) from None


def _configuration(arguments: argparse.Namespace, plan: Plan) -> dict[str, Any]:
    """What must be the same for an evaluation to go on; more samples may come."""
    from dataclasses import asdict

    import torch

    from mmx_core.evaluation.methods import OURS
    from mmx_core.settings import DEFAULT_SCALES

    device = arguments.device or ("cuda" if torch.cuda.is_available() else "cpu")
    trials = plan.perturbed.trials
    folder = Path(arguments.model)
    weights = sorted(folder.glob("*.safetensors")) if folder.is_dir() else []
    return {
        "model": str(arguments.model),
        "weights": [[path.name, path.stat().st_size, path.stat().st_mtime_ns] for path in weights],
        "device": torch.device(device).type,
        "ours": {"scales": list(DEFAULT_SCALES), **asdict(OURS)},
        "data": arguments.data,
        "root": arguments.root,
        "answers": arguments.answers,
        "chat_template_kwargs": template_variables(arguments.chat_template_kwargs) or None,
        "methods": list(plan.methods),
        "faithfulness_samples": arguments.faithfulness_samples,
        # As directories have it that began before there was a choice.
        "trials": None if trials == TRIALS[:1] else list(trials),
        "fill": plan.perturbed.fill,
        "steps": plan.perturbed.steps,
        "seed": plan.seed,
    }
