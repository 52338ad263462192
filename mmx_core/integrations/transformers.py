"""Hugging Face Trainer: explain fixed probe samples after each evaluation, and log them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mmx_core.events.guard import guarded
from mmx_core.events.sinks import fixed_logdir
from mmx_core.events.starts import check_writable, has_logged
from mmx_core.events.tags import check_names
from mmx_core.events.writer import ExplanationWriter
from mmx_core.explainer import Explainer
from mmx_core.explanation import Explanation
from mmx_core.integrations.resumed import other_weights, resumed_from
from mmx_core.models.sharding import is_sharded
from mmx_core.sample import Sample, as_sample
from mmx_core.settings import check_settings

_EXPLAINING = "explaining the probe samples"
_EVALUATED = "evaluation"


class ExplainWarning(UserWarning):
    """Something about a training's set-up that costs explanations, said before its first step."""


class ExplainCallback(TrainerCallback):
    """Explains the same samples after every evaluation and logs them as one TensorBoard step.

    What cannot work is said before the first step: wrong settings, a missing processor, an
    unsupported model and a log that cannot be written raise when the training begins; evaluation
    switched off, samples that cannot be explained and weights that are not those of the checkpoint
    resumed from are warned about. After that nothing raises: whatever fails is warned about once
    and costs what it concerns; with ``strict`` it raises.

    Only the main process writes, and where each has the whole weights only it explains; weights
    sharded by FSDP or ZeRO-3 are explained by all processes together. Records are encoded and
    written on a thread while the next sample is explained. Each evaluation ends once its events are
    on the disk, so that training never runs beside that thread. A step is explained once, however
    many evaluation sets there are.

    Every training logs into a directory of its own within ``logdir``; one that was resumed is shown
    as one, and one that is begun again from scratch apart from those before it. An evaluation
    before any training is step 0 of the training that follows; where an earlier one has logged, it
    may be of other weights than those, and goes into ``LOGDIR/evaluation``.

    With ``push_to_hub`` the Trainer uploads its output directory, all but what begins with ``_``.
    So the log's default is ``OUTPUT_DIR/_explanations`` then; and where a ``logdir`` within the
    output directory is given that is uploaded, it holds no paths (docs/privacy.md).

    Args:
        samples: Fixed probe samples, or mappings with their attributes. Give them answers, so that
            checkpoints are comparable.
        logdir: Where event files go, a directory or a URL; ``OUTPUT_DIR/explanations`` by default.
        set_name: First part of the tags, ``SET/SAMPLE_ID``.
        processor: As for ``Explainer``; the Trainer's ``processing_class`` by default.
        image_processor: As above.
        tokenizer: As above.
        scalars: Whether the metrics of single samples go out as scalars, beside the set's means.
        background: Encode and write on a thread; False does it between the samples.
        private: Leave out the paths of files; None does so where the log is uploaded.
        strict: Raise instead of warning; None reads the environment variable ``MMX_STRICT``.
        **settings: Of :class:`mmx_core.Explainer`, such as ``scales``.

    Raises:
        TypeError: An unknown setting, or a sample that is none.
        ValueError: No samples, two of one id, a name that cannot be stored, or a setting out of its
            range.

    Example:
        >>> trainer.add_callback(ExplainCallback(samples=probe, scales=(0.5, 1, 2)))
    """

    def __init__(
        self,
        samples: Iterable[Sample | Mapping[str, Any]],
        *,
        logdir: str | os.PathLike[str] | None = None,
        set_name: str = "val",
        processor: Any = None,
        image_processor: Any = None,
        tokenizer: Any = None,
        scalars: bool = True,
        background: bool = True,
        private: bool | None = None,
        strict: bool | None = None,
        **settings: Any,
    ) -> None:
        self.samples = tuple(map(as_sample, samples))
        if not self.samples:
            raise ValueError("samples: expected at least one probe sample, got none")
        names = [sample.id for sample in self.samples]
        if len(set(names)) < len(names):
            raise ValueError(f"samples: expected distinct ids, got {names}")
        check_names(set_name, names)
        check_settings(settings)
        # Not a Path, which would make one slash of a URL's two.
        self.logdir = None if logdir is None else os.fspath(logdir)
        self.set_name = set_name
        self.scalars = scalars
        self.background = background
        self.private = private
        self.strict = strict
        self._parts = {
            "processor": processor,
            "image_processor": image_processor,
            "tokenizer": tokenizer,
        }
        self._settings = settings
        self._writer: ExplanationWriter | None = None
        # Of the training that is under way, or was last: what was explained, and what was not.
        self._explained: set[int] = set()
        self._failure: str | None = None
        self._training = False

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Checks everything, and begins the training's log.

        Raises:
            TypeError: No processor, or an unsupported model; also ValueError.
            OSError: The log cannot be written.
        """
        step, model = state.global_step, kwargs["model"]
        evaluated = step == 0 and not self._training and self._explained == {0}
        self._explained, self._failure, self._training = set(), None, True
        explainer = self._explainer(model, kwargs.get("processing_class"))
        if not state.is_world_process_zero:
            return
        directory = self._directory(args)
        check_writable(directory)
        # An evaluation just before the training was of its step 0.
        begun = evaluated and self._writer is not None
        begun = begun and self._open(args).logdir == fixed_logdir(directory)
        # Of sharded weights the state cannot be looked at by one process alone.
        resumed = step and not is_sharded(model)
        checkpoint = resumed_from() if resumed else None
        for text in (
            *_about_evaluation(args),
            *self._about_samples(explainer),
            *_about_the_log(directory, args, goes_on=step > 0 or begun),
            *(other_weights(_unwrapped(model), checkpoint) if checkpoint else ()),
        ):
            warnings.warn(text, ExplainWarning, stacklevel=1)
        if not begun:
            self._close()
            writer = self._open(args)
            writer.mark_resume(step + 1 if step else 0)
            writer.flush()

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Explains and logs the probe samples at the current step, once."""
        step, model = state.global_step, kwargs["model"]
        writes = state.is_world_process_zero
        # Of sharded weights every process has a part, and all compute together.
        if step in self._explained or not (writes or is_sharded(model)):
            return
        if not self._training and _holds_the_best(args, state):
            return  # the weights are those of an earlier step, which was explained then
        with self._told():
            untrained = step == 0 and not self._training
            writer = self._open(args, untrained=untrained) if writes else None
            explainer = self._explainer(model, kwargs.get("processing_class"))
            self._explained.add(step)
            try:
                self._log(explainer, writer, step)
            finally:
                if writer is not None:
                    writer.flush()

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Closes the event file; a later evaluation opens another."""
        writer = self._writer
        self._close()
        self._training = False
        if not state.is_world_process_zero:
            return
        if not self._explained and self._failure is None:
            told = (
                "no explanation of this training was logged: no evaluation took place; set "
                "eval_strategy and eval_steps"
            )
            warnings.warn(told, ExplainWarning, stacklevel=1)
        if self._failure is not None:
            told = f"some explanations of this training were not logged: {self._failure}"
            warnings.warn(told, ExplainWarning, stacklevel=1)
        if writer is not None and writer.missing:
            told = (
                f"{writer.missing} of {writer.given} explanations that this training made are not "
                f"in its log: {writer.file.trouble or 'see what was warned of before'}"
            )
            warnings.warn(told, ExplainWarning, stacklevel=1)

    def _log(self, explainer: Explainer, writer: ExplanationWriter | None, step: int) -> None:
        """What fails costs its sample alone. Without a writer this process but lends its hand."""
        logged: list[Explanation] = []
        waiting = list(self.samples)
        while waiting:
            with self._told():
                try:
                    for explanation in explainer.explain_batch(
                        tuple(waiting), references=self.samples
                    ):
                        name = f"{self.set_name}/{waiting.pop(0).id}"
                        if writer is not None:
                            writer.add_explanation(name, explanation, global_step=step)
                            logged.append(explanation)
                except Exception:
                    del waiting[:1]  # it came when its turn came
                    raise
        if writer is not None and logged:
            writer.add_metrics(self.set_name, logged, global_step=step)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Warns once of what fails within, and remembers it for the end of the training."""
        with guarded(_EXPLAINING, strict=self.strict):
            try:
                yield
            except Exception as error:
                self._failure = self._failure or f"{type(error).__name__}: {error}"
                raise

    def _open(self, args: TrainingArguments, *, untrained: bool = False) -> ExplanationWriter:
        if self._writer is None:
            directory = self._directory(args)
            if untrained and has_logged(directory):
                directory = os.path.join(directory, _EVALUATED)
            private = self.private
            if private is None and _is_uploaded(directory, args):
                private = True
            self._writer = ExplanationWriter(
                directory,
                scalars=self.scalars,
                strict=self.strict,
                background=self.background,
                private=private,
            )
            if untrained:
                self._writer.mark_resume(0)
        return self._writer

    def _close(self) -> None:
        if self._writer is not None:
            with guarded("closing the event file", strict=self.strict):
                self._writer.close()
            self._writer = None

    def _directory(self, args: TrainingArguments) -> str:
        if self.logdir is not None:
            return self.logdir
        name = "_explanations" if args.push_to_hub else "explanations"
        return os.path.join(str(args.output_dir), name)

    def _explainer(self, model: Any, processing_class: Any) -> Explainer:
        parts = dict(self._parts)
        if parts["processor"] is None and hasattr(processing_class, "image_processor"):
            parts["processor"] = processing_class
        if parts["tokenizer"] is None and hasattr(processing_class, "convert_ids_to_tokens"):
            parts["tokenizer"] = processing_class
        return Explainer(model, **parts, **self._settings)

    def _about_samples(self, explainer: Explainer) -> Iterator[str]:
        """Those that will not be explained, and why."""
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


