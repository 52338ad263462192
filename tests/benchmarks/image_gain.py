"""Cost of the image's gain, as a share of the explanation that it is measured beside.

    python -m tests.benchmarks.image_gain [--device cuda --size 2b|7b] [--tokens 64] [--repeats 3]
        [--samples 12]

Of a set whose samples ask one question about pictures of several sizes, each sample's mean; of one
sample alone, for which a plain picture stands in; and of one against a set's three of which nothing
was read before. The gain is what explanations at scale 1 take longer with it. All are timed in turn
(``tests/benchmarks/alternating.py``); shares are those of medians, with the turns' quartiles.
"""

from __future__ import annotations

import argparse
from operator import itemgetter
from typing import Any

SCALES = (0.5, 0.75, 1.0, 1.5, 2.0)


def main() -> None:
    """Prints one line per picture size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--size", choices=("2b", "7b"), help="real shapes, random weights (CUDA)")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--samples", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    cases = [("demo", 160), ("wide", 448)]
    if arguments.size:
        cases = [(arguments.size, side) for side in (448, 896, 1344)]
    print(
        f"{'model':6} {'picture':>9} {'explain s':>9} {'in a set s':>10} {'share':>17} "
        f"{'alone s':>7} {'share':>17} {'first s':>7} {'share':>17}"
    )
    for model, side in cases:
        print(_line(model, side, arguments), flush=True)


def _line(model: str, side: int, arguments: Any) -> str:
    from mmx_core import Explainer, Sample
    from tests.benchmarks.alternating import in_turn, median, ratio
    from tests.benchmarks.models import load, picture

    parts = load(model, arguments.device)
    names = sorted(parts.tokenizer.get_vocab().items(), key=lambda item: item[1])
    words = [word for word, index in names if index not in parts.tokenizer.all_special_ids]

    def sample(k: int) -> Sample:
        said = ((17 * i + 5 * k) % len(words) for i in range(arguments.tokens))
        shown = picture(side).rotate(90 * (k % 4)).resize((side - side // 20 * (k % 3), side))
        shown.putpixel((0, 0), (k, k, k))
        return Sample(str(k), shown, "describe the image .", " ".join(words[i] for i in said))

    samples = [sample(k) for k in range(arguments.samples)]
    five, plain, gain = (
        Explainer(parts.model, **parts.parts, scales=scales, image_gain=measured)
        for scales, measured in ((SCALES, False), ((1.0,), False), ((1.0,), True))
    )
    some = [samples[0]]
    works = {
        "five": lambda: list(five.explain_batch(some)),
        "set": lambda: list(plain.explain_batch(samples)),
        "set, gain": lambda: list(gain.explain_batch(samples)),
        "one": lambda: list(plain.explain_batch(some)),
        "one, gain": lambda: list(gain.explain_batch(some)),
        "one, gain of a set": lambda: list(gain.explain_batch(some, references=samples)),
    }
    turns = in_turn(works, turns=arguments.repeats, device=arguments.device).turns
    cells = [f"{median(turns, itemgetter('five')):9.3f}"]
    for without, counted, count, width in (
        ("set", "set, gain", len(samples), 10),
        ("one", "one, gain", 1, 7),
        ("one", "one, gain of a set", 1, 7),
    ):
        gained = [
            {"five": turn["five"], "gain": (turn[counted] - turn[without]) / count}
            for turn in turns
        ]
        share = ratio(gained, "gain", "five")
        cells.append(f"{median(gained, itemgetter('gain')):{width}.3f} {share!s:>17}")
    return f"{model:6} {side:4}x{side:<4} {' '.join(cells)}"


if __name__ == "__main__":
    main()
