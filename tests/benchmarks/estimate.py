"""Cost of the estimate of which words mattered, as a share of the forward that it is read from.

    python -m tests.benchmarks.estimate [--pretrained] [--device cuda --size 2b|7b] [--tokens 64]
        [--repeats 15]

Both are timed in turn (``tests/benchmarks/alternating.py``): the share is that of medians, with the
quartiles of the turns'.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any


def main() -> None:
    """Prints one line per picture size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--size", choices=("2b", "7b"), help="real shapes, random weights (CUDA)")
    parser.add_argument("--pretrained", action="store_true", help="SmolLM2 with eyes, too")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    cases = [("demo", 160), ("wide", 448)]
    if arguments.pretrained:
        cases.append(("pretrained", 448))
    if arguments.size:
        cases = [(arguments.size, side) for side in (448, 896, 1344)]
    print(
        f"{'model':10} {'picture':>9} {'tokens':>6} {'explained':>9} {'forward s':>9} "
        f"{'estimate s':>10} {'share':>17}"
    )
    for model, side in cases:
        print(_line(model, side, arguments), flush=True)


def _line(model: str, side: int, arguments: Any) -> str:
    import torch

    from mmx_core import Explainer, Sample
    from mmx_core.models.running import undisturbed
    from mmx_core.stages.flow import Wanted, watched
    from mmx_core.stages.prepare import prepare
    from tests.benchmarks.alternating import in_turn, median, ratio
    from tests.benchmarks.models import load, picture

    parts = load(model, arguments.device)
    adapter = Explainer(parts.model, **parts.parts).adapter
    names = sorted(parts.tokenizer.get_vocab().items(), key=lambda item: item[1])
    words = [word for word, index in names if index not in parts.tokenizer.all_special_ids]
    answer = " ".join(words[(17 * i) % len(words)] for i in range(arguments.tokens))
    prepared = prepare(adapter, Sample("own", picture(side), "describe the image .", answer))
    encoded = adapter.encode(prepared.pictures, prepared.rendered, prepared.answer_ids, factor=1.0)
    ids = torch.tensor(prepared.answer_ids, device=adapter.head_device)
    wanted = Wanted(encoded.predicting_positions, encoded.context_positions, ids)
    forward = partial(adapter.hidden_states, encoded)
    ways: dict[str, Callable[[], Any]] = {
        "forward": forward,
        "both": partial(watched, adapter, [wanted], forward),
    }
    timed = in_turn(
        {name: partial(undisturbed, adapter.model, work) for name, work in ways.items()},
        turns=arguments.repeats,
        device=arguments.device,
    )
    pairs = [
        {"forward": turn["forward"], "estimate": turn["both"] - turn["forward"]}
        for turn in timed.turns
    ]
    alone, added = (median(pairs, itemgetter(name)) for name in ("forward", "estimate"))
    share = ratio(pairs, "estimate", "forward")
    return (
        f"{model:10} {side:4}x{side:<4} {encoded.length:6} {len(ids):9} {alone:9.3f} "
        f"{added:10.3f} {share!s:>17}"
    )


if __name__ == "__main__":
    main()
