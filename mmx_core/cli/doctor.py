"""``mmx doctor``: what is installed, what works, and what to do about the rest."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Literal

from mmx_core.cli.errors import one_line
from mmx_core.errors import install_hint

_PACKAGES = {
    "tensorboard": (2, 21),
    "protobuf": (6, 31, 1),
    "numpy": (1, 26),
    "pillow": (10, 3),
    "google-crc32c": (1, 7),
    "torch": (2, 6),
    "transformers": (5, 5, 4),
}
_OPTIONAL = ("torch", "transformers")
# For which its package has a program, of version 0.7.2; for others it is empty.
_DATA_SERVERS = {("Linux", "x86_64"), ("Darwin", "x86_64"), ("Darwin", "arm64")}
_CRC_BYTES = 1 << 20
_SLOW_CRC_MB_PER_S = 30

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes:
        subject: What.
        state: ``problem`` for what does not work, ``note`` for what could be better.
        text: What was found.
        advice: What to do, if anything.
    """

    subject: str
    state: State
    text: str
    advice: str = ""


def add_parser(commands: Any) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser("doctor", help="what is installed, and what to do about problems")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Prints every finding; leaves with 1 if there is a problem."""
    marks = {"ok": "ok  ", "note": "note", "problem": "FAIL"}
    worst = False
    for finding in examine():
        worst |= finding.state == "problem"
        print(f"{marks[finding.state]}  {finding.subject}: {finding.text}", flush=True)
        if finding.advice:
            print(f"      {finding.advice}")
    if worst:
        raise SystemExit(1)


def examine() -> Iterator[Finding]:
    """Looks at everything, one after the other; a check that fails is a finding itself."""
    yield Finding("python", "ok", f"{platform.python_version()} in {sys.prefix}")
    checks: list[Callable[[], Iterator[Finding]]] = [
        packages,
        entry_point,
        panel,
        loader,
        kept_steps,
        checksum,
        dictionary,
        torchvision,
        device,
    ]
    for check in checks:
        try:
            yield from check()
        except Exception as error:  # what is broken here is what is asked about
            name = check.__name__.replace("_", " ")
            yield Finding(name, "problem", f"{type(error).__name__}: {one_line(error)}")


def packages() -> Iterator[Finding]:
    """Versions against the oldest that work."""
    for name, least in _PACKAGES.items():
        wanted = ".".join(map(str, least))
        try:
            found = metadata.version(name)
        except metadata.PackageNotFoundError:
            if name in _OPTIONAL:
                advice = f"to explain models: {install_hint('core')}"
                yield Finding(name, "note", "not installed; the viewer needs none", advice)
            else:
                yield Finding(name, "problem", "not installed", f"pip install '{name}>={wanted}'")
            continue
        old = _numbers(found) < least
        advice = f"pip install --upgrade '{name}>={wanted}'" if old else ""
        yield Finding(name, "problem" if old else "ok", found, advice)


def entry_point() -> Iterator[Finding]:
    """Whether TensorBoard finds the plugin, as it looks for it itself."""
    found = [p for p in metadata.entry_points(group="tensorboard_plugins") if p.name == "mmx"]
    if not found:
        yield Finding(
            "plugin",
            "problem",
            "TensorBoard does not find it: this environment has no such entry point",
            "install this package with the Python that runs TensorBoard",
        )
        return
    found[0].load()
    yield Finding("plugin", "ok", f"TensorBoard finds it as {found[0].value}")


def panel() -> Iterator[Finding]:
    """Whether the tab's page has been built."""
    from mmx_core.export.bundle import BundleMissing, read_bundle

    try:
        size = len(read_bundle())
    except BundleMissing as error:
        yield Finding("panel", "problem", one_line(error), "python build_tools/panel.py")
        return
    yield Finding("panel", "ok", f"built, {size / 1e3:.0f} kB")


def data_server() -> str:
    """The version of TensorBoard's data server, or nothing where there is none."""
    try:
        import tensorboard_data_server

        binary = tensorboard_data_server.server_binary()
    except ImportError:
        return ""
    there = binary and os.path.exists(binary)
    return metadata.version("tensorboard_data_server") if there else ""


def loader() -> Iterator[Finding]:
    """Which of TensorBoard's loaders will read event files."""
    if version := data_server():
        yield Finding("loader", "ok", f"the fast one (data server {version})")
        return
    system, machine = platform.system(), platform.machine()
    exists = (system, machine) in _DATA_SERVERS
    why = "its data server is not installed" if exists else f"none exists for {machine} {system}"
    yield Finding(
        "loader",
        "note",
        f"the slow one, about 8 MB/s; {why}",
        "pip install --force-reinstall tensorboard-data-server" if exists else "",
    )


def kept_steps() -> Iterator[Finding]:
    """How many steps of a sample TensorBoard will keep."""
    from mmx_core.cli.inventory import STEPS_KEPT

    kept = f"{STEPS_KEPT} of each sample" if STEPS_KEPT else "all"
    how = "--samples_per_plugin=mmx=N keeps N of each sample (0: all); `mmx list` tells the memory"
    yield Finding("steps kept", "ok", f"{kept}; {how}")


def checksum() -> Iterator[Finding]:
    """How fast records can be written."""
    from mmx_core.events.record_file import frame_record

    data = bytes(_CRC_BYTES)
    frame_record(data[:1024])
    start = time.perf_counter()
    frame_record(data)
    speed = _CRC_BYTES / 1e6 / (time.perf_counter() - start)
    slow = speed < _SLOW_CRC_MB_PER_S
    advice = "google-crc32c has no C extension here: reinstall it from a wheel" if slow else ""
    yield Finding("checksums", "note" if slow else "ok", f"{speed:.0f} MB/s", advice)


def dictionary() -> Iterator[Finding]:
    """What tells nouns for Func-IoU."""
    try:
        version = metadata.version("lemminflect")
    except metadata.PackageNotFoundError:
        advice = "to evaluate: pip install lemminflect"
        yield Finding("lemminflect", "note", "not installed", advice)
        return
    yield Finding("lemminflect", "ok", version)


def torchvision() -> Iterator[Finding]:
    """A torchvision built for another torch breaks transformers itself."""
    try:
        metadata.version("torchvision")
    except metadata.PackageNotFoundError:
        yield Finding("torchvision", "ok", "not installed, and not needed")
        return
    try:
        import torchvision  # noqa: F401
    except Exception as error:
        yield Finding(
            "torchvision",
            "problem",
            f"installed, but cannot be imported ({one_line(error)}); transformers fails with it",
            "install the build that belongs to your torch, or pip uninstall torchvision",
        )
        return
    yield Finding("torchvision", "ok", "installed")


def device() -> Iterator[Finding]:
    """What models will run on."""
    try:
        import torch
    except ImportError:
        return
    if torch.cuda.is_available():
        free, total = torch.cuda.mem_get_info()
        name = torch.cuda.get_device_name()
        yield Finding("device", "ok", f"{name}, {free / 1e9:.1f} of {total / 1e9:.1f} GB free")
    elif torch.version.cuda:
        advice = "nvidia-smi tells whether the driver sees a GPU"
        yield Finding("device", "note", "cpu: this torch knows CUDA, but finds no GPU", advice)
    else:
        yield Finding("device", "ok", f"cpu, {torch.get_num_threads()} threads")


def _numbers(version: str) -> tuple[int, ...]:
    parts = version.split("+")[0].split(".")
    return tuple(int(part) for part in parts[:3] if part.isdigit())
