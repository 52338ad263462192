"""A real TensorBoard over lying files, before rude clients; its memory is watched throughout."""

from __future__ import annotations

import asyncio
import json
import socket
import urllib.parse
from collections import Counter
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest

from mmx_core.events import ExplanationWriter, records
from mmx_core.events.blob import encode_json
from mmx_core.events.sinks import EventFile
from mmx_core.explanation import EncodedImage
from tests.faults.memory import server_bytes
from tests.faults.panel import PLAIN, TAG, Panel, panel_at, tiny
from tests.faults.test_vanishing import eventually
from tests.hostile import forge
from tests.plugin.test_data import unframe
from tests.support.explanations import make_explanation
from tests.support.tensorboard_server import fetch, serve

Answer = TypeVar("Answer")
SCRIPT = "<script>alert(1)</script>"
LARGE = EncodedImage(
    np.random.default_rng(0).bytes(8 * forge.MEBIBYTE), "png", 1, 1, "abcdef0123456789"
)
# Believed, the largest of either would take a server 0.8 GB and more.
RECORD_SHAPES = {"huge": (10**8,), "beyond": (2**62, 2**62), "negative": (-1,), "square": (1, 1)}
BLOB_SHAPES = {"huge": (3_000_000,), "negative": (-1,), "square": (2, 2)}
# Those that the fast loader takes for something else.
UNLISTED = {"blobs-floats", "blobs-square"}
# 256 MB of answers on their way, four being built, each of 8 MB and copied some times, and what
# freed pieces leave between them; without bounds it is 1.2 GB and more.
GROWTH_BYTES = 1000 * forge.MEBIBYTE


@dataclass(frozen=True)
class Server:
    base: str
    panel: Panel
    logdir: Path
    idle_bytes: int

    @property
    def address(self) -> tuple[str, int]:
        split = urllib.parse.urlsplit(self.base)
        return split.hostname, split.port


