"""Hugging Face Trainer: explain fixed probe samples after each evaluation, and log them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from mmx_core.events.guard import guarded
from mmx_core.events.writer import ExplanationWriter
from mmx_core.explainer import Explainer
from mmx_core.sample import Sample


class ExplainCallback(TrainerCallback):
    """Explains the same samples after every evaluation and logs them as one TensorBoard step.

    Only the main process explains and writes. Whatever fails is warned about once and training goes
    on; with ``strict`` it raises. Records are encoded and written on a thread while the next sample
    is explained. Each evaluation ends once its events are on the disk, so that training never runs
    beside that thread. A resumed run is marked as such, so that TensorBoard does not show steps
    that were trained again twice.

    Weights sharded over processes (FSDP, DeepSpeed ZeRO-3, tensor parallelism) cannot be explained
    by one of them: that is warned about, and nothing is logged; explain the saved checkpoints.

    Args:
        samples: Fixed probe samples. Give them answers, so that checkpoints are comparable.
        logdir: Where event files go, a directory or a URL; ``OUTPUT_DIR/explanations`` by default.
        set_name: First part of the tags, ``SET/SAMPLE_ID``.
        processor: As for ``Explainer``; the Trainer's ``processing_class`` by default.
        image_processor: As above.
        tokenizer: As above.
        background: Encode and write on a thread; False does it between the samples.
        strict: Raise instead of warning; None reads the environment variable ``MMX_STRICT``.
        **settings: Of :class:`mmx_core.Explainer`, such as ``scales``.

    Example:
        >>> trainer.add_callback(ExplainCallback(samples=probe, scales=(0.5, 1, 2)))
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        logdir: str | os.PathLike[str] | None = None,
        set_name: str = "val",
        processor: Any = None,
        image_processor: Any = None,
        tokenizer: Any = None,
        background: bool = True,
        strict: bool | None = None,
        **settings: Any,
    ) -> None:
        if not samples:
            raise ValueError("samples: expected at least one probe sample, got none")
        names = [sample.id for sample in samples]
        if len(set(names)) < len(names):
            raise ValueError(f"samples: expected distinct ids, got {names}")
        self.samples = tuple(samples)
        # Not a Path, which would make one slash of a URL's two.
        self.logdir = None if logdir is None else os.fspath(logdir)
        self.set_name = set_name
        self.background = background
        self.strict = strict
        self._parts = {
            "processor": processor,
            "image_processor": image_processor,
            "tokenizer": tokenizer,
        }
        self._settings = settings
        self._writer: ExplanationWriter | None = None

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Marks a resumed run."""
        if state.is_world_process_zero and state.global_step > 0:
            with guarded("marking the resumed run", strict=self.strict):
                self._open(args).mark_resume(state.global_step + 1)

    def on_evaluate(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Explains and logs the probe samples at the current step."""
        if not state.is_world_process_zero:
            return
        with guarded("explaining the probe samples", strict=self.strict):
            # A forward by one process alone would wait for the others for ever.
            if is_sharded(kwargs["model"]):
                raise RuntimeError(
                    "expected whole weights, got weights sharded over processes; explain the saved "
                    "checkpoints instead, with Explainer.from_pretrained"
                )
            writer = self._open(args)
            explainer = self._explainer(kwargs["model"], kwargs.get("processing_class"))
            try:
                self._log(explainer, writer, state.global_step)
            finally:
                writer.flush()

    def on_train_end(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        **kwargs: Any,
    ) -> None:
        """Closes the event file; a later evaluation opens another."""
        if self._writer is not None:
            with guarded("closing the event file", strict=self.strict):
                self._writer.close()
            self._writer = None

    def _log(self, explainer: Explainer, writer: ExplanationWriter, step: int) -> None:
        logged = []
        for sample, explanation in zip(
            self.samples, explainer.explain_batch(self.samples), strict=True
        ):
            writer.add_explanation(f"{self.set_name}/{sample.id}", explanation, global_step=step)
            logged.append(explanation)
        writer.add_metrics(self.set_name, logged, global_step=step)

    def _open(self, args: TrainingArguments) -> ExplanationWriter:
        if self._writer is None:
            directory = self.logdir or os.path.join(str(args.output_dir), "explanations")
            self._writer = ExplanationWriter(
                directory, strict=self.strict, background=self.background
            )
        return self._writer

    def _explainer(self, model: Any, processing_class: Any) -> Explainer:
        model = getattr(model, "module", model)
        parts = dict(self._parts)
        if parts["processor"] is None and hasattr(processing_class, "image_processor"):
            parts["processor"] = processing_class
        if parts["tokenizer"] is None and hasattr(processing_class, "convert_ids_to_tokens"):
            parts["tokenizer"] = processing_class
        return Explainer(model, **parts, **self._settings)


def is_sharded(model: Any) -> bool:
    """Whether processes hold parts of the model's weights: FSDP, ZeRO-3 or tensor parallelism."""
    # By name, because importing torch.distributed takes a second that most do not need.
    wrapped = any(type(module).__name__ == "FullyShardedDataParallel" for module in model.modules())
    return wrapped or any(
        type(parameter).__name__ == "DTensor" or hasattr(parameter, "ds_id")
        for parameter in model.parameters()
    )
