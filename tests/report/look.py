"""Opens the pages of `fixtures.py` in a headless Chromium as readers do: at a desk and on a phone, light and dark, and printed.

    look.py OUT REPORT.html...

Writes screenshots and a PDF of each into OUT, and fails on a console message, a request that leaves the page, an element that is
wider than the screen, text that is clipped, too small, too pale, or lies on other text, a control that the keyboard does not reach, a page of
2 MB, and on what its kind of page must show and does not (`MUST`).
"""

import io
import os
import pathlib
import re
import shutil
import sys

from PIL import Image
from playwright.sync_api import sync_playwright

SCREENS = {"desktop": (1280, 900, 1), "phone": (390, 844, 2)}
SMALLEST_TEXT = 9.5
LARGEST_PAGE = 2_000_000

# A phone widens its own screen to what does not fit, so the width is that which was set.
OVERFLOW = """width => [...document.querySelectorAll('body *')].filter(e => {
  if (e.closest('.scroll, pre, .skip')) return false;
  const box = e.getBoundingClientRect();
  return box.width > 0 && (box.right > width + 1 || box.left < -1);
}).map(e => e.tagName + '.' + e.className).slice(0, 5)"""

SIDEWAYS = """width => Math.max(document.scrollingElement.scrollWidth, innerWidth) - width"""

SMALL = """() => [...document.querySelectorAll('svg text')].map(t => {
  const svg = t.ownerSVGElement;
  return parseFloat(getComputedStyle(t).fontSize) * svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
}).reduce((a, b) => Math.min(a, b), 99)"""

UNNAMED = """() => [...document.querySelectorAll('svg')].filter(e => !e.closest('[role=img][aria-label]')).length
  + [...document.querySelectorAll('img')].filter(e => !e.alt).length"""

# A table that scrolls has its first column fixed, a name and a place for the keyboard, and a shadow or a hint that more follows.
TABLES = """() => [...document.querySelectorAll('.scroll')].flatMap(e => {
  if (e.scrollWidth <= e.clientWidth + 1) return [];
  const name = e.getAttribute('aria-label'), problems = [];
  if (e.tabIndex !== 0 || !name) problems.push('no keyboard or name');
  if (!getComputedStyle(e).backgroundImage.includes('gradient')) problems.push('no shadow');
  const first = e.querySelector('tbody tr > :first-child'), before = first.getBoundingClientRect().left;
  e.scrollLeft = 1e6;
  if (Math.abs(first.getBoundingClientRect().left - before) > 1) problems.push('its first column moves');
  const last = e.querySelector('tbody tr > :last-child').getBoundingClientRect();
  if (first.getBoundingClientRect().right > last.left + 1) problems.push('the fixed column hides the last one');
  e.scrollLeft = 0;
  return problems.map(problem => `table "${name}": ${problem}`);
})"""

