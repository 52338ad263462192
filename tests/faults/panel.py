"""What the panel does, in Python: asks the routes and decodes what they answer."""

from __future__ import annotations

import json
import urllib.parse
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins.base_plugin import TBContext
from werkzeug.test import Client

from mmx_core.events.blob import DamagedBlob, UnsupportedVersion
from mmx_core.events.wire import decode_explanation
from mmx_core.explanation import Explanation
from tb_mmx_plugin.plugin import MMXPlugin
from tests.plugin.test_data import unframe
from tests.support.explanations import make_explanation
from tests.support.tensorboard_server import fetch, serve

TAG = "mmx/val/1"
TINY = ((1.0, (2, 2)),)
PLAIN = "text/plain; charset=utf-8"

Answer = tuple[int, dict[str, str], bytes]


def tiny(seed: int = 0, **changes: Any) -> Explanation:
    """The smallest explanation that has everything."""
    return make_explanation(1, 1, TINY, seed=seed, **changes)


class Panel:
    """Asks the routes; holds every answer to be data, or one plain sentence that says why not.

    Args:
        fetch: Answers an address below ``data/plugin/mmx/`` with status, headers and body.
    """

    def __init__(self, fetch: Callable[[str], Answer]) -> None:
        self._fetch = fetch

    def ask(self, route: str, **parameters: Any) -> Answer:
        """A route's answer."""
        query = urllib.parse.urlencode(parameters, doseq=True)
        status, headers, body = self._fetch(f"{route}?{query}")
        place = (route, str(parameters)[:200], status, body[:300])
        if status != 200:
            assert status in (400, 404, 405, 409), place
            assert headers["content-type"] == PLAIN, place
            assert len(body) < 1000 and b"Traceback" not in body, place
        assert headers["x-content-type-options"] == "nosniff", place
        return status, headers, body

    def index(self) -> dict[str, dict[str, list[int]]]:
        """The steps by run and tag."""
        runs = json.loads(self.ask("index")[2])["runs"]
        return {r["run"]: {s["tag"]: s["steps"] for s in r["samples"]} for r in runs}

    def records(self, run: str) -> list[dict[str, Any]]:
        """A run's index records."""
        return json.loads(self.ask("records", run=run)[2])["records"]

    def shown(self, run: str, tag: str = TAG) -> dict[int, Explanation | str]:
        """What is drawn at each step that the index lists: an explanation, or what is damaged."""
        drawn: dict[int, Explanation | str] = {}
        steps = self.index().get(run, {}).get(tag, [])
        for at in range(0, len(steps), 64):
            _, _, body = self.ask("blobs", run=run, tag=tag, step=steps[at : at + 64])
            for entry in unframe(body):
                drawn[entry["step"]] = entry.get("error") or _decoded(entry["blobs"])
        return drawn

    def ids(self, run: str, tag: str = TAG) -> dict[int, str]:
        """The sample's id at each step, all of them undamaged."""
        shown = self.shown(run, tag)
        return {step: e.id for step, e in shown.items() if isinstance(e, Explanation)}


def _decoded(blobs: list[bytes]) -> Explanation | str:
    try:
        return decode_explanation(blobs)
    except (DamagedBlob, UnsupportedVersion) as error:
        return str(error)


def plugin_with_loader(folder: Path) -> tuple[MMXPlugin, EventMultiplexer]:
    """The plugin over TensorBoard's loader in Python, in this process; and the loader."""
    multiplexer = EventMultiplexer(tensor_size_guidance={"mmx": 50, "mmx_index": 0})
    multiplexer.AddRunsFromDirectory(str(folder))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(folder))
    return MMXPlugin(TBContext(data_provider=provider)), multiplexer


def plugin_over(folder: Path) -> MMXPlugin:
    """The plugin alone."""
    return plugin_with_loader(folder)[0]


def panel_over(plugin: MMXPlugin) -> Panel:
    """A panel that asks a plugin without a server between."""
    clients = {route.strip("/*"): Client(app) for route, app in plugin.get_plugin_apps().items()}

    def answer(address: str) -> Answer:
        route = address.partition("?")[0].partition("/")[0]
        with clients[route].get(f"/data/plugin/mmx/{address}") as response:
            headers = {name.lower(): value for name, value in response.headers.items()}
            return response.status_code, headers, response.data

    return Panel(answer)


@contextmanager
def served(folder: Path, **options: Any) -> Iterator[Panel]:
    """A panel that asks a real TensorBoard."""
    with serve(folder, **options) as base:
        yield panel_at(base)


def panel_at(base: str) -> Panel:
    """A panel that asks a server which runs already."""
    return Panel(lambda address: fetch(f"{base}/data/plugin/mmx/{address}"))
