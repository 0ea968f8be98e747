"""Try notebooks in a real JupyterLab: python tools/browser.py [NAME …]
or take the README's picture of one: python tools/browser.py --picture

Opens each in headless Chromium, light and dark, runs it in the profile
`test`, moves every slider and follows the link to the next notebook. It fails
where the browser reports an error, a slider leaves its picture as it was, or
the page changes height under the reader's eyes. Pictures of every explorer
stay in build/browser. A system's own Chromium is taken where there is one;
else `python -m playwright install chromium` fetches it.
"""
import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "build" / "browser"
DEFAULT = ("00", "01", "02", "03", "04", "05", "06", "12")
EXPLORER = ".jp-CodeCell:has(.widget-interact)"
WAIT = 5  # seconds that a picture may take on a busy machine

# Every height that an explorer has, from now on: a flicker of one frame too.
WATCH_HEIGHT = """cell => {
    window.heights = [];
    window.observer?.disconnect();
    window.observer = new ResizeObserver(entries => entries.forEach(
        entry => heights.push(Math.round(entry.contentRect.height))));
    observer.observe(cell.querySelector(".widget-interact"));
}"""
RUN_ALL = """async () => {
    await jupyterapp.restored;
    await jupyterapp.shell.currentWidget.sessionContext.ready;
    await jupyterapp.commands.execute("notebook:run-all-cells");
}"""
# Cells out of sight are hidden, so only JupyterLab itself can go there.
GO_TO = """number =>
    jupyterapp.shell.currentWidget.content.scrollToItem(number, "center")"""
PICTURE = """cell => [...cell.querySelectorAll(".widget-interact img")]
    .map(image => image.src).join()"""


@contextlib.contextmanager
def jupyterlab(theme):
    """The address of a JupyterLab in a copy of the project, in that theme."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("notebooks", "data"):
            shutil.copytree(ROOT / name, Path(folder, name))
        shutil.copy(ROOT / "d2lmini.py", folder)
        settings = Path(folder, "settings", "@jupyterlab",
                        "apputils-extension", "themes.jupyterlab-settings")
        settings.parent.mkdir(parents=True)
        settings.write_text(json.dumps({"theme": f"JupyterLab {theme}"}))
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        server = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", "--no-browser",
             "--allow-root", f"--ServerApp.port={port}",
             "--IdentityProvider.token=",
             "--LabApp.expose_app_in_browser=True"], cwd=folder,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env=os.environ | {
                "D2LMINI_PROFILE": "test",
                "JUPYTERLAB_SETTINGS_DIR": folder + "/settings",
                "JUPYTERLAB_WORKSPACES_DIR": folder + "/workspaces"})
        try:
            address = f"http://127.0.0.1:{port}"
            wait_for(lambda: answers(address + "/api"), 60, "JupyterLab")
            yield address
        finally:
            server.kill()  # its kernels notice, and end by themselves
            server.wait()


def answers(address):
    with contextlib.suppress(OSError), urllib.request.urlopen(address):
        return True


def wait_for(condition, seconds, what):
    """The first true value of condition(), asked until the time is up."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if value := condition():
            return value
        time.sleep(0.05)
    raise TimeoutError(f"{what}: nothing after {seconds} s")


def move_sliders(cell):
    """Move each slider from end to end; (problems, seconds of each move)."""
    cell.locator(".widget-interact img").first.wait_for()
    cell.evaluate(WATCH_HEIGHT)
    problems, seconds = [], []
    handles = cell.locator(".noUi-handle").all()
    readouts = cell.locator(".widget-readout").all()
    for handle, readout in zip(handles, readouts, strict=True):
        for key in ("Home", "End", "ArrowLeft", "ArrowRight"):
            took = move(cell, handle, readout, key)
            if took > WAIT:
                problems.append(f"no new picture at {readout.inner_text()}")
            seconds.append(took)
    heights = set(cell.page.evaluate("heights"))
    if len(heights) != 1:
        problems.append(f"heights while moving: {sorted(heights)}")
    return problems, seconds


