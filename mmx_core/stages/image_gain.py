"""The image's gain: how much likelier a word is with its picture than with others, in nats.

``log p(word | its picture) - log mean_k p(word | picture k)``, teacher-forced at scale 1.0: the
conditional pointwise mutual information of word and picture. It tells what was read from what was
guessed, and not what is right: a misread object was read, too (docs/image-gain.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mmx_core.explanation import FloatArray
from mmx_core.images import Clip, Picture
from mmx_core.models.base import EncodedInput, ModelAdapter
from mmx_core.models.layout import Layout
from mmx_core.models.running import to_host
from mmx_core.stages.begun import Begun, Kept, go_on
from mmx_core.stages.passes import (
    Passes,
    forward_positions,
    forward_together,
    log_probabilities,
    positions_of,
)
from mmx_core.stages.prepare import Prepared, fingerprint
from mmx_core.stages.references import REFERENCES, fitted


@dataclass(frozen=True)
class ImageGain:
    """The gain of an answer's ``T`` tokens, and of ``E`` targets beside them.

    Attributes:
        whole: ``(T + E,)`` float32, nats, with all pictures exchanged.
        each: ``(T, I)`` float32, with each of ``I`` pictures exchanged and the others kept; None
            where there is one.
    """

    whole: FloatArray
    each: FloatArray | None


def measure_image_gain(
    adapter: ModelAdapter,
    prepared: Prepared,
    passes: Passes,
    references: Sequence[Picture],
    *,
    kept: Kept | None = None,
    positions: int = 0,
) -> ImageGain:
    """One forward for each reference; of several pictures, further ones for each of them.

    Args:
        adapter: The model's.
        prepared: The sample.
        passes: Its own.
        references: Other pictures; without any, a plain one of the mean colour stands in.
        kept: Their beginnings that other samples of the set have read, and where to keep them.
        positions: Bound on those of one forward, 0 for a usual one; a longer input goes alone.
    """
    others: Sequence[Picture | None] = references or (None,)
    count, pictures = len(prepared.answer_ids), prepared.pictures
    rows, targets = prepared.targets(len(passes.text.positions))
    ids = targets.to(adapter.head_device)
    own = log_probabilities(adapter, passes.states[passes.base].predicting[None], ids)[0]
    # Nothing predicts a sequence's first token.
    own = own.masked_fill(passes.text.positions[rows] == 0, torch.nan)
    before = _Predicting(adapter, prepared, rows, positions or forward_positions(adapter))

    def without(exchanged: Sequence[int], some: int) -> Tensor:
        """``(T,)`` log of the mean probability with these pictures exchanged."""
        variants = [
            # Several pictures get different ones.
            {place: others[(k + place) % len(others)] for place in exchanged}
            for k in range(some)
        ]
        shown = [before.shown(variant) for variant in variants]
        alike = references and len(exchanged) == len(pictures)
        if kept is not None and alike and kept.usable(adapter):
            states = before.kept(shown, kept)
        else:
            states = before.whole(shown)
        return log_probabilities(adapter, states, ids).logsumexp(dim=0) - math.log(some)

    tensors = {"whole": own - without(range(len(pictures)), len(others))}
    if len(pictures) > 1:
        # Many pictures get one reference each, or their forwards would be the square of many.
        some = min(len(others), max(1, 2 * REFERENCES // len(pictures)))
        tensors["each"] = torch.stack(
            [own - without([place], some) for place in range(len(pictures))], dim=1
        )[:count]
    host = to_host(tensors)
    return ImageGain(host["whole"], host.get("each"))


@dataclass(frozen=True)
class _Predicting:
    """States where a sample's targets are predicted, with other pictures.

    Attributes:
        adapter: The model's.
        prepared: The sample.
        rows: ``(R,)`` the targets among the context's tokens.
        positions: Bound on those of one forward.
    """

    adapter: ModelAdapter
    prepared: Prepared
    rows: Tensor
    positions: int

    def shown(self, exchanged: Mapping[int, Picture | None]) -> _Shown:
        """The sample's pictures, some of them others; cut to its own size where they must be."""
        own = self.prepared.pictures
        try:
            return self._shown({k: fitted(own[k], other) for k, other in exchanged.items()})
        except ValueError:  # too many tokens, or none at all
            sized = {k: fitted(own[k], other, cut=True) for k, other in exchanged.items()}
            return self._shown(sized)

    def _shown(self, exchanged: Mapping[int, Picture]) -> _Shown:
        pictures = [exchanged.get(k, own) for k, own in enumerate(self.prepared.pictures)]
        layouts = self.adapter.layouts(pictures, 1.0)
        expanded = self.prepared.rendered.expand(layouts)
        ids = [*expanded.ids, *self.prepared.answer_ids]
        self.adapter.check_length(len(ids), expanded.visual_count, 1.0)
        text = [*expanded.text_positions, *range(len(expanded.ids), len(ids))]
        at = torch.tensor(text, device=self.adapter.head_device)
        return _Shown(pictures, layouts, ids, at)

    def whole(self, variants: Sequence[_Shown]) -> Tensor:
        """``(K, R, d)`` of whole forwards, in batches."""
        inputs = [self._encoded(shown) for shown in variants]
        size = max(1, self.positions // max(map(positions_of, inputs)))
        found = []
        for start in range(0, len(inputs), size):
            some = inputs[start : start + size]
            states = forward_together(self.adapter, some)
            pairs = zip(states, some, strict=True)
            found += [hidden[self._before(encoded)] for hidden, encoded in pairs]
            del states
        return torch.stack(found)

    def kept(self, variants: Sequence[_Shown], kept: Kept) -> Tensor:
        """The same; each goes on from what was read with its pictures, or is read and kept."""
        found: dict[int, Tensor] = {}
        groups: dict[int, list[tuple[int, Begun]]] = {}
        for k, shown in enumerate(variants):
            mark = tuple(map(_mark, shown.pictures))
            begun, count = kept.find(mark, shown.ids)
            if begun is None:
                encoded = self._encoded(shown)
                found[k] = kept.read(self.adapter, mark, encoded)[self._before(encoded)]
            else:
                groups.setdefault(len(shown.ids) - count, []).append((k, begun))
        for size, members in groups.items():
            rows = max(1, self.positions // size)
            for start in range(0, len(members), rows):
                some = members[start : start + rows]
                tail = variants[some[0][0]].ids[-size:]
                counts = [len(variants[k].ids) - size for k, _ in some]
                behind = go_on(self.adapter, [begun for _, begun in some], counts, tail)
                for (k, begun), count, states in zip(some, counts, behind, strict=True):
                    whole = torch.cat([begun.states[:count], states])
                    found[k] = whole[self._before(variants[k])]
        return torch.stack([found[k] for k in range(len(variants))])

    def _encoded(self, shown: _Shown) -> EncodedInput:
        return self.adapter.encode(
            shown.pictures,
            self.prepared.rendered,
            self.prepared.answer_ids,
            factor=1.0,
            layouts=shown.layouts,
        )

    def _before(self, read: EncodedInput | _Shown) -> Tensor:
        return (read.context_positions[self.rows] - 1).clamp_min(0)


def _mark(picture: Picture) -> tuple[Any, ...]:
    """What it is known again by: the times of a clip, too, from which positions follow."""
    return fingerprint(picture), picture.seconds if isinstance(picture, Clip) else ()


@dataclass(frozen=True)
class _Shown:
    """A sample with other pictures.

    Attributes:
        pictures: All of them.
        layouts: Theirs.
        ids: ``L`` ids of prompt and answer.
        context_positions: ``(C,)`` int64, all text.
    """

    pictures: Sequence[Picture]
    layouts: Sequence[Layout]
    ids: Sequence[int]
    context_positions: Tensor
