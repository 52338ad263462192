"""Which words made a word: each is taken away, and the answer's log-probabilities are read again.

A word's keys are hidden from attention, positions kept, at scale 1.0, teacher-forced. What stands
at a position stays there without its key, so for the token that the word's own last position
predicts its embeddings are exchanged for a neutral token's; and so for all tokens where keys cannot
be hidden (recurrent layers). Neighbouring words share a forward over the text behind the first of
them; the picture in front of it is not computed again (docs/influence.md).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mmx_core.explanation import FloatArray
from mmx_core.parts import ContextWord
from mmx_core.stages.taken_away import Reader, Task, in_batches, in_short_batches, tasks_of


@dataclass(frozen=True)
class Influence:
    """The influence of ``W`` words on ``R`` targets: the answer's tokens, then those beside them.

    Attributes:
        values: ``(R, W)`` float32, nats: ``log p`` of a target less what it is without the word;
            NaN where the word does not end before it, or was not measured.
        whole: ``(R,)`` float32, ``log p`` with all words.
        how: Of each word, as :attr:`ContextWord.how`.
        neutral: The token in a replaced word's place.
        no_holes: What of the model keeps keys from being hidden; None where they were.
        seconds: Whether time ran out.
    """

    values: FloatArray
    whole: FloatArray
    how: tuple[str, ...]
    neutral: int
    no_holes: str | None
    seconds: bool


def measure_influence(
    reader: Reader,
    words: Sequence[ContextWord],
    order: Sequence[int],
    *,
    seconds: float,
    positions: int,
) -> Influence:
    """Takes each word away and reads what the targets lose.

    Args:
        reader: The sample's.
        words: The ``W`` words.
        order: Those to measure, the most important first.
        seconds: After which no further forward begins.
        positions: Bound on those of one forward.
    """
    begun, text = time.monotonic(), reader.text
    places = [reader.context[word.first : word.first + word.count].tolist() for word in words]
    tasks, ends = tasks_of(text, places, order, reader.predicting)
    values = np.full((len(reader.predicting), len(words)), np.nan, np.float32)
    how = ["unmeasured"] * len(words)
    stopped = False
    for batch in in_batches(tasks, text, positions):
        if stopped := reader.late(begun, seconds):
            break
        _measure(reader, batch, values, how)
    done = {index for index in order if how[index] != "unmeasured"}
    waiting = {task.word for task in tasks}
    ends = [task for task in ends if task.word in done or task.word not in waiting]
    for batch in in_short_batches(ends, text, positions):
        _measure(reader, batch, values, how, short=True)
    whole = reader.whole.float().cpu().numpy()
    return Influence(values, whole, tuple(how), reader.neutral, text.no_holes, stopped)


def _measure(
    reader: Reader,
    batch: Sequence[Task],
    values: FloatArray,
    how: list[str],
    *,
    short: bool = False,
) -> None:
    for task, found in zip(batch, reader.lost(batch, short=short), strict=True):
        values[list(task.targets), task.word] = found
        if how[task.word] != "hidden":
            how[task.word] = "hidden" if task.hidden else "replaced"
