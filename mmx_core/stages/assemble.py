"""From what was read to the explanation a person sees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import Any

import numpy as np

from mmx_core.explanation import (
    Alternative,
    Candidate,
    ExplainedImage,
    Explanation,
    Role,
    ScaleExplanation,
    Token,
    WordGroup,
)
from mmx_core.images import MAX_LOGGED_SIDE, Clip
from mmx_core.images import encode as encode_image
from mmx_core.models.base import ModelAdapter
from mmx_core.models.chat import special_ids
from mmx_core.sample import Sample
from mmx_core.stages.answer import decode_answer, shaped_by, thought_told
from mmx_core.stages.flow import layers_apart
from mmx_core.stages.prepare import Prepared
from mmx_core.stages.reading import Reading
from mmx_core.text.words import word_groups

ESTIMATE = "the logit of what flows in {} layer's attention"
_EVERY = {1: "each", 2: "every second", 3: "every third"}


def assemble(
    adapter: ModelAdapter,
    sample: Sample,
    prepared: Prepared,
    reading: Reading,
    *,
    factors: Sequence[float],
    provenance: Mapping[str, Any],
) -> Explanation:
    """Puts names to numbers: tokens, words, images.

    Args:
        adapter: Knows the vocabulary.
        sample: What was asked.
        prepared: What was explained.
        reading: Rows are the answer's ``T`` tokens, then what was asked for beside them.
        factors: The scales.
        provenance: Model, settings, versions.
    """
    count = len(prepared.answer_ids)
    words = _Words(adapter)
    context = _context(words, prepared, reading, special_ids(adapter.tokenizer))
    view_grounding = reading.view_grounding
    several = view_grounding.shape[1] > 1
    scales = tuple(
        _scale(words, factor, index, reading, count) for index, factor in enumerate(factors)
    )
    answer = prepared.answer
    if answer is None:
        answer = decode_answer(adapter, prepared.answer_ids, prepared.rendered.lead)
    weights = reading.interference_weights[:count]
    return Explanation(
        id=sample.id,
        prompt=sample.prompt or _last_words(sample),
        answer=answer,
        tokens=context[-count:],
        context=context,
        heatmaps=tuple(maps[:count] for maps in reading.heatmaps),
        scales=scales,
        relevance=reading.relevance[:count],
        text_activation=reading.text_activation[:count],
        interference_weights=weights,
        grounding=view_grounding[:count].sum(axis=1),
        candidates=_candidates(words, reading),
        images=_images(prepared, reading),
        image_grounding=view_grounding[:count] if several else None,
        estimate=reading.estimate,
        turns=prepared.rendered.roles,
        alternatives=_alternatives(words, prepared, reading, scales),
        words=_groups(adapter.tokenizer, context),
        provenance={
            **provenance,
            "teacher_forced": prepared.answer is not None,
            **({} if prepared.answer is not None else _generation(adapter)),
            "competed": float(np.mean(weights.any(axis=1))),
            **thought_told(adapter, prepared.rendered, prepared.answer_ids),
            **_told_of_estimate(reading, [token.position - 1 for token in context[-count:]]),
            **_full_sizes(prepared),
            **_template_variables(adapter, sample),
        },
    )


def _generation(adapter: ModelAdapter) -> dict[str, Any]:
    """By what the model's own answer is not just its first choices."""
    shaping = {name: str(value) for name, value in shaped_by(adapter).items()}
    return {"generation": shaping} if shaping else {}


def _told_of_estimate(reading: Reading, rows: Sequence[int]) -> dict[str, str]:
    """How words were estimated, or why they were not; ``rows`` are the predicting positions."""
    if reading.no_estimate is not None:
        return {"no_estimate": reading.no_estimate}
    return {"estimate": ESTIMATE.format(_EVERY[layers_apart(rows)])}


class _Words:
    """The vocabulary as a person reads it, each word decoded once."""

    def __init__(self, adapter: ModelAdapter) -> None:
        self._adapter = adapter
        self._texts: dict[int, str] = {}

    def __getitem__(self, token_id: int) -> str:
        if token_id not in self._texts:
            self._texts[token_id] = self._adapter.token_text(token_id)
        return self._texts[token_id]

    def candidate(self, token_id: Any, probability: Any) -> Candidate:
        return Candidate(int(token_id), self[int(token_id)], float(probability))


