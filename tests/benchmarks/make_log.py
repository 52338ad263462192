"""Writes a large, realistic log quickly.

    python -m tests.benchmarks.make_log LOGDIR [--runs 4 --steps 50 --samples 200]

Each sample has two explanations per run, logged in turn: neighbouring steps differ, and only two
are encoded. To try something, `--runs 2 --steps 20 --samples 50` takes a second.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event

from mmx_core.events.blob import decode_json, encode_json
from mmx_core.events.records import explanation_event, image_event
from mmx_core.events.sinks import EventFile
from mmx_core.events.tags import sample_tags
from mmx_core.explanation import EncodedImage
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
        records = [
            [
                _Record(10_000 * run + 2 * sample + variant, sample, images[sample % len(images)])
                for sample in range(samples)
            ]
            for variant in range(min(2, steps))
        ]
        for step in range(steps):
            for record in records[step % 2]:
                file.write(record.at(100 * step, wall_time=1.7e9 + 60 * step))
        file.close()
    return sum(path.stat().st_size for path in logdir.rglob("events.*"))


class _Record:
    """An explanation that is encoded once and logged at many steps, each of which it names."""

    def __init__(self, seed: int, sample: int, image: EncodedImage) -> None:
        name = f"val/{sample:04d}"
        made = make_explanation(TOKENS, PROMPT, SCALES, seed=seed, id=f"{sample:04d}", image=image)
        self._event = explanation_event(name, made, step=0, wall_time=0)
        self._blobs = self._event.summary.value[0].tensor.string_val
        self._records = self._event.summary.value[1].tensor.string_val
        self._header, self._record = decode_json(self._blobs[0]), decode_json(self._records[0])
        self._tag = sample_tags(name).explanation

    def at(self, step: int, *, wall_time: float) -> Event:
        """The event of one step."""
        logged = {"logged": {"tag": self._tag, "step": step}}
        self._blobs[0] = encode_json({**self._header, **logged})
        self._records[0] = encode_json({**self._record, **logged})
        self._event.step = step
        self._event.wall_time = wall_time
        return self._event


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