# Text boxes are corners on the screen, so that turned labels are measured as they lie; each is shrunk by a pixel and a half, which
# is what ascent and descent leave empty.
TEXT = """() => {
  const problems = [];
  const cross = (a, b) => {
    for (const shape of [a, b]) for (let i = 0; i < 4; i++) {
      const p = shape[i], q = shape[(i + 1) % 4], axis = [q[1] - p[1], p[0] - q[0]];
      const on = s => s.map(c => c[0] * axis[0] + c[1] * axis[1]);
      const [x, y] = [on(a), on(b)];
      if (Math.max(...x) <= Math.min(...y) || Math.max(...y) <= Math.min(...x)) return false;
    }
    return true;
  };
  for (const svg of document.querySelectorAll('figure svg')) {
    const frame = svg.getBoundingClientRect(), title = svg.closest('figure').querySelector('figcaption').textContent;
    const texts = [...svg.querySelectorAll('text')].filter(t => t.textContent.trim()).map(t => {
      const box = t.getBBox(), at = t.getScreenCTM(), dx = box.width * 0.02, dy = box.height * 0.2;
      const corners = [[box.x + dx, box.y + dy], [box.x + box.width - dx, box.y + dy],
        [box.x + box.width - dx, box.y + box.height - dy], [box.x + dx, box.y + box.height - dy]]
        .map(([x, y]) => [at.a * x + at.c * y + at.e, at.b * x + at.d * y + at.f]);
      return {text: t.textContent.trim(), corners};
    });
    for (const {text, corners} of texts)
      if (corners.some(([x, y]) => x < frame.left - 1 || x > frame.right + 1 || y < frame.top - 1 || y > frame.bottom + 1))
        problems.push(`chart "${title}" clips "${text}"`);
    for (let i = 0; i < texts.length; i++) for (let j = 0; j < i; j++)
      if (cross(texts[i].corners, texts[j].corners))
        problems.push(`chart "${title}": "${texts[j].text}" lies on "${texts[i].text}"`);
  }
  for (const e of document.querySelectorAll('main *, header *')) {
    const style = getComputedStyle(e);
    if (!e.closest('svg') && ['hidden', 'clip'].includes(style.overflowX) && e.scrollWidth > e.clientWidth + 1)
      problems.push(`${e.tagName} cuts off "${e.textContent.trim()}"`);
  }
  const lines = [], walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const e = node.parentElement;
    if (!node.data.trim() || e.closest('svg, style, .skip') || !e.checkVisibility()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      const scroll = e.closest('.scroll, pre'), edge = scroll && scroll.getBoundingClientRect();
      if (edge && (box.left > edge.right - 2 || box.right < edge.left + 2)) continue;
      lines.push({box, text: node.data.trim(), e});
    }
  }
  lines.sort((a, b) => a.box.top - b.box.top);
  for (let i = 0; i < lines.length; i++)
    for (let j = i + 1; j < lines.length && lines[j].box.top < lines[i].box.bottom - 4; j++) {
      const a = lines[i].box, b = lines[j].box;
      if (lines[i].e === lines[j].e && a.top === b.top) continue;
      const wide = Math.min(a.right, b.right) - Math.max(a.left, b.left), high = Math.min(a.bottom, b.bottom) - b.top;
      if (wide > 2 && high > 5) problems.push(`"${lines[i].text}" lies on "${lines[j].text}"`);
    }
  return [...new Set(problems)].slice(0, 12);
}"""

# The ticks of an axis are the texts in one row above its title.
EPOCH_TICKS = """() => [...document.querySelectorAll('figure svg')].flatMap(svg => {
  const texts = [...svg.querySelectorAll('text')];
  const title = texts.find(t => t.textContent.trim() === 'epoch');
  if (!title) return [];
  const top = t => t.getBoundingClientRect().top;
  const above = texts.filter(t => top(t) < top(title) - 2).sort((a, b) => top(b) - top(a));
  const ticks = above.filter(t => Math.abs(top(t) - top(above[0])) < 2).map(t => t.textContent.trim());
  return ticks.length && ticks.every(t => /^[0-9]+$/.test(t)) ? [] : [`epoch ticks ${ticks.join(' ')}`];
})"""

