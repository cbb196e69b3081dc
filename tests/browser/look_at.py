#!/usr/bin/env python3
"""Opens HTML files in a real browser and says what is wrong with them.

    tests/browser/look_at.py [--pictures DIR] FILE.html...

Each file is parsed as XML, and shown on a phone, on a desk, dark, and on paper. What is wrong:
not well-formed, wider than its window, a console message, an exception, any request but that for
the file itself, text of poor contrast, a folded part that paper would not show. Ends with 1 if
anything is. The browser is driven by its debugging protocol over a pipe, so nothing but Python and
the browser is needed.
"""
import base64
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

BROWSERS = ("chromium-headless-shell", "chromium")
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--disable-dev-shm-usage", "--remote-debugging-pipe", "--hide-scrollbars")

TOO_WIDE = """(() => {
  const page = document.documentElement;
  if (page.scrollWidth <= page.clientWidth) return '';
  const wide = [...document.querySelectorAll('body *')].filter(
    (e) => e.getBoundingClientRect().right > page.clientWidth + 1 && !e.closest('.wide'));
  return `${page.scrollWidth} of ${page.clientWidth} px: ` +
    wide.slice(0, 3).map((e) => e.tagName + '.' + e.className).join(', ');
})()"""

# WCAG's contrast of text with what is behind it, 4.5 for text of ordinary size.
POOR_CONTRAST = """(() => {
  const light = (c) => { const [r, g, b] = c.map((v) => { v /= 255;
    return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; });
    return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const parts = (c) => c.match(/[\\d.]+/g).map(Number);
  const behind = (e) => { for (; e; e = e.parentElement) {
    const c = parts(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c.slice(0, 3); } return [255, 255, 255]; };
  const poor = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) { const e = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim()) continue;
    const a = light(parts(getComputedStyle(e).color).slice(0, 3)), b = light(behind(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) poor.add(`${e.tagName}.${e.className} ${ratio.toFixed(1)}`); }
  return [...poor].slice(0, 5).join(', ');
})()"""

HIDDEN = """[...document.querySelectorAll('details')].filter((d) =>
  !d.lastElementChild.checkVisibility()).map((d) =>
  d.firstElementChild.textContent).join(', ')"""

NAMELESS = """[...document.querySelectorAll('svg:not([aria-hidden])')].filter((s) =>
  s.getAttribute('role') !== 'img' || !s.getAttribute('aria-label')).length +
  [...document.querySelectorAll('script,iframe,object,[onload],[onclick],[onerror]')].length"""

VIEWS = (  # name, width, height, scheme
    ("phone", 390, 844, "light"), ("narrow", 320, 640, "light"), ("desk", 1280, 900, "light"),
    ("dark", 1280, 900, "dark"), ("dark-phone", 390, 844, "dark"))


class Browser:
    """One browser with one page."""

    def __init__(self, folder):
        program = next(filter(None, map(shutil.which, BROWSERS)), None)
        if program is None:
            sys.exit("no browser: apt-get install chromium-headless-shell fonts-liberation")
        to_browser, from_browser = os.pipe(), os.pipe()

        def hand_over():  # The browser reads from 3 and writes to 4.
            reads, writes = os.dup(to_browser[0]), os.dup(from_browser[1])
            os.dup2(reads, 3)
            os.dup2(writes, 4)

        self.process = subprocess.Popen(
            (program, *FLAGS, f"--user-data-dir={folder}", "about:blank"),
            preexec_fn=hand_over, close_fds=False, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, env={**os.environ, "HOME": folder})
        os.close(to_browser[0])
        os.close(from_browser[1])
        self.to, self.back = to_browser[1], os.fdopen(from_browser[0], "rb")
        self.number, self.session, self.events, self.rest = 0, None, [], b""
        targets = self.ask("Target.getTargets")["targetInfos"]
        page = next(t for t in targets if t["type"] == "page")
        self.session = self.ask("Target.attachToTarget", targetId=page["targetId"],
                                flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.ask(domain + ".enable")

    def message(self):
        while b"\0" not in self.rest:
            piece = self.back.read1(1 << 20)
            if not piece:
                sys.exit("the browser ended")
            self.rest += piece
        text, self.rest = self.rest.split(b"\0", 1)
        return json.loads(text)

    def ask(self, method, **parameters):
        self.number += 1
        call = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            call["sessionId"] = self.session
        data = json.dumps(call).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        while True:
            answer = self.message()
            if answer.get("id") == self.number:
                if "error" in answer:
                    sys.exit(f"{method}: {answer['error']['message']}")
                return answer["result"]
            self.events.append(answer)

    def open(self, address):
        self.events.clear()
        self.ask("Page.navigate", url=address)
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self.message())

    def value(self, expression):
        return self.ask("Runtime.evaluate", expression=expression)["result"].get("value")

    def view(self, width, height, scheme, media="screen"):
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=1, mobile=width < 600)
        self.ask("Emulation.setEmulatedMedia", media=media,
                 features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path, whole=True):
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        pathlib.Path(path).write_bytes(base64.b64decode(shot["data"]))

    def close(self):
        """Lets it end its own helpers; kills it only if it does not."""
        self.session = None
        try:
            self.ask("Browser.close")
            self.process.wait(timeout=10)
        except (SystemExit, OSError, subprocess.TimeoutExpired):
            self.process.kill()
        os.close(self.to)
        self.back.close()
        self.process.wait()


def problems_of(browser, path, pictures):
    """What is wrong with one file."""
    try:
        xml.etree.ElementTree.parse(path)
    except xml.etree.ElementTree.ParseError as error:
        yield f"not well-formed: {error}"
    address = path.resolve().as_uri()
    for name, width, height, scheme in VIEWS:
        browser.view(width, height, scheme)
        browser.open(address)
        for event in browser.events:
            kind, data = event.get("method"), event.get("params", {})
            if kind == "Network.requestWillBeSent":
                url = data["request"]["url"]
                if url != address and not url.startswith("data:"):
                    yield f"{name}: asks for {url}"
            elif kind in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
                yield f"{name}: {json.dumps(data)[:300]}"
        if wide := browser.value(TOO_WIDE):
            yield f"{name}: too wide, {wide}"
        if poor := browser.value(POOR_CONTRAST):
            yield f"{name}: poor contrast, {poor}"
        if pictures:
            browser.picture(f"{pictures}/{path.stem}-{name}.png")
    if browser.value(NAMELESS):
        yield "a drawing without words, or something that could act"
    browser.view(700, 990, "dark", "print")
    for name, expression in (("hides", HIDDEN), ("poor contrast", POOR_CONTRAST)):
        if found := browser.value(expression):
            yield f"paper: {name} {found}"
    if browser.value("getComputedStyle(document.body).backgroundColor") != "rgb(255, 255, 255)":
        yield "paper: not white"
    if pictures:
        paper = browser.ask("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
        pathlib.Path(f"{pictures}/{path.stem}.pdf").write_bytes(base64.b64decode(paper["data"]))


def main(words):
    pictures = None
    if words[:1] == ["--pictures"]:
        pictures, words = words[1], words[2:]
    if not words:
        sys.exit(__doc__)
    bad = False
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        browser = Browser(folder)
        try:
            for word in words:
                for problem in problems_of(browser, pathlib.Path(word), pictures):
                    print(f"{word}: {problem}")
                    bad = True
        finally:
            browser.close()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
