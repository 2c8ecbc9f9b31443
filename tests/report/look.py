"""Opens reports in a headless Chromium as readers do: at a desk and on a phone, light and dark, and printed.

    look.py OUT REPORT.html...

Writes screenshots and a PDF of each into OUT, and fails on a console message, a request that leaves the page, an element that
is wider than the screen, text too small to read, or a control that the keyboard does not reach.
"""

import os
import pathlib
import shutil
import sys

from playwright.sync_api import sync_playwright

SCREENS = {"desktop": (1280, 900, 1), "phone": (390, 844, 2)}
SMALLEST_TEXT = 9.5

OVERFLOW = """() => [...document.querySelectorAll('body *')].filter(e => {
  if (e.closest('.scroll, pre, .skip')) return false;
  const box = e.getBoundingClientRect();
  return box.width > 0 && (box.right > innerWidth + 1 || box.left < -1);
}).map(e => e.tagName + '.' + e.className).slice(0, 5)"""

SMALL = """() => [...document.querySelectorAll('svg text')].map(t => {
  const svg = t.ownerSVGElement;
  return parseFloat(getComputedStyle(t).fontSize) * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
}).reduce((a, b) => Math.min(a, b), 99)"""

UNNAMED = """() => [...document.querySelectorAll('svg')].filter(e => !e.closest('[role=img][aria-label]')).length
  + [...document.querySelectorAll('img')].filter(e => !e.alt).length"""


def look(browser, path, out):
    problems = []
    for screen, (width, height, scale) in SCREENS.items():
        for scheme in ("light", "dark"):
            context = browser.new_context(
                viewport={"width": width, "height": height},
                device_scale_factor=scale,
                is_mobile=screen == "phone",
                color_scheme=scheme,
            )
            page = context.new_page()
            where = f"{path.name} {screen} {scheme}"
            page.on("console", lambda message: problems.append(f"{where}: console: {message.text}"))
            page.on("pageerror", lambda error: problems.append(f"{where}: error: {error}"))
            page.on(
                "request",
                lambda request: request.url.startswith(("file:", "data:"))
                or problems.append(f"{where}: asks for {request.url}"),
            )
            page.goto(path.resolve().as_uri())
            problems += [f"{where}: wider than the screen: {e}" for e in page.evaluate(OVERFLOW)]
            if (smallest := page.evaluate(SMALL)) < SMALLEST_TEXT:
                problems.append(f"{where}: a chart has text of {smallest:.1f} px")
            if unnamed := page.evaluate(UNNAMED):
                problems.append(f"{where}: {unnamed} images without alternative text")
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.className") != "skip":
                problems.append(f"{where}: the first Tab does not reach the skip link")
            page.evaluate("document.activeElement.blur()")
            page.screenshot(path=out / f"{path.stem}-{screen}-{scheme}.png", full_page=True)
            page.screenshot(path=out / f"{path.stem}-{screen}-{scheme}-top.png")
            if (screen, scheme) == ("desktop", "light"):
                page.pdf(path=out / f"{path.stem}.pdf", format="A4", print_background=True)
            context.close()
    return problems


def main():
    out, reports = pathlib.Path(sys.argv[1]), [pathlib.Path(name) for name in sys.argv[2:]]
    out.mkdir(parents=True, exist_ok=True)
    chromium = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        problems = [problem for report in reports for problem in look(browser, report, out)]
        browser.close()
    for problem in problems:
        print(problem)
    print(f"{len(reports)} reports, {len(problems)} problems; screenshots and PDFs are in {out}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