# Text against what is painted below it, by the contrast ratio of WCAG 2: 4.5, or 3 where it is large.
CONTRAST = """() => {
  const parse = text => {
    const numbers = (text.match(/[0-9.e+-]+/g) || []).map(Number);
    if (text.startsWith('color(srgb')) return [...numbers.slice(0, 3).map(c => 255 * c), numbers[3] ?? 1];
    return text.startsWith('rgb') ? [...numbers.slice(0, 3), numbers[3] ?? 1] : [0, 0, 0, 0];
  };
  const over = (top, below) => below.map((c, i) => i < 3 ? top[3] * top[i] + (1 - top[3]) * c : 1);
  const light = colour => {
    const [r, g, b] = colour.slice(0, 3).map(c => c / 255).map(c => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => (Math.max(light(a), light(b)) + 0.05) / (Math.min(light(a), light(b)) + 0.05);
  const ground = e => {
    const layers = [];
    for (; e; e = e.parentElement) layers.unshift(parse(getComputedStyle(e).backgroundColor));
    return layers.reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const inside = (rect, x, y) => x >= rect.left && x <= rect.right && y >= rect.top && y <= rect.bottom;
  const problems = [];
  const check = (text, front, back, style) => {
    const size = parseFloat(style.fontSize), least = size >= 24 || (size >= 18.6 && style.fontWeight >= 700) ? 3 : 4.5;
    const found = ratio(over(front, back), back);
    if (found < least) problems.push(`"${text}" has a contrast of ${found.toFixed(1)}`);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());) {
    const e = node.parentElement;
    if (!node.data.trim() || e.closest('svg, style, .skip') || !e.checkVisibility()) continue;
    check(node.data.trim(), parse(getComputedStyle(e).color), ground(e), getComputedStyle(e));
  }
  for (const svg of document.querySelectorAll('figure svg')) {
    const rects = [...svg.querySelectorAll('rect')], page = ground(svg);
    for (const text of svg.querySelectorAll('text')) {
      const box = text.getBoundingClientRect(), x = (box.left + box.right) / 2, y = (box.top + box.bottom) / 2;
      const below = rects.filter(r => inside(r.getBoundingClientRect(), x, y)).reduce((back, r) => {
        const style = getComputedStyle(r), [red, green, blue, alpha] = parse(style.fill);
        return over([red, green, blue, alpha * style.opacity * style.fillOpacity], back);
      }, page);
      if (text.textContent.trim()) check(text.textContent.trim(), parse(getComputedStyle(text).fill), below, getComputedStyle(text));
    }
  }
  return [...new Set(problems)].slice(0, 12);
}"""

READ = """() => ({
  text: document.body.innerText,
  firstCard: (document.querySelector('.facts > div') || document.body).innerText,
  charts: [...document.querySelectorAll('figure')].map(f =>
    ({title: f.querySelector('figcaption').textContent, text: [...f.querySelectorAll('text')].map(t => t.textContent.trim())})),
  tables: Object.fromEntries([...document.querySelectorAll('table[aria-label]')].map(t =>
    [t.getAttribute('aria-label'), [...t.querySelectorAll('tr')].map(r => [...r.children].map(c => c.textContent.trim()))])),
})"""

ABSOLUTE = re.compile(r"(?<![\w.:/…])(/(?:[\w.-]+/)+[\w.-]+|[A-Z]:\\\\)")


def of_a_run(page):
    yield "the interval of the test accuracy in the first card", "95 % interval" in page["firstCard"]
    yield "the teacher in the accuracy chart", any(
        "ccuracy" in chart["title"] and any("teacher" in text for text in chart["text"]) for chart in page["charts"]
    )
    sizes = page["tables"].get("Student and teacher", [])
    yield "a row for the teacher's size and speed", any(row[0].startswith("teacher") for row in sizes)


def of_a_comparison(page):
    # Without a run from the labels only beside the best there is none, and the card says so.
    told = "significant" in page["firstCard"] and "95 % interval" in page["firstCard"]
    yield "a verdict in the first card", told or "no verdict" in page["firstCard"]
    rows = next((rows for name, rows in page["tables"].items() if name.startswith("Every configuration")), [[]])
    yield "a row for the teacher", rows[-1][0] == "teacher"
    yield "a column of intervals", "95 % interval" in rows[0]
    yield "no configuration column that repeats the keys", all("=" not in row[0] for row in rows[1:])


def of_three(page):
    yield from of_a_run(page)
    yield "a confusion matrix", any("onfusion matrix" in chart["title"] for chart in page["charts"])


