"""Cost of the influence of words, beside its floor and beside the explanation of five scales.

    python -m tests.benchmarks.influence [--device cuda --size 2b|7b] [--words 100] [--repeats 3]

The floor is what no way of taking words away one by one can avoid: the positions behind each word
through the text model's layers, which attend to what was kept of all in front (its own cache, no
holes, rows of their mean length), and the head for the tokens behind each word. The picture is read
once before (its own column). All are timed in turn (``tests/benchmarks/alternating.py``); ratios
are those of medians, with the turns' quartiles. ``--side`` is the picture's.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from operator import itemgetter
from typing import Any

SCALES = (0.5, 0.75, 1.0, 1.5, 2.0)


def main() -> None:
    """Prints one line per picture size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--size", choices=("2b", "7b"), help="real shapes, random weights (CUDA)")
    parser.add_argument("--words", type=int, default=100, help="half the user's, half the answer's")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--side", type=int, help="of the picture, pixels")
    arguments = parser.parse_args()
    cases = [("demo", 160), ("demo", 480)]
    if arguments.size:
        cases = [(arguments.size, side) for side in (448, 896)]
    if arguments.side:
        cases = [(cases[-1][0], arguments.side)]
    print(
        f"{'model':6} {'picture':>9} {'cells':>5} {'words':>5} {'five scales s':>13} "
        f"{'influence s':>11} {'of it picture':>13} {'floor s':>8} {'of it head':>10} "
        f"{'x floor':>17} {'x five':>17}"
    )
    for model, side in cases:
        print(_line(model, side, arguments), flush=True)


def _line(model: str, side: int, arguments: Any) -> str:
    from transformers import DynamicCache

    from mmx_core import Explainer, Sample
    from mmx_core.models.running import undisturbed
    from mmx_core.stages.context_words import context_words
    from mmx_core.stages.influence import measure_influence
    from mmx_core.stages.passes import forward_positions
    from mmx_core.stages.taken_away import Reader
    from mmx_core.stages.text_pass import read_text
    from tests.benchmarks.alternating import in_turn, median, ratio
    from tests.benchmarks.models import load, picture

    parts = load(model, arguments.device)
    names = sorted(parts.tokenizer.get_vocab().items(), key=lambda item: item[1])
    texts = [word for word, index in names if index not in parts.tokenizer.all_special_ids]
    half = arguments.words // 2
    asked, answer = (
        " ".join(texts[(17 * i + offset) % len(texts)] for i in range(half)) for offset in (5, 3)
    )
    sample = Sample("own", picture(side), asked, answer)
    explainer = Explainer(parts.model, **parts.parts, scales=SCALES)
    adapter, base = explainer.adapter, Explainer(parts.model, **parts.parts, scales=(1.0,))
    prepared = explainer.prepare(sample)
    words = context_words(base.explain_prepared(sample, base.prepare(sample)))
    encoded = adapter.encode(prepared.pictures, prepared.rendered, prepared.answer_ids, factor=1.0)
    text = undisturbed(parts.model, read_text, adapter, encoded)
    context = encoded.context_positions.tolist()
    last = encoded.length - 1
    spans = [last - context[word.first] for word in words]
    mean = max(1, sum(spans) // len(spans))
    rows = max(1, 8192 // mean)
    targets = sum(min(len(prepared.answer_ids), span) for span in spans)

    def layers() -> None:
        for start in range(0, len(words), rows):
            count = min(rows, len(words) - start)
            cache = DynamicCache()
            for index, layer in enumerate(text.cache.layers):
                # Nothing is copied yet.
                cache.update(layer.keys[:, :, :0], layer.values[:, :, :0], index)
                for name in ("keys", "values"):
                    kept = getattr(layer, name)[:, :, : last - mean].expand(count, -1, -1, -1)
                    setattr(cache.layers[index], name, kept)
            text.module(
                inputs_embeds=text.embeddings[:, last - mean : last].expand(count, -1, -1),
                position_ids=text.positions[..., last - mean : last].expand(-1, count, -1),
                past_key_values=cache,
                use_cache=True,
            )

    def head() -> None:
        states = text.states[-1:].expand(2048, -1)
        for start in range(0, targets, len(states)):
            adapter.logits(states[: min(len(states), targets - start)]).float().logsumexp(1)

    works: dict[str, Callable[[], Any]] = {
        "five": lambda: explainer.explain_prepared(sample, prepared),
        "influence": lambda: measure_influence(
            Reader(adapter, prepared),
            words,
            range(len(words)),
            seconds=1e9,
            positions=forward_positions(adapter),
        ),
        "picture": lambda: read_text(adapter, encoded),
        "layers": layers,
        "head": head,
    }
    timed = in_turn(
        {name: partial(undisturbed, parts.model, work) for name, work in works.items()},
        turns=arguments.repeats,
        device=arguments.device,
    )
    usual = {name: median(timed.turns, itemgetter(name)) for name in works}
    sums = [
        {
            "five": turn["five"],
            "influence": turn["influence"],
            "behind": turn["influence"] - turn["picture"],
            "floor": turn["layers"] + turn["head"],
        }
        for turn in timed.turns
    ]
    over_floor, over_five = ratio(sums, "behind", "floor"), ratio(sums, "influence", "five")
    cells = sum(len(span.positions) for span in encoded.visual)
    return (
        f"{model:6} {side:4}x{side:<4} {cells:5} {len(words):5} {usual['five']:13.3f} "
        f"{usual['influence']:11.3f} {usual['picture']:13.3f} "
        f"{usual['layers'] + usual['head']:8.3f} {usual['head']:10.3f} {over_floor!s:>17} "
        f"{over_five!s:>17}"
    )


if __name__ == "__main__":
    main()
