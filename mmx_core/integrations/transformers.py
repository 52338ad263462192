"""Hugging Face Trainer: explain fixed probe samples after each evaluation, and log them."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mmx_core.events.place import expanded
from mmx_core.events.sinks import fixed_logdir
from mmx_core.events.starts import check_writable, has_logged
from mmx_core.events.writer import ExplanationWriter
from mmx_core.integrations.probing import ExplainWarning as ExplainWarning
from mmx_core.integrations.probing import Probe
from mmx_core.integrations.resumed import other_weights, resumed_from
from mmx_core.models.sharding import is_sharded
from mmx_core.sample import Sample

_EVALUATED = "evaluation"


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
        also: Where explanations go beside the event file: whatever ``add_explanation`` takes, such
            as the module ``wandb`` for its current run.
        **settings: Of :class:`mmx_core.Explainer`, such as ``scales``.

    Raises:
        TypeError: An unknown setting, a sample that is none, or a logger that is not known.
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
        also: Iterable[Any] = (),
        **settings: Any,
    ) -> None:
        self.probe = Probe(
            samples,
            set_name=set_name,
            processor=processor,
            image_processor=image_processor,
            tokenizer=tokenizer,
            scalars=scalars,
            background=background,
            strict=strict,
            also=also,
            settings=settings,
        )
        self.samples, self.set_name = self.probe.samples, self.probe.set_name
        # Not a Path, which would make one slash of a URL's two.
        self.logdir = None if logdir is None else expanded(logdir)
        self.private = private
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
        probe = self.probe
        evaluated = step == 0 and not self._training and probe.explained == {0}
        probe.forget()
        self._training = True
        explainer = probe.explainer(model, kwargs.get("processing_class"))
        if not state.is_world_process_zero:
            return
        directory = self._directory(args)
        check_writable(directory)
        # An evaluation just before the training was of its step 0.
        begun = evaluated and probe.writer is not None
        begun = begun and self._open(args).logdir == fixed_logdir(directory)
        # Of sharded weights the state cannot be looked at by one process alone.
        resumed = step and not is_sharded(model)
        checkpoint = resumed_from() if resumed else None
        for text in (
            *_about_evaluation(args),
            *probe.refused(explainer),
            *_about_the_log(directory, args, goes_on=step > 0 or begun),
            *(other_weights(_unwrapped(model), checkpoint) if checkpoint else ()),
        ):
            warnings.warn(text, ExplainWarning, stacklevel=1)
        if not begun:
            probe.close()
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
        if step in self.probe.explained or not (writes or is_sharded(model)):
            return
        if not self._training and _holds_the_best(args, state):
            return  # the weights are those of an earlier step, which was explained then
        with self.probe.told():
            if writes:
                self._open(args, untrained=step == 0 and not self._training)
            explainer = self.probe.explainer(model, kwargs.get("processing_class"))
            self.probe.log(explainer, step, writes=writes)

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Closes the event file; a later evaluation opens another."""
        self._training = False
        if state.is_world_process_zero:
            self.probe.end(advice="set eval_strategy and eval_steps")

    def _open(self, args: TrainingArguments, *, untrained: bool = False) -> ExplanationWriter:
        if self.probe.writer is not None:
            return self.probe.writer
        directory = self._directory(args)
        # Not where another callback of the same training has been evaluated just before.
        if untrained and has_logged(directory, open_too=False):
            directory = os.path.join(directory, _EVALUATED)
        private = self.private
        if private is None and _is_uploaded(directory, args):
            private = True
        writer = self.probe.open(directory, private=private)
        if untrained:
            writer.mark_resume(0)
        return writer

    def _directory(self, args: TrainingArguments) -> str:
        if self.logdir is not None:
            return self.logdir
        name = "_explanations" if args.push_to_hub else "explanations"
        return os.path.join(str(args.output_dir), name)


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
            "shown apart, as a run with its time behind its name; give another logdir, or delete "
            "the directories mmx-… in it, to be rid of them"
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
