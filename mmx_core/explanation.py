"""What an explanation holds: frozen dataclasses over numpy arrays, free of torch.

Letters are those of CONTRIBUTING, "Notation". Values are raw, in logit units: viewers normalise.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from mmx_core.parts import (
    ByContent,
    chosen_tokens,
    only,
    require_groups,
    require_index,
    require_objects,
    require_per_image,
    require_shape,
    require_words,
    shortened,
)
from mmx_core.parts import Candidate as Candidate
from mmx_core.parts import ContextWord as ContextWord
from mmx_core.parts import EncodedImage as EncodedImage
from mmx_core.parts import ExplainedImage as ExplainedImage
from mmx_core.parts import ObjectMask as ObjectMask
from mmx_core.parts import Role as Role
from mmx_core.parts import Token as Token
from mmx_core.parts import WordGroup as WordGroup
from mmx_core.text.phrases import SaidWords

if TYPE_CHECKING:
    import pandas

FloatArray = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Alternative(ByContent):
    """A word that was not said, or a word of the prompt, explained beside the answer.

    Attributes:
        context_index: Of the token in whose place it is, among the ``C`` context tokens; the
            token itself where a prompt's own word is explained.
        candidate: The word, with its probability there at scale 1.0 (NaN for the first token).
        heatmaps: ``(H, W)`` float32 for each image, as :attr:`Explanation.heatmaps`.
        grounding: Share of its activation that falls on the images.
        influence: ``(W,)`` float32, nats, of each of :attr:`Explanation.context_words` on
            ``log p(said) - log p(this word)``: above 0, it speaks for what was said. Of a prompt's
            own word as :attr:`Explanation.influence`. None where it was not measured.
        image_gain: Nats, of the same difference: above 0, the image speaks for what was said.
            None where it was not measured.
    """

    context_index: int
    candidate: Candidate
    heatmaps: tuple[FloatArray, ...]
    grounding: float
    influence: FloatArray | None = None
    image_gain: float | None = None

    def __post_init__(self) -> None:
        require_per_image("heatmaps of an alternative", self.heatmaps)

    @property
    def heatmap(self) -> FloatArray:
        """``(H, W)`` of the only image; ValueError where there are several."""
        array: FloatArray = only("heatmap", self.heatmaps)
        return array


@dataclass(frozen=True, eq=False)
class ScaleExplanation(ByContent):
    """The logit lens at one input resolution, before suppression.

    Attributes:
        factor: Input resolution relative to scale 1.0.
        grids: Rows and columns of the maps of each image, ``(h, w)``.
        maps: ``(T, h, w)`` float32 for each image, ``relu(W[y_t] . h_v)``, or by occlusion
            nats of ``log p`` lost (``provenance``); NaN where the model does
            not see the image.
        probability: ``(T,)`` float32, ``p_s(y_t)`` at this scale.
        rank: ``(T,)`` int64, rank of ``y_t`` among the vocabulary at this scale; 0 is the top.
        divergence: ``(T,)`` float32, Jensen-Shannon divergence (nats) of the prediction here from
            the prediction at scale 1.0.
        top: The word each token would have been at this scale; its text is what a viewer shows
            where ``rank > 0``.
    """

    factor: float
    grids: tuple[tuple[int, int], ...]
    maps: tuple[FloatArray, ...]
    probability: FloatArray
    rank: NDArray[np.int64]
    divergence: FloatArray
    top: tuple[Candidate, ...]

    def __post_init__(self) -> None:
        count = len(self.probability)
        require_per_image(f"maps at scale {self.factor}", self.maps)
        if len(self.grids) != len(self.maps):
            raise ValueError(
                f"grids at scale {self.factor}: expected one per image ({len(self.maps)}), got "
                f"{len(self.grids)}"
            )
        for grid, maps in zip(self.grids, self.maps, strict=True):
            require_shape(f"maps at scale {self.factor}", maps, (count, *grid))
        require_shape(f"rank at scale {self.factor}", self.rank, (count,))
        require_shape(f"divergence at scale {self.factor}", self.divergence, (count,))
        if len(self.top) != count:
            raise ValueError(f"top at scale {self.factor}: expected {count}, got {len(self.top)}")

    @property
    def grid(self) -> tuple[int, int]:
        """``(h, w)`` of the only image; ValueError where there are several."""
        grid: tuple[int, int] = only("grid", self.grids)
        return grid

    @property
    def map(self) -> FloatArray:
        """``(T, h, w)`` of the only image; ValueError where there are several."""
        array: FloatArray = only("map", self.maps)
        return array


@dataclass(frozen=True, eq=False)
class Explanation(ByContent):
    """Which pixels and which words made each token of one answer.

    Attributes:
        id: The sample's id.
        prompt: The user's text.
        answer: The explained answer's text.
        tokens: The ``T`` answer tokens.
        context: The ``C = P + T`` text tokens in sequence order: the prompt's, then the answer's.
        heatmaps: ``(T, H, W)`` float32 for each of :attr:`images`, suppressed per scale and
            aggregated over the scales; NaN where the model does not see the image.
        scales: One entry per input resolution, ascending factor; 1.0 is always among them.
        relevance: ``(T, C)`` float32, ARC's rank-biased overlap in ``[0, 1]``; NaN where ``j`` is
            not context of ``t`` (``t`` itself and later answer tokens).
        text_activation: ``(T, C)`` float32, ``relu(W[y_t] . h_j)``; NaN as above, and all of it
            where no lens was read.
        interference_weights: ``(T, C)`` float32, how much each token counted as interference;
            zero where it did not. With ``share`` later answer tokens may have weight, too.
        grounding: ``(T,)`` float32 in ``[0, 1]``, the share of activation that falls on the images;
            NaN where no lens was read.
        candidates: For each of the ``C`` context tokens the leading predictions made at the
            position that predicts it, best first (empty for the sequence's first token). Those of
            answer token ``t`` are ``candidates[P + t]``.
        images: What the maps lie on: one entry per image, and per temporal patch of a video.
        image_gain: ``(T,)`` float32, nats: ``log p(y_t)`` minus the logarithm of its mean
            probability with other pictures in the image's place. About 0 where the word needed no
            picture. None where it was not measured.
        image_gains: ``(T, pictures)`` float32, of several images and videos: with each exchanged
            and the others kept. None where there is one.
        influence: ``(T, W)`` float32, nats: ``log p(y_t)`` minus what it is without the word. Above
            0 the word makes the token likelier. NaN where the word does not end before the token,
            or was not measured. None where none was.
        context_words: The ``W`` words that :attr:`influence` is about, in order: whoever's, the
            answer's own among them. The template's markers are none, unless there is nothing else.
        estimate: ``(T, C)`` float32, what one pass tells of the influence of each context token;
            ``provenance["estimate"]`` names how, NaN as in ``relevance``. None where there is none.
        used: ``(T, h, w)`` float32 for each of :attr:`images` on its grid at scale 1.0, nats: how
            much of ``log p(y_t)`` goes when all later text cannot attend to that part of the
            picture. NaN where the model does not see the image. None where it was not measured.
        image_grounding: ``(T, I)`` float32, the share that falls on each of the images; the rows
            sum to ``grounding``. None where that is all there is to say: one image.
        turns: The role of each message, the answer's last.
        alternatives: Maps beside the answer's; see :class:`Alternative`.
        words: Which of the ``C`` context tokens make a word; empty in logs of earlier versions.
        objects: What words of the answer name in the (only) picture, where masks were given.
        metrics: Named figures of the whole answer, such as ``obj_iou``.
        provenance: Model, settings, versions, the line that logged it.
        run: Where it was read from; empty until it is read back.
        tag: As above.
        step: As above; None until read back.
    """

    id: str
    prompt: str
    answer: str
    tokens: tuple[Token, ...]
    context: tuple[Token, ...]
    heatmaps: tuple[FloatArray, ...]
    scales: tuple[ScaleExplanation, ...]
    relevance: FloatArray
    text_activation: FloatArray
    interference_weights: FloatArray
    grounding: FloatArray
    candidates: tuple[tuple[Candidate, ...], ...]
    images: tuple[ExplainedImage, ...] = ()
    image_grounding: FloatArray | None = None
    image_gain: FloatArray | None = None
    image_gains: FloatArray | None = None
    influence: FloatArray | None = None
    context_words: tuple[ContextWord, ...] = ()
    estimate: FloatArray | None = None
    used: tuple[FloatArray, ...] | None = None
    turns: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    words: tuple[WordGroup, ...] = ()
    objects: tuple[ObjectMask, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    provenance: Mapping[str, Any] = field(default_factory=dict)
    run: str = ""
    tag: str = ""
    step: int | None = None

    def __post_init__(self) -> None:
        count, context = len(self.tokens), len(self.context)
        if count == 0:
            raise ValueError("tokens: expected at least one answer token, got none")
        if context < count:
            raise ValueError(f"context: expected at least the {count} answer tokens, got {context}")
        require_per_image("heatmaps", self.heatmaps)
        for heatmaps in self.heatmaps:
            if heatmaps.ndim != 3 or len(heatmaps) != count:
                raise ValueError(f"heatmaps: expected shape ({count}, H, W), got {heatmaps.shape}")
        maps = len(self.heatmaps)
        if self.images and len(self.images) != maps:
            raise ValueError(f"images: expected one per heatmap ({maps}), got {len(self.images)}")
        if self.image_grounding is not None:
            require_shape("image_grounding", self.image_grounding, (count, maps))
        if self.image_gain is not None:
            require_shape("image_gain", self.image_gain, (count,))
        if self.image_gains is not None:
            require_shape("image_gains", self.image_gains, (count, self.image_gains.shape[-1]))
        require_groups(self.words, context, prompt=context - count)
        for name in ("relevance", "text_activation", "interference_weights"):
            require_shape(name, getattr(self, name), (count, context))
        require_shape("grounding", self.grounding, (count,))
        if len(self.candidates) != context:
            raise ValueError(f"candidates: expected {context} lists, got {len(self.candidates)}")
        factors = [scale.factor for scale in self.scales]
        if 1.0 not in factors or factors != sorted(set(factors)):
            raise ValueError(f"scales: expected ascending factors with 1.0, got {factors}")
        for scale in self.scales:
            require_shape(f"probability at {scale.factor}", scale.probability, (count,))
            if len(scale.maps) != maps:
                raise ValueError(
                    f"maps at scale {scale.factor}: expected those of {maps} image(s), got "
                    f"{len(scale.maps)}"
                )
        indices = [entry.context_index for entry in self.alternatives]
        if not all(0 <= index < context for index in indices):
            raise ValueError(f"alternatives: expected indices below {context}, got {indices}")
        self._check_measured(count, context)

    def _check_measured(self, count: int, context: int) -> None:
        require_words(self.context_words, context)
        require_objects(self.objects, count)
        words = len(self.context_words)
        if self.influence is None and words:
            raise ValueError(f"influence: expected that of {words} context_words, got none")
        beside = [entry.influence for entry in self.alternatives if entry.influence is not None]
        if self.influence is not None:
            require_shape("influence", self.influence, (count, words))
        for row in beside:
            require_shape("influence of an alternative", row, (words,))
        if self.estimate is not None:
            require_shape("estimate", self.estimate, (count, context))
        if self.used is not None:
            grids = self.base.grids
            require_per_image("used", self.used)
            if len(self.used) != len(grids):
                raise ValueError(f"used: expected one per image ({len(grids)})")
            for grid, maps in zip(grids, self.used, strict=True):
                require_shape("used", maps, (count, *grid))

    @property
    def image(self) -> EncodedImage | None:
        """The first image's pixels, or None where there are none."""
        return self.images[0].image if self.images else None

    @property
    def heatmap(self) -> FloatArray:
        """``(T, H, W)`` of the only image; ValueError where there are several."""
        array: FloatArray = only("heatmap", self.heatmaps)
        return array

    def find(self, phrase: str) -> range:
        """The answer tokens of a word or a phrase, whole, where the answer has it first.

        Raises:
            ValueError: The answer does not have it.
            ImportError: ``regex`` is not installed.
        """
        if isinstance(phrase, str) and (found := self._said().find(phrase)):
            return found
        raise ValueError(f"expected a word or phrase of the answer {self.answer!r}: {phrase!r}")

    def _said(self) -> SaidWords:
        begin = self.prompt_length
        groups = [(word.first - begin, word.text) for word in self.words if word.first >= begin]
        pieces = groups or [(index, token.text) for index, token in enumerate(self.tokens)]
        return SaidWords(pieces, len(self.tokens))

    def span(
        self,
        tokens: str | int | range | slice | Sequence[int],
        *,
        how: Literal["mean", "sum", "max"] = "mean",
        image: int | None = None,
        function_words: bool = False,
    ) -> FloatArray:
        """One map of several tokens: a word of many pieces, a phrase, a whole answer.

        Args:
            tokens: A phrase of the answer or all of it, a token's index, several, a range, a slice.
            how: Their mean, their sum or the highest of each cell.
            image: Index among :attr:`images`; may be left out where there is one.
            function_words: Whether "the" and "and" of a phrase count; given by index they do.

        Returns:
            ``(H, W)``.

        Raises:
            ValueError: No such tokens, another ``how``, or several images and none named.

        Example:
            >>> explanation.span("red circle").shape
            (32, 46)
        """
        if how not in ("mean", "sum", "max"):
            raise ValueError(f"how: expected mean, sum or max, got {how!r}")
        if image is not None:
            require_index("image", image, len(self.heatmaps))
        rows = chosen_tokens(tokens, self.find, len(self.tokens))
        if isinstance(tokens, str) and not function_words:
            rows = self._said().without_function_words(rows)
        heatmap = self.heatmap if image is None else self.heatmaps[image]
        found: FloatArray = getattr(heatmap[rows], how)(axis=0)
        return found

    @property
    def base(self) -> ScaleExplanation:
        """The explanation at scale 1.0."""
        return next(scale for scale in self.scales if scale.factor == 1.0)

    @property
    def prompt_length(self) -> int:
        """``P``, the number of prompt text tokens in ``context``."""
        return len(self.context) - len(self.tokens)

    def to_pandas(self) -> pandas.DataFrame:
        """One row per answer token.

        Returns:
            A frame with ``run, tag, step, token_index, token, probability, grounding`` and
            ``rank`` at scale 1.0, the strongest context token and its relevance, and one
            ``probability@FACTOR`` column per scale. Needs the extra ``analysis``.
        """
        from mmx_core.export.notebook import as_frame

        return as_frame(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a file of the kind that its name ends with, over one that is there.

        Raises:
            ValueError: It ends with none of ``.html``, ``.png``, ``.npz``, ``.safetensors`` or of
                what was registered as a format.
        """
        from mmx_core.export.notebook import save

        save(self, path)

    def show(self) -> None:
        """Opens it in the browser as a page of its own; in a notebook it is the cell's output."""
        from mmx_core.export.notebook import show

        show(self)

    def __repr__(self) -> str:
        scales = " ".join(f"{scale.factor:g}" for scale in self.scales)
        grids = ", ".join(
            f"{rows}x{columns}" for _, rows, columns in (m.shape for m in self.heatmaps)
        )
        return (
            f"Explanation({self.id!r}, {shortened(self.answer)!r}, {len(self.tokens)} tokens, "
            f"scales {scales}, grid {grids})"
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any] | None:
        """The panel as a widget, for notebooks; None takes :meth:`_repr_html_`."""
        from mmx_core.export.notebook import as_widget

        return as_widget(self)

    def _repr_html_(self) -> str:
        """The panel in a frame of its own, for notebooks; plain text where it is not built."""
        from mmx_core.export.notebook import as_html

        return as_html(self)
