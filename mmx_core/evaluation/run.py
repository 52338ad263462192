"""Runs an evaluation: every method on every sample, resumed, sharded, logged."""

from __future__ import annotations

import contextlib
import os
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from PIL import Image

from mmx_core.evaluation.journal import Journal
from mmx_core.evaluation.measure import Result, Words, measure_methods, words_of
from mmx_core.evaluation.processes import Processes
from mmx_core.evaluation.registry import Attribution, methods
from mmx_core.evaluation.trials import Perturbed
from mmx_core.events.writer import ExplanationWriter
from mmx_core.explainer import Explainer
from mmx_core.explanation import Explanation
from mmx_core.images import load_rgb
from mmx_core.metrics.across_scales import same_word_share
from mmx_core.metrics.faithfulness import resize_by_area
from mmx_core.metrics.summary import shown_words, word_grounding, word_peak
from mmx_core.models.running import undisturbed
from mmx_core.sample import Sample, Video

_FAILURES = (
    ValueError,
    TypeError,
    RuntimeError,
    OSError,
    SyntaxError,
    Image.DecompressionBombError,
)
_BROKEN_DEVICE = getattr(torch, "AcceleratorError", ())


@dataclass(frozen=True)
class Plan:
    """What is evaluated.

    Attributes:
        methods: Names of :func:`~mmx_core.evaluation.registry.methods`.
        faithfulness_samples: How many of the first samples are perturbed, which takes forwards by
            the hundred.
        perturbed: What is asked of the model then.
        seed: For methods that draw, and for ties.
    """

    methods: tuple[str, ...]
    faithfulness_samples: int
    perturbed: Perturbed = field(default_factory=Perturbed)
    seed: int = 0

    @property
    def hides_by_another(self) -> bool:
        """Whether another picture of the set is seen where one is hidden."""
        return self.perturbed.fill == "other"


def evaluate(
    explainer: Explainer,
    samples: Sequence[Sample],
    plan: Plan,
    journal: Journal,
    *,
    processes: Processes,
    logdir: str | os.PathLike[str] | None = None,
    begun: Callable[[], None] = lambda: None,
    finished: Callable[[], None] = lambda: None,
) -> list[str]:
    """Measures what the journal does not hold yet.

    A sample that fails is journalled with its error, and the next one is taken.

    Args:
        explainer: The default one; it explains for the log, and for grounding and agreement.
        samples: The set.
        plan: What is measured.
        journal: Where it goes.
        processes: Which samples are this process's: every ``count``-th.
        logdir: Every explanation is logged there, a directory or a URL, each method as a run.
        begun: Called once all is loaded and warm, so that the first sample can be timed.
        finished: Called after each of this process's samples.

    Returns:
        The ids of the whole set, in its order.
    """
    # What failed for want of memory, say, is tried again.
    done = {entry["sample"] for entry in journal.entries() if "error" not in entry}
    order = [_id_of(samples, index) for index in range(len(samples))]
    twice = sorted(name for name, count in Counter(order).items() if count > 1)
    if twice:
        raise ValueError(f"samples: expected distinct ids, got {', '.join(twice[:5])} repeatedly")
    if plan.hides_by_another and len(order) < 2:
        raise ValueError("samples: expected two or more, one to hide the other, got one")
    _warm_up(explainer, samples, plan)
    begun()
    with _Log(logdir, plan.methods) as log:
        for index, name in enumerate(order):
            if index % processes.count != processes.rank:
                continue
            if name not in done:
                perturb = index < plan.faithfulness_samples
                try:
                    # A set may read its files only now.
                    other = _other(samples, index) if perturb and plan.hides_by_another else None
                    perturbed = plan.perturbed if perturb else None
                    entry = _measured(explainer, samples[index], plan, log, perturbed, other)
                except _BROKEN_DEVICE:
                    # Nothing after it would work: what is journalled stays, the rest waits.
                    raise
                except _FAILURES as error:
                    # One sample among hundreds: it is told by name, and the others go on.
                    told = str(error).removeprefix(f"sample {name!r}: ")
                    entry = {"sample": name, "error": f"{type(error).__name__}: {told}"}
                journal.add(entry)
            finished()
    return order


def _id_of(samples: Sequence[Sample], index: int) -> str:
    """A sample's id, without reading its files where the set can tell."""
    tell = getattr(samples, "id_of", None)
    return str(tell(index)) if callable(tell) else samples[index].id


