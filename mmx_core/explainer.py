"""One call explains an answer: which pixels and which words made each of its tokens."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import torch

from mmx_core.explanation import Explanation
from mmx_core.models import ModelAdapter, adapter_for
from mmx_core.sample import ImageLike, Sample, Video
from mmx_core.settings import (
    DEFAULT_SCALES,
    DEFAULTS,
    MEASURED,
    Aggregation,
    Measured,
    Method,
    Settings,
    Suppression,
    check_settings,
    checked_scales,
    require_positive,
)
from mmx_core.stages.batches import explained_in_batches
from mmx_core.stages.pipeline import Pipeline
from mmx_core.stages.prepare import Prepared
from mmx_core.stages.references import References

_BATCH_TOKENS = 8192


class Explainer:
    """Explains answers of one model.

    Args:
        model: A Hugging Face multimodal model of a known family, on any device, in any dtype, with
            any attention implementation.
        processor: Its processor; or give ``image_processor`` and ``tokenizer`` (processors of some
            families cannot be built without torchvision).
        image_processor: See above.
        tokenizer: See above.
        method: ``lens`` reads the model's own logits at its visual tokens. ``occlusion`` hides
            parts of the picture one by one and measures what each word loses, for models whose
            visual tokens stand for no place; it takes a hundred forwards or more, and no setting
            of the lens (scales, aggregation, suppression, causal, rank_filter).
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
        max_visual_tokens: Bound on the visual tokens of a sample's images at any scale.
        chat_template: Used where the tokenizer carries none.
        chat_template_kwargs: Variables of the chat template, such as ``enable_thinking``.
        faithfulness: Whether samples with masks get insertion, deletion and flip rate of their
            masked words, too: some forty forwards of the image per word.
        image_gain: Whether :attr:`Explanation.image_gain` is measured: how much likelier each word
            is with its picture than with others, a forward at scale 1 for each of three. By
            default in sets (:meth:`explain_batch`, ``ExplainCallback``), where there are others.
        influence: Whether :attr:`Explanation.influence` is measured: how much likelier each word
            of the context makes each explained token, by taking it away. A short pass over the
            text for each word; the picture is not computed again (docs/influence.md).
        influence_words: Bound on the words taken away, those that seem to matter most first.
        influence_seconds: After which no more are; and no more of a picture's parts for ``used``.
        used: Whether :attr:`Explanation.used` is measured: how much likelier each part of the
            pictures makes each word, by hiding it from the text behind them. Costs no more than an
            explanation at five scales.
        rank_timeout: Seconds that a rank waits for the others where weights are sharded over
            processes (FSDP, ZeRO-3). Every rank has to explain the same samples there; each gets
            the explanation, and one may write it.

    Raises:
        ValueError: A setting out of its range, or an unsupported model.

    Example:
        >>> explainer = mmx_core.Explainer(model, processor)
        >>> explanation = explainer.explain(image, "Describe the image.")
        >>> explanation.heatmap.shape  # answer tokens, rows, columns
        (19, 32, 46)
    """

    def __init__(
        self,
        model: Any,
        processor: Any = None,
        *,
        image_processor: Any = None,
        tokenizer: Any = None,
        method: Method = DEFAULTS.method,
        scales: Sequence[float] = DEFAULT_SCALES,
        aggregation: Aggregation = DEFAULTS.aggregation,
        suppression: Suppression = DEFAULTS.suppression,
        causal: bool = DEFAULTS.causal,
        rank_filter: bool | None = None,
        top_k: int = DEFAULTS.top_k,
        persistence: float = DEFAULTS.persistence,
        candidates: int = DEFAULTS.candidates,
        max_new_tokens: int = 128,
        max_visual_tokens: int = 16_384,
        chat_template: str | None = None,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        faithfulness: bool = False,
        image_gain: bool | None = None,
        influence: bool = MEASURED.influence,
        influence_words: int = MEASURED.influence_words,
        influence_seconds: float = MEASURED.influence_seconds,
        used: bool = MEASURED.used,
        rank_timeout: float = 60.0,
    ) -> None:
        _require_loaded(model)
        image_processor = image_processor or getattr(processor, "image_processor", None)
        tokenizer = tokenizer or getattr(processor, "tokenizer", None)
        if image_processor is None or tokenizer is None:
            raise ValueError(
                "expected a processor, or both image_processor and tokenizer; "
                f"got processor={type(processor).__name__}, "
                f"image_processor={type(image_processor).__name__}, "
                f"tokenizer={type(tokenizer).__name__}"
            )
        check_settings(
            {
                "method": method,
                "scales": scales,
                "aggregation": aggregation,
                "suppression": suppression,
                "causal": causal,
                "rank_filter": rank_filter,
                "top_k": top_k,
                "persistence": persistence,
                "candidates": candidates,
                "max_new_tokens": max_new_tokens,
                "max_visual_tokens": max_visual_tokens,
                "chat_template_kwargs": chat_template_kwargs,
                "image_gain": image_gain,
                "influence": influence,
                "influence_words": influence_words,
                "influence_seconds": influence_seconds,
                "used": used,
            }
        )
        self.scales = checked_scales(scales) if method == "lens" else (1.0,)
        self.adapter: ModelAdapter = adapter_for(
            model,
            image_processor=image_processor,
            tokenizer=tokenizer,
            chat_template=chat_template or getattr(processor, "chat_template", None),
            places=method != "occlusion",
        )
        self.adapter.processor = processor
        self.adapter.chat_template_kwargs = dict(chat_template_kwargs or {})
        if self.adapter.sharding is not None:
            self.adapter.sharding.timeout = rank_timeout
        self.settings = Settings(
            method=method,
            aggregation=aggregation,
            suppression=suppression,
            causal=causal,
            rank_filter=suppression == "tam" if rank_filter is None else rank_filter,
            top_k=top_k,
            persistence=persistence,
            candidates=candidates,
        )
        self.image_gain = image_gain
        self._pipeline = Pipeline(
            adapter=self.adapter,
            scales=self.scales,
            settings=self.settings,
            max_new_tokens=max_new_tokens,
            max_visual_tokens=max_visual_tokens,
            faithfulness=faithfulness,
            measured=Measured(influence, influence_words, influence_seconds, used),
        )

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

        Raises:
            TypeError: An unknown setting, said before anything is loaded.
            ValueError: A setting out of its range, likewise; or an unsupported model.
        """
        check_settings(settings)
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
        image: ImageLike | Video | Sequence[ImageLike | Video] = (),
        prompt: str = "",
        *,
        answer: str | None = None,
        messages: Sequence[Mapping[str, Any]] | None = None,
        turn: int | None = None,
        why_not: Mapping[int | str, str | Sequence[str]] | None = None,
        prompt_words: bool = False,
        chat_template_kwargs: Mapping[str, Any] | None = None,
        id: str = "sample",
    ) -> Explanation:
        """Explains every token of an answer.

        Args:
            image: A picture (:data:`mmx_core.sample.ImageLike`: a PIL image, an array, a path, a
                file's bytes, ...), a :class:`Video`, or a sequence of them.
            prompt: The user's text; the images go before it.
            answer: Teacher-forced if given; else the model answers first (greedily).
            messages: Instead of a prompt, a conversation in chat-template form; its image parts
                carry a picture (``{"type": "image", "image": ...}``) or stand for those given.
            turn: Which assistant's message of the conversation is explained; the last by default.
            why_not: Words that might have been said, by the answer's word or token index:
                ``{"dog": "cat"}``. Each gets a map in :attr:`Explanation.alternatives`.
            prompt_words: Whether the words that the user wrote get maps there, too.
            chat_template_kwargs: Variables of the chat template; they go before the explainer's.
            id: What messages and logs call this sample.

        Returns:
            The explanation; numpy arrays, values raw.

        Raises:
            ValueError: Bad input, said before any work; or the model's numbers are not finite.

        Example:
            >>> explanation = explainer.explain(image, "What is this?", why_not={"dog": "cat"})
            >>> explanation.span("a red circle").shape
            (32, 46)
        """
        sample = Sample(
            id,
            image,
            prompt,
            answer,
            messages=messages,
            turn=turn,
            why_not=why_not or {},
            prompt_words=prompt_words,
            chat_template_kwargs=chat_template_kwargs or {},
        )
        # To its end: an interrupt that came while a generator is thrown away would be lost.
        (explanation,) = list(
            explained_in_batches(
                self._pipeline, [sample], self._limit, image_gain=bool(self.image_gain)
            )
        )
        return explanation

    def explain_batch(
        self,
        samples: Iterable[Sample | Mapping[str, Any]],
        *,
        max_tokens_per_batch: int | None = None,
        references: Iterable[Sample | Mapping[str, Any]] | None = None,
    ) -> Iterator[Explanation]:
        """Explains samples lazily and in their order, several of like length in one forward.

        Args:
            samples: What is explained; mappings with the fields of :class:`Sample` as keys, too.
            max_tokens_per_batch: Bound on the positions of one forward, padding counted, at the
                finest scale; a longer sample goes alone. By default 8,192 on an accelerator, and
                one sample at a time on a CPU, where larger batches gain nothing.
            references: Samples whose pictures stand in for each sample's own to measure the
                image's gain; by default all of ``samples``, or the first 16 where they come one by
                one. Where there is no other picture, a plain one of the mean colour stands in.

        Raises:
            ValueError: As :meth:`explain`; the message names the sample. Those before it have
                been handed out by then.
        """
        limit = self._limit if max_tokens_per_batch is None else max_tokens_per_batch
        if max_tokens_per_batch is not None:
            require_positive(max_tokens_per_batch=limit)
        return explained_in_batches(
            self._pipeline, samples, limit, references, image_gain=self.image_gain is not False
        )

    @property
    def _limit(self) -> int:
        return 0 if self.adapter.device.type == "cpu" else _BATCH_TOKENS

    def check(self, sample: Sample) -> None:
        """Refuses a sample that cannot be explained, without a forward of the model.

        Raises:
            ValueError: Bad input; the message names the sample.
        """
        self._pipeline.check(sample)

    def prepare(self, sample: Sample) -> Prepared:
        """Checks a sample and lets the model answer where no answer is given.

        Raises:
            ValueError: Bad input; the message names the sample.
        """
        return self._pipeline.prepare(sample)

    def explain_prepared(self, sample: Sample, prepared: Prepared) -> Explanation:
        """Explains a sample that :meth:`prepare` has checked.

        For several methods on the same tokens of the same answer.

        Raises:
            ValueError: The model's numbers are not finite; the message names the sample.
        """
        others = References([]) if self.image_gain else None
        (explanation,) = list(self._pipeline.explain([(sample, prepared)], others))
        return explanation


def _require_loaded(model: Any) -> None:
    if isinstance(model, torch.nn.Module):
        return
    if isinstance(model, (str, os.PathLike)):
        raise ValueError(
            f"model: expected a loaded one, got its name {os.fspath(model)!r}; load it with "
            f"Explainer.from_pretrained({os.fspath(model)!r})"
        )
    got = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
    raise ValueError(
        f"model: expected a loaded one, a torch.nn.Module, got {got}; load it with its "
        "from_pretrained, or with Explainer.from_pretrained"
    )
