"""What of a very long answer is logged: as much as a browser can open at once."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from mmx_core.events.guard import warn_once
from mmx_core.explanation import Explanation, ScaleExplanation

MAX_MATRIX_BYTES = 18 * 1024 * 1024
"""Of all matrices as they are stored; a browser holds twice as much."""
MAX_MAP_BYTES = 64 * 1024 * 1024
"""Of all maps as they are stored; a browser holds four times as much."""
_BYTES_PER_PAIR = 2
CUT_FROM = "cut_from"


def fitting_tokens(explanation: Explanation) -> int:
    """How many of the answer's tokens can be logged with their maps and their rows; at least one.

    ``n`` rows of ``P + n`` columns, at 2 bytes in each of three to five matrices, and ``n`` maps of
    each image and scale.
    """
    count, prompt = len(explanation.tokens), explanation.prompt_length
    # Words are no more than tokens.
    more = [explanation.influence, explanation.estimate]
    matrices = 3 + sum(array is not None for array in more)
    pairs = MAX_MATRIX_BYTES // (_BYTES_PER_PAIR * matrices)
    rows = (math.isqrt(prompt * prompt + 4 * pairs) - prompt) // 2
    arrays = [*explanation.heatmaps, *(maps for s in explanation.scales for maps in s.maps)]
    arrays += explanation.used or ()
    cells = sum(math.prod(maps.shape[1:]) for maps in arrays)
    return max(1, min(count, rows, MAX_MAP_BYTES // max(1, cells)))


def fitted(explanation: Explanation) -> Explanation:
    """The explanation, or its first tokens where the whole is too much.

    The answer's text stays whole; ``provenance["cut_from"]`` tells how many tokens there were, and
    a warning what is left out.
    """
    kept = fitting_tokens(explanation)
    if kept == len(explanation.tokens):
        return explanation
    context = explanation.prompt_length + kept

    words = [word for word in explanation.context_words if word.first + word.count <= context]

    def reasons(influence: Any) -> Any:
        """Of the words that are left, the last axis."""
        return None if influence is None else influence[..., : len(words)]

    def rows(arrays: Any) -> Any:
        """The first tokens' of one array, of several, or none."""
        if isinstance(arrays, tuple):
            return tuple(array[:kept] for array in arrays)
        return None if arrays is None else arrays[:kept]

    def of_scale(scale: ScaleExplanation) -> ScaleExplanation:
        return replace(
            scale,
            maps=rows(scale.maps),
            probability=scale.probability[:kept],
            rank=scale.rank[:kept],
            divergence=scale.divergence[:kept],
            top=scale.top[:kept],
        )

    warn_once(
        "logging an explanation",
        "cut",
        f"leaves out all but the first {kept} of the answer's {len(explanation.tokens)} tokens "
        f"(the prompt has {explanation.prompt_length}): a browser could not open the maps and the "
        "matrix of all. The answer's text is whole; to see the rest, explain it in parts.",
    )
    return replace(
        explanation,
        tokens=explanation.tokens[:kept],
        context=explanation.context[:context],
        heatmaps=rows(explanation.heatmaps),
        scales=tuple(map(of_scale, explanation.scales)),
        relevance=explanation.relevance[:kept, :context],
        text_activation=explanation.text_activation[:kept, :context],
        interference_weights=explanation.interference_weights[:kept, :context],
        grounding=explanation.grounding[:kept],
        image_grounding=rows(explanation.image_grounding),
        image_gain=rows(explanation.image_gain),
        image_gains=rows(explanation.image_gains),
        influence=reasons(rows(explanation.influence)),
        context_words=tuple(words),
        estimate=None if explanation.estimate is None else explanation.estimate[:kept, :context],
        used=rows(explanation.used),
        candidates=explanation.candidates[:context],
        alternatives=tuple(
            replace(entry, influence=reasons(entry.influence))
            for entry in explanation.alternatives
            if entry.context_index < context
        ),
        words=tuple(word for word in explanation.words if word.first < context),
        objects=tuple(
            replace(entry, tokens=tuple(token for token in entry.tokens if token < kept))
            for entry in explanation.objects
            if entry.tokens[0] < kept
        ),
        provenance={**explanation.provenance, CUT_FROM: len(explanation.tokens)},
    )