@pytest.fixture(scope="module")
def logdir(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    for name, shape in RECORD_SHAPES.items():
        forge.log(folder / f"record-{name}", forge.with_shape(1, *shape))
    for name, shape in BLOB_SHAPES.items():
        forge.log(folder / f"blobs-{name}", forge.with_shape(0, *shape))
    for value, name in ((0, "blobs"), (1, "record")):
        forge.log(folder / f"{name}-floats", forge.with_floats(value))
        forge.log(folder / f"{name}-content", forge.with_content(value))
        forge.log(folder / f"{name}-many", forge.with_blobs([b""] * 20_000, value))
        deep = forge.json_blob("[" * 10_000 + "]" * 10_000)
        forge.log(folder / f"{name}-deep", forge.with_blobs([deep], value))
    forge.log(folder / "bombs", forge.with_blobs(forge.bomb_blobs(8)))
    with ExplanationWriter(folder / "sound") as writer:
        for step in range(10):
            explanation = make_explanation(8, 2, ((1.0, (60, 60)),), seed=step, smooth=False)
            writer.add_explanation("val/1", explanation, step)
    changes = {"answer": SCRIPT, "prompt": SCRIPT, "provenance": {SCRIPT: SCRIPT}}
    forge.log(folder / SCRIPT.replace("/", "|"), forge.with_header(**changes), tag=f"val/{SCRIPT}")
    file = EventFile(folder / "image")
    file.write(records.image_event(LARGE, wall_time=1.0))
    wrong = records.image_event(tiny().image, wall_time=1.0)
    described = encode_json({"width": 1, "height": 1, "format": "svg+xml"})
    wrong.summary.value[0].tensor.string_val[0] = described
    file.write(wrong)
    file.write(records.explanation_event("val/1", tiny(), step=0, wall_time=1.0))
    file.close()
    return folder


@pytest.fixture(scope="module", params=[True, False], ids=["fast", "slow"])
def server(request, logdir) -> Iterator[Server]:
    with serve(logdir, load_fast=request.param) as base:
        panel = panel_at(base)
        runs = {path.name for path in logdir.iterdir()} - UNLISTED
        assert eventually(lambda: runs <= set(panel.index())), runs - set(panel.index())
        panel.shown("sound")
        yield Server(base, panel, logdir, server_bytes(logdir))


@pytest.fixture(autouse=True)
def bounded(request) -> Iterator[None]:
    """The most that the server has ever taken stays near what it takes idle."""
    yield
    if "server" in request.fixturenames:
        server = request.getfixturevalue("server")
        grown = server_bytes(server.logdir, "VmHWM") - server.idle_bytes
        assert grown < GROWTH_BYTES, f"{grown / 1e6:.0f} MB"


def test_a_lying_shape_costs_neither_memory_nor_what_its_strings_hold(server):
    for name in BLOB_SHAPES:
        shown = server.panel.shown(f"blobs-{name}")
        assert list(shown) == [forge.STEP] or (name == "square" and not shown)
        assert not any(isinstance(entry, str) for entry in shown.values()), (name, shown)
    for name in RECORD_SHAPES:
        (record,) = server.panel.records(f"record-{name}")
        assert record.get("tokens") == 1, (name, record)


def test_what_holds_no_strings_or_too_many_is_damage_in_a_sentence(server):
    for kind in ("floats", "many", "deep"):
        run = f"blobs-{kind}"
        for step, shown in server.panel.shown(run).items():
            assert isinstance(shown, str), run
            status, _, body = server.panel.ask("header", run=run, tag=TAG, step=step)
            assert status in (404, 409), (run, body)
        (record,) = server.panel.records(f"record-{kind}")
        assert record["error"].startswith("damaged: "), record
    for shown in server.panel.shown("blobs-content").values():
        assert not isinstance(shown, str), "the strings count, not what is beside them"


def test_bombs_are_handed_on_packed(server):
    _, _, framed = server.panel.ask("blobs", run="bombs", tag=TAG, step=forge.STEP)
    assert len(framed) < 20 * forge.MEBIBYTE
    assert server.panel.ask("header", run="bombs", tag=TAG, step=forge.STEP)[0] == 200


def test_script_in_names_answers_and_tokens_is_never_served_as_a_page(server):
    run, tag = SCRIPT.replace("/", "|"), f"mmx/val/{SCRIPT}"
    assert server.panel.index()[run] == {tag: [forge.STEP]}
    for route, parameters in (
        ("index", {}),
        ("records", {"run": run}),
        ("header", {"run": run, "tag": tag, "step": forge.STEP}),
        ("blobs", {"run": run, "tag": tag, "step": forge.STEP}),
        ("records", {"run": SCRIPT}),
        ("records", {"run": run, "tag": SCRIPT}),
        ("header", {"run": run, "tag": SCRIPT, "step": SCRIPT}),
        ("image", {"run": run, "hash": SCRIPT}),
        ("image", {"run": "image", "hash": tiny().image.hash}),
        (f"static/{SCRIPT}", {}),
    ):
        _, headers, _ = server.panel.ask(route, **parameters)
        kinds = ("application/json", "application/octet-stream", PLAIN)
        assert headers["content-type"] in kinds, (route, parameters)
    header = json.loads(server.panel.ask("header", run=run, tag=tag, step=forge.STEP)[2])
    assert header["answer"] == SCRIPT, "it is data, and comes back as it was logged"


FOREIGN = [
    "../../../../etc/passwd", "..\\..\\etc\\passwd", "/etc/passwd", "C:\\Windows", "%2e%2e%2f",
    "\0", "\x1b[31m", "a" * 20_000, "{}", "' OR 1=1 --", "mmx/images/ab", "mmx/", "mmx/a//b",
    "scalars", "\u202e", "\U0001f600" * 50, "",
]  # fmt: skip


@pytest.mark.parametrize("name", FOREIGN, ids=range(len(FOREIGN)))
def test_a_foreign_name_in_any_parameter_is_a_plain_4xx(server, name):
    for route, parameters in (
        ("records", {"run": name}),
        ("records", {"run": "sound", "tag": name}),
        ("header", {"run": name, "tag": TAG, "step": 0}),
        ("header", {"run": "sound", "tag": name, "step": 0}),
        ("header", {"run": "sound", "tag": TAG, "step": name}),
        ("blobs", {"run": "sound", "tag": name, "step": 0}),
        ("blobs", {"run": "sound", "tag": TAG, "step": name}),
        ("image", {"run": "image", "hash": name}),
        ("image", {"run": name, "hash": LARGE.hash}),
    ):
        status, _, body = server.panel.ask(route, **parameters)
        assert status in (400, 404), (route, parameters, body[:200])


STEPS = [
    "-1", "99", "-9223372036854775808", "9223372036854775807", "1" * 30, "1" * 5000, "1e3", "0x1",
    "1.0", "NaN", "Infinity", "1_0", "１", "²", " 1", "1;2", "true", "[1]", "--1",
]  # fmt: skip


@pytest.mark.parametrize("step", STEPS, ids=range(len(STEPS)))
def test_a_wrong_step_is_refused_or_not_there(server, step):
    status, _, _ = server.panel.ask("header", run="sound", tag=TAG, step=step)
    assert status in (400, 404)
    status, _, body = server.panel.ask("blobs", run="sound", tag=TAG, step=step)
    assert status == 400 or "not among those" in unframe(body)[0]["error"]


def test_thousands_of_steps_in_one_request_are_refused(server):
    status, _, body = server.panel.ask("blobs", run="sound", tag=TAG, step=range(5000))
    assert (status, body.decode()) == (400, "Expected 1 to 64 steps at once, got 5000.")
    status, _, _ = server.panel.ask("header", run="sound", tag=TAG, step=range(5000))
    assert status == 400


def test_a_step_asked_for_many_times_is_answered_once(server):
    _, _, body = server.panel.ask("blobs", run="sound", tag=TAG, step=[1] * 64)
    assert [entry["step"] for entry in unframe(body)] == [1]


def test_blob_keys_of_tensorboards_own_are_no_parameter_of_any_route(server):
    key = "WyIiLCJzY2FsYXJzIiwicnVuIiwidGFnIiwwLDBd"
    for route in ("blobs", "header", "image", "records"):
        status, _, body = server.panel.ask(route, blob_key=key, key=key)
        assert (status, body.decode()) == (400, "The parameter 'run' is missing.")


async def raw(address: tuple[str, int], request: bytes) -> bytes:
    """All that a server answers to these bytes."""
    reader, writer = await asyncio.open_connection(*address)
    try:
        writer.write(request)
        return await reader.read()
    finally:
        writer.close()


def finish(coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    """What the coroutine returns; Playwright's loop runs in this thread, so it has its own."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


def get(path: str, method: str = "GET") -> bytes:
    return f"{method} {path} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode()


TRAVERSALS = [
    "static/../plugin.py", "static/%2e%2e/plugin.py", "static/%252e%252e/plugin.py",
    "static/..%2fplugin.py", "static/..%5cplugin.py", "static/..\\plugin.py", "static//etc/passwd",
    "static/%2fetc%2fpasswd", "static/....//plugin.py", "static/./manifest.json",
    "static/index.js%00.txt", "static/file:///etc/passwd", "static/", "static/static/../index.js",
    "static/%c0%ae%c0%ae/plugin.py", "static/..;/plugin.py", "../mmx/static/../../plugin.py",
    "index/../../../../etc/passwd", "image/../static/plugin.py", "static/\u2025/plugin.py",
]  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSALS)
def test_a_path_that_leaves_the_build_is_404(server, path):
    answer = finish(raw(server.address, get(f"/data/plugin/mmx/{path}")))
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b" 404 " in head.splitlines()[0], answer[:300]
    assert b"X-Content-Type-Options: nosniff" in head
    assert b"text/plain" in head
    assert b"root:" not in body and b"import" not in body


METHODS = ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "CONNECT", "FOO"]


@pytest.mark.parametrize("method", METHODS)
def test_any_other_method_is_405_on_every_route(server, method):
    for route in ("index", "records", "header", "blobs", "image", "index.js", "static/x"):
        answer = finish(raw(server.address, get(f"/data/plugin/mmx/{route}", method)))
        head = answer.partition(b"\r\n\r\n")[0]
        assert b" 405 " in head.splitlines()[0], (route, answer[:200])
        assert b"Allow: GET" in head
        assert b"X-Content-Type-Options: nosniff" in head


def test_a_body_that_is_promised_and_never_sent_is_not_waited_for(server):
    request = b"POST /data/plugin/mmx/index HTTP/1.0\r\nContent-Length: 99999999999\r\n\r\n"
    answer = finish(asyncio.wait_for(raw(server.address, request), 10))
    assert b" 405 " in answer.splitlines()[0]


def test_a_thousand_requests_at_once_are_all_answered_within_bounds(server):
    query = urllib.parse.urlencode({"run": "sound", "tag": TAG, "step": [1, 2]}, doseq=True)
    paths = [f"blobs?{query}", "index", "records?run=sound", f"header?run=sound&tag={TAG}&step=1"]
    paths += ["records?run=nothing", "index.js"]

    async def all_at_once() -> list[bytes]:
        requests = [get(f"/data/plugin/mmx/{paths[k % len(paths)]}") for k in range(1000)]
        return await asyncio.gather(*(raw(server.address, request) for request in requests))

    answers = finish(all_at_once())
    statuses = Counter(answer.split(b" ", 2)[1].decode() for answer in answers)
    assert statuses == {"200": 834, "404": 166}, statuses
    blobs = {answer.partition(b"\r\n\r\n")[2] for answer in answers[:: len(paths)]}
    assert len(blobs) == 1


def test_clients_that_send_half_a_request_or_read_nothing_stop_nobody(server):
    idle = []
    try:
        for k in range(280):
            client = socket.create_connection(server.address, timeout=10)
            idle.append(client)
            if k % 4 == 0:
                client.sendall(b"GET /data/plugin/mmx/index HTTP/1.1\r\nHost: loc")
            elif k % 4 > 1:
                client.sendall(get(f"/data/plugin/mmx/image?run=image&hash={LARGE.hash}"))
        assert server.panel.ids("sound") == dict.fromkeys(range(10), "0007")
        assert server.panel.ask("records", run="sound")[0] == 200
    finally:
        for client in idle:
            client.close()
    status, _, body = server.panel.ask("image", run="image", hash=LARGE.hash)
    assert (status, body) == (200, LARGE.data), "those who left have made room"


# What differs from answer to answer, or from kind to kind.
OWN = {"content-length", "content-type", "date", "connection", "allow", "etag", "server"}
OWN |= {"content-encoding", "vary"}


def others(headers: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in headers.items() if name not in OWN}


def test_every_answer_of_every_route_carries_the_headers_of_tensorboards_own(server):
    _, core_json, _ = fetch(f"{server.base}/data/plugins_listing")
    status, core_plain, _ = fetch(f"{server.base}/data/nothing")
    assert (status, core_plain["content-type"]) == (404, PLAIN)
    assert others(core_plain) == others(core_json)
    ours = {"run": "sound", "tag": TAG, "step": 1}
    for route, parameters, status in (
        ("index", {}, 200),
        ("records", {"run": "sound"}, 200),
        ("header", ours, 200),
        ("blobs", ours, 200),
        ("index.js", {}, 200),
        ("records", {}, 400),
        ("header", {**ours, "run": "x"}, 404),
        ("blobs", {**ours, "step": "x"}, 400),
        ("header", {"run": "blobs-deep", "tag": TAG, "step": forge.STEP}, 409),
        ("image", {"run": "image", "hash": "x"}, 404),
        ("image", {"run": "image", "hash": tiny().image.hash}, 409),
        ("static/x", {}, 404),
    ):
        found, headers, _ = server.panel.ask(route, **parameters)
        assert (route, found) == (route, status)
        assert others(headers) == others(core_json), route
    _, headers, _ = server.panel.ask("image", run="image", hash=LARGE.hash)
    caching = {"cache-control": "private, max-age=31536000, immutable"}
    core = {name: value for name, value in others(core_json).items() if name != "expires"}
    assert others(headers) == {**core, **caching}


def test_the_page_that_holds_the_panel_has_tensorboards_content_security_policy(server):
    _, core, _ = fetch(f"{server.base}/")
    _, entry, _ = fetch(f"{server.base}/data/plugin_entry.html?name=mmx")

    def policy(headers: dict[str, str]) -> dict[str, set[str]]:
        parts = headers["content-security-policy"].split(";")
        found = {part.split()[0]: set(part.split()[1:]) for part in parts}
        found["script-src"] = {s for s in found["script-src"] if not s.startswith("'sha256-")}
        return found

    assert policy(entry) == policy(core)
    assert others(entry).keys() == others(core).keys()
    assert "'unsafe-inline'" not in policy(entry)["script-src"]
