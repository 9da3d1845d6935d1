"""A page of another site, in a real browser: it can sign nobody in, with whatever key."""

import http.server
import re
import threading
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.conftest import NewDatabase, served
from toxgrade.server.access.credentials import create_key
from toxgrade.server.records.db.transaction import transaction
from toxgrade.server.settings import Settings


@pytest.fixture
def evil() -> Iterator[Callable[[str], str]]:
    """Another site: publishes a page, and gives its address."""
    page = [b""]

    class Site(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page[0])

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()

        def publish(text: str) -> str:
            page[0] = text.encode()
            return f"http://localhost:{server.server_port}/"

        yield publish
        server.shutdown()


def _status_of_sign_in(service: httpx.Client) -> str:
    """How the service answers the first sign-in; the browser may not show it, as a frame's."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        answered = re.search(
            r'requests_total{method="POST",route="/sign-in",status="(\d+)"}',
            service.get("/metrics").text,
        )
        if answered:
            return answered[1]
        time.sleep(0.05)
    raise AssertionError("nobody signed in")


@pytest.mark.parametrize("hidden", [False, True], ids=["Origin of the site", "Origin null"])
def test_another_site_signs_nobody_in(
    browser: Browser, new_sqlite: NewDatabase, evil: Callable[[str], str], hidden: bool
) -> None:
    """Who is signed in with the key of another uploads into the study of that other."""
    url = new_sqlite()
    with transaction(url) as opened:
        key = create_key(opened, "reviewer")
    with served(Settings(database_url=url)) as service:
        address = str(service.base_url).rstrip("/")
        form = (
            f'<form method="post" action="{address}/sign-in">'
            f'<input name="key" value="{key}"></form><script>document.forms[0].submit()</script>'
        )
        quoted = form.replace('"', "&quot;")
        frame = f'<iframe sandbox="allow-scripts allow-forms" srcdoc="{quoted}"></iframe>'
        context = browser.new_context()
        page = context.new_page()
        page.goto(evil(frame if hidden else form))
        assert _status_of_sign_in(service) == "403"
        assert context.cookies() == []
        page.goto(f"{address}/sign-in")  # The same by a person's own hand.
        page.get_by_label("Key").fill(key)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(f"{address}/")
        (cookie,) = context.cookies()
        assert cookie["value"] != key
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        page.goto(f"{address}/sign-in")
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Key")).to_be_visible()
        assert context.cookies() == []
        context.close()
