"""A real browser for tests: Chromium or Chrome over its debugging pipe, without any other program or package."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
FLAGS = (
    "--headless=new", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check", "--disable-gpu", "--disable-extensions",
    "--disable-background-networking", "--disable-dev-shm-usage", "--no-sandbox", "--hide-scrollbars", "about:blank",
)  # fmt: skip
WAIT = 30.0
BEFORE = """
import os, sys
read, write = os.dup(int(sys.argv[1])), os.dup(int(sys.argv[2]))
os.dup2(read, 3)
os.dup2(write, 4)
os.set_inheritable(3, True)
os.set_inheritable(4, True)
os.execv(sys.argv[3], sys.argv[3:])
"""


def find_browser():
    """The program: EASIEDGE_BROWSER, one on PATH, or one that playwright has fetched; None without any."""
    if named := os.environ.get("EASIEDGE_BROWSER"):
        return named
    for name in NAMES:
        if found := shutil.which(name):
            return found
    cache = Path.home() / ".cache" / "ms-playwright"
    for pattern in ("chromium-*/chrome-linux*/chrome", "chromium_headless_shell-*/*/*headless*shell*"):
        if found := sorted(cache.glob(pattern)):
            return str(found[-1])
    return None


class Browser:
    """Speaks the DevTools protocol: JSON messages that end with a zero byte, on the descriptors 3 and 4."""

    def __init__(self, program, profile):
        read_there, write_here = os.pipe()
        read_here, write_there = os.pipe()
        command = [program, f"--user-data-dir={profile}", *FLAGS]
        self.process = subprocess.Popen(
            [sys.executable, "-c", BEFORE, str(read_there), str(write_there), *command],
            pass_fds=(read_there, write_there), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(read_there)
        os.close(write_there)
        self.out, self.back = write_here, read_here
        os.set_blocking(self.back, False)
        self.number, self.pending, self.events = 0, b"", []

    def call(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        os.write(self.out, json.dumps(message).encode() + b"\0")
        return self.wait(lambda m: m.get("id") == self.number, method)

    def wait(self, wanted, what):
        """The first message that is wanted; others are kept as events."""
        end = time.monotonic() + WAIT
        while time.monotonic() < end:
            message = self._next()
            if message is None:
                time.sleep(0.005)
                continue
            if wanted(message):
                if "error" in message:
                    raise RuntimeError(f"{what}: {message['error']}")
                return message.get("result", message)
            self.events.append(message)
        raise TimeoutError(what)

    def _next(self):
        if b"\0" not in self.pending:
            try:
                part = os.read(self.back, 1 << 20)
            except BlockingIOError:
                return None
            if not part:
                raise RuntimeError("the browser has gone")
            self.pending += part
            return None
        line, _, self.pending = self.pending.partition(b"\0")
        return json.loads(line)

    def open(self, path, width=1440, height=900, scheme="light"):
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Tab(self, target, session, Path(path).as_uri(), width, height, scheme)

    def close(self):
        with contextlib.suppress(Exception):
            self.call("Browser.close")
        for end in (self.out, self.back):
            with contextlib.suppress(OSError):
                os.close(end)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Tab:
    """One page in the browser."""

    def __init__(self, browser, target, session, url, width, height, scheme):
        self.browser, self.target, self.session = browser, target, session
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600
        )
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.go(url)

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def go(self, url):
        self.call("Page.navigate", url=url)
        self.loaded()

    def loaded(self):
        end = time.monotonic() + WAIT
        while self("document.readyState") != "complete":
            assert time.monotonic() < end
            time.sleep(0.02)

    def __call__(self, expression):
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in found:
            raise RuntimeError(found["exceptionDetails"].get("exception", {}).get("description"))
        return found["result"].get("value")

    def centre(self, selector):
        return self(
            f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.scrollIntoView({{block: 'center', behavior: 'instant'}}); "
            "const b = e.getBoundingClientRect(); return [b.x + b.width / 2, b.y + b.height / 2]; })()"
        )

    def click(self, selector):
        x, y = self.centre(selector)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def move(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def press(self, key):
        code = {"Enter": 13, "ArrowRight": 39, "ArrowLeft": 37, "Escape": 27}[key]
        text = {"text": "\r"} if key == "Enter" else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, windowsVirtualKeyCode=code, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key, windowsVirtualKeyCode=code)

    def type(self, selector, text):
        """Put ``text`` in place of what a field holds, as typed."""
        self(f"(() => {{ const e = document.querySelector({json.dumps(selector)}); e.focus(); e.select(); }})()")
        if text:
            self.call("Input.insertText", text=text)
        else:
            self("document.execCommand('delete')")

    def seen(self, method):
        """Parameters of the events of this tab so far."""
        self("1")
        return [
            e["params"] for e in self.browser.events if e.get("method") == method and e.get("sessionId") == self.session
        ]

    def complaints(self):
        """Errors of the page, and what its policy forbade."""
        thrown = [p["exceptionDetails"]["text"] for p in self.seen("Runtime.exceptionThrown")]
        logged = [
            p["entry"]["text"] for p in self.seen("Log.entryAdded") if p["entry"]["level"] in ("error", "warning")
        ]
        return thrown + logged

    def requests(self):
        """Addresses that the page has asked for."""
        return [p["request"]["url"] for p in self.seen("Network.requestWillBeSent")]

    def close(self):
        self.browser.call("Target.closeTarget", targetId=self.target)
