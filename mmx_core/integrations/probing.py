"""Fixed samples that a training explains again and again: what all frameworks' hooks share."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from mmx_core.events.guard import guarded
from mmx_core.events.sinks import UnknownLogger, sink_of
from mmx_core.events.tags import check_names
from mmx_core.events.writer import ExplanationWriter, add_explanation, add_metrics
from mmx_core.explainer import Explainer
from mmx_core.explanation import Explanation
from mmx_core.sample import Sample, as_sample
from mmx_core.settings import check_settings

_EXPLAINING = "explaining the probe samples"


class ExplainWarning(UserWarning):
    """Something about a training's set-up that costs explanations, said before its first step."""


class Probe:
    """Explains the samples at one step after another, each step once, and logs them.

    Args:
        samples: Fixed probe samples, or mappings with their attributes.
        set_name: First part of the tags, ``SET/SAMPLE_ID``.
        processor: As for ``Explainer``.
        image_processor: As above.
        tokenizer: As above.
        scalars: Whether the metrics of single samples go out as scalars.
        background: Encode and write on a thread.
        strict: Raise instead of warning; None reads the environment variable ``MMX_STRICT``.
        also: Where explanations go beside the event file: whatever ``add_explanation`` takes.
        settings: Of :class:`mmx_core.Explainer`.

    Attributes:
        writer: What is logged to; None until :meth:`open`.
        explained: The steps of the training that is under way, or was last.
        failure: What went wrong first in it.

    Raises:
        TypeError: An unknown setting, a sample that is none, or a logger that is not known.
        ValueError: No samples, two of one id, a name that cannot be stored, or a setting out of its
            range.
    """

    def __init__(
        self,
        samples: Iterable[Sample | Mapping[str, Any]],
        *,
        set_name: str,
        processor: Any,
        image_processor: Any,
        tokenizer: Any,
        scalars: bool,
        background: bool,
        strict: bool | None,
        also: Iterable[Any],
        settings: Mapping[str, Any],
    ) -> None:
        self.samples = tuple(map(as_sample, samples))
        if not self.samples:
            raise ValueError("samples: expected at least one probe sample, got none")
        names = [sample.id for sample in self.samples]
        if len(set(names)) < len(names):
            raise ValueError(f"samples: expected distinct ids, got {names}")
        check_names(set_name, names)
        check_settings(settings)
        self.set_name = set_name
        self.strict = strict
        self.also = tuple(also)
        for board in self.also:
            try:
                sink_of(board)
            except UnknownLogger:
                raise
            except Exception:  # its run may begin later
                continue
        self.writer: ExplanationWriter | None = None
        self.explained: set[int] = set()
        self.failure: str | None = None
        self._scalars, self._background = scalars, background
        self._parts = {
            "processor": processor,
            "image_processor": image_processor,
            "tokenizer": tokenizer,
        }
        self._settings = dict(settings)

    def explainer(self, model: Any, processing_class: Any = None) -> Explainer:
        """For a model as it is now.

        Args:
            model: The framework's.
            processing_class: A processor, tokenizer or image processor, taken where none was given.

        Raises:
            ValueError: There is no processor, or the model is not supported.
        """
        parts = dict(self._parts)
        if parts["processor"] is None and hasattr(processing_class, "image_processor"):
            parts["processor"] = processing_class
        if parts["tokenizer"] is None and hasattr(processing_class, "convert_ids_to_tokens"):
            parts["tokenizer"] = processing_class
        return Explainer(model, **parts, **self._settings)

    def refused(self, explainer: Explainer) -> Iterator[str]:
        """One sentence about the samples that will not be explained, and why; or none."""
        refused = []
        for sample in self.samples:
            try:
                explainer.check(sample)
            except Exception as error:  # a chat template's, too: it costs this sample alone
                named = repr(sample.id) in str(error)
                refused.append(str(error) if named else f"sample {sample.id!r}: {error!r}")
        if refused:
            more = f" (and {len(refused) - 3} more)" if len(refused) > 3 else ""
            yield (
                f"{len(refused)} of {len(self.samples)} probe samples cannot be explained and will "
                f"be left out: {'; '.join(refused[:3])}{more}"
            )

    def open(
        self, logdir: str | os.PathLike[str], *, private: bool | None = None
    ) -> ExplanationWriter:
        """The writer, which stays until :meth:`close`."""
        if self.writer is None:
            self.writer = ExplanationWriter(
                logdir,
                scalars=self._scalars,
                strict=self.strict,
                background=self._background,
                private=private,
            )
        return self.writer

    def close(self) -> None:
        """Closes the event file; the next :meth:`open` makes another."""
        if self.writer is not None:
            with guarded("closing the event file", strict=self.strict):
                self.writer.close()
            self.writer = None

    def forget(self) -> None:
        """Another training begins."""
        self.explained, self.failure = set(), None

    def log(
        self, explainer: Explainer, step: int, *, writes: bool, also: Iterable[Any] = ()
    ) -> None:
        """Explains the samples; what fails costs its sample alone.

        Args:
            explainer: Of the model at this step.
            step: The training's.
            writes: Whether this process writes; another but lends its hand, where the weights are
                in parts.
            also: Further places beside those of this object.
        """
        self.explained.add(step)
        writer = self.writer if writes else None
        places = [] if writer is None else [writer, *self.also, *also]
        try:
            logged = self._explained(explainer, step, places)
            for place in places if logged else ():
                with self.told():
                    add_metrics(place, self.set_name, logged, step, strict=self.strict)
        finally:
            if writer is not None:
                writer.flush()

    def _explained(
        self, explainer: Explainer, step: int, places: Sequence[Any]
    ) -> list[Explanation]:
        """What was explained, and handed to each of the places, which may be none."""
        logged: list[Explanation] = []
        waiting = list(self.samples)
        while waiting:
            with self.told():
                try:
                    for explanation in explainer.explain_batch(
                        tuple(waiting), references=self.samples
                    ):
                        name = f"{self.set_name}/{waiting.pop(0).id}"
                        for place in places:
                            add_explanation(place, name, explanation, step, strict=self.strict)
                        if places:
                            logged.append(explanation)
                except Exception:
                    del waiting[:1]  # it came when its turn came
                    raise
        return logged

    @contextmanager
    def told(self) -> Iterator[None]:
        """Warns once of what fails within, and remembers it for the end of the training."""
        with guarded(_EXPLAINING, strict=self.strict):
            try:
                yield
            except Exception as error:
                self.failure = self.failure or f"{type(error).__name__}: {error}"
                raise

    def end(self, *, advice: str) -> None:
        """Closes, and warns of what the log does not have.

        Args:
            advice: What to do where nothing was explained at all.
        """
        writer = self.writer
        self.close()
        if not self.explained and self.failure is None:
            _warn(f"no explanation of this training was logged: no evaluation took place; {advice}")
        if self.failure is not None:
            _warn(f"some explanations of this training were not logged: {self.failure}")
        if writer is not None and writer.missing:
            _warn(
                f"{writer.missing} of {writer.given} explanations that this training made are not "
                f"in its log: {writer.file.trouble or 'see what was warned of before'}"
            )


def _warn(text: str) -> None:
    warnings.warn(text, ExplainWarning, stacklevel=1)
