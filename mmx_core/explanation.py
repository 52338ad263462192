"""What an explanation holds: frozen dataclasses over numpy arrays, free of torch.

Notation (the method's): ``T`` answer tokens, ``P`` prompt text tokens, ``C = P + T`` context
tokens, ``(h, w)`` the grid of visual tokens at one scale, ``(H, W)`` the common grid.
Values are raw, in logit units; normalisation belongs to the viewer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas

FloatArray = NDArray[np.floating[Any]]
Maps = Any
"""``(T, H, W)`` of the only image; with several images (or frames of a video) a tuple of such."""
Role = Literal["prompt", "answer"]

_SHOWN_CHARACTERS = 60


def _per_image(maps: Maps) -> tuple[FloatArray, ...]:
    return tuple(maps) if isinstance(maps, tuple) else (maps,)


def _require_shape(name: str, array: np.ndarray, expected: tuple[int, ...]) -> None:
    if array.shape != expected:
        raise ValueError(f"{name}: expected shape {expected}, got {array.shape}")


@dataclass(frozen=True)
class Token:
    """One text token.

    Attributes:
        id: Index into the model's vocabulary.
        text: The token as a person reads it, its leading space kept.
        role: ``"prompt"`` or ``"answer"``.
        position: Index in the model's input sequence at scale 1.0 (visual tokens counted).
        special: True for template markers such as ``<|im_start|>``.
        turn: Index of its message in the conversation (:attr:`Explanation.turns`).
    """

    id: int
    text: str
    role: Role
    position: int
    special: bool = False
    turn: int = 0


@dataclass(frozen=True)
class WordGroup:
    """Adjacent context tokens that make a word, or stand between words.

    Attributes:
        first: Its first token's index among the ``C`` context tokens; it ends where the next
            group begins.
        text: What its tokens spell together, characters whole, the blank before them kept.
    """

    first: int
    text: str


@dataclass(frozen=True)
class Candidate:
    """One entry of a next-token prediction: vocabulary id, its text, its probability."""

    id: int
    text: str
    probability: float


@dataclass(frozen=True)
class EncodedImage:
    """The explained image as compressed bytes, so that it is stored once and never re-encoded.

    Attributes:
        data: A PNG or JPEG file's bytes.
        format: ``"png"`` or ``"jpeg"``.
        width: Pixels.
        height: Pixels.
        hash: Hexadecimal content hash, the image's name in the event file.
    """

    data: bytes
    format: Literal["png", "jpeg"]
    width: int
    height: int
    hash: str


@dataclass(frozen=True)
class ExplainedImage:
    """What has a map of its own: an image, or the frames that one patch of a video covers.

    Attributes:
        image: Its pixels (of a video's patch: the first frame), or None when a reader could not
            find them.
        picture: Index among the sample's images and videos.
        frames: Indices of the video's frames; empty for an image.
        seconds: When each of them is shown.
    """

    image: EncodedImage | None
    picture: int = 0
    frames: tuple[int, ...] = ()
    seconds: tuple[float, ...] = ()


@dataclass(frozen=True)
class Alternative:
    """A word that was not said, or a word of the prompt, explained beside the answer.

    Attributes:
        context_index: Of the token in whose place it is, among the ``C`` context tokens; the
            token itself where a prompt's own word is explained.
        candidate: The word, with its probability there at scale 1.0 (NaN for the first token).
        heatmaps: ``(H, W)`` float32, as :attr:`Explanation.heatmaps`; a tuple with several images.
        grounding: Share of its activation that falls on the images.
    """

    context_index: int
    candidate: Candidate
    heatmaps: Maps
    grounding: float

    @property
    def per_image(self) -> tuple[FloatArray, ...]:
        """``(H, W)`` for each image."""
        return _per_image(self.heatmaps)


@dataclass(frozen=True)
class ScaleExplanation:
    """The logit lens at one input resolution, before suppression.

    Attributes:
        factor: Input resolution relative to scale 1.0.
        grid: Rows and columns of the maps, ``(h, w)``; with several images a tuple of such.
        maps: ``(T, h, w)`` float32, ``relu(W[y_t] . h_v)``; NaN where the model does not see the
            image. With several images a tuple of one such array per image.
        probability: ``(T,)`` float32, ``p_s(y_t)`` at this scale.
        rank: ``(T,)`` int64, rank of ``y_t`` among the vocabulary at this scale; 0 is the top.
        divergence: ``(T,)`` float32, Jensen-Shannon divergence (nats) of the prediction here from
            the prediction at scale 1.0.
        top: The word each token would have been at this scale; its text is what a viewer shows
            where ``rank > 0``.
    """

    factor: float
    grid: Any
    maps: Maps
    probability: FloatArray
    rank: NDArray[np.int64]
    divergence: FloatArray
    top: tuple[Candidate, ...]

    def __post_init__(self) -> None:
        count = len(self.probability)
        if len(self.grids) != len(self.per_image):
            raise ValueError(
                f"grid at scale {self.factor}: expected one per image ({len(self.per_image)}), got "
                f"{len(self.grids)}"
            )
        for grid, maps in zip(self.grids, self.per_image, strict=True):
            _require_shape(f"maps at scale {self.factor}", maps, (count, *grid))
        _require_shape(f"rank at scale {self.factor}", self.rank, (count,))
        _require_shape(f"divergence at scale {self.factor}", self.divergence, (count,))
        if len(self.top) != count:
            raise ValueError(f"top at scale {self.factor}: expected {count}, got {len(self.top)}")

    @property
    def grids(self) -> tuple[tuple[int, int], ...]:
        """``(h, w)`` for each image."""
        grids: tuple[Any, ...] = self.grid
        return grids if isinstance(grids[0], tuple) else (grids,)

    @property
    def per_image(self) -> tuple[FloatArray, ...]:
        """``(T, h, w)`` for each image."""
        return _per_image(self.maps)


@dataclass(frozen=True)
class Explanation:
    """Which pixels and which words made each token of one answer.

    Attributes:
        id: The sample's id.
        prompt: The user's text.
        answer: The explained answer's text.
        tokens: The ``T`` answer tokens.
        context: The ``C = P + T`` text tokens in sequence order: the prompt's, then the answer's.
        heatmaps: ``(T, H, W)`` float32, suppressed per scale and aggregated over the scales; NaN
            where the model does not see the image. With several images, or a video, a tuple of one
            such array for each of :attr:`images`.
        scales: One entry per input resolution, ascending factor; 1.0 is always among them.
        relevance: ``(T, C)`` float32, ARC's rank-biased overlap in ``[0, 1]``; NaN where ``j`` is
            not context of ``t`` (``t`` itself and later answer tokens).
        text_activation: ``(T, C)`` float32, ``relu(W[y_t] . h_j)``; NaN as above.
        interference_weights: ``(T, C)`` float32, how much each token counted as interference;
            zero where it did not. With ``share`` later answer tokens may have weight, too.
        grounding: ``(T,)`` float32 in ``[0, 1]``, the share of activation that falls on the images.
        candidates: For each of the ``C`` context tokens the leading predictions made at the
            position that predicts it, best first (empty for the sequence's first token). Those of
            answer token ``t`` are ``candidates[P + t]``.
        images: What the maps lie on: one entry per image, and per temporal patch of a video.
        image_grounding: ``(T, I)`` float32, the share that falls on each of the images; the rows
            sum to ``grounding``. None where that is all there is to say: one image.
        turns: The role of each message, the answer's last.
        alternatives: Maps beside the answer's; see :class:`Alternative`.
        words: Which of the ``C`` context tokens make a word; empty in logs of earlier versions.
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
    heatmaps: FloatArray
    scales: tuple[ScaleExplanation, ...]
    relevance: FloatArray
    text_activation: FloatArray
    interference_weights: FloatArray
    grounding: FloatArray
    candidates: tuple[tuple[Candidate, ...], ...]
    images: tuple[ExplainedImage, ...] = ()
    image_grounding: FloatArray | None = None
    turns: tuple[str, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    words: tuple[WordGroup, ...] = ()
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
        for heatmaps in self.per_image:
            if heatmaps.ndim != 3 or len(heatmaps) != count:
                raise ValueError(f"heatmaps: expected shape ({count}, H, W), got {heatmaps.shape}")
        maps = len(self.per_image)
        if self.images and len(self.images) != maps:
            raise ValueError(f"images: expected one per heatmap ({maps}), got {len(self.images)}")
        if self.image_grounding is not None:
            _require_shape("image_grounding", self.image_grounding, (count, maps))
        starts = [word.first for word in self.words]
        if starts and not (
            starts[0] == 0
            and context - count in starts
            and all(a < b for a, b in pairwise([*starts, context]))
        ):
            raise ValueError(
                f"words: expected ascending first tokens below {context}, 0 and {context - count} "
                f"among them, got {starts}"
            )
        for name in ("relevance", "text_activation", "interference_weights"):
            _require_shape(name, getattr(self, name), (count, context))
        _require_shape("grounding", self.grounding, (count,))
        if len(self.candidates) != context:
            raise ValueError(f"candidates: expected {context} lists, got {len(self.candidates)}")
        factors = [scale.factor for scale in self.scales]
        if 1.0 not in factors or factors != sorted(set(factors)):
            raise ValueError(f"scales: expected ascending factors with 1.0, got {factors}")
        for scale in self.scales:
            _require_shape(f"probability at {scale.factor}", scale.probability, (count,))
            if len(scale.per_image) != maps:
                raise ValueError(
                    f"maps at scale {scale.factor}: expected those of {maps} image(s), got "
                    f"{len(scale.per_image)}"
                )
        for alternative in self.alternatives:
            if not 0 <= alternative.context_index < context:
                raise ValueError(
                    f"alternatives: expected indices below {context}, got "
                    f"{alternative.context_index}"
                )

    @property
    def image(self) -> EncodedImage | None:
        """The first image's pixels, or None where there are none."""
        return self.images[0].image if self.images else None

    @property
    def per_image(self) -> tuple[FloatArray, ...]:
        """``(T, H, W)`` heatmaps for each image, however many there are."""
        return _per_image(self.heatmaps)

    def find(self, phrase: str) -> range:
        """The answer tokens that spell a word or a phrase, where the answer has it first.

        Raises:
            ValueError: The answer does not have it.
        """
        wanted = "".join(phrase.split()).lower()
        texts = ["".join(token.text.split()).lower() for token in self.tokens]
        ends = np.cumsum([0, *map(len, texts)]).tolist()
        whole, at = "".join(texts), -1
        while wanted and (at := whole.find(wanted, at + 1)) >= 0:
            # Whole tokens alone: "a" is no part of "cat".
            if at in ends and at + len(wanted) in ends:
                first = len(ends) - 1 - ends[::-1].index(at)
                return range(first, ends.index(at + len(wanted)))
        raise ValueError(f"expected a word or phrase of the answer {self.answer!r}: {phrase!r}")

    def span(self, tokens: str | int | range, *, how: Literal["mean", "sum"] = "mean") -> Maps:
        """One map of several tokens: a word of many pieces, a phrase, a whole answer.

        Args:
            tokens: A word or phrase of the answer, a token's index, or a range of them.
            how: Their mean or their sum.

        Returns:
            ``(H, W)``; with several images a tuple of such.

        Raises:
            ValueError: No such tokens, or another ``how``.

        Example:
            >>> explanation.span("red circle").shape
            (32, 46)
        """
        if how not in ("mean", "sum"):
            raise ValueError(f"how: expected mean or sum, got {how!r}")
        rows = self.find(tokens) if isinstance(tokens, str) else tokens
        chosen = list(rows) if isinstance(rows, range) else [rows]
        if not chosen or min(chosen) < 0 or max(chosen) >= len(self.tokens):
            raise ValueError(f"tokens: expected some of 0 to {len(self.tokens) - 1}, got {tokens}")
        maps = tuple(getattr(maps[chosen], how)(axis=0) for maps in self.per_image)
        return maps if len(maps) > 1 else maps[0]

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
        import pandas

        base = self.base
        seen = np.nan_to_num(self.relevance, nan=-1.0)
        strongest = seen.argmax(axis=1)
        rows = np.arange(len(self.tokens))
        columns: dict[str, Sequence[Any] | np.ndarray] = {
            "run": [self.run] * len(rows),
            "tag": [self.tag] * len(rows),
            "step": [self.step] * len(rows),
            "token_index": rows,
            "token": [token.text for token in self.tokens],
            "probability": base.probability,
            "rank": base.rank,
            "grounding": self.grounding,
            "most_relevant": [self.context[j].text for j in strongest],
            "relevance": self.relevance[rows, strongest],
        }
        for scale in self.scales:
            columns[f"probability@{scale.factor:g}"] = scale.probability
        return pandas.DataFrame(columns)

    def __repr__(self) -> str:
        answer = " ".join(self.answer.split())
        if len(answer) > _SHOWN_CHARACTERS:
            answer = answer[: _SHOWN_CHARACTERS - 1] + "…"
        scales = " ".join(f"{scale.factor:g}" for scale in self.scales)
        grids = ", ".join(
            f"{rows}x{columns}" for _, rows, columns in (m.shape for m in self.per_image)
        )
        return (
            f"Explanation({self.id!r}, {answer!r}, {len(self.tokens)} tokens, scales {scales}, "
            f"grid {grids})"
        )

    def _repr_html_(self) -> str:
        """The panel in a frame of its own, for notebooks; plain text where it is not built."""
        import html

        from mmx_core.export.bundle import BundleMissing
        from mmx_core.export.standalone import standalone_html

        title = f"Explanation {self.id}"
        try:
            page = standalone_html([self], title=title)
        except BundleMissing:
            return f"<pre>{html.escape(repr(self))}</pre>"
        # Sandboxed: the page needs nothing of the notebook's, and fetches nothing.
        return (
            f'<iframe title="{html.escape(title)}" sandbox="allow-scripts allow-downloads" '
            'style="width: 100%; height: 760px; border: 0" '
            f'srcdoc="{html.escape(page)}"></iframe>'
        )
