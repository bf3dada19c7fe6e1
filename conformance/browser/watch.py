"""A Chromium that visits a server's web UI, and notes what goes wrong meanwhile."""

from __future__ import annotations

import base64
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import urlsplit

from playwright.sync_api import ConsoleMessage, Locator, Page, Request, Response, Route, expect, sync_playwright

from not_yet import NOT_YET

# Slow machines, not slow servers.
PATIENCE_MS = 15_000
QUIET_S = 0.25
# The official server takes half a minute for a page that reads 100,000 points.
LONGEST_PAGE_S = 90
FLAGS = [
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run", "--mute-audio"),
]
PLACEHOLDER = re.compile(r"<[^>]*>")
WAITS_FOR = {PLACEHOLDER.sub("*", pattern): part for part, patterns in NOT_YET.items() for pattern in patterns}
# What browser and UI say of an answer that is not 200, which is looked at by itself.
OF_A_REFUSED_REQUEST = re.compile(r"Failed to load resource: the server responded|Fetch failed: ")
# What the UI says of itself, whatever the server: the official one shows that.
OF_THE_UI = {
    "a chart is laid out again": re.compile(r"ResizeObserver loop completed"),
    "after a logged model is registered from its page": re.compile(r"reading 'includes'\).*searchModelVersionsApi", re.DOTALL),
}
# Refusals that the UI asks for: whether a name is free.
WANTED = {"GET /ajax-api/2.0/mlflow/experiments/get-by-name answers 404"}
# Half a second of a moving canvas.
RECORD_VIDEO = """async () => {
    const canvas = document.createElement("canvas"), context = canvas.getContext("2d");
    canvas.width = canvas.height = 64;
    const recorder = new MediaRecorder(canvas.captureStream(20), {mimeType: "video/webm"}), parts = [];
    recorder.ondataavailable = event => parts.push(event.data);
    const ended = new Promise(resolve => recorder.onstop = resolve);
    recorder.start();
    for (let n = 0; n < 10; n++) {
        context.fillStyle = n % 2 ? "teal" : "orange";
        context.fillRect(0, 0, 64, 64);
        await new Promise(resolve => setTimeout(resolve, 50));
    }
    recorder.stop();
    await ended;
    return btoa(String.fromCharCode(...new Uint8Array(await new Blob(parts).arrayBuffer())));
}"""


@dataclass
class Visitor:
    """A page of the browser. `waiting` are the requests that ended in a 404 because their part is still to come."""

    page: Page
    url: str
    pictures: Path
    wrong: list[str] = field(default_factory=list)
    waiting: set[str] = field(default_factory=set)
    outside: set[str] = field(default_factory=set)
    _busy: set[Request] = field(default_factory=set)

    def open(self, address: str) -> None:
        """Loads a page of the UI anew."""
        self.page.goto("about:blank")
        self._busy.clear()
        self.page.goto(f"{self.url}/{address}")
        self.settle()

    def settle(self) -> None:
        """Waits until the page has asked for nothing for a moment."""
        end, quiet_since = time.monotonic() + LONGEST_PAGE_S, time.monotonic()
        while time.monotonic() - quiet_since < QUIET_S:
            self.page.wait_for_timeout(50)
            if self._busy:
                quiet_since = time.monotonic()
            if time.monotonic() > end:
                self.wrong.append(f"{self.page.url}: no end of {[request.url for request in self._busy]}")
                return

    def picture(self, name: str) -> None:
        """Takes a picture, for people to look at."""
        self.page.screenshot(path=self.pictures / f"{name}.png")

    def shows(self, text: str) -> bool:
        """Whether the page shows this, or does in time."""
        try:
            expect(self.page.locator("body")).to_contain_text(text)
        except AssertionError:
            return False
        return True

    def component(self, name: str) -> Locator:
        """The visible elements that the UI's authors call so; the beginning of their names does not matter."""
        return self.page.locator(f'[data-component-id$="{name}"]:visible')

    def problems(self) -> list[str]:
        """What went wrong since the last call."""
        found, self.wrong = self.wrong, []
        return found

    def watch(self) -> None:
        """Begins to note."""
        self.page.set_default_timeout(PATIENCE_MS)
        expect.set_options(timeout=PATIENCE_MS)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.wrong.append(f"{self.page.url}: exception {error}"))
        self.page.on("request", lambda request: self._busy.add(request))
        self.page.on("requestfinished", lambda request: self._busy.discard(request))
        self.page.on("requestfailed", self._on_failure)
        self.page.on("response", self._on_response)
        # The UI praises its newer way to show models, over what is to be clicked, some time after the page is there.
        news = self.page.get_by_role("dialog").filter(has_text="Try it now")
        self.page.add_locator_handler(news, lambda: news.get_by_label("Close").first.click())
        self.page.route(lambda url: not url.startswith((self.url, "blob:", "data:")), self._on_outside)

    def _on_console(self, message: ConsoleMessage) -> None:
        known = [OF_A_REFUSED_REQUEST, *OF_THE_UI.values()]
        if message.type != "error" or any(pattern.search(message.text) for pattern in known):
            return
        if message.location.get("url") not in self.outside:
            self.wrong.append(f"{self.page.url}: console: {message.text[:1500]}")

    def _on_failure(self, request: Request) -> None:
        self._busy.discard(request)
        # The page itself gives up what it no longer needs.
        if request.failure != "net::ERR_ABORTED" and request.url not in self.outside:
            self.wrong.append(f"{self.page.url}: {request.method} {request.url}: {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.status < 400:
            return
        route = f"{response.request.method} {urlsplit(response.url).path}"
        part = next((part for pattern, part in WAITS_FOR.items() if fnmatchcase(route, pattern)), None)
        if response.status == 404 and part:
            self.waiting.add(f"{part}: {route}")
        elif f"{route} answers {response.status}" not in WANTED:
            self.wrong.append(f"{self.page.url}: {route} answers {response.status}")

    def _on_outside(self, route: Route) -> None:
        """Nothing leaves the machine."""
        self.outside.add(route.request.url)
        route.abort()


@contextmanager
def browser(profile: Path) -> Iterator[Page]:
    """A fresh Chromium with one page."""
    program = os.environ.get("CHROMIUM") or shutil.which("chromium")
    assert program, "there is no chromium; conformance/setup.sh installs it, or set CHROMIUM"
    with sync_playwright() as playwright:
        context = playwright.chromium.launch_persistent_context(
            profile, executable_path=program, args=FLAGS, viewport={"width": 1400, "height": 900}, accept_downloads=True
        )
        try:
            yield context.pages[0]
        finally:
            context.close()


def record_video(page: Page) -> bytes:
    """A film that this browser can show."""
    return base64.b64decode(page.evaluate(RECORD_VIDEO))