def _warm_up(explainer: Explainer, samples: Sequence[Sample], plan: Plan) -> None:
    """First calls pay for kernels and memory that later ones find: none of them is timed."""
    with contextlib.suppress(*_FAILURES):
        prepared = explainer.prepare(samples[0])
        adapter = explainer.adapter
        for name in plan.methods:
            undisturbed(adapter.model, methods()[name], adapter, prepared, plan.seed)


def _other(samples: Sequence[Sample], index: int) -> Image.Image:
    """The next sample's picture, which hides this one's."""
    picture = samples[(index + 1) % len(samples)].image_list()[0]
    if isinstance(picture, Video):
        raise ValueError("expected a next sample of one image to hide this one's, got a video")
    return load_rgb(picture)


def _measured(
    explainer: Explainer,
    sample: Sample,
    plan: Plan,
    log: _Log,
    perturbed: Perturbed | None,
    other: Image.Image | None,
) -> dict[str, Any]:
    adapter = explainer.adapter
    prepared = explainer.prepare(sample)
    explanation = explainer.explain_prepared(sample, prepared)
    words = words_of(adapter, sample, prepared)
    results, found = measure_methods(
        adapter,
        prepared,
        words,
        {name: methods()[name] for name in plan.methods},
        perturbed=perturbed,
        other=other,
        # Its own for every sample, or the floor would be one map for all pictures of a size.
        seed=zlib.crc32(f"{plan.seed}/{sample.id}".encode()),
    )
    log.add(sample, explanation, results, found)
    base = explainer.scales.index(1.0)
    rank = np.stack([scale.rank for scale in explanation.scales])
    same = same_word_share(rank, base=base)
    return {
        "sample": sample.id,
        "answer": words.answer,
        "notes": _notes(words),
        "same_word": same if np.isfinite(same) else None,
        "grounding_shown": word_grounding(explanation, words.tokens, shown_words(words.masks)),
        "grounding_absent": word_grounding(explanation, words.tokens, words.absent),
        "peak_shown": word_peak(explanation, words.tokens, shown_words(words.masks)),
        "peak_absent": word_peak(explanation, words.tokens, words.absent),
        "methods": {name: _jsonable(result) for name, result in results.items()},
    }


def _notes(words: Words) -> list[str]:
    empty = [f"empty mask of {entry.name!r}" for entry in words.masks if not entry.mask.any()]
    return empty if words.masks else ["answer without masked nouns"]


def _jsonable(result: Result) -> dict[str, Any]:
    plain = result.as_dict()
    for name in ("seconds_per_token", "peak_mb"):
        if not np.isfinite(plain[name]):
            plain[name] = None
    return plain


class _Log:
    """Each method's explanations as a run of its own."""

    def __init__(self, logdir: str | os.PathLike[str] | None, methods: Sequence[str]) -> None:
        # Not a Path, which would make one slash of a URL's two.
        self._writers = (
            {}
            if logdir is None
            else {name: ExplanationWriter(os.path.join(logdir, name)) for name in methods}
        )

    def add(
        self,
        sample: Sample,
        explanation: Explanation,
        results: dict[str, Result],
        found: dict[str, Attribution],
    ) -> None:
        for name, writer in self._writers.items():
            metrics = {k: float(np.mean(v)) for k, v in results[name].scores.items() if v}
            logged = with_maps(explanation, found[name], name)
            writer.add_explanation(
                f"evaluate/{sample.id}", replace(logged, metrics=metrics), global_step=0
            )

    def __enter__(self) -> _Log:
        return self

    def __exit__(self, *error: object) -> None:
        for writer in self._writers.values():
            writer.close()


def with_maps(explanation: Explanation, found: Attribution, name: str) -> Explanation:
    """An explanation whose maps are a method's; what the model said stays.

    ``mmx`` keeps all scales; another method shows its maps at scale 1.0 alone, with its own
    activations of the text and no grounding.
    """
    if name == "mmx":
        return replace(explanation, heatmaps=(found.maps,))
    base = explanation.base
    maps = resize_by_area(found.maps, base.grid).astype(np.float32)
    unknown = np.full_like(explanation.text_activation, np.nan)
    return replace(
        explanation,
        heatmaps=(found.maps,),
        scales=(replace(base, maps=(maps,)),),
        text_activation=unknown if found.text is None else found.text,
        grounding=np.full_like(explanation.grounding, np.nan),
        interference_weights=np.zeros_like(explanation.interference_weights),
        provenance={**explanation.provenance, "settings": {"method": name}},
    )