def _context(
    words: _Words, prepared: Prepared, reading: Reading, markers: frozenset[int]
) -> tuple[Token, ...]:
    answers = len(prepared.rendered.roles) - 1
    rows: list[tuple[int, Role, bool, int]] = [
        (token.id, "prompt", not token.written, token.turn) for token in prepared.rendered.text
    ]
    rows += [(token, "answer", token in markers, answers) for token in prepared.answer_ids]
    return tuple(
        Token(token, words[token], role, int(position), special, turn)
        for (token, role, special, turn), position in zip(rows, reading.text_positions, strict=True)
    )


def _groups(tokenizer: Any, context: tuple[Token, ...]) -> tuple[WordGroup, ...]:
    """Which tokens make a word: within one message's text, a template's marker alone."""
    found: list[WordGroup] = []
    first = 0
    for (_, _, special), run in groupby(context, lambda t: (t.role, t.turn, t.special)):
        tokens = list(run)
        if special:
            groups = [(index, token.text) for index, token in enumerate(tokens)]
        else:
            groups = word_groups(tokenizer, [token.id for token in tokens])
        found += [WordGroup(first + index, text) for index, text in groups]
        first += len(tokens)
    return tuple(found)


def _candidates(words: _Words, reading: Reading) -> tuple[tuple[Candidate, ...], ...]:
    rows = zip(
        reading.candidate_ids, reading.candidate_probabilities, reading.predicted, strict=True
    )
    return tuple(
        tuple(map(words.candidate, ids, probabilities)) if known else ()
        for ids, probabilities, known in rows
    )


def _scale(
    words: _Words, factor: float, index: int, reading: Reading, count: int
) -> ScaleExplanation:
    tops = zip(reading.top_ids[index][:count], reading.top_probability[index], strict=False)
    return ScaleExplanation(
        factor=factor,
        grids=reading.grids[index],
        maps=tuple(maps[:count] for maps in reading.maps[index]),
        probability=reading.probability[index][:count],
        rank=reading.rank[index][:count],
        divergence=reading.divergence[index][:count],
        top=tuple(words.candidate(*top) for top in tops),
    )


def _images(prepared: Prepared, reading: Reading) -> tuple[ExplainedImage, ...]:
    entries: list[ExplainedImage] = []
    for index, picture in enumerate(prepared.pictures):
        if not isinstance(picture, Clip):
            entries.append(ExplainedImage(encode_image(picture), index))
            continue
        entries += [
            ExplainedImage(
                encode_image(picture.frames[frames[0]]),
                index,
                frames,
                tuple(picture.seconds[frame] for frame in frames),
            )
            for frames in reading.frames[index]
        ]
    return tuple(entries)


def _template_variables(adapter: ModelAdapter, sample: Sample) -> dict[str, Any]:
    """What the chat template read beside the messages."""
    variables = {**adapter.chat_template_kwargs, **sample.chat_template_kwargs}
    return {"chat_template_kwargs": variables} if variables else {}


def _full_sizes(prepared: Prepared) -> dict[str, list[list[int]]]:
    """Width and height of what was explained, where the log holds any of it smaller."""
    frames = [p.frames[0] if isinstance(p, Clip) else p for p in prepared.pictures]
    sizes = [[frame.width, frame.height] for frame in frames]
    if max(map(max, sizes), default=0) <= MAX_LOGGED_SIDE:
        return {}
    return {"picture_sizes": sizes}


def _alternatives(
    words: _Words, prepared: Prepared, reading: Reading, scales: Sequence[ScaleExplanation]
) -> tuple[Alternative, ...]:
    count = len(prepared.answer_ids)
    base = next(index for index, scale in enumerate(scales) if scale.factor == 1.0)
    found = []
    for row, target in enumerate(prepared.alternatives, start=count):
        # Nothing predicts the first token of a sequence.
        known = bool(reading.predicted[target.context_index])
        probability = reading.probability[base][row] if known else np.nan
        found.append(
            Alternative(
                context_index=target.context_index,
                candidate=words.candidate(target.token_id, probability),
                heatmaps=tuple(maps[row] for maps in reading.heatmaps),
                grounding=float(reading.view_grounding[row].sum()),
            )
        )
    return tuple(found)


def _last_words(sample: Sample) -> str:
    """What the user said last before the explained turn, for a table."""
    messages = list(sample.messages or ())
    if sample.turn is not None:
        messages = messages[: sample.turn]
    for message in reversed(messages):
        if message.get("role") != "user":
            continue
        content = message.get("content")
        if isinstance(content, str):
            return content
        return " ".join(str(p["text"]) for p in content or () if p.get("type") == "text")
    return ""
