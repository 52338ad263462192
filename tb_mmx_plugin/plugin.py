"""The plugin: each route is a thin layer over data.py (http_api.md)."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from tensorboard import plugin_util
from tensorboard.backend import http_util
from tensorboard.plugins import base_plugin
from werkzeug import wrappers

from mmx_core.events.tags import INDEX_PLUGIN, PLUGIN
from tb_mmx_plugin.data import ExplanationData
from tb_mmx_plugin.in_flight import InFlight
from tb_mmx_plugin.refusals import NotLogged, RequestError, clipped, shown
from tb_mmx_plugin.static import ENTRY, read_static

_BINARY = "application/octet-stream"
_IMAGE_TYPES = {"png": "image/png", "jpeg": "image/jpeg"}
_YEAR_SECONDS = 365 * 24 * 3600
# Steps are 64 bits wide.
_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")

logger = logging.getLogger(__name__)

Route = Callable[["MMXPlugin", wrappers.Request], wrappers.Response]
WsgiApp = Callable[..., Any]


def _route(handler: Route) -> Callable[[MMXPlugin], WsgiApp]:
    """A handler as a WSGI application: GET only, errors as one sentence of plain text."""

    @wraps(handler)
    def bind(plugin: MMXPlugin) -> WsgiApp:
        @wrappers.Request.application
        def serve(request: wrappers.Request) -> wrappers.Response:
            if request.method != "GET":
                text = f"{request.method} is not allowed here; use GET."
                allow = [("Allow", "GET")]
                return http_util.Respond(request, text, "text/plain", code=405, headers=allow)
            try:
                with plugin.in_flight.building():
                    return plugin.in_flight.admit(handler(plugin, request))
            except RequestError as error:
                return http_util.Respond(request, str(error), "text/plain", code=error.status)
            except Exception as error:
                # The server's own answer would be HTML, without TensorBoard's headers.
                logger.exception("Answering %s failed", request.path)
                text = f"The answer failed: {type(error).__name__}. TensorBoard's log says more."
                return http_util.Respond(request, text, "text/plain", code=500)

        return serve

    return bind


class MMXPlugin(base_plugin.TBPlugin):
    """Serves explanations and the panel that shows them.

    Args:
        context: TensorBoard's context; only its data provider is used.
    """

    plugin_name = PLUGIN

    def __init__(self, context: base_plugin.TBContext) -> None:
        self._data = ExplanationData(context.data_provider)
        self.in_flight = InFlight()

    def get_plugin_apps(self) -> Mapping[str, WsgiApp]:
        """Routes below ``data/plugin/mmx``."""
        return {
            "/index": self.index_route(),
            "/records": self.records_route(),
            "/header": self.header_route(),
            "/blobs": self.blobs_route(),
            "/image": self.image_route(),
            f"/{ENTRY}": self.static_route(),
            "/static/*": self.static_route(),
        }

    def is_active(self) -> bool:
        """False: TensorBoard enables the tab itself once there is data under our names."""
        return False

    def data_plugin_names(self) -> tuple[str, ...]:
        """The plugin names that records are logged under."""
        return (PLUGIN, INDEX_PLUGIN)

    def frontend_metadata(self) -> base_plugin.FrontendMetadata:
        """The panel's module and the tab's name."""
        return base_plugin.FrontendMetadata(es_module_path=f"/{ENTRY}", tab_name="Explanations")

    @_route
    def index_route(self, request: wrappers.Request) -> wrappers.Response:
        """``index``."""
        return _json(request, self._data.index(*_place(request)))

    @_route
    def records_route(self, request: wrappers.Request) -> wrappers.Response:
        """``records``."""
        run, tags = _text(request, "run"), request.args.getlist("tag")
        return _json(request, self._data.records(*_place(request), run=run, tags=tags))

    @_route
    def header_route(self, request: wrappers.Request) -> wrappers.Response:
        """``header``."""
        run, tag = _text(request, "run"), _text(request, "tag")
        steps = _steps(request)
        if len(steps) != 1:
            raise RequestError(f"Expected one parameter 'step', got {len(steps)}.")
        header = self._data.header(*_place(request), run=run, tag=tag, step=steps[0])
        return _json(request, header)

    @_route
    def blobs_route(self, request: wrappers.Request) -> wrappers.Response:
        """``blobs``."""
        run, tag = _text(request, "run"), _text(request, "tag")
        framed = self._data.blobs(*_place(request), run=run, tag=tag, steps=_steps(request))
        return http_util.Respond(request, framed, _BINARY)

    @_route
    def image_route(self, request: wrappers.Request) -> wrappers.Response:
        """``image``."""
        run, name = _text(request, "run"), _text(request, "hash")
        image = self._data.image(*_place(request), run=run, name=name)
        response = http_util.Respond(request, image.data, _IMAGE_TYPES[image.format])
        # The address holds the content's hash, so what it answers never changes.
        response.headers["Cache-Control"] = f"private, max-age={_YEAR_SECONDS}, immutable"
        response.headers.remove("Expires")
        return response

    @_route
    def static_route(self, request: wrappers.Request) -> wrappers.Response:
        """``index.js`` and ``static/FILE``."""
        name = request.path.rsplit("/static/", 1)[-1] if "/static/" in request.path else ENTRY
        file = read_static(name)
        if file is None:
            raise NotLogged(f"The panel has no file {shown(name)}.")
        return http_util.Respond(
            request, file.content, file.media_type, content_encoding=file.encoding
        )


def _place(request: wrappers.Request) -> tuple[Any, str]:
    """Request context and experiment, as the data provider wants them."""
    return plugin_util.context(request.environ), plugin_util.experiment_id(request.environ)


def _json(request: wrappers.Request, value: Any) -> wrappers.Response:
    return http_util.Respond(request, value, "application/json")


def _text(request: wrappers.Request, name: str) -> str:
    value = request.args.get(name)
    if value is None:
        raise RequestError(f"The parameter {name!r} is missing.")
    return str(value)


def _steps(request: wrappers.Request) -> list[int]:
    values = request.args.getlist("step")
    if not values:
        raise RequestError("The parameter 'step' is missing.")
    wrong = [value for value in values if not _INTEGER.fullmatch(value)]
    if wrong:
        raise RequestError(f"Expected integers for 'step', got {clipped(wrong[0])}.")
    return [int(value) for value in values]
