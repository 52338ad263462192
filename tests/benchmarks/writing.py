"""What logging costs, and how it compares with explaining.

    python -m tests.benchmarks.writing [--samples 16 --repeats 5] [--json]

- log: one sample-step of make_log's size, logged and flushed; encoding and checksum apart, too.
- share: the demo's last checkpoint explains unseen scenes at its own scales, and each is logged
  where the next one is explained meanwhile: the time that the caller is held up, with and without
  ``background=True``, and what the whole loop takes.

All are medians. Whatever else the machine does falls on all alike: the kinds take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
CHECKPOINT = ROOT / "demo" / "checkpoints" / "grounded" / "step-003800"
LOGGED = 100


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--samples", type=int, default=16, help="scenes that the demo explains")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--part", choices=("log", "share"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.part:
        part = (
            log(arguments.repeats)
            if arguments.part == "log"
            else share(arguments.samples, arguments.repeats)
        )
        sys.stdout.write(json.dumps(part) + "\n")
        return
    counts = [f"--samples={arguments.samples}", f"--repeats={arguments.repeats}"]
    figures = {
        "log": _run("--part=log", *counts),
        "share": _run("--part=share", *counts),
        "load_average": [round(load, 1) for load in os.getloadavg()],
    }
    sys.stdout.write(json.dumps(figures, indent=1) + "\n" if arguments.json else _table(figures))


def log(repeats: int) -> dict[str, Any]:
    """Milliseconds for one sample-step, and for its parts."""
    from mmx_core.events.record_file import frame_record
    from mmx_core.events.records import explanation_event
    from mmx_core.events.writer import ExplanationWriter
    from tests.benchmarks.make_log import PROMPT, SCALES, TOKENS
    from tests.support.explanations import make_explanation, make_image

    image = make_image(width=224, height=160)
    made = make_explanation(TOKENS, PROMPT, SCALES, image=image)
    record = explanation_event("val/1", made, step=0, wall_time=0).SerializeToString()
    with tempfile.TemporaryDirectory() as folder, ExplanationWriter(folder, strict=True) as writer:
        steps = iter(range(1_000_000))

        def encode() -> None:
            explanation_event("val/1", made, step=0, wall_time=0)

        return {
            "bytes": len(record),
            "encode_ms": _median_ms(encode, repeats),
            "checksum_ms": _median_ms(lambda: frame_record(record), repeats),
            "log_ms": _median_ms(
                lambda: writer.add_explanation("val/1", made, next(steps)), repeats
            ),
        }


def share(count: int, repeats: int) -> dict[str, Any]:
    """Of the demo's explaining and logging."""
    import torch

    from demo.evaluate import SCALES
    from demo.probe import probe_samples
    from mmx_core import Explainer
    from mmx_core.events.wire import encode_explanation
    from mmx_core.events.writer import ExplanationWriter

    explainer = Explainer.from_pretrained(
        CHECKPOINT, device="cpu", dtype=torch.float32, scales=SCALES
    )
    samples = probe_samples(count)
    explained = list(explainer.explain_batch(samples))  # and warms up

    def loop(writer: ExplanationWriter | None, step: int) -> tuple[float, list[float]]:
        held_up = []
        start = time.perf_counter()
        for sample, made in zip(samples, explainer.explain_batch(samples), strict=True):
            before = time.perf_counter()
            if writer is not None:
                writer.add_explanation(f"val/{sample.id}", made, step)
            held_up.append(time.perf_counter() - before)
        if writer is not None:
            before = time.perf_counter()
            writer.flush()
            held_up.append(time.perf_counter() - before)
        return time.perf_counter() - start, held_up

    spent: dict[str, list[float]] = {"none": [], "waiting": [], "background": []}
    held: dict[str, list[float]] = {name: [] for name in spent}
    with tempfile.TemporaryDirectory() as folder:
        waiting = ExplanationWriter(f"{folder}/a", strict=True)
        background = ExplanationWriter(f"{folder}/b", strict=True, background=True)
        with waiting, background:
            # In turn, so that what else the machine does falls on all alike.
            for step in range(repeats):
                for name, writer in (
                    ("none", None),
                    ("waiting", waiting),
                    ("background", background),
                ):
                    seconds, held_up = loop(writer, step)
                    spent[name].append(1000 * seconds / count)
                    held[name].append(1000 * sum(held_up) / count)
    sizes = sorted(sum(map(len, encode_explanation(made))) for made in explained)
    return {
        "samples": count,
        "scales": SCALES,
        "tokens": statistics.median(len(made.tokens) for made in explained),
        "bytes_median": sizes[len(sizes) // 2],
        "bytes_largest": sizes[-1],
        "loop_ms": {name: statistics.median(times) for name, times in spent.items()},
        "held_up_ms": {name: statistics.median(times) for name, times in held.items()},
    }


def _median_ms(action: Callable[[], object], repeats: int) -> float:
    action()
    times = []
    for _ in range(repeats * LOGGED // 5):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def _run(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.writing", *arguments],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    if done.returncode:
        raise SystemExit(f"{arguments} failed:\n{done.stderr[-3000:]}")
    part: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return part


def _table(figures: dict[str, Any]) -> str:
    logged, share = figures["log"], figures["share"]
    lines = [f"one sample-step of {logged['bytes'] / 1e3:.1f} kB"]
    for name in ("encode", "checksum", "log"):
        lines.append(f"{name:10} {logged[f'{name}_ms']:7.3f} ms")
    lines += [
        "",
        f"the demo's last checkpoint, {share['samples']} scenes, scales "
        f"{_listed(share['scales'])}, {share['tokens']:g} tokens, a record of "
        f"{share['bytes_median'] / 1e3:.1f} kB (largest {share['bytes_largest'] / 1e3:.1f} kB)",
        f"{'logging':10} {'loop':>10} {'held up':>10} {'share':>7}",
    ]
    alone = share["loop_ms"]["none"]
    for name, label in (("none", "none"), ("waiting", "waits"), ("background", "background")):
        loop, held_up = share["loop_ms"][name], share["held_up_ms"][name]
        lines.append(f"{label:10} {loop:7.1f} ms {held_up:7.2f} ms {held_up / alone:7.1%}")
    lines.append(f"load average {figures['load_average']}")
    return "\n".join(lines) + "\n"


def _listed(scales: Sequence[float]) -> str:
    return ", ".join(f"{scale:g}" for scale in scales)


if __name__ == "__main__":
    main()
