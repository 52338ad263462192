"""TensorBoard's data provider, without its trust in what event files say of themselves.

A tensor states its shape, and TensorBoard believes it: one string of shape 1,000,000,000 becomes
eight gigabytes of pointers, in the loader in Python while a run is merely listed. Here the shape is
the number of strings. And where a step is logged again, or steps go back, the loader in Python
shows a step's first record where the fast one shows its last; here both do as the fast one.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.compat.proto.types_pb2 import DT_STRING


def checked(provider: Any) -> Any:
    """The provider over checked tensors; one of a kind that TensorBoard does not have as it is."""
    return _over(provider, {"_multiplexer": _CheckedMultiplexer, "_stub": _CheckedStub})


def ascending(provider: Any) -> Any:
    """The provider for listing, which believes no shape: of a large log checking takes longest."""
    return _over(provider, {"_multiplexer": _AscendingMultiplexer})


def _over(provider: Any, wraps: Mapping[str, Callable[[Any], Any]]) -> Any:
    for name, wrap in wraps.items():
        source = getattr(provider, name, None)
        if source is not None:
            mended = copy.copy(provider)
            setattr(mended, name, wrap(source))
            return mended
    return provider


def truthful(tensor: TensorProto) -> TensorProto:
    """The tensor with the shape that its strings have; what holds no strings becomes empty."""
    dimensions = tensor.tensor_shape.dim
    if (
        tensor.dtype == DT_STRING
        and len(dimensions) == 1
        and dimensions[0].size == len(tensor.string_val)
        and not tensor.tensor_content
    ):
        return tensor
    strings = tensor.string_val if tensor.dtype == DT_STRING else ()
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=len(strings))])
    return TensorProto(dtype=DT_STRING, tensor_shape=shape, string_val=strings)


class _AscendingMultiplexer:
    """The loader in Python."""

    def __init__(self, multiplexer: Any) -> None:
        self._multiplexer = multiplexer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._multiplexer, name)

    def Tensors(self, run: str, tag: str) -> list[Any]:
        return _ascending(self._multiplexer.Tensors(run, tag))


class _CheckedMultiplexer(_AscendingMultiplexer):
    """As above, every tensor checked."""

    def Tensors(self, run: str, tag: str) -> list[Any]:
        return [_checked_event(event) for event in super().Tensors(run, tag)]


class _CheckedStub:
    """The fast loader's server, which counts the strings of blobs itself, but not of tensors."""

    def __init__(self, stub: Any) -> None:
        self._stub = stub

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stub, name)

    def ReadTensors(self, request: Any) -> Any:
        response = self._stub.ReadTensors(request)
        for run in response.runs:
            for tag in run.tags:
                for tensor in tag.data.value:
                    mended = truthful(tensor)
                    if mended is not tensor:
                        tensor.CopyFrom(mended)
        return response


def _checked_event(event: Any) -> Any:
    tensor = truthful(event.tensor_proto)
    return event if tensor is event.tensor_proto else replace(event, tensor_proto=tensor)


def _ascending(events: Iterable[Any]) -> list[Any]:
    """Events by ascending step: one that repeats a step or goes back drops those from there on."""
    kept: list[Any] = []
    for event in events:
        while kept and kept[-1].step >= event.step:
            kept.pop()
        kept.append(event)
    return kept
