"""``mmx show``: the panel in the browser, over a log, an event file or an exported page."""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
import tempfile
import time
import urllib.request
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from mmx_core.cli.doctor import data_server
from mmx_core.cli.errors import CommandError, one_line
from mmx_core.cli.logdir import folders_of, nothing_logged

_PAGES = (".html", ".htm")
_LOADED_SECONDS = 60.0
_ASK_SECONDS = 0.2
_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 3 3">'
    '<path fill="#2b0a5a" d="M0 0h3v3H0z"/>'
    '<path fill="#bc3754" d="M1 0h2v2H1z"/><path fill="#fca50a" d="M2 0h1v1H2z"/></svg>'
)


def add_parser(commands: Any) -> None:
    """Adds the subcommand."""
    parser = commands.add_parser("show", help="open the panel on a log, without TensorBoard's tabs")
    parser.add_argument(
        "place",
        metavar="PLACE",
        help="a logdir or one of its runs, an event file, or a page that was exported",
    )
    parser.add_argument("--host", default="127.0.0.1", help="who may see it (127.0.0.1: you alone)")
    parser.add_argument("--port", type=int, default=0, metavar="N", help="of the server (any free)")
    parser.add_argument(
        "--no-browser", action="store_true", help="print the address, and open nothing"
    )
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    """Serves until it is interrupted; a page is opened as it is."""
    place: str = arguments.place
    if place.lower().endswith(_PAGES) and os.path.isfile(place):
        _open(Path(place).resolve().as_uri(), arguments)
        return
    with _logdir(place) as logdir:
        folders_of(logdir)
        address = _served(logdir, arguments)
        if not _is_loaded(address):
            raise nothing_logged(place)
        _open(f"{address}data/plugin_entry.html?name=mmx", arguments)
        print("(Ctrl-C ends it)", flush=True)
        try:
            while True:
                # Not long: a signal that another thread is given does not wake this one.
                time.sleep(1)
        except KeyboardInterrupt:
            return


@contextmanager
def _logdir(place: str) -> Iterator[str]:
    """The directory; of an event file one that holds nothing else."""
    if "://" in place or os.path.isdir(place):
        yield place
        return
    if not os.path.isfile(place) or "tfevents" not in os.path.basename(place):
        raise CommandError(
            f"PLACE: expected a logdir, an event file (…tfevents…) or a page (.html), got {place!r}"
        )
    with tempfile.TemporaryDirectory(prefix="mmx-show-") as folder:
        os.symlink(os.path.abspath(place), os.path.join(folder, os.path.basename(place)))
        yield folder


def _served(logdir: str, arguments: argparse.Namespace) -> str:
    """Starts TensorBoard with this plugin alone; gives its address, a slash at its end."""
    from tensorboard import program

    try:
        loader = import_module("tb_mmx_plugin.loader").MMXLoader
    except ImportError as error:
        raise CommandError(
            f"expected the package tb_mmx_plugin beside mmx_core, got {one_line(error)}; install "
            "mmx-explain as a whole"
        ) from None
    board = program.TensorBoard([_core_loader(), loader])
    port = arguments.port or _free_port(arguments.host)
    options = {
        "logdir": logdir,
        "host": arguments.host,
        "port": port,
        "reload_interval": 2,
        # Named, or TensorBoard tells in many lines which of both it has taken.
        "load_fast": "true" if data_server() else "false",
    }
    board.configure(["mmx", *(f"--{name}={value}" for name, value in options.items())])
    try:
        return str(board.launch())
    except Exception as error:  # the port is taken, or not allowed
        raise CommandError(
            f"--port: expected one that can be served on {arguments.host}, got {port} "
            f"({one_line(error)}); name another"
        ) from None


def _core_loader() -> Any:
    """TensorBoard's core with an icon, which browsers ask for where no page names one."""
    from tensorboard.backend import http_util
    from tensorboard.plugins.core.core_plugin import CorePluginLoader
    from werkzeug import wrappers

    def icon(request: Any) -> Any:
        return http_util.Respond(request, _ICON, "image/svg+xml")

    class Loader(CorePluginLoader):
        def load(self, context: Any) -> Any:
            plugin = super().load(context)
            routes = plugin.get_plugin_apps()
            routes["/favicon.ico"] = wrappers.Request.application(icon)
            plugin.get_plugin_apps = lambda: routes
            return plugin

    return Loader()


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        try:
            probe.bind((host, 0))
        except OSError as error:
            raise CommandError(
                f"--host: expected an address of this machine, got {host!r} ({one_line(error)})"
            ) from None
        return int(probe.getsockname()[1])


def _is_loaded(address: str) -> bool:
    """Waits until the server has explanations; False where it has none in all that time."""
    until = time.monotonic() + _LOADED_SECONDS
    while time.monotonic() < until:
        with urllib.request.urlopen(f"{address}data/plugin/mmx/index", timeout=30) as answer:
            if any(run["samples"] for run in json.load(answer)["runs"]):
                return True
        time.sleep(_ASK_SECONDS)
    return False


def _open(address: str, arguments: argparse.Namespace) -> None:
    print(address, flush=True)
    if not arguments.no_browser and not webbrowser.open(address):
        print("mmx: no browser was found; open this address in one", file=sys.stderr)
