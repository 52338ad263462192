"""Writes explanations and asks TensorBoard for them, with the package as it is installed.

    python tests/packaging/viewer_check.py LOGDIR

runs in an environment that has neither torch nor pytest, and leaves with an AssertionError where an
answer is not what was written. Prints as JSON which of TensorBoard's loaders it asked.
"""

from __future__ import annotations

import importlib.util
import json
import os
import struct
import sys
import urllib.parse
from pathlib import Path

# Of this tree only what lies in one folder: `mmx_core` has to be the installed one.
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from explanations import assert_close, make_explanation
from tensorboard_server import fetch, serve

import mmx_core
from mmx_core.events import ExplanationWriter
from mmx_core.events.wire import decode_explanation

RUN, TAG, STEPS = "grounded", "mmx/val/7", (0, 300)
LOGGED = {step: make_explanation(seed=step, id="7") for step in STEPS}


def main(logdir: Path) -> None:
    assert Path(mmx_core.__file__).is_relative_to(sys.prefix), mmx_core.__file__
    with ExplanationWriter(logdir / RUN) as writer:
        for step, explanation in LOGGED.items():
            writer.add_explanation("val/7", explanation, step)
    for read, explanation in zip(mmx_core.read_explanations(logdir), LOGGED.values(), strict=True):
        assert_close(read, explanation)
    asked = [True, False] if has_data_server() else [False]
    for load_fast in asked:
        with serve(logdir, load_fast=load_fast, installed=True) as url:
            check_answers(f"{url}/data")
    heavy = {"torch", "transformers", "pandas"}.intersection(sys.modules)
    assert not heavy, f"{heavy} were imported"
    assert importlib.util.find_spec("torch") is None
    print(json.dumps({"loaders": ["fast" if load_fast else "slow" for load_fast in asked]}))


def has_data_server() -> bool:
    """Whether there is a data server for this machine: its package is empty where there is none."""
    try:
        import tensorboard_data_server
    except ImportError:
        return False
    binary = tensorboard_data_server.server_binary()
    return binary is not None and os.path.exists(binary)


def check_answers(base: str) -> None:
    listing = json.loads(fetch(f"{base}/plugins_listing")[2])["mmx"]
    assert (listing["enabled"], listing["tab_name"]) == (True, "Explanations")
    page = listing["loading_mechanism"]["module_path"].rpartition("/")[2]
    status, headers, _ = get(base, page)
    assert (status, headers["content-type"].partition(";")[0]) == (200, "text/javascript")

    (run,) = json.loads(get(base, "index")[2])["runs"]
    (sample,) = run["samples"]
    assert (run["run"], sample["tag"], sample["steps"]) == (RUN, TAG, [*STEPS])
    images = {explanation.image.hash: explanation.image for explanation in LOGGED.values()}
    assert sorted(run["images"]) == sorted(images)
    for name, image in images.items():
        assert get(base, "image", run=RUN, hash=name)[2] == image.data

    records = json.loads(get(base, "records", run=RUN, tag=TAG)[2])["records"]
    assert [record["step"] for record in records] == [*STEPS]
    for record, explanation in zip(records, LOGGED.values(), strict=True):
        assert record["metrics"] == explanation.metrics
        assert record["answer"] == explanation.answer
        header = json.loads(get(base, "header", run=RUN, tag=TAG, step=record["step"])[2])
        assert header["id"] == explanation.id
    entries = unframe(get(base, "blobs", run=RUN, tag=TAG, step=STEPS)[2])
    for (step, blobs), explanation in zip(entries, LOGGED.values(), strict=True):
        assert LOGGED[step] is explanation
        assert_close(decode_explanation(blobs, images=images.__getitem__), explanation)


def get(base: str, route: str, **parameters: object) -> tuple[int, dict[str, str], bytes]:
    query = urllib.parse.urlencode(parameters, doseq=True)
    status, headers, body = fetch(f"{base}/plugin/mmx/{route}?{query}")
    assert status == 200, f"{route}: {status} {body[:200]!r}"
    return status, headers, body


def unframe(framed: bytes) -> list[tuple[int, list[bytes]]]:
    (length,) = struct.unpack_from("<I", framed)
    entries, position = [], 4 + length
    for entry in json.loads(framed[4:position]):
        blobs = []
        for size in entry["blobs"]:
            blobs.append(framed[position : position + size])
            position += size
        entries.append((entry["step"], blobs))
    return entries


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