def of_a_hundred(page):
    yield "no matrix", not any("onfusion matrix" in chart["title"] for chart in page["charts"])
    yield "the most frequent confusions", "The most frequent confusions" in page["tables"]
    yield "duplicates and leakage", "are copies of others in train" in page["text"] and "are also in train" in page["text"]


def of_keys(page):
    yield from of_a_comparison(page)
    head = next(rows[0] for name, rows in page["tables"].items() if name.startswith("Every configuration"))
    for key in ["T", "lambda", "lr", "epochs", "batch-size", "weight-decay", "student.dropout"]:
        yield f"a column for {key}", key in head
    yield "no column for what all share", "optimizer" not in head
    yield "what all share, once above", "Shared by all: " in page["text"]


def of_a_sweep(page):
    yield from of_a_comparison(page)
    heat = [chart for chart in page["charts"] if "temperature by lambda" in chart["title"]]
    yield "a verdict with its interval", "significant" in page["firstCard"]
    yield "untried cells marked", bool(heat) and all("untried" in chart["text"] for chart in heat)
    rows = next(rows for name, rows in page["tables"].items() if name.startswith("Every configuration"))
    yield "24 configurations and the teacher", len(rows) == 1 + 24 + 1


# What a page by this name must show.
MUST = {
    "three": of_three,
    "hundred": lambda page: [*of_a_run(page), *of_a_hundred(page)],
    "hundred-cache": of_a_hundred,
    "sweep": of_a_sweep,
    "keys": of_keys,
}


def photograph(page):
    """The whole page, and its first screen. Chromium makes its screen as long as the page for a picture of all of it, and on a busy
    machine gives up before the long screen is drawn ("Unable to capture screenshot"); so the page is scrolled by a screen at a time."""
    length, step = page.evaluate("[document.scrollingElement.scrollHeight, innerHeight]")
    screens = []
    for wanted in range(0, length, step):
        # The last screen reaches up into the one before it.
        at = page.evaluate("top => { scrollTo({top, behavior: 'instant'}); return scrollY; }", wanted)
        screens.append((at, Image.open(io.BytesIO(page.screenshot())).convert("RGB")))
    top = screens[0][1]
    scale = top.height / step
    whole = Image.new("RGB", (top.width, round(length * scale)))
    for at, screen in screens:
        whole.paste(screen, (0, round(at * scale)))
    return whole, top


def look(browser, path, out):
    problems = []
    if (size := path.stat().st_size) >= LARGEST_PAGE:
        problems.append(f"{path.name}: {size} bytes")
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
            page.evaluate("document.fonts.ready")
            problems += [f"{where}: wider than the screen: {e}" for e in page.evaluate(OVERFLOW, width)]
            if (more := page.evaluate(SIDEWAYS, width)) > 1:
                problems.append(f"{where}: the page scrolls sideways by {more} px")
            if (smallest := page.evaluate(SMALL)) < SMALLEST_TEXT:
                problems.append(f"{where}: a chart has text of {smallest:.1f} px")
            if unnamed := page.evaluate(UNNAMED):
                problems.append(f"{where}: {unnamed} images without alternative text")
            for check in (TABLES, TEXT, CONTRAST, EPOCH_TICKS):
                problems += [f"{where}: {problem}" for problem in page.evaluate(check)]
            found = page.evaluate(READ)
            problems += [f"{where}: absolute path {path}" for path in sorted(set(ABSOLUTE.findall(found["text"])))]
            if must := MUST.get(path.stem):
                problems += [f"{where}: does not show {what}" for what, holds in must(found) if not holds]
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.className") != "skip":
                problems.append(f"{where}: the first Tab does not reach the skip link")
            page.evaluate("document.activeElement.blur()")
            whole, top = photograph(page)
            whole.save(out / f"{path.stem}-{screen}-{scheme}.png")
            top.save(out / f"{path.stem}-{screen}-{scheme}-top.png")
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
