"""Cost of explaining, beside its physical floor and the published procedure.

    python -m tests.benchmarks.explain [--json] [--device cuda --size 2b|7b] [--repeats 7]

- floor: the model's own forwards of the same inputs, one per scale, with the head for the answer's
  positions alone. The inputs are ready: no picture is resized and no template rendered.
- explain: ``Explainer.explain`` of a teacher-forced answer, from image to arrays on the host.
- published: token-by-token generation with hidden states kept, full-vocabulary logits for every
  position and a loop over pixels, at each scale (``tests/benchmarks/published.py``).

Floor and explain run in turn in one process (``tests/benchmarks/alternating.py``); the ratio of
their medians counts, with the quartiles of the turns' ratios. Peak memory is measured apart, each
procedure in a process of its own: resident memory of the process on the CPU (interpreter and
weights included), allocated memory on CUDA. ``published`` runs once, there.
"""

from __future__ import annotations

import argparse
import json
import math
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import astuple
from operator import itemgetter
from pathlib import Path
from typing import Any

from tests.benchmarks.alternating import Spread, in_turn, median, ratio

ROOT = Path(__file__).resolve().parents[2]
PAIR = ("floor", "explain")
ON_A_CPU = {"demo": 160, "wide": 448}
SCALES = (0.5, 0.75, 1.0, 1.5, 2.0)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print a list of rows as JSON")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--size", choices=("2b", "7b"), help="real shapes, random weights (CUDA)")
    parser.add_argument("--models", nargs="+", default=[*ON_A_CPU], choices=ON_A_CPU)
    parser.add_argument("--tokens", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--repeats", type=int, default=7, help="turns; the medians count")
    parser.add_argument("--skip-published", action="store_true")
    parser.add_argument("--skip-memory", action="store_true", help="published, too")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(_measured(**json.loads(arguments.one))))
        return
    if arguments.size:
        cases = [(arguments.size, side) for side in (448, 896, 1344)]
    else:
        cases = [(model, ON_A_CPU[model]) for model in arguments.models]
    rows = []
    for model, side in cases:
        for tokens in arguments.tokens:
            row = _row(model, side, tokens, arguments)
            rows.append(row)
            if not arguments.json:
                _print(row, header=len(rows) == 1)
    if arguments.json:
        print(json.dumps(rows, indent=1))


def _row(model: str, side: int, tokens: int, arguments: argparse.Namespace) -> dict[str, Any]:
    case = {"model": model, "side": side, "tokens": tokens, "device": arguments.device}
    row: dict[str, Any] = {
        "model": model,
        "image": f"{side}x{side}",
        "answer_tokens": tokens,
        "scales": list(SCALES),
        **_apart({**case, "repeats": arguments.repeats}),
    }
    if not arguments.skip_memory:
        for procedure in ("floor", "explain"):
            row |= _apart({**case, "alone": procedure})
        if not arguments.skip_published:
            row |= _apart({**case, "alone": "published"})
    return row


def _apart(case: dict[str, Any]) -> dict[str, Any]:
    """What a process of its own measures."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.explain", "--one", json.dumps(case)],
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    if done.returncode:
        raise SystemExit(f"{case} failed:\n{done.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _measured(
    *, model: str, side: int, tokens: int, device: str, alone: str = "", repeats: int = 1
) -> dict[str, Any]:
    """Seconds of floor and explain in turn; or what one procedure, run once, has at its peak."""
    import torch

    works = _works(model, side, tokens, device)
    if alone:
        begun = time.perf_counter()
        after = works[alone]()
        seconds = time.perf_counter() - begun
        if device == "cuda":
            peak = torch.cuda.max_memory_allocated() / 2**20
        else:
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        found = {f"{alone}_peak_mb": peak}
        if alone == "published":
            found |= {"published_wall_s": seconds, "published_after_generation_s": after}
        return found
    timed = in_turn({name: works[name] for name in PAIR}, turns=repeats, device=device)
    threads = f"CPU, {torch.get_num_threads()} threads, time of the process"
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else threads,
        "turns": repeats,
        **{f"{name}_s": median(timed.turns, itemgetter(name)) for name in PAIR},
        **{f"{name}_wall_s": median(timed.wall, itemgetter(name)) for name in PAIR},
        "ratio": astuple(ratio(timed.turns, "explain", "floor")),
        "wall_ratio": astuple(ratio(timed.wall, "explain", "floor")),
    }


def _works(model: str, side: int, tokens: int, device: str) -> dict[str, Callable[[], Any]]:
    import torch

    from mmx_core import Explainer
    from tests.benchmarks import published
    from tests.benchmarks.models import load, picture

    parts = load(model, device)
    explainer = Explainer(parts.model, **parts.parts, scales=SCALES)
    image = picture(side)
    words = [
        word
        for word, index in parts.tokenizer.get_vocab().items()
        if index not in parts.tokenizer.all_special_ids
    ]
    answer = " ".join(words[(17 * i) % len(words)] for i in range(tokens))
    adapter = explainer.adapter
    rendered = adapter.render("describe the image .", pictures=[image])
    ids = parts.tokenizer(answer, add_special_tokens=False)["input_ids"]

    def encoded(given: list[int]) -> list[Any]:
        return [adapter.encode([image], rendered, given, factor=scale) for scale in SCALES]

    whole = encoded(ids)

    def floor() -> None:
        for one in whole:
            with torch.no_grad():
                parts.model(**one.inputs, use_cache=False, logits_to_keep=tokens + 1)

    def explain() -> None:
        explainer.explain(image, "describe the image .", answer=answer)

    def as_published() -> float:
        """Seconds after generation."""
        return sum(
            published.run(
                parts.model, one.inputs, one.visual[0].positions, one.visual[0].grid, tokens
            )
            for one in encoded([])
        )

    return {"floor": floor, "explain": explain, "published": as_published}


def _print(row: dict[str, Any], *, header: bool) -> None:
    if header:
        print(
            f"{row['device']}; scales {', '.join(f'{s:g}' for s in SCALES)}; {row['turns']} turns; "
            "ratios of medians [quartiles of the turns']"
        )
        print(
            f"{'model':6} {'image':>9} {'tokens':>6} {'floor s':>8} {'explain s':>9} "
            f"{'ratio':>17} {'on the wall':>17} {'published s':>11} {'after':>12} "
            f"{'floor MB':>8} {'explain MB':>10} {'published MB':>12}"
        )
    ours = max(0.0, row["explain_wall_s"] - row["floor_wall_s"])
    after = f"{ours:.2f} / {row.get('published_after_generation_s', math.nan):.1f}"
    print(
        f"{row['model']:6} {row['image']:>9} {row['answer_tokens']:6} {row['floor_s']:8.2f} "
        f"{row['explain_s']:9.2f} {Spread(*row['ratio'])!s:>17} {Spread(*row['wall_ratio'])!s:>17} "
        f"{row.get('published_wall_s', math.nan):11.2f} {after:>12} "
        f"{row.get('floor_peak_mb', math.nan):8.0f} {row.get('explain_peak_mb', math.nan):10.0f} "
        f"{row.get('published_peak_mb', math.nan):12.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
