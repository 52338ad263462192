"""accelerate: explain fixed probe samples in a custom loop, and a tracker of explanations."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Mapping
from types import TracebackType
from typing import Any

from accelerate import Accelerator, PartialState
from accelerate.tracking import GeneralTracker

from mmx_core.events.place import expanded
from mmx_core.events.starts import check_writable
from mmx_core.events.writer import ExplanationWriter
from mmx_core.explanation import Explanation
from mmx_core.integrations.probing import ExplainWarning, Probe
from mmx_core.models.sharding import is_sharded
from mmx_core.sample import Sample


class ExplainProbe:
    """Explains the same samples whenever the loop asks for it, in however many processes.

    Every process makes one and calls it at the same steps. The main one explains and writes; with
    weights sharded by FSDP or ZeRO-3 all explain together. A context manager. Whatever fails once
    it is made is warned about once, and the loop goes on.

    Args:
        accelerator: The loop's.
        samples: Fixed probe samples, or mappings with their attributes. Give them answers, so that
            checkpoints are comparable.
        logdir: Where event files go; ``PROJECT_DIR/explanations`` by default.
        first_step: The step that training begins at, above 0 where it was resumed: what was logged
            at it or later is void.
        set_name: First part of the tags, ``SET/SAMPLE_ID``.
        processor: As for ``Explainer``.
        image_processor: As above.
        tokenizer: As above.
        scalars: Whether the metrics of single samples go out as scalars, beside the set's means.
        background: Encode and write on a thread; False does it between the samples.
        private: Leave out the paths of files (docs/privacy.md).
        strict: Raise instead of warning; None reads the environment variable ``MMX_STRICT``.
        also: Where explanations go beside the event file: whatever ``add_explanation`` takes, such
            as ``accelerator.get_tracker("wandb")``.
        **settings: Of :class:`mmx_core.Explainer`, such as ``scales``.

    Raises:
        TypeError: An unknown setting, a sample that is none, or a logger that is not known.
        ValueError: No place for the log, no samples, two of one id, a name that cannot be stored,
            or a setting out of its range.
        OSError: The log cannot be written.

    Example:
        >>> with ExplainProbe(accelerator, probe, processor=processor) as explain:
        ...     for step in range(1000):
        ...         ...
        ...         if step % 100 == 0:
        ...             explain(model, step)
    """

    def __init__(
        self,
        accelerator: Accelerator,
        samples: Iterable[Sample | Mapping[str, Any]],
        *,
        logdir: str | os.PathLike[str] | None = None,
        first_step: int = 0,
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
        place = accelerator.project_dir
        if logdir is None and place is None:
            raise ValueError(
                "logdir: expected a directory, got none, and the Accelerator has no project_dir"
            )
        self.logdir = os.path.join(place, "explanations") if logdir is None else expanded(logdir)
        self._main = accelerator.is_main_process
        self._checked = False
        if self._main:
            check_writable(self.logdir)
            writer = self.probe.open(self.logdir, private=private)
            writer.mark_resume(first_step)
            writer.flush()

    def __call__(self, model: Any, step: int) -> None:
        """Explains and logs the samples at a step, once.

        Args:
            model: As ``accelerator.prepare`` gave it, or before.
            step: The training's.
        """
        if step in self.probe.explained or not (self._main or is_sharded(model)):
            return
        with self.probe.told():
            explainer = self.probe.explainer(model)
            if self._main and not self._checked:
                for text in self.probe.refused(explainer):
                    warnings.warn(text, ExplainWarning, stacklevel=2)
            self._checked = True
            self.probe.log(explainer, step, writes=self._main)

    def close(self) -> None:
        """Closes the event file, and warns of what it does not have."""
        if self._main:
            self.probe.end(advice="call the probe at some steps")
        self._main = False

    def __enter__(self) -> ExplainProbe:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
        else:
            self.probe.close()


class ExplanationTracker(GeneralTracker):
    """A tracker for ``Accelerator(log_with=[...])`` that takes explanations, and nothing else.

    Args:
        logdir: The run's directory.
        **settings: Of :class:`mmx_core.events.ExplanationWriter`.

    Example:
        >>> accelerator = Accelerator(log_with=["tensorboard", ExplanationTracker("runs/one")])
        >>> accelerator.init_trackers("one")
        >>> accelerator.get_tracker("mmx").log({"val/0007": explanation}, step=300)
    """

    name = "mmx"
    requires_logging_directory = False

    def __init__(self, logdir: str | os.PathLike[str], **settings: Any) -> None:
        super().__init__()
        self._logdir, self._settings = logdir, settings
        self._writer: ExplanationWriter | None = None

    def start(self) -> None:
        """Makes the writer, in the main process."""
        if PartialState().is_main_process:
            self._writer = ExplanationWriter(self._logdir, **self._settings)

    @property
    def tracker(self) -> ExplanationWriter | None:
        """The writer; None in other processes."""
        return self._writer

    def log(self, values: Mapping[str, Any], step: int | None = None, **kwargs: Any) -> None:
        """Logs the explanations among the values, each under its key ``SET/SAMPLE``."""
        for tag, value in values.items():
            if isinstance(value, Explanation) and self._writer is not None:
                self._writer.add_explanation(tag, value, step or 0)

    def finish(self) -> None:
        """Closes the event file."""
        if self._writer is not None:
            self._writer.close()