def move(cell, handle, readout, key):
    """Seconds from the key to another picture; 0 at the slider's end."""
    value, picture = readout.inner_text(), cell.evaluate(PICTURE)
    began = time.monotonic()
    handle.press(key)
    if readout.inner_text() == value:
        return 0
    while (took := time.monotonic() - began) <= WAIT:
        if cell.evaluate(PICTURE) != picture:
            break
        time.sleep(0.02)
    return took


def follow_next(page, name):
    """Click the link to the next notebook at the top; what is wrong."""
    link = page.locator(".jp-MarkdownCell a", has_text="→").first
    if not link.count():
        return [] if name == NAMES[-1] else ["no link to the next notebook"]
    page.evaluate(GO_TO, 0)
    link.click()
    target = NAMES[NAMES.index(name) + 1]
    page.locator(".lm-TabBar-tabLabel", has_text=target).first.wait_for()
    return []


NAMES = [path.stem for path in sorted((ROOT / "notebooks").glob("*.ipynb"))]


def try_notebook(browser, address, name, theme):
    """Problems of one notebook in one theme, as lines of text."""
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    problems = []
    page.on("pageerror", lambda error: problems.append(f"error: {error}"))
    page.on("console", lambda message: problems.append(
        f"console: {message.text}") if message.type == "error" else None)
    # In a workspace of its own: another would open other notebooks, too.
    page.goto(f"{address}/lab/workspaces/{name}/tree/notebooks/{name}.ipynb")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=90_000)
    page.evaluate(RUN_ALL)
    cells = page.locator(EXPLORER).all()
    source = (ROOT / "notebooks" / f"{name}.ipynb").read_text("utf-8")
    if len(cells) != source.count("interact("):
        problems.append(f"{len(cells)} cells with sliders")
    for cell in cells:
        number = int(cell.get_attribute("data-windowed-list-index"))
        page.evaluate(GO_TO, number)
        found, seconds = move_sliders(cell)
        problems += [f"cell {number}: {problem}" for problem in found]
        print(f"  cell {number}: {len(seconds)} moves, "
              f"slowest {max(seconds):.2f} s", flush=True)
        cell.screenshot(path=PICTURES / f"{name}-{theme}-{number}.png")
    problems += follow_next(page, name)
    page.close()
    return problems


def take_picture(browser, address):
    """tools/lab.png: a training cell of notebook 06 and what it shows."""
    page = browser.new_page(viewport={"width": 1150, "height": 620},
                            device_scale_factor=1.5)
    page.goto(f"{address}/lab/tree/notebooks/06-lenet.ipynb")
    page.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=90_000)
    cells = json.loads((ROOT / "notebooks" / "06-lenet.ipynb").read_text(
        encoding="utf-8"))["cells"]
    lenet = {"network": "LeNet", "recipe": "documents"}
    number, = (n for n, cell in enumerate(cells)
               if cell["metadata"].get("d2lmini") == lenet)
    page.evaluate("jupyterapp.commands.execute('application:toggle-left-area')")
    page.evaluate(GO_TO, number)
    cell = page.locator(f"[data-windowed-list-index='{number}']")
    cell.locator("img").first.wait_for()
    for _ in range(3):  # the cells around it are still getting their heights
        page.wait_for_timeout(1000)
        cell.evaluate("cell => cell.scrollIntoView({block: 'start'})")
    page.wait_for_timeout(1000)
    path = ROOT / "tools" / "lab.png"
    page.screenshot(path=path)
    Image.open(path).quantize(128, method=2).save(path, optimize=True)


def main(wanted):
    PICTURES.mkdir(parents=True, exist_ok=True)
    names = [name for name in NAMES
             if any(part in name for part in wanted or DEFAULT)]
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    failed = False
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"])
        if wanted == ["--picture"]:
            with jupyterlab("Light") as address:
                return take_picture(browser, address)
        for theme in ("Light", "Dark"):
            with jupyterlab(theme) as address:
                for name in names:
                    print(name, theme, flush=True)
                    problems = try_notebook(browser, address, name, theme)
                    for problem in problems:
                        print(f"  {problem}", flush=True)
                    failed = failed or bool(problems)
    raise SystemExit(failed)


if __name__ == "__main__":
    main(sys.argv[1:])
