"""What an explanation would save by reading scale 1 while its answer is generated.

    python -m tests.benchmarks.own_pass [--device cuda --size 2b|7b] [--tokens 64] [--repeats 7]

All that could be saved is the forward at scale 1: its share of the whole, generation and
explanation, at the default scales and at five; all timed in turn. Beside it, in float32 and
bfloat16, how far the states that generation passes through are from those of that forward:
the largest difference of a token's log-probability, first choices that are others, and the share of
rankings (50 deep) that are not the same.
"""

from __future__ import annotations

import argparse
from operator import itemgetter
from typing import Any

SCALES = {"three": (1.0, 1.5, 2.0), "five": (0.5, 0.75, 1.0, 1.5, 2.0)}


def main() -> None:
    """Prints one line per model and picture size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--size", choices=("2b", "7b"), help="real shapes, random weights (CUDA)")
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    cases = [("demo", 160), ("wide", 448)]
    if arguments.size:
        cases = [(arguments.size, side) for side in (448, 896, 1344)]
    print(
        f"{'model':6} {'picture':>9} {'tokens':>6} {'generation s':>12} {'scale 1 s':>9} "
        f"{'three s':>7} {'of all':>17} {'five s':>7} {'of all':>17}"
    )
    for model, side in cases:
        for line in _lines(model, side, arguments):
            print(line, flush=True)


def _lines(model: str, side: int, arguments: Any) -> list[str]:
    import torch

    from mmx_core import Explainer, Sample
    from mmx_core.models.running import undisturbed
    from tests.benchmarks.alternating import in_turn, median, ratio
    from tests.benchmarks.models import load, picture

    parts = load(model, arguments.device)
    sample = Sample("own", picture(side), "describe the image .")
    explainers = {
        name: Explainer(parts.model, **parts.parts, scales=scales, max_new_tokens=arguments.tokens)
        for name, scales in SCALES.items()
    }
    prepared = {name: one.prepare(sample) for name, one in explainers.items()}
    adapter, known = explainers["three"].adapter, prepared["three"]
    encoded = adapter.encode(known.pictures, known.rendered, known.answer_ids, factor=1.0)
    works = {
        "generation": lambda: explainers["three"].prepare(sample),
        "scale 1": lambda: undisturbed(parts.model, adapter.hidden_states, encoded),
        "three": lambda: explainers["three"].explain_prepared(sample, known),
        "five": lambda: explainers["five"].explain_prepared(sample, prepared["five"]),
    }
    turns = in_turn(works, turns=arguments.repeats, device=arguments.device).turns
    whole = [
        {**turn, **{f"all {name}": turn["generation"] + turn[name] for name in SCALES}}
        for turn in turns
    ]
    seconds = {name: median(turns, itemgetter(name)) for name in works}
    told = [
        f"{model:6} {side:4}x{side:<4} {len(known.answer_ids):6} {seconds['generation']:12.3f} "
        f"{seconds['scale 1']:9.3f} "
        + " ".join(
            f"{seconds[name]:7.3f} {ratio(whole, 'scale 1', f'all {name}')!s:>17}"
            for name in SCALES
        )
    ]
    for dtype in (torch.float32, torch.bfloat16):
        parts.model.to(dtype)
        told.append(
            f"       {dtype}: {undisturbed(parts.model, _apart, adapter, sample, arguments)}"
        )
    return told


def _apart(adapter: Any, sample: Any, arguments: Any) -> str:
    """How far generation's own states are from those of a forward of the same tokens."""
    import torch

    from mmx_core.attribution.ranking import leading
    from mmx_core.stages.prepare import prepare

    prepared = prepare(adapter, sample, max_new_tokens=arguments.tokens)
    asked = adapter.encode(prepared.pictures, prepared.rendered, [], factor=1.0)
    found = adapter.model.generate(
        **asked.inputs,
        max_new_tokens=arguments.tokens,
        do_sample=False,
        return_dict_in_generate=True,
        output_hidden_states=True,
    )
    passed = torch.cat([step[-1] for step in found.hidden_states], dim=1)[0]
    answer = found.sequences[0, asked.prompt_length :]
    encoded = adapter.encode(prepared.pictures, prepared.rendered, answer.tolist(), factor=1.0)
    own = adapter.hidden_states(encoded)
    at = encoded.predicting_positions
    head = adapter.head_weight, adapter.head_bias
    logits = [adapter.logits(states[at]) for states in (passed, own)]
    said = [values.float().log_softmax(dim=1).gather(1, answer[:, None]) for values in logits]
    depth = min(50, logits[0].shape[1])
    ranked = [
        leading(states[at], values, *head, depth).ids
        for states, values in zip((passed, own), logits, strict=True)
    ]
    other = (ranked[0] != ranked[1]).any(dim=1).float().mean()
    first = int((ranked[0][:, 0] != ranked[1][:, 0]).sum())
    return (
        f"log p apart by at most {(said[0] - said[1]).abs().max():.1e}; first choices that are "
        f"others {first} of {len(answer)}; rankings {other:.2f}"
    )


if __name__ == "__main__":
    main()
