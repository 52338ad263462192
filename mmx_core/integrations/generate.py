"""A loop around ``generate``, anybody's: what it was given and answered is explained on the way."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from mmx_core.events.writer import ExplanationWriter, add_explanation
from mmx_core.explainer import Explainer
from mmx_core.explanation import Explanation
from mmx_core.integrations.watching import Watch
from mmx_core.settings import require_positive


@contextmanager
def explaining(
    model: Any,
    processor: Any = None,
    *,
    logdir: str | os.PathLike[str],
    every: int = 1,
    samples: int = 64,
    seconds: float = 600.0,
    set_name: str = "generate",
    step: int = 0,
    image_processor: Any = None,
    tokenizer: Any = None,
    private: bool | None = None,
    strict: bool | None = None,
    also: Iterable[Any] = (),
    **settings: Any,
) -> Iterator[Watch]:
    """Explains what ``model.generate`` answers within, whoever calls it.

    What ``generate`` returns is handed on untouched, and before anything is explained of it. The
    very tokens of its prompt and of its answer are explained, sampled or not, on the pictures that
    the image processor was given for it; where these are not known (they were processed in another
    process, such as a worker of a DataLoader) or do not fit the prompt, that is warned about once,
    and nothing is explained in their place.

    Args:
        model: Its ``generate`` is watched; weights sharded over processes are not supported.
        processor: As for ``Explainer``, as are ``image_processor`` and ``tokenizer``. The very
            object that the loop processes its images with.
        logdir: The run's directory.
        every: Explain one answer in so many, the first among them.
        samples: Explain at most so many.
        seconds: Explain no more once explaining has taken so long.
        set_name: First part of the tags, ``SET/NUMBER``; the number counts answers.
        step: The training's.
        image_processor: See above.
        tokenizer: See above.
        private: Leave out the paths of files (docs/privacy.md).
        strict: Raise instead of warning; None reads the environment variable ``MMX_STRICT``.
        also: Where explanations go beside the event file: whatever ``add_explanation`` takes.
        **settings: Of :class:`mmx_core.Explainer`, such as ``scales``.

    Yields:
        What was explained so far; ``step`` may be set as a training goes on.

    Raises:
        ValueError: The model is not supported, or a setting is out of its range.

    Example:
        >>> with mmx_core.explaining(model, processor, logdir="runs/eval", every=20):
        ...     for inputs in loader:
        ...         answers.append(model.generate(**inputs, max_new_tokens=64))
    """
    require_positive(every=every, samples=samples)
    explainer = Explainer(
        model, processor, image_processor=image_processor, tokenizer=tokenizer, **settings
    )
    if explainer.adapter.sharding is not None:
        raise ValueError(
            "model: expected whole weights in this process, got some that are sharded over several;"
            " explain fixed samples with ExplainCallback or ExplainProbe instead"
        )
    with ExplanationWriter(logdir, private=private, strict=strict) as writer:

        def choice(prompts: int, answers: int) -> list[str | None]:
            numbers = range(watch.answers, watch.answers + answers)
            return [f"{set_name}/{n:06d}" if n % every == 0 else None for n in numbers]

        def taken(tag: str, explanation: Explanation) -> None:
            for place in (writer, *also):
                add_explanation(place, tag, explanation, watch.step, strict=strict)

        watch = Watch(
            explainer, choice, taken, samples=samples, seconds=seconds, step=step, strict=strict
        )
        with watch.watching(model, processor):
            yield watch
