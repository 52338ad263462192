"""One call explains an answer: which pixels and which words made each of its tokens."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from mmx_core.attribution.arc import PERSISTENCE, TOP_K
from mmx_core.attribution.msea import AGGREGATIONS, Aggregation
from mmx_core.attribution.suppression import SUPPRESSIONS, Suppression
from mmx_core.explanation import (
    Candidate,
    Explanation,
    Role,
    ScaleExplanation,
    Token,
)
from mmx_core.images import encode as encode_image
from mmx_core.metrics.faithfulness import Perturber, faithfulness, head_tokens
from mmx_core.metrics.summary import explanation_metrics
from mmx_core.models import ModelAdapter, adapter_for
from mmx_core.passes import Measured, Settings, measure
from mmx_core.prepare import Prepared, decode_answer, prepare
from mmx_core.provenance import describe_caller, describe_model, describe_versions
from mmx_core.sample import ImageLike, Sample
from mmx_core.undisturbed import undisturbed
from mmx_core.words import tokens_of_words

DEFAULT_SCALES = (1.0, 1.5, 2.0)


class Explainer:
    """Explains answers of one model.

    Args:
        model: A Hugging Face multimodal model of a known family, on any device, in any dtype, with
            any attention implementation.
        processor: Its processor; or give ``image_processor`` and ``tokenizer`` (processors of some
            families cannot be built without torchvision).
        image_processor: See above.
        tokenizer: See above.
        scales: Input resolutions relative to the model's own; 1.0 must be among them.
        aggregation: How maps of several scales become one: ``geometric``, ``mean`` (the paper's)
            or ``agreement``.
        suppression: ``share`` (ours), ``irrelevance`` (the paper's), ``relevance``, ``competing``,
            ``tam`` or ``none``; see :mod:`mmx_core.attribution.suppression`.
        causal: With ``share``, whether only words before the token compete with it.
        rank_filter: TAM's denoising; None means on for ``tam`` alone.
        top_k: Depth of the rankings compared (ARC).
        persistence: ``p`` of rank-biased overlap.
        candidates: How many leading predictions are kept for each token.
        max_new_tokens: Bound on a generated answer.
        max_visual_tokens: Bound on one image's visual tokens at any scale.
        chat_template: Used where the tokenizer carries none.
        faithfulness: Whether samples with masks get insertion, deletion and flip rate of their
            masked words, too: some forty forwards of the image per word.

    Raises:
        ValueError: A setting out of its range, or an unsupported model.

    Example:
        >>> explainer = mmx_core.Explainer(model, processor)
        >>> explanation = explainer.explain(image, "Describe the image.")
        >>> explanation.heatmaps.shape  # answer tokens, rows, columns
        (19, 32, 46)
    """

    def __init__(
        self,
        model: Any,
        processor: Any = None,
        *,
        image_processor: Any = None,
        tokenizer: Any = None,
        scales: Sequence[float] = DEFAULT_SCALES,
        aggregation: Aggregation = "geometric",
        suppression: Suppression = "share",
        causal: bool = False,
        rank_filter: bool | None = None,
        top_k: int = TOP_K,
        persistence: float = PERSISTENCE,
        candidates: int = 8,
        max_new_tokens: int = 128,
        max_visual_tokens: int = 16_384,
        chat_template: str | None = None,
        faithfulness: bool = False,
    ) -> None:
        image_processor = image_processor or getattr(processor, "image_processor", None)
        tokenizer = tokenizer or getattr(processor, "tokenizer", None)
        if image_processor is None or tokenizer is None:
            raise ValueError(
                "expected a processor, or both image_processor and tokenizer; "
                f"got processor={type(processor).__name__}, "
                f"image_processor={type(image_processor).__name__}, "
                f"tokenizer={type(tokenizer).__name__}"
            )
        self.scales = _checked_scales(scales)
        _require_choice("aggregation", aggregation, AGGREGATIONS)
        _require_choice("suppression", suppression, SUPPRESSIONS)
        if not 0 < persistence < 1:
            raise ValueError(f"persistence: expected a number in (0, 1), got {persistence}")
        _require_positive(
            top_k=top_k,
            candidates=candidates,
            max_new_tokens=max_new_tokens,
            max_visual_tokens=max_visual_tokens,
        )
        self.adapter: ModelAdapter = adapter_for(
            model,
            image_processor=image_processor,
            tokenizer=tokenizer,
            chat_template=chat_template or getattr(processor, "chat_template", None),
        )
        self.settings = Settings(
            aggregation=aggregation,
            suppression=suppression,
            causal=causal,
            rank_filter=suppression == "tam" if rank_filter is None else rank_filter,
            top_k=top_k,
            persistence=persistence,
            candidates=candidates,
        )
        self.max_new_tokens = max_new_tokens
        self.max_visual_tokens = max_visual_tokens
        self.faithfulness = faithfulness

    @classmethod
    def from_pretrained(
        cls,
        name_or_path: str | os.PathLike[str],
        *,
        device: str | torch.device | None = None,
        dtype: torch.dtype | str = "auto",
        **settings: Any,
    ) -> Explainer:
        """Loads a model with what it needs, with or without torchvision.

        Args:
            name_or_path: A checkpoint directory or a hub id.
            device: Where to put it; CUDA if there is one, by default.
            dtype: Of the weights; ``auto`` is that of the file, but float32 on a CPU, where half
                precision is several times slower.
            **settings: Of :class:`Explainer`.
        """
        from mmx_core.models.loading import load_parts

        model, image_processor, tokenizer, chat_template = load_parts(
            name_or_path, device=device, dtype=dtype
        )
        settings.setdefault("chat_template", chat_template)
        return cls(model, image_processor=image_processor, tokenizer=tokenizer, **settings)

    @classmethod
    def paper(cls, model: Any, processor: Any = None, **settings: Any) -> Explainer:
        """The published method's setting: mean over the scales, ARC with k = 50, irrelevance.

        arXiv 2509.22415. The direction of the weighting is inferred from its abstract.
        """
        settings = {"aggregation": "mean", "suppression": "irrelevance", "top_k": 50, **settings}
        return cls(model, processor, **settings)

    def explain(
        self,
        image: ImageLike | Sequence[ImageLike],
        prompt: str,
        *,
        answer: str | None = None,
        id: str = "sample",
    ) -> Explanation:
        """Explains every token of an answer.

        Args:
            image: A PIL image, an array or a path.
            prompt: The user's text.
            answer: Teacher-forced if given; else the model answers first (greedily).
            id: What messages and logs call this sample.

        Returns:
            The explanation; numpy arrays, values raw.

        Raises:
            ValueError: Bad input, said before any work; or the model's numbers are not finite.
        """
        return self._explain(Sample(id, image, prompt, answer))

    def explain_batch(self, samples: Iterable[Sample]) -> Iterator[Explanation]:
        """Explains samples one after the other, lazily, so that memory stays bounded."""
        for sample in samples:
            yield self._explain(sample)

    def _explain(self, sample: Sample) -> Explanation:
        try:
            prepared = prepare(
                self.adapter,
                sample,
                scales=self.scales,
                max_visual_tokens=self.max_visual_tokens,
                max_new_tokens=self.max_new_tokens,
            )
            return self.explain_prepared(sample, prepared)
        except (ValueError, TypeError) as error:
            kind = TypeError if isinstance(error, TypeError) else ValueError
            raise kind(f"sample {sample.id!r}: {error}") from error

    def explain_prepared(self, sample: Sample, prepared: Prepared) -> Explanation:
        """Explains a sample that :func:`mmx_core.prepare.prepare` has checked.

        For several methods on the same tokens of the same answer.
        """
        with undisturbed(self.adapter.model):
            measured = measure(self.adapter, prepared, self.scales, self.settings)
        explanation = self._assemble(sample, prepared, measured)
        return replace(explanation, metrics=self._metrics(sample, prepared, explanation))

    def _assemble(
        self,
        sample: Sample,
        prepared: Prepared,
        measured: Measured,
    ) -> Explanation:
        adapter, answer_ids = self.adapter, prepared.answer_ids
        texts: dict[int, str] = {}

        def text(token_id: int) -> str:
            if token_id not in texts:
                texts[token_id] = adapter.token_text(token_id)
            return texts[token_id]

        roles: list[tuple[int, Role, bool]] = [
            (token, "prompt", not written) for token, written in prepared.rendered.text
        ]
        roles += [(token, "answer", False) for token in answer_ids]
        context = tuple(
            Token(token, text(token), role, int(position), special)
            for (token, role, special), position in zip(roles, measured.text_positions, strict=True)
        )
        candidates = tuple(
            tuple(
                Candidate(int(i), text(int(i)), float(p)) for i, p in zip(ids, values, strict=True)
            )
            if known
            else ()
            for ids, values, known in zip(
                measured.candidate_ids,
                measured.candidate_probabilities,
                measured.predicted,
                strict=True,
            )
        )
        scales = tuple(
            ScaleExplanation(
                factor=factor,
                grid=grid,
                maps=measured.maps[index],
                probability=measured.probability[index],
                rank=measured.rank[index],
                divergence=measured.divergence[index],
                top=tuple(
                    Candidate(int(i), text(int(i)), float(p))
                    for i, p in zip(
                        measured.top_ids[index], measured.top_probability[index], strict=True
                    )
                ),
            )
            for index, (factor, grid) in enumerate(zip(self.scales, measured.grids, strict=True))
        )
        answer = sample.answer
        if answer is None:
            answer = decode_answer(adapter, answer_ids)
        return Explanation(
            id=sample.id,
            prompt=sample.prompt,
            answer=answer,
            tokens=context[-len(answer_ids) :],
            context=context,
            heatmaps=measured.heatmaps,
            scales=scales,
            relevance=measured.relevance,
            text_activation=measured.text_activation,
            interference_weights=measured.interference_weights,
            grounding=measured.grounding,
            candidates=candidates,
            image=encode_image(prepared.image),
            provenance={
                "model": describe_model(adapter.model),
                "settings": {"scales": list(self.scales), **self.settings.as_dict()},
                "teacher_forced": sample.answer is not None,
                "competed": float(np.mean(measured.interference_weights.any(axis=1))),
                "versions": describe_versions(),
                "logged_at": describe_caller(),
            },
        )

    def _metrics(
        self, sample: Sample, prepared: Prepared, explanation: Explanation
    ) -> dict[str, float]:
        if not sample.masks and not sample.absent:
            return {}
        words = tokens_of_words(self.adapter.tokenizer, explanation.answer, prepared.answer_ids)
        figures = explanation_metrics(explanation, sample, words)
        if self.faithfulness:
            masks = sample.word_masks(explanation.answer)
            tokens = head_tokens(masks, words)
            if tokens:
                perturber = Perturber(self.adapter, prepared)
                found = faithfulness(perturber, explanation.heatmaps[tokens], tokens)
                figures |= found.means()
        return figures


def _checked_scales(scales: Sequence[float]) -> tuple[float, ...]:
    values = tuple(sorted({float(scale) for scale in scales}))
    if any(not np.isfinite(value) or value <= 0 for value in values):
        raise ValueError(f"scales: expected finite numbers above 0, got {tuple(scales)}")
    if 1.0 not in values:
        raise ValueError(
            f"scales: expected 1.0 among them (agreement is measured against it), got "
            f"{tuple(scales)}"
        )
    return values


def _require_choice(name: str, value: str, choices: Sequence[str]) -> None:
    if value not in choices:
        raise ValueError(f"{name}: expected one of {', '.join(choices)}; got {value!r}")


def _require_positive(**numbers: int) -> None:
    for name, value in numbers.items():
        if value < 1:
            raise ValueError(f"{name}: expected at least 1, got {value}")
