"""Records as TensorBoard's own protocol buffers: tags, plugin names and data classes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING

from mmx_core.events.index_record import encode_record
from mmx_core.events.tags import (
    IMAGE_PREFIX,
    INDEX_PLUGIN,
    PLUGIN,
    PLUGIN_CONTENT,
    means_prefix,
    metric_tag,
    sample_tags,
)
from mmx_core.events.wire import encode_explanation, encode_image
from mmx_core.explanation import EncodedImage, Explanation

_BLOB_SEQUENCE = "DATA_CLASS_BLOB_SEQUENCE"
_TENSOR = "DATA_CLASS_TENSOR"


def explanation_event(
    tag: str, explanation: Explanation, *, step: int, wall_time: float, scalars: bool = True
) -> Event:
    """One event with everything of a sample-step, so that a crash cannot leave half of it.

    Args:
        tag: ``SET/SAMPLE`` or ``SAMPLE``.
        explanation: What to log.
        step: Global step.
        wall_time: Seconds since the epoch.
        scalars: Whether the metrics are ordinary scalars, too.

    Raises:
        ValueError: The tag is not usable.
    """
    tags = sample_tags(tag)
    blobs = encode_explanation(explanation, tag=tags.explanation, step=step)
    record = encode_record(explanation, sum(map(len, blobs)), tag=tags.explanation, step=step)
    values = [
        _strings(tags.explanation, blobs, plugin=PLUGIN, data_class=_BLOB_SEQUENCE),
        _strings(tags.record, [record], plugin=INDEX_PLUGIN, data_class=_TENSOR),
    ]
    if scalars:
        values += _scalars(tags.metrics, explanation.metrics)
    return _event(values, step, wall_time)


def image_event(image: EncodedImage, *, wall_time: float) -> Event:
    """The event, at step 0, that holds an image."""
    tag = IMAGE_PREFIX + image.hash
    value = _strings(tag, encode_image(image), plugin=PLUGIN, data_class=_BLOB_SEQUENCE)
    return _event([value], 0, wall_time)


def means_event(
    set_name: str, figures: Mapping[str, float], *, step: int, wall_time: float
) -> Event:
    """The event of a set's means.

    Raises:
        ValueError: The name cannot be a set's.
    """
    return _event(_scalars(means_prefix(set_name), figures), step, wall_time)


def means_of(explanations: Sequence[Explanation]) -> dict[str, float]:
    """A set's means, by metric, and of ``grounding``; each over those that have it."""
    figures: dict[str, list[float]] = {}
    for explanation in explanations:
        grounding = explanation.grounding[~np.isnan(explanation.grounding)]
        own = {"grounding": float(grounding.mean())} if grounding.size else {}
        for name, value in {**own, **explanation.metrics}.items():
            if np.isfinite(value):
                figures.setdefault(name, []).append(float(value))
    return {name: float(np.mean(values)) for name, values in figures.items()}


def _scalars(prefix: str, figures: Mapping[str, float]) -> list[Summary.Value]:
    """Ordinary scalars; what is not finite has no place in a curve."""
    return [
        Summary.Value(tag=metric_tag(prefix, name), simple_value=float(value))
        for name, value in figures.items()
        if math.isfinite(value)
    ]


def _strings(tag: str, blobs: Sequence[bytes], *, plugin: str, data_class: str) -> Summary.Value:
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=len(blobs))])
    return Summary.Value(
        tag=tag,
        metadata=SummaryMetadata(
            plugin_data=SummaryMetadata.PluginData(plugin_name=plugin, content=PLUGIN_CONTENT),
            data_class=data_class,
        ),
        tensor=TensorProto(dtype=DT_STRING, tensor_shape=shape, string_val=blobs),
    )


def _event(values: Sequence[Summary.Value], step: int, wall_time: float) -> Event:
    return Event(step=step, wall_time=wall_time, summary=Summary(value=values))
