"""Which context tokens moved an answer's token: cheap measures against taking each away.

    python -m tests.support.smollm2                 once: fetches the model
    python -m tests.benchmarks.text_relevance [--prompts 110] [--first 0] [--tokens 8]

SmolLM2-135M-Instruct answers prompts of our own, greedily. What is measured is kept in
``.cache/text_relevance``: a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
import time
from collections import defaultdict
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mmx_core.cli.table import format_table
from mmx_core.metrics.bootstrap import pooled_mean
from mmx_core.metrics.removal import rank_correlation
from tests.benchmarks.text_relevance_measures import VERSION, Scored, measure
from tests.benchmarks.text_relevance_others import OTHERS, add_others
from tests.benchmarks.text_relevance_product import PRODUCT, add_product
from tests.benchmarks.text_relevance_prompts import conversations
from tests.benchmarks.text_relevance_truth import Truth, truth_of
from tests.support.smollm2 import ROOT, folder

KEPT = ROOT / ".cache" / "text_relevance"
LEAST_EFFECT = 0.3
"""Nats that some context token has to move a token by, for its measures to be judged."""

TRUTH = "leave-one-out itself"
Array = NDArray[np.float64]


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--prompts", type=int, default=len(conversations()))
    parser.add_argument("--first", type=int, default=0, help="leave out as many prompts before it")
    parser.add_argument("--tokens", type=int, default=8, help="of an answer, at most")
    arguments = parser.parse_args()
    from transformers import AutoTokenizer, LlamaForCausalLM

    torch.set_grad_enabled(False)
    tokenizer = AutoTokenizer.from_pretrained(folder())
    plain, eager = (
        LlamaForCausalLM.from_pretrained(
            folder(), dtype=torch.float32, attn_implementation=kernel
        ).eval()
        for kernel in ("sdpa", "eager")
    )
    eager.requires_grad_(False)
    truths, scored, rows = [], [], []
    for messages in conversations()[arguments.first : arguments.first + arguments.prompts]:
        truth = truth_of(plain, tokenizer, messages, KEPT / "truth")
        chosen = judged(truth, arguments.tokens)
        if len(chosen):
            truths.append(truth)
            rows.append(chosen)
            scored.append(_scored(eager, truth, chosen))
            places = (torch.as_tensor(v) for v in (truth.ids, truth.rows[chosen], truth.context))
            add_product(scored[-1], plain, *places)
            add_others(scored[-1], truth, chosen)
            print(".", end="", file=sys.stderr, flush=True)
    learned(truths, scored, rows)
    print(f"\n{len(truths)} prompts, {sum(map(len, rows))} tokens\n")
    print(table(truths, scored, rows))


def judged(truth: Truth, most: int) -> NDArray[np.int64]:
    """Indices of the answer's tokens that are judged: evenly spread over those that are moved."""
    found = [
        t
        for t in range(len(truth.own))
        if len(places := counted(truth, t)) >= 6 and truth.effects[t, places].max() >= LEAST_EFFECT
    ]
    spread = np.linspace(0, len(found) - 1, min(most, len(found))).round().astype(int)
    return np.asarray(found, dtype=np.int64)[spread]


def counted(truth: Truth, t: int) -> NDArray[np.int64]:
    """Of the context those before the position that predicts, whose residual stays anyway."""
    return np.flatnonzero(truth.context < truth.rows[t])


