"""An interrupt at any moment leaves the model, random numbers and torch's modes as they were."""

from __future__ import annotations

import random
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import mmx_core
from mmx_core import Explainer, Sample
from mmx_core.evaluation.registry import methods
from mmx_core.models import running
from mmx_core.models.restoring import contents, restoring
from mmx_core.models.running import undisturbed
from mmx_core.stages.perturbing import Perturber
from tests.support.tiny_models import make_tiny

PROMPT, ANSWER = "describe the image .", "a red circle"
INTERRUPTS = 40
OURS = str(Path(mmx_core.__file__).parent)
# What changes something or undoes it, as files and functions; elsewhere it does not matter at which
# call an interrupt comes.
MODES = ("grad_mode.py", "autocast_mode.py")
CHANGING = ("undisturbed", "restoring", "_evaluating", "attend", "hook", "differentiate", "cut")


@pytest.fixture(scope="module")
def explainer() -> Explainer:
    tiny = make_tiny("qwen2_vl")
    for index, module in enumerate(tiny.model.train().modules()):
        module.training = index % 3 != 0
    for index, parameter in enumerate(tiny.model.parameters()):
        parameter.requires_grad_(index % 2 == 0)
    tiny.model.config.vision_config._attn_implementation = "eager"
    return Explainer(tiny.model, **tiny.parts, scales=(1.0,))


def trace_of(model: Any) -> list[Any]:
    """Everything that an explanation changes meanwhile."""
    hooks = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks")
    text, vision = model.config.get_text_config(), model.config.vision_config
    depth = torch.autocast_increment_nesting()
    torch.autocast_decrement_nesting()
    return [
        [module.training for module in model.modules()],
        [len(getattr(module, name)) for module in model.modules() for name in hooks],
        [parameter.requires_grad for parameter in model.parameters()],
        [config._attn_implementation for config in (model.config, text, vision)],
        [str(model.config), str(model.generation_config)],
        torch.random.get_rng_state().tolist(),
        (torch.is_grad_enabled(), torch.is_inference_mode_enabled()),
        (torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu"), depth),
        another_thread_may_explain(),
    ]


def another_thread_may_explain() -> bool:
    def come_in() -> bool:
        came = running._ALONE.acquire(blocking=False)
        if came:
            running._ALONE.release()
        return came

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(come_in).result()


def picture() -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))


def works(explainer: Explainer) -> dict[str, Callable[[], object]]:
    """All that runs the model."""
    sample = Sample("1", picture(), PROMPT, ANSWER)
    prepared = explainer.prepare(sample)
    adapter = explainer.adapter
    perturber = Perturber(adapter, prepared)
    keep = np.random.default_rng(0).random((4, *perturber.grid)) < 0.5
    batch = [sample, Sample("2", picture(), f"{PROMPT} .", ANSWER)]

    def of_rival(name: str) -> Callable[[], object]:
        return lambda: undisturbed(adapter.model, methods()[name], adapter, prepared, 0)

    generating = partial(explainer.prepare, Sample("1", picture(), PROMPT))
    explainer.max_new_tokens = 4
    return {
        "explain": lambda: explainer.explain(picture(), PROMPT, answer=ANSWER),
        "explain_batch": lambda: list(explainer.explain_batch(batch, max_tokens_per_batch=500)),
        "generate": generating,
        "faithfulness": lambda: perturber.predict(keep, np.array([0, 1, 2, 0])),
        **{name: of_rival(name) for name in ("rollout", "grad_cam", "gradient_input")},
    }


NAMES = (
    "explain",
    "explain_batch",
    "generate",
    "faithfulness",
    "rollout",
    "grad_cam",
    "gradient_input",
)


@pytest.fixture
def alarm() -> Iterator[Callable[[float], None]]:
    """An alarm whose handler raises, as Ctrl-C does."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    yield partial(signal.setitimer, signal.ITIMER_REAL)
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupt_at_a_random_moment_leaves_no_trace(explainer, alarm, name) -> None:
    work, model, chosen = works(explainer)[name], explainer.adapter.model, random.Random(name)
    work()
    start = time.perf_counter()
    work()
    seconds = time.perf_counter() - start
    before, interrupted = trace_of(model), 0
    for _ in range(INTERRUPTS):
        try:
            try:
                alarm(chosen.uniform(1e-5, seconds))
                work()
            finally:
                alarm(0)
        except KeyboardInterrupt:
            interrupted += 1
        assert trace_of(model) == before
    assert interrupted > INTERRUPTS / 4


class AtCall:
    """Interrupts at the n-th moment of some files at which CPython may call a signal's handler.

    That is where a function begins, and after a call of one in C: where a profiler is told.
    """

    def __init__(self, number: int) -> None:
        self.left = number

    def __call__(self, frame: FrameType, event: str, _: object) -> None:
        code = frame.f_code
        ours = code.co_filename.startswith(OURS) and code.co_name in CHANGING
        if event in ("call", "c_return") and (ours or code.co_filename.endswith(MODES)):
            self.left -= 1
            if self.left < 0:
                raise KeyboardInterrupt


@pytest.mark.parametrize("name", ["explain", "rollout", "grad_cam"])
def test_an_interrupt_at_every_call_of_what_changes_and_undoes_leaves_no_trace(
    explainer, name
) -> None:
    work, model = works(explainer)[name], explainer.adapter.model
    work()
    before, number = trace_of(model), 0
    while True:
        try:
            sys.setprofile(AtCall(number))
            work()
            break
        except KeyboardInterrupt:
            pass
        finally:
            sys.setprofile(None)
        assert trace_of(model) == before, f"interrupted at call {number}"
        number += 1
    assert number > 30


def test_a_second_interrupt_while_it_is_undone_changes_nothing() -> None:
    """The handler runs again once the one call is over, and never within it."""
    state = {"mode": "as it was"}

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    def work() -> None:
        state.clear()
        state["more"] = "changed"

    handler = signal.signal(signal.SIGALRM, interrupt)
    soon = partial(signal.setitimer, signal.ITIMER_REAL, 1e-6)
    try:
        with pytest.raises(KeyboardInterrupt):
            restoring([soon, partial(sum, range(10**6)), *contents(state)], work)
    finally:
        signal.signal(signal.SIGALRM, handler)
    assert state == {"mode": "as it was"}
