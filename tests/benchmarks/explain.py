"""Cost of explaining, beside its physical floor and the published procedure.

    python tests/benchmarks/explain.py [--json] [--device cuda --size 2b|7b]

Each procedure runs in a process of its own, so that its peak memory is its own: resident memory of
the process on the CPU (interpreter and weights included), allocated memory on CUDA.

- floor: the model's own forwards of the same inputs, one per scale, logits for the answer only.
- explain: ``Explainer.explain`` of a teacher-forced answer, from image to arrays on the host.
- published: token-by-token generation with hidden states kept, full-vocabulary logits for every
  position and a loop over pixels, at each scale (``tests/benchmarks/published.py``).
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SCALES = (0.5, 0.75, 1.0, 1.5, 2.0)
PROCEDURES = ("floor", "explain", "published")


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print a list of rows as JSON")
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--size", choices=("2b", "7b"), help="real shapes, random weights (CUDA)")
    parser.add_argument("--tokens", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--repeats", type=int, default=3, help="the fastest counts")
    parser.add_argument("--skip-published", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(_measure(**json.loads(arguments.one))))
        return
    if arguments.size:
        cases = [(arguments.size, side) for side in (448, 896, 1344)]
    else:
        cases = [("demo", 160), ("wide", 448)]
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
    row: dict[str, Any] = {
        "model": model,
        "image": f"{side}x{side}",
        "answer_tokens": tokens,
        "scales": list(SCALES),
    }
    for procedure in PROCEDURES:
        if procedure == "published" and arguments.skip_published:
            continue
        case = {
            "model": model,
            "side": side,
            "tokens": tokens,
            "procedure": procedure,
            "device": arguments.device,
            "repeats": 1 if procedure == "published" else arguments.repeats,
        }
        done = subprocess.run(
            [sys.executable, __file__, "--one", json.dumps(case)],
            capture_output=True,
            text=True,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        if done.returncode:
            raise SystemExit(f"{case} failed:\n{done.stderr[-3000:]}")
        result = json.loads(done.stdout.splitlines()[-1])
        row[f"{procedure}_s"] = result["seconds"]
        row[f"{procedure}_peak_mb"] = result["peak_mb"]
        row["device"] = result["device"]
        if procedure == "published":
            row["published_after_generation_s"] = result["after_s"]
    row["explain_after_floor_s"] = max(0.0, row["explain_s"] - row["floor_s"])
    return row


def _measure(
    *, model: str, side: int, tokens: int, procedure: str, device: str, repeats: int
) -> dict[str, Any]:
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
    after = 0.0

    def once() -> None:
        nonlocal after
        if procedure == "explain":
            explainer.explain(image, "describe the image .", answer=answer)
        elif procedure == "floor":
            for encoded in inputs:
                with torch.no_grad():
                    parts.model(**encoded.inputs, use_cache=False, logits_to_keep=tokens + 1)
        else:
            after = 0.0
            for encoded in inputs:
                span = encoded.visual[0]
                after += published.run(
                    parts.model, encoded.inputs, span.positions, span.grid, tokens
                )
        if device == "cuda":
            torch.cuda.synchronize()

    given = [] if procedure == "published" else ids
    inputs = (
        []
        if procedure == "explain"
        else [adapter.encode([image], rendered, given, factor=scale) for scale in SCALES]
    )
    if procedure != "published":
        once()  # warm up
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        once()
        seconds.append(time.perf_counter() - start)
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**20
        name = torch.cuda.get_device_name()
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
        name = f"CPU, {torch.get_num_threads()} threads"
    return {"seconds": min(seconds), "peak_mb": peak, "after_s": after, "device": name}


def _print(row: dict[str, Any], *, header: bool) -> None:
    if header:
        print(f"{row['device']}; scales {', '.join(f'{s:g}' for s in SCALES)}")
        print(
            f"{'model':6} {'image':>9} {'tokens':>6} {'floor s':>8} {'explain s':>9} {'ratio':>5} "
            f"{'published s':>11} {'after':>12} {'floor MB':>8} {'explain MB':>10} "
            f"{'published MB':>12}"
        )
    slow = row.get("published_s")
    after = row.get("published_after_generation_s")
    ours = row["explain_after_floor_s"]
    print(
        f"{row['model']:6} {row['image']:>9} {row['answer_tokens']:6} {row['floor_s']:8.2f} "
        f"{row['explain_s']:9.2f} {row['explain_s'] / row['floor_s']:5.2f} "
        f"{'-' if slow is None else format(slow, '.2f'):>11} "
        f"{'-' if after is None else f'{ours:.2f} / {after:.1f}':>12} "
        f"{row['floor_peak_mb']:8.0f} {row['explain_peak_mb']:10.0f} "
        f"{row.get('published_peak_mb', float('nan')):12.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
