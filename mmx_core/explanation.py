"""What an explanation holds: frozen dataclasses over numpy arrays, free of torch.

Notation (the method's): ``T`` answer tokens, ``P`` prompt text tokens, ``C = P + T`` context
tokens, ``(h, w)`` the grid of visual tokens at one scale, ``(H, W)`` the common grid.
Values are raw, in logit units; normalisation belongs to the viewer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas

FloatArray = NDArray[np.floating[Any]]
Role = Literal["prompt", "answer"]

_SHOWN_CHARACTERS = 60


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
    """

    id: int
    text: str
    role: Role
    position: int
    special: bool = False


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
class ScaleExplanation:
    """The logit lens at one input resolution, before suppression.

    Attributes:
        factor: Input resolution relative to scale 1.0.
        grid: Rows and columns of visual tokens, ``(h, w)``.
        maps: ``(T, h, w)`` float32, ``relu(W[y_t] . h_v)``.
        probability: ``(T,)`` float32, ``p_s(y_t)`` at this scale.
        rank: ``(T,)`` int64, rank of ``y_t`` among the vocabulary at this scale; 0 is the top.
        divergence: ``(T,)`` float32, Jensen-Shannon divergence (nats) of the prediction here from
            the prediction at scale 1.0.
        top: The word each token would have been at this scale; its text is what a viewer shows
            where ``rank > 0``.
    """

    factor: float
    grid: tuple[int, int]
    maps: FloatArray
    probability: FloatArray
    rank: NDArray[np.int64]
    divergence: FloatArray
    top: tuple[Candidate, ...]

    def __post_init__(self) -> None:
        count = len(self.probability)
        _require_shape(f"maps at scale {self.factor}", self.maps, (count, *self.grid))
        _require_shape(f"rank at scale {self.factor}", self.rank, (count,))
        _require_shape(f"divergence at scale {self.factor}", self.divergence, (count,))
        if len(self.top) != count:
            raise ValueError(f"top at scale {self.factor}: expected {count}, got {len(self.top)}")


@dataclass(frozen=True)
class Explanation:
    """Which pixels and which words made each token of one answer.

    Attributes:
        id: The sample's id.
        prompt: The user's text.
        answer: The explained answer's text.
        tokens: The ``T`` answer tokens.
        context: The ``C = P + T`` text tokens in sequence order: the prompt's, then the answer's.
        heatmaps: ``(T, H, W)`` float32, suppressed per scale and aggregated over the scales.
        scales: One entry per input resolution, ascending factor; 1.0 is always among them.
        relevance: ``(T, C)`` float32, ARC's rank-biased overlap in ``[0, 1]``; NaN where ``j`` is
            not context of ``t`` (``t`` itself and later answer tokens).
        text_activation: ``(T, C)`` float32, ``relu(W[y_t] . h_j)``; NaN as above.
        interference_weights: ``(T, C)`` float32, how much each token counted as interference;
            zero where it did not. With ``share`` later answer tokens may have weight, too.
        grounding: ``(T,)`` float32 in ``[0, 1]``, the share of activation that falls on the image.
        candidates: For each of the ``C`` context tokens the leading predictions made at the
            position that predicts it, best first (empty for the sequence's first token). Those of
            answer token ``t`` are ``candidates[P + t]``.
        image: The explained image, or None when a reader could not find it.
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
    image: EncodedImage | None = None
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
        if self.heatmaps.ndim != 3 or len(self.heatmaps) != count:
            raise ValueError(f"heatmaps: expected shape ({count}, H, W), got {self.heatmaps.shape}")
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
        rows, columns = self.heatmaps.shape[1:]
        return (
            f"Explanation({self.id!r}, {answer!r}, {len(self.tokens)} tokens, scales {scales}, "
            f"grid {rows}x{columns})"
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