def _scored(model: Any, truth: Truth, chosen: NDArray[np.int64]) -> Scored:
    asked = f"{VERSION} {truth.ids.tolist()} {chosen.tolist()}"
    key = hashlib.sha256(asked.encode()).hexdigest()[:16]
    file = KEPT / "measures" / f"{key}.pt"
    if file.exists():
        return Scored(**torch.load(file, weights_only=True))
    ids, rows, context = (
        torch.as_tensor(v) for v in (truth.ids, truth.rows[chosen], truth.context)
    )
    found = measure(model, ids, rows, context)
    found.heads = {name: values.half() for name, values in found.heads.items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    torch.save(vars(found), file.with_suffix(".part"))
    file.with_suffix(".part").replace(file)
    return found


def learned(
    truths: list[Truth], scored: list[Scored], rows: list[NDArray[np.int64]], folds: int = 2
) -> None:
    """Head weights by ridge on the other prompts' truth (after AT2, arXiv 2504.13752)."""
    for name in ("attention", "attention x norm of value"):
        sums = []
        for truth, found, chosen in zip(truths, scored, rows, strict=True):
            pairs = [(n, counted(truth, t)) for n, t in enumerate(chosen)]
            features = torch.cat(
                [found.heads[name][:, n, truth.context[c]].T for n, c in pairs]
            ).double()
            wanted = np.concatenate([truth.effects[chosen[n], c] for n, c in pairs])
            effects = torch.as_tensor(wanted).double().clamp_min(0)
            sums.append((features.T @ features, features.T @ effects, len(features)))
        for fold in range(folds):
            others = [entry for index, entry in enumerate(sums) if index % folds != fold]
            gram, moment = (sum(entry[k] for entry in others) for k in (0, 1))
            scale = (gram.diagonal() / sum(entry[2] for entry in others)).sqrt() + 1e-8
            gram, moment = gram / scale / scale[:, None], moment / scale
            weights = torch.linalg.solve(gram + 30 * torch.eye(len(gram)).double(), moment) / scale
            for found in scored[fold::folds]:
                begin = time.perf_counter()
                row = f"heads learned, {name} (AT2-like)"
                heads = found.heads[name].float()
                found.scores[row] = torch.einsum("f,frl->rl", weights.float(), heads)
                found.seconds[row] = time.perf_counter() - begin


def table(truths: list[Truth], scored: list[Scored], rows: list[NDArray[np.int64]]) -> str:
    """One row per measure, the best first; intervals over prompts."""
    figures: dict[str, list[Array]] = defaultdict(list)
    seconds: dict[str, list[float]] = defaultdict(list)
    for truth, found, chosen in zip(truths, scored, rows, strict=True):
        exact = torch.zeros(len(chosen), len(truth.ids))
        exact[:, truth.context] = torch.as_tensor(truth.effects[chosen])
        seconds[TRUTH].append(truth.seconds)
        for name, values in {TRUTH: exact, **found.scores}.items():
            figures[name].append(
                np.array(
                    [_figures(truth, t, row) for t, row in zip(chosen, values.numpy(), strict=True)]
                )
            )
            if name != TRUTH:
                free = name in ("random", "recency", "same token", PRODUCT, *OTHERS)
                seconds[name].append(found.seconds[name] + (0.0 if free else found.shared))
    lines = []
    for name, values in figures.items():
        cells = [_cell([entry[:, place] for entry in values]) for place in range(4)]
        cells.append(f"{np.mean(seconds[name]):.2f}")
        lines.append((np.concatenate(values)[:, 0].mean(), (name, *cells)))
    header = ("measure", "share of the top-3 effect", "top-1", "rank correlation", "subsets", "s")
    return format_table(header, [line for _, line in sorted(lines, reverse=True)])


def _cell(values: list[Array]) -> str:
    found = pooled_mean([v[~np.isnan(v)].tolist() for v in values])
    return f"{found.mean:.2f} [{found.low:.2f}, {found.high:.2f}]"


def _figures(truth: Truth, t: int, scores: NDArray[np.float32]) -> tuple[float, ...]:
    """Share of the top-3 effect, top-1, rank correlation; correlation over random subsets."""
    places = counted(truth, t)
    effects, given = truth.effects[t, places], scores[truth.context[places]]
    order = np.argsort(-given, kind="stable")
    gains = np.maximum(effects, 0)
    best = np.sort(gains)[::-1][:3].sum()
    found = truth.with_subset[:, t]
    prompt = truth.context[truth.context < truth.start]
    sums = truth.kept[:, prompt] @ scores[prompt]
    return (
        float(gains[order[:3]].sum() / best),
        float(order[0] == effects.argmax()),
        _spearman(given, effects),
        _spearman(sums, found) if np.ptp(found) > 0.1 else float("nan"),
    )


def _spearman(first: Array, second: Array) -> float:
    return float(rank_correlation(first[None], second[None])[0])


if __name__ == "__main__":
    main()