def _about_evaluation(args: TrainingArguments) -> Iterator[str]:
    if str(getattr(args.eval_strategy, "value", args.eval_strategy)) == "no":
        yield (
            "ExplainCallback explains after evaluations, and evaluation is switched off "
            "(eval_strategy='no'): nothing will be logged unless Trainer.evaluate is called; set "
            "eval_strategy and eval_steps"
        )


def _about_the_log(directory: str, args: TrainingArguments, *, goes_on: bool) -> Iterator[str]:
    if not goes_on and has_logged(directory):
        yield (
            f"{directory} holds explanations of an earlier training already; they stay, and are "
            "shown apart, as a run with its time behind its name; delete the directory, or give "
            "another logdir, to be rid of them"
        )
    if _is_uploaded(directory, args):
        yield (
            f"{directory} is uploaded by push_to_hub: with it go the probe images and prompts; "
            "paths are left out. Leave logdir out, or let its name begin with '_', to keep it here"
        )


def _is_uploaded(directory: str, args: TrainingArguments) -> bool:
    """Whether the Trainer pushes it: it leaves out names in its output directory with a ``_``."""
    if not args.push_to_hub or "://" in directory:
        return False
    place, output = Path(os.path.abspath(directory)), Path(os.path.abspath(str(args.output_dir)))
    return place.is_relative_to(output) and not str(place.relative_to(output)).startswith("_")


def _holds_the_best(args: TrainingArguments, state: TrainerState) -> bool:
    """Whether the Trainer has loaded the weights of another step, once its training had ended."""
    best = getattr(state, "best_global_step", None)
    return bool(args.load_best_model_at_end) and best not in (None, state.global_step)


def _unwrapped(model: Any) -> Any:
    return getattr(model, "module", model)
