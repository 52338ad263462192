"""One sample under every method: scores by word, faithfulness, time and memory."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from mmx_core.evaluation.memory import peak_megabytes
from mmx_core.evaluation.registry import Attribution, Method
from mmx_core.evaluation.rivals.floors import UNIFORM
from mmx_core.evaluation.trials import Perturbed, Trials
from mmx_core.metrics.faithfulness import head_tokens
from mmx_core.metrics.registry import ScoredAnswer, word_scores
from mmx_core.models.base import ModelAdapter
from mmx_core.models.running import undisturbed
from mmx_core.sample import Sample, WordMask
from mmx_core.stages.answer import decode_answer
from mmx_core.stages.prepare import Prepared
from mmx_core.text.lexicon import function_words_of, noun_words
from mmx_core.text.words import tokens_of_words


@dataclass(frozen=True)
class Words:
    """What the words of one answer are.

    Attributes:
        answer: The text.
        tokens: For each word the indices of its tokens.
        masks: Of the words that name things in the image.
        nouns: Words that name things without a mask.
        functions: Function words.
        absent: Words that name what the image does not show.
    """

    answer: str
    tokens: list[list[int]]
    masks: list[WordMask]
    nouns: list[int]
    functions: list[int]
    absent: list[int]

    @property
    def heads(self) -> list[int]:
        """What faithfulness is measured on."""
        return head_tokens(self.masks, self.tokens)


@dataclass(frozen=True)
class Result:
    """What one method got on one sample.

    Attributes:
        scores: Per metric one value per word that it applies to.
        seconds_per_token: Of the method alone.
        peak_mb: What it added to the memory in use.
    """

    scores: dict[str, list[float]] = field(default_factory=dict)
    seconds_per_token: float = float("nan")
    peak_mb: float = float("nan")

    def as_dict(self) -> dict[str, Any]:
        """For the journal."""
        return asdict(self)


def words_of(adapter: ModelAdapter, sample: Sample, prepared: Prepared) -> Words:
    """The words of the answer that was given or generated."""
    answer = prepared.answer
    if answer is None:
        answer = decode_answer(adapter, prepared.answer_ids, prepared.rendered.lead)
    return Words(
        answer=answer,
        tokens=tokens_of_words(adapter.tokenizer, answer, prepared.answer_ids),
        masks=sample.word_masks(answer),
        nouns=noun_words(answer),
        functions=function_words_of(answer),
        absent=list(sample.absent),
    )


def measure_methods(
    adapter: ModelAdapter,
    prepared: Prepared,
    words: Words,
    methods: Mapping[str, Method],
    *,
    perturbed: Perturbed | None,
    other: Image.Image | None = None,
    seed: int,
) -> tuple[dict[str, Result], dict[str, Attribution]]:
    """Runs every method on one sample.

    Args:
        adapter: The model's.
        prepared: The sample.
        words: Of its answer.
        methods: By name.
        perturbed: What the model itself is asked about each map, which takes forwards by the
            hundred; None for nothing.
        other: The picture that hides, where the fill is another.
        seed: For methods that draw, and for ties.
    """
    trials = None if perturbed is None else Trials(adapter, prepared, words.heads, perturbed, other)
    results: dict[str, Result] = {}
    found: dict[str, Attribution] = {}
    for name, method in methods.items():

        def work(method: Method = method) -> tuple[Attribution, float]:
            start = time.perf_counter()
            attribution = undisturbed(adapter.model, method, adapter, prepared, seed)
            return attribution, time.perf_counter() - start

        (attribution, seconds), peak = peak_megabytes(work, adapter.device)
        # NaN in all maps alike: the model does not see this part of the image, nor claims anything.
        unseen = np.isnan(attribution.maps).all(axis=0)
        maps = np.where(unseen, 0, attribution.maps)
        if not np.isfinite(maps).all():
            raise ValueError(f"method {name!r}: expected finite maps, got NaN or infinity")
        scores = word_scores(
            ScoredAnswer(
                maps,
                words.masks,
                words.tokens,
                text=attribution.text,
                nouns=frozenset(words.nouns),
                function_words=words.functions,
            )
        )
        if trials is not None:
            # A map without information has an order of its own: the raster's.
            scores |= trials.scores(attribution, seed=None if name == UNIFORM else seed)
        results[name] = Result(scores, seconds / len(prepared.answer_ids), peak)
        found[name] = attribution
    return results, found
