"""Cost of the image's gain, as a share of the explanation that it is measured beside.

    python -m tests.benchmarks.image_gain [--device cuda --size 2b|7b] [--tokens 64] [--repeats 5]

Both are timed in turn in one process, the fastest of each counts; so are the reference pictures,
resized for each sample anew as in a set of pictures of different sizes.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

SCALES = (0.5, 0.75, 1.0, 1.5, 2.0)


def main() -> None:
    """Prints one line per picture size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--size", choices=("2b", "7b"), help="real shapes, random weights (CUDA)")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    cases = [("demo", 160), ("wide", 448)]
    if arguments.size:
        cases = [(arguments.size, side) for side in (448, 896, 1344)]
    print(f"{'model':6} {'picture':>9} {'explain s':>9} {'gain s':>7} {'share':>6}  references")
    for model, side in cases:
        print(_line(model, side, arguments), flush=True)


def _line(model: str, side: int, arguments: Any) -> str:
    import torch

    from mmx_core import Explainer, Sample
    from mmx_core.explaining.references import REFERENCES
    from tests.benchmarks.models import load, picture

    parts = load(model, arguments.device)
    image = picture(side)
    names = sorted(parts.tokenizer.get_vocab().items(), key=lambda item: item[1])
    words = [word for word, index in names if index not in parts.tokenizer.all_special_ids]
    answer = " ".join(words[(17 * i) % len(words)] for i in range(arguments.tokens))
    sample = Sample("own", image, "describe the image .", answer)
    others = [
        Sample(str(turn), image.rotate(90 * turn).resize((side + 32, side + 64)), "x")
        for turn in range(1, REFERENCES + 1)
    ]
    explainers = {
        measured: Explainer(parts.model, **parts.parts, scales=SCALES, image_gain=measured)
        for measured in (False, True)
    }
    fastest = {False: float("inf"), True: float("inf")}
    for turn in range(arguments.repeats + 1):
        for measured, explainer in explainers.items():
            begin = time.perf_counter()
            (explanation,) = explainer.explain_batch([sample], references=others)
            if arguments.device == "cuda":
                torch.cuda.synchronize()
            if turn:  # the first warms up
                fastest[measured] = min(fastest[measured], time.perf_counter() - begin)
    used = explanation.provenance["image_gain"]["references"]
    gain = fastest[True] - fastest[False]
    return (
        f"{model:6} {side:4}x{side:<4} {fastest[False]:9.3f} {gain:7.3f} "
        f"{gain / fastest[False]:6.2f}  {used}"
    )


if __name__ == "__main__":
    main()
