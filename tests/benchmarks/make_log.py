"""Writes a large, realistic log quickly.

    python -m tests.benchmarks.make_log LOGDIR [--runs 4 --steps 50 --samples 200]

Each sample has two explanations per run, logged in turn: neighbouring steps differ, and only two
are encoded.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from mmx_core.events.records import explanation_event, image_event
from mmx_core.events.sinks import EventFile
from tests.support.explanations import make_explanation, make_image

SCALES = ((0.5, (5, 7)), (1.0, (10, 14)), (2.0, (20, 28)))
TOKENS, PROMPT = 20, 8


def write_log(logdir: Path, *, runs: int, steps: int, samples: int) -> int:
    """Writes the log; returns how many bytes it holds."""
    for run in range(runs):
        file = EventFile(logdir / f"run-{run}")
        images = [make_image(width=224, height=160, seed=seed) for seed in range(min(samples, 16))]
        for image in images:
            file.write(image_event(image, wall_time=1.7e9))
        events = [
            explanation_event(
                f"val/{sample:04d}",
                make_explanation(
                    TOKENS,
                    PROMPT,
                    SCALES,
                    seed=10_000 * run + 2 * sample + variant,
                    id=f"{sample:04d}",
                    image=images[sample % len(images)],
                ),
                step=0,
                wall_time=1.7e9,
            )
            for variant in range(2)
            for sample in range(samples)
        ]
        for step in range(steps):
            for event in events[step % 2 * samples :][:samples]:
                event.step = 100 * step
                event.wall_time = 1.7e9 + 60 * step
                file.write(event)
        file.close()
    return sum(path.stat().st_size for path in logdir.rglob("events.*"))


def main() -> None:
    """Parses the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("logdir", type=Path)
    parser.add_argument("--runs", type=int, default=4)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--samples", type=int, default=200)
    arguments = parser.parse_args()
    start = time.perf_counter()
    counts = {"runs": arguments.runs, "steps": arguments.steps, "samples": arguments.samples}
    size = write_log(arguments.logdir, **counts)
    records = arguments.runs * arguments.steps * arguments.samples
    sys.stdout.write(
        f"{records} records, {size / 1e6:.0f} MB, {size / records / 1e3:.1f} kB each, "
        f"in {time.perf_counter() - start:.1f} s\n"
    )


if __name__ == "__main__":
    main()
