"""The words of a model's own answers, right and wrong, and the figures that one has of each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from demo.sets import evaluation_samples
from demo.words import COLORS
from mmx_core import Explainer, Explanation, Sample
from mmx_core.attribution.msea import resize
from mmx_core.text.words import split_words, tokens_of_words
from tests.benchmarks import pretrained, second_family
from tests.benchmarks.mistakes_fit import Array, Flags
from tests.benchmarks.pretrained.nouns import NAMES

FIGURES = (
    "probability",
    "margin to the second choice",
    "mean log probability over the scales",
    "least probability at any scale",
    "divergence between the scales",
    "scales of the same first choice",
    "peak of the map",
    "peak of the lens at scale 1",
    "image's share (grounding)",
    "image's gain",
    "entropy over places",
    "likeness of the scales' maps",
)
_LEAST = 1e-6


@dataclass(frozen=True)
class Words:
    """The judged words of one model's answers.

    Attributes:
        figures: ``(N, F)``, as in :data:`FIGURES`, each higher where a word is backed better.
        right: ``(N,)``.
        sample: ``(N,)`` whose each is.
    """

    figures: Array
    right: Flags
    sample: np.ndarray

    def of(self, names: Sequence[str]) -> Array:
        """``(N, K)`` of some figures."""
        return self.figures[:, [FIGURES.index(name) for name in names]]

    @property
    def probability(self) -> Array:
        """``(N,)`` of saying the word, as the model puts it."""
        return np.exp(self.figures[:, 0])


def judged(answer: str, shown: set[str], known: Sequence[str]) -> Iterator[tuple[slice, bool]]:
    """Words of an answer whose truth is known, as a range of words, and whether it is right.

    Args:
        answer: The model's.
        shown: What is in the picture: names of things, or of colour and shape.
        known: All names of things that there are; empty where they are colours and shapes.
    """
    words = [word.text for word in split_words(answer)]
    if known:
        taken = 0
        longest = max(len(name.split()) for name in known)
        for start in range(len(words)):
            for size in range(min(longest, len(words) - start), 0, -1):
                name = " ".join(words[start : start + size])
                if start >= taken and name in known:
                    yield slice(start, start + size), name in shown
                    taken = start + size
        return
    shapes = {name: shape for shape, names in second_family.SYNONYMS.items() for name in names}
    pairs = {(color, shapes[shape]) for color, shape in (name.split() for name in shown)}
    colors = {color for color, _ in pairs}
    for place, (color, shape) in enumerate(pairwise(words)):
        if color in COLORS and shape in shapes:
            yield slice(place, place + 1), color in colors
            if color in colors:
                yield slice(place + 1, place + 2), (color, shapes[shape]) in pairs


def word_figures(explanation: Explanation, tokens: Sequence[int]) -> list[float]:
    """Of one word, in the order of :data:`FIGURES`: sums over its tokens of logarithms and nats,
    means of what else there is."""
    chosen = list(tokens)
    base, scales = explanation.base, explanation.scales
    logs = np.log(np.maximum([scale.probability[chosen] for scale in scales], _LEAST)).sum(axis=1)
    first = len(explanation.candidates) - len(explanation.tokens)
    leading = [explanation.candidates[first + token] for token in chosen]
    margin = [np.log(max(two[0].probability, _LEAST) / max(two[1].probability, _LEAST))
              for two in leading]  # fmt: skip
    others = [scale for scale in scales if scale is not base] or [base]
    heat = explanation.heatmap[chosen]
    share = heat.reshape(len(heat), -1)
    share = np.maximum(share / np.maximum(share.sum(axis=1, keepdims=True), 1e-9), 1e-12)
    entropy = -(share * np.log(share)).sum(axis=1) / np.log(share.shape[1])
    gain = explanation.image_gain
    assert gain is not None, "a set has references"
    return [
        float(np.log(np.maximum(base.probability[chosen], _LEAST)).sum()),
        float(np.min(margin)),
        float(logs.mean()),
        float(logs.min()),
        -float(np.mean([scale.divergence[chosen].mean() for scale in others])),
        float(np.mean([(scale.rank[chosen] == 0).all() for scale in others])),
        float(np.log(np.maximum(heat.max(axis=(1, 2)), _LEAST)).mean()),
        float(np.log(np.maximum(base.map[chosen].max(axis=(1, 2)), _LEAST)).mean()),
        float(explanation.grounding[chosen].mean()),
        float(gain[chosen].sum()),
        -float(entropy.mean()),
        float(np.mean([likeness(base.map[chosen], scale.map[chosen]) for scale in others])),
    ]


def collect(explainer: Explainer, samples: Sequence[Sample], known: Sequence[str]) -> Words:
    """Lets a model answer, and judges its words."""
    figures, right, owner = [], [], []
    asked = [Sample(each.id, each.image_list()[0], each.prompt) for each in samples]
    for index, explanation in enumerate(explainer.explain_batch(asked)):
        ids = [token.id for token in explanation.tokens]
        pieces = tokens_of_words(explainer.adapter.tokenizer, explanation.answer, ids)
        shown = {mask.name for mask in samples[index].word_masks(samples[index].answer or "")}
        for place, is_right in judged(explanation.answer, shown, known):
            tokens = [token for word in pieces[place] for token in word]
            figures.append(word_figures(explanation, tokens))
            right.append(is_right)
            owner.append(index)
    return Words(np.asarray(figures), np.asarray(right, dtype=bool), np.asarray(owner))


def figures_of(source: str, count: int, keep: Path | None) -> Words:
    """Of ``SET=MODEL``; read from where they are kept, if they are."""
    kind, _, folder = source.partition("=")
    file = keep and keep / f"{kind}-{'-'.join(Path(folder).parts[-2:])}-{count}.npz"
    if file and file.is_file():
        return Words(**np.load(file))
    if kind == "pretrained":
        samples = pretrained.evaluation_samples("scenes", count)
    elif kind == "wordy":
        samples = second_family.samples(count)
    else:
        samples = evaluation_samples(kind, count)
    # The pretrained one has at 1.5 the tiles of 2, and was stored in half of the bits.
    settings: dict[str, Any] = (
        {"scales": (1.0, 2.0), "dtype": torch.bfloat16}
        if kind == "pretrained"
        else {"dtype": torch.float32}
    )
    explainer = Explainer.from_pretrained(folder, max_new_tokens=64, **settings)
    found = collect(explainer, samples, NAMES if kind == "pretrained" else ())
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, **vars(found))
    return found


def likeness(base: np.ndarray, other: np.ndarray) -> float:
    """The correlation of maps at two scales over the places of the finer one; 0 of a flat one."""
    grid = max(base.shape[1:], other.shape[1:], key=lambda sides: sides[0] * sides[1])
    flat = [resize(torch.from_numpy(maps), grid).flatten(1) for maps in (base, other)]
    one, two = (values - values.mean(dim=1, keepdim=True) for values in flat)
    norms = (one.norm(dim=1) * two.norm(dim=1)).clamp_min(1e-9)
    return float(((one * two).sum(dim=1) / norms).mean())
