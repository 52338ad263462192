"""The demo's eval loop: explain every checkpoint on fixed scenes, log, open TensorBoard.

    python -m demo.evaluate [--no-serve] [--scenes 16] [--logdir demo/runs]

Each training run is a TensorBoard run, each of its checkpoints a step. All checkpoints are
teacher-forced on the same captions, so that their tokens line up.
"""

from __future__ import annotations

import argparse
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import torch
from tqdm import tqdm
from transformers.utils import logging as transformers_logging

from demo.probe import probe_samples
from demo.words import SHAPES
from mmx_core import Explainer, Explanation, Sample
from mmx_core.events.writer import ExplanationWriter

ROOT = Path(__file__).parent
SCALES = (0.5, 0.75, 1.0, 1.5, 2.0)
SET_NAME = "val"
INFLUENCE = 4
"""So many of the first scenes are measured word by word."""
USED = 1
"""Of these, so many with the cells that were used, and a word that was not said."""


@dataclass(frozen=True)
class Row:
    """One checkpoint's line of the summary; all figures are means over the scenes.

    Attributes:
        checkpoint: Run and step.
        words_right: Share of caption words that are the model's top prediction.
        obj_iou: Otsu IoU of the nouns' maps with their objects.
        pixel_auc: Area under the ROC curve of the same; .5 is chance.
        grounding: Share of activation on the image.
    """

    checkpoint: str
    words_right: float
    obj_iou: float
    pixel_auc: float
    grounding: float


def summarise(checkpoint: str, explanations: Sequence[Explanation]) -> Row:
    """Reduces one checkpoint's explanations to a row."""

    def mean(values: Iterable[float]) -> float:
        return float(np.mean(list(values)))

    return Row(
        checkpoint,
        mean((e.base.rank == 0).mean() for e in explanations),
        mean(e.metrics["obj_iou"] for e in explanations),
        mean(e.metrics["pixel_auc"] for e in explanations),
        mean(e.grounding.mean() for e in explanations),
    )


def checkpoints_of(directory: Path) -> dict[str, list[tuple[int, Path]]]:
    """Per training run its ``(step, directory)``, ascending.

    Raises:
        FileNotFoundError: None there.
    """
    runs = {
        run.name: sorted((int(path.name.removeprefix("step-")), path) for path in found)
        for run in sorted(directory.glob("*"))
        if (found := list(run.glob("step-*")))
    }
    if not runs:
        raise FileNotFoundError(f"expected checkpoints in {directory}; train them: demo/train.py")
    return runs


def evaluate(directory: Path, logdir: Path, samples: Sequence[Sample]) -> list[Row]:
    """Explains every checkpoint in ``directory`` on ``samples`` and logs it under ``logdir``."""
    runs = checkpoints_of(directory)
    rows = []
    total = sum(len(steps) for steps in runs.values()) * len(samples)
    with tqdm(total=total, unit="explanation", file=sys.stderr, disable=None) as progress:
        for run, steps in runs.items():
            with ExplanationWriter(logdir / run) as writer:
                for step, path in steps:
                    progress.set_description(f"{run} step {step}")
                    explanations = []
                    found = explained(path, samples)
                    progress.unpause()  # loading is no explaining
                    for sample, explanation in zip(samples, found, strict=True):
                        writer.add_explanation(
                            f"{SET_NAME}/{sample.id}", explanation, global_step=step
                        )
                        explanations.append(explanation)
                        progress.update()
                    writer.add_metrics(SET_NAME, explanations, global_step=step)
                    writer.flush()
                    rows.append(summarise(f"{run} {step}", explanations))
    return rows


def explained(path: Path, samples: Sequence[Sample]) -> Iterator[Explanation]:
    """A checkpoint's explanations, in order; the first measured more closely than the others."""
    groups: tuple[tuple[Sequence[Sample], dict[str, Any]], ...] = (
        (samples[:USED], {"influence": True, "used": True}),
        (samples[USED:INFLUENCE], {"influence": True}),
        (samples[INFLUENCE:], {}),
    )
    plain = Explainer.from_pretrained(path, device="cpu", dtype=torch.float32, scales=SCALES)
    for some, settings in groups:
        explainer = Explainer(
            plain.adapter.model,
            image_processor=plain.adapter.image_processor,
            tokenizer=plain.adapter.tokenizer,
            chat_template=plain.adapter.chat_template,
            scales=SCALES,
            **settings,
        )
        yield from explainer.explain_batch(some, references=samples)


def with_question(sample: Sample) -> Sample:
    """The sample, asked why its first shape is not another one."""
    said = str(sample.answer).split()
    place = next(index for index, word in enumerate(said) if word in SHAPES)
    other = next(shape for shape in SHAPES if shape not in said)
    return replace(sample, why_not={place: other})


def print_table(rows: Sequence[Row], scenes: int) -> None:
    """Prints the summary."""
    print(f"\n{scenes} unseen scenes, captions teacher-forced, scales "
          f"{', '.join(f'{scale:g}' for scale in SCALES)}")  # fmt: skip
    print(f"{'checkpoint':18} {'words right':>11} {'Obj-IoU':>8} {'pixel AUC':>9} {'grounding':>9}")
    for row in rows:
        print(
            f"{row.checkpoint:18} {row.words_right:11.1%} {row.obj_iou:8.3f} "
            f"{row.pixel_auc:9.3f} {row.grounding:9.3f}"
        )


def serve(logdir: Path, run: str, tag: str) -> int:
    """Runs TensorBoard on a free port until it is interrupted."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    state = f"p.mmx.run={quote(run, safe='')}&p.mmx.tag={quote(tag, safe='')}"
    print(f"\nOpen http://localhost:{port}/#mmx&{state}\n(Ctrl-C stops TensorBoard)\n", flush=True)
    command = ["tensorboard.main", "--logdir", str(logdir), "--port", str(port)]
    try:
        return subprocess.run([sys.executable, "-m", *command], check=False).returncode
    except KeyboardInterrupt:
        return 0


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "checkpoints")
    parser.add_argument("--logdir", type=Path, default=ROOT / "runs")
    parser.add_argument("--scenes", type=int, default=16)
    parser.add_argument("--serve", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    transformers_logging.disable_progress_bar()  # one bar is enough
    samples = [
        replace(with_question(sample) if index < USED else sample, id=f"{index:04d}")
        for index, sample in enumerate(probe_samples(arguments.scenes))
    ]
    for run in checkpoints_of(arguments.checkpoints):
        # A second evaluation of the same steps would show twice.
        shutil.rmtree(arguments.logdir / run, ignore_errors=True)
    rows = evaluate(arguments.checkpoints, arguments.logdir, samples)
    print_table(rows, len(samples))
    print(f"\nlogged to {arguments.logdir}")
    if arguments.serve:
        sys.exit(serve(arguments.logdir, "grounded", f"mmx/{SET_NAME}/{samples[0].id}"))


if __name__ == "__main__":
    main()
