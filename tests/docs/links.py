#!/usr/bin/env python3
"""Checks the links and images of a built book: each leads to a file of it, and to an anchor that the file has."""

import html.parser
import pathlib
import sys
import urllib.parse


class Page(html.parser.HTMLParser):
    def __init__(self, path):
        super().__init__()
        self.links, self.anchors = [], set()
        self.feed(path.read_text())

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in ("href", "src") and value and tag in ("a", "img"):
                self.links.append(value)
            if name in ("id", "name") and value:
                self.anchors.add(value)


def main():
    root = pathlib.Path(sys.argv[1])
    pages = {path.resolve(): Page(path) for path in root.rglob("*.html") if path.name not in ("print.html", "404.html", "toc.html")}
    broken = []
    for path, page in pages.items():
        for link in page.links:
            url = urllib.parse.urlsplit(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / urllib.parse.unquote(url.path)).resolve() if url.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists() or (url.fragment and target in pages and urllib.parse.unquote(url.fragment) not in pages[target].anchors):
                broken.append(f"{path.relative_to(root.resolve())}: {link}")
    if broken:
        sys.exit("links that lead nowhere:\n  " + "\n  ".join(sorted(set(broken))))
    print(f"{len(pages)} pages in {root}; every link leads somewhere")


if __name__ == "__main__":
    main()
