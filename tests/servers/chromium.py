"""A headless Chromium that the tests control over its DevTools protocol."""

import json
import re
import shutil
import subprocess
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome")
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
)
PATIENCE = 60  # seconds to wait for one answer on a busy machine


def find_chromium() -> str | None:
    """Return the path of the Chromium executable, or None if there is none."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """A browser tab that records its events in order."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._last = 0
        self.events: list[dict[str, Any]] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": params}))
        while True:
            answer = self._receive()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                result: dict[str, Any] = answer["result"]
                return result

    def open(self, url: str, *, scheme: str = "light", width: int = 1000) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=1400,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=media)
        seen = self._loads
        self.call("Page.navigate", url=url)
        while self._loads == seen:
            self._receive()

    def run(self, expression: str) -> Any:
        """Return the value of a JavaScript expression; an exception fails the test."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def press(self, key: str) -> None:
        for kind in ("rawKeyDown", "keyUp"):
            code = {"Tab": 9, "Enter": 13}[key]
            self.call("Input.dispatchKeyEvent", type=kind, key=key, windowsVirtualKeyCode=code)
            if key == "Enter" and kind == "rawKeyDown":
                self.call("Input.dispatchKeyEvent", type="char", text="\r", key=key)

    def type(self, text: str) -> None:
        self.call("Input.insertText", text=text)

    def screenshot(self) -> bytes:
        return b64decode(self.call("Page.captureScreenshot", format="png")["data"])

    def said(self, *methods: str) -> list[dict[str, Any]]:
        return [event["params"] for event in self.events if event["method"] in methods]

    @property
    def complaints(self) -> list[dict[str, Any]]:
        """Return every message that the console shows."""
        return self.said("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded")

    @property
    def requested(self) -> set[str]:
        """Return every URL that the page requested."""
        return {event["request"]["url"] for event in self.said("Network.requestWillBeSent")}

    @property
    def _loads(self) -> int:
        return len(self.said("Page.loadEventFired"))

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv(timeout=PATIENCE))
        if "method" in message:
            self.events.append(message)
        return message


@contextmanager
def running_chromium(program: str, profile: Path) -> Iterator[Tab]:
    """Yield a tab of a new browser with the given profile; close the browser afterwards."""
    command = [program, *QUIET, f"--user-data-dir={profile}", "about:blank"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as browser:  # noqa: S603
        try:
            address = _address(browser)
            with urlopen(f"http://{address}/json/list", timeout=PATIENCE) as answer:
                pages = [page for page in json.load(answer) if page["type"] == "page"]
            with connect(pages[0]["webSocketDebuggerUrl"], max_size=None) as socket:
                yield Tab(socket)
        finally:
            browser.terminate()


def _address(browser: subprocess.Popen[str]) -> str:
    for line in browser.stderr or ():
        found = re.search(r"DevTools listening on ws://([^/]+)/", line)
        if found:
            return found[1]
    raise RuntimeError("Chromium ended before it listened")
