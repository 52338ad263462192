"""Lightning: explain fixed probe samples at the end of each validation, and log them."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib import import_module
from typing import Any

from mmx_core.errors import install_hint
from mmx_core.events.place import expanded
from mmx_core.events.sinks import Board, UnknownLogger, sink_of
from mmx_core.events.starts import check_writable, has_logged
from mmx_core.integrations.probing import ExplainWarning, Probe
from mmx_core.models.sharding import is_sharded
from mmx_core.sample import Sample

_NAMES = ("lightning.pytorch", "pytorch_lightning")
"""One library under two names, which are two to Python: a trainer of one has callbacks of it."""


def _bases() -> tuple[type[Any], ...]:
    """The callback's class under each name that the program uses, or the first that is there."""
    used = [name for name in _NAMES if name in sys.modules]
    for name in used or _NAMES:
        try:
            import_module(name)
        except ImportError:
            continue
        used = used or [name]
    if not used:
        raise ImportError(
            "lightning: expected the package (or pytorch-lightning), found neither; install it: "
            f"{install_hint('lightning')}"
        )
    return tuple(sys.modules[name].Callback for name in used)


class ExplainCallback(*_bases()):  # type: ignore[misc]
    """Explains the same samples after every validation and logs them as one TensorBoard step.

    The sanity check before a training is none. What cannot work is said before the first step, and
    after that nothing raises (as :class:`mmx_core.integrations.transformers.ExplainCallback`).
    Rank 0 writes; weights sharded by FSDP or ZeRO-3 are explained by all ranks together.

    Event files go beside those of a ``TensorBoardLogger``, so that explanations and curves are one
    run; with other loggers or none into ``explanations`` in the trainer's directory. Loggers of
    tools that show runs (W&B, MLflow, trackio, Aim, ClearML) are sent a page, too.

    Args:
        samples: Fixed probe samples, or mappings with their attributes. Give them answers, so that
            checkpoints are comparable.
        model: Where the Hugging Face model is: the name of the module's attribute, or a function of
            the module. By default the only one that the module holds.
        logdir: Where event files go instead, a directory or a URL.
        set_name: First part of the tags, ``SET/SAMPLE_ID``.
        processor: As for ``Explainer``; the module's ``processor`` by default.
        image_processor: As above.
        tokenizer: As above.
        scalars: Whether the metrics of single samples go out as scalars, beside the set's means.
        background: Encode and write on a thread; False does it between the samples.
        private: Leave out the paths of files (docs/privacy.md).
        strict: Raise instead of warning; None reads the environment variable ``MMX_STRICT``.
        also: Where explanations go beside the event file; by default those of the trainer's loggers
            that can show them. ``()`` sends none away.
        **settings: Of :class:`mmx_core.Explainer`, such as ``scales``.

    Raises:
        TypeError: An unknown setting, a sample that is none, or a logger that is not known.
        ValueError: No samples, two of one id, a name that cannot be stored, or a setting out of its
            range.

    Example:
        >>> Trainer(callbacks=[ExplainCallback(samples=probe, processor=processor)])
    """

    def __init__(
        self,
        samples: Iterable[Sample | Mapping[str, Any]],
        *,
        model: str | Callable[[Any], Any] | None = None,
        logdir: str | os.PathLike[str] | None = None,
        set_name: str = "val",
        processor: Any = None,
        image_processor: Any = None,
        tokenizer: Any = None,
        scalars: bool = True,
        background: bool = True,
        private: bool | None = None,
        strict: bool | None = None,
        also: Iterable[Any] | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        self.probe = Probe(
            samples,
            set_name=set_name,
            processor=processor,
            image_processor=image_processor,
            tokenizer=tokenizer,
            scalars=scalars,
            background=background,
            strict=strict,
            also=also or (),
            settings=settings,
        )
        self.samples, self.set_name = self.probe.samples, self.probe.set_name
        self.logdir = None if logdir is None else expanded(logdir)
        self.private = private
        self._model = model
        self._asks_loggers = also is None
        self._training = False

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Checks everything.

        Raises:
            ValueError: There is no model or processor, or the model is not supported.
            OSError: The log cannot be written.
        """
        self.probe.close()
        self.probe.forget()
        self._training = True
        directory = self._directory(trainer)
        explainer = self._explainer(pl_module)
        if trainer.is_global_zero:
            check_writable(directory)
            for text in self.probe.refused(explainer):
                warnings.warn(text, ExplainWarning, stacklevel=1)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begins the training's log, or goes on with that of the checkpoint."""
        directory = self._directory(trainer)
        if trainer.is_global_zero:
            step = trainer.global_step
            writer = self.probe.open(directory, private=self.private)
            writer.mark_resume(step + 1 if step else 0)
            writer.flush()

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Explains and logs the probe samples at the current step, once."""
        step, writes = trainer.global_step, trainer.is_global_zero
        if trainer.sanity_checking or step in self.probe.explained:
            return
        directory = self._directory(trainer)
        if not (writes or is_sharded(self._found(pl_module))):
            return
        with self.probe.told():
            if writes and self.probe.writer is None:
                if not self._training and has_logged(directory, open_too=False):
                    directory = os.path.join(directory, "evaluation")
                self.probe.open(directory, private=self.private)
            self.probe.log(
                self._explainer(pl_module), step, writes=writes, also=self._boards(trainer)
            )

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Closes the event file; a later validation opens another."""
        self._training = False
        if trainer.is_global_zero:
            self.probe.end(advice="give the trainer a validation set")

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Closes the event file."""
        self._training = False
        self.probe.close()

    def _explainer(self, module: Any) -> Any:
        given = getattr(module, "processor", None) or getattr(module, "tokenizer", None)
        return self.probe.explainer(self._found(module), given)

    def _found(self, module: Any) -> Any:
        if callable(self._model):
            return self._model(module)
        if self._model is not None:
            return module.get_submodule(self._model)
        found = list(_models(module))
        if len(found) != 1:
            names = ", ".join(name for name, _ in found) or "none"
            raise ValueError(
                f"model: expected one Hugging Face model in {type(module).__name__}, got {names}; "
                "name its attribute: ExplainCallback(..., model='vlm')"
            )
        return found[0][1]

    def _directory(self, trainer: Any) -> str:
        """Asked by all ranks at once: the trainer sends it round."""
        own: str = trainer.log_dir or trainer.default_root_dir
        if self.logdir is not None:
            return self.logdir
        first = trainer.loggers[0] if trainer.loggers else None
        beside = type(first).__name__ == "TensorBoardLogger"
        return own if beside else os.path.join(own, "explanations")

    def _boards(self, trainer: Any) -> Iterator[Any]:
        """The loggers that are sent explanations whole."""
        for logger in trainer.loggers if self._asks_loggers and trainer.is_global_zero else ():
            try:
                if isinstance(sink_of(logger), Board):
                    yield logger
            except UnknownLogger:  # figures alone
                continue


def _models(module: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """The outermost modules with a configuration of transformers, by their names."""
    for child_name, child in module.named_children():
        full = f"{name}.{child_name}".lstrip(".")
        if hasattr(getattr(child, "config", None), "model_type"):
            yield full, child
        else:
            yield from _models(child, full)
