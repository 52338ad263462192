"""The panel inside other people's pages: behind a proxy, in an editor's sandbox, in a notebook."""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from playwright.sync_api import Frame, Page

from tests.browser.browser import READY_MS, open_panel, wait_ready
from tests.browser.conftest import RUN
from tests.support.tensorboard_server import fetch

VIEW = f"p.mmx.run={RUN}&p.mmx.tag=mmx%2Fval%2F0"
FRAMES = {
    # What the editor's webview grants: no downloads, no pop-ups, no dialogs, no full screen.
    "editor": '<iframe sandbox="allow-scripts allow-same-origin allow-forms" src="{url}"></iframe>',
    "notebook": '<iframe width="100%" height="800" frameborder="0" src="{url}"></iframe>',
}
NGINX = """
daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    location /team/board/ {{ proxy_pass {base}/; }}
  }}
}}
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def proxied(base: str, tmp_path_factory) -> Iterator[str]:
    """TensorBoard, started without a prefix, behind one that nginx takes off."""
    nginx = shutil.which("nginx") or "/usr/sbin/nginx"
    if not Path(nginx).exists():
        pytest.fail("expected nginx; run: sudo apt-get install nginx-light")
    folder, port = tmp_path_factory.mktemp("nginx"), free_port()
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, port=port, base=base))
    server = subprocess.Popen([nginx, "-p", str(folder), "-c", str(config)])
    url = f"http://127.0.0.1:{port}/team/board"
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                if fetch(f"{url}/")[0] == 200:
                    break
            except OSError:
                pass
            if time.monotonic() > deadline:
                raise TimeoutError("nginx answered nothing for 20 s")
            time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=10)


def test_the_panel_works_behind_a_proxy_that_strips_a_prefix(page: Page, proxied: str) -> None:
    panel = open_panel(page, proxied, VIEW)
    assert panel.locator(".answer").count() > 0
    assert panel.evaluate("document.querySelector('mmx-panel').model.image.bitmap !== null")
    assert panel.url.startswith(f"{proxied}/")


@pytest.fixture(scope="module", params=FRAMES)
def host_page(request: pytest.FixtureRequest, base: str) -> Iterator[str]:
    """Another origin's page that holds TensorBoard in a frame."""
    body = FRAMES[request.param].format(url=f"{base}/#mmx&{VIEW}")
    style = "<style>iframe { width: 1200px; height: 760px; border: 0 }</style>"

    class Host(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = f"<!doctype html>{style}{body}".encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Host)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    # Another port is another origin. (On another site TensorBoard itself gets no storage.)
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()


def framed_panel(page: Page, url: str) -> Frame:
    page.goto(url)
    deadline = time.monotonic() + READY_MS / 1000
    while time.monotonic() < deadline:
        for frame in page.frames:
            if "name=mmx" in frame.url:
                wait_ready(frame)
                return frame
        page.wait_for_timeout(100)
    raise TimeoutError(f"no panel in {[frame.url for frame in page.frames]}")


def test_the_panel_works_in_a_frame_of_another_origin(watched, host_page: str) -> None:
    page = watched.page
    panel = framed_panel(page, host_page)
    panel.click('[data-token-index="2"]')
    panel.wait_for_selector('[data-token-index="2"][aria-selected="true"]')
    # What a sandbox forbids is not needed: the picture and the command can be copied or seen.
    panel.locator("body").press("e")
    panel.wait_for_selector("mmx-export-dialog dialog[open]")
    fields = panel.locator("mmx-export-dialog dialog[open] input")
    fields.first.wait_for()
    shown = [fields.nth(index).input_value() for index in range(fields.count())]
    assert any("mmx export" in value for value in shown), shown
    assert [
        trouble for trouble in watched.troubles if "CSP" in trouble or "error:" in trouble
    ] == []
