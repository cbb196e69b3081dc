#!/usr/bin/env python3
"""Cuts the PostgreSQL manual into the rows of the demo: collections, documents, chunks of text.

    demo_corpus.py [--manual DIRECTORY] --out DIRECTORY

Reads the manual's HTML (Debian package postgresql-doc-15, unless a directory is named) in the
book's own order and writes one file a table, in COPY's text format, one row a line:

    collections.copy  ordinal, id, name
    documents.copy    first chunk, id, collection_id, title, path, part, chapter, volume
    chunks.copy       ordinal, id, document_id, chunk_index, content, token_count,
                      start_offset, end_offset, metadata

A page is a document and a part of the book is a collection. `volume` cuts each chapter into runs of
pages of about VOLUME_CHUNKS chunks; scripts/demo_load makes the collections of further copies from
it. Ordinals count from 1 in reading order. The same manual always gives the same bytes: every id is
a uuid5 of a name, and nothing depends on the clock or on random numbers.
"""

import argparse
import json
import multiprocessing
import os
import re
import subprocess
import sys
import uuid
from html.parser import HTMLParser

PACKAGE = "postgresql-doc-15"
FIRST_PAGE = "index.html"
FRONT_MATTER = "Front matter"

# Characters. A chunk ends where a sentence or else a word does, near CHUNK, and the next one starts
# about OVERLAP before that end.
CHUNK = 1000
SLACK = 120
OVERLAP = 200

VOLUME_CHUNKS = 64

NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://www.postgresql.org/docs/15/")
BLOCKS = frozenset("p div h1 h2 h3 h4 h5 h6 li dt dd tr table pre blockquote ul ol dl hr br".split())
HEADINGS = frozenset("h1 h2 h3 h4 h5 h6".split())
ADMONITIONS = frozenset("Tip Note Warning Caution Important".split())
SKIPPED_DIVS = frozenset(("navheader", "navfooter", "toc"))
SENTENCE_END = re.compile(r"[.!?:;][)\"”’]?(?=\s)|\n")


def squeeze(text):
    return " ".join(text.split())


class Page(HTMLParser):
    """One page: its title, the page above it, the page after it, its text and the offsets of its headings."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.up = None
        self.next = None
        self.pieces = []
        self.headings = []  # (offset into the text, heading)
        self.length = 0
        self.skip_depth = 0  # divs that are open, counted from the skipped one
        self.head = True
        self.in_title = False
        self.pre = False
        self.heading = None

    def handle_starttag(self, tag, attrs):
        named = dict(attrs)
        if tag == "body":
            self.head = False
        elif tag == "title":
            self.in_title = True
        elif tag == "link" and named.get("rel") == "next":
            self.next = named["href"].split("#")[0]
        elif tag == "a" and named.get("accesskey") == "u":
            self.up = named["href"].split("#")[0]
        elif tag == "div" and (self.skip_depth or named.get("class") in SKIPPED_DIVS):
            self.skip_depth += 1
        if self.head or self.skip_depth:
            return
        if tag in BLOCKS:
            self.break_line()
        elif tag in ("td", "th"):
            self.add(" ")
        if tag == "pre":
            self.pre = True
        elif tag in HEADINGS:
            self.heading = []

    def handle_startendtag(self, tag, attrs):
        if tag == "link":
            self.handle_starttag(tag, attrs)
        elif tag in BLOCKS and not (self.head or self.skip_depth):
            self.break_line()

    def handle_endtag(self, tag):
        if tag == "title":
            self.in_title = False
        elif tag == "div" and self.skip_depth:
            self.skip_depth -= 1
            return
        if self.head or self.skip_depth:
            return
        if tag in HEADINGS and self.heading is not None:
            text = squeeze("".join(self.heading))
            if text not in ADMONITIONS:
                self.headings.append((max(0, self.length - len(text)), text))
            self.heading = None
        if tag == "pre":
            self.pre = False
        if tag in BLOCKS:
            self.break_line()

    def handle_data(self, data):
        if self.in_title:
            self.title += data
        if self.head or self.skip_depth:
            return
        if self.heading is not None:
            self.heading.append(data)
        self.add(data if self.pre else re.sub(r"\s+", " ", data))

    def add(self, text):
        """Appends text; between words there is one space, and none at the start of a line."""
        if not self.pre and (not self.pieces or self.pieces[-1][-1] in " \n"):
            text = text.lstrip(" ")
        if text:
            self.pieces.append(text)
            self.length += len(text)

    def break_line(self):
        if self.pieces and self.pieces[-1][-1] != "\n":
            trimmed = self.pieces[-1].rstrip(" ")
            self.length += len(trimmed) - len(self.pieces[-1]) + 1
            self.pieces[-1] = trimmed + "\n"

    def text(self):
        return "".join(self.pieces).rstrip()


class Contents(HTMLParser):
    """The table of contents on the first page: every page named there, at level 1 or 2."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.level = 0
        self.entries = {}  # page -> (level, title), in the book's order
        self.page = None
        self.title = []

    def handle_starttag(self, tag, attrs):
        if tag == "dl":
            self.level += 1
        elif tag == "a" and self.level:
            self.page = dict(attrs).get("href", "").split("#")[0]
            self.title = []

    def handle_endtag(self, tag):
        if tag == "dl":
            self.level -= 1
        elif tag == "a" and self.page:
            self.entries.setdefault(self.page, (self.level, squeeze("".join(self.title))))
            self.page = None

    def handle_data(self, data):
        if self.page:
            self.title.append(data)


def cut(text):
    """Spans of the chunks of a text: they cover it, overlap, and start and end between words."""
    spans = []
    start = 0
    while True:
        if len(text) - start <= CHUNK + SLACK:
            spans.append((start, len(text)))
            return spans
        end = cut_end(text, start)
        spans.append((start, end))
        start = max(word_start(text, end - OVERLAP), start + 1)


def cut_end(text, start):
    """Where the chunk from `start` ends: the sentence end nearest to CHUNK, else a word's end."""
    wanted = start + CHUNK
    ends = [m.end() for m in SENTENCE_END.finditer(text, wanted - SLACK, wanted + SLACK)]
    if ends:
        return min(ends, key=lambda end: abs(end - wanted))
    space = text.rfind(" ", wanted - SLACK, wanted + SLACK)
    return space if space > 0 else wanted


def word_start(text, near):
    """The first start of a word at or after `near`."""
    found = re.compile(r"\s\S").search(text, near - 1)
    return found.start() + 1 if found and found.start() < near + OVERLAP // 2 else near


def read_page(path):
    """Title, page above, page after, chunks (start, end, content, heading) of one file."""
    with open(path, encoding="utf-8") as file:
        page = Page()
        page.feed(file.read())
        page.close()
    title = squeeze(page.title)
    text = page.text() or title
    chunks = []
    for start, end in cut(text):
        heading = title
        for offset, name in page.headings:
            if offset > start + OVERLAP:
                break
            heading = name
        chunks.append((start, end, text[start:end].strip(), heading))
    return title, page.up, page.next, chunks


def read_book(manual):
    """All pages in reading order, each as (name, title, page above, chunks), and the contents."""
    contents = Contents()
    with open(os.path.join(manual, FIRST_PAGE), encoding="utf-8") as file:
        contents.feed(file.read())
    names = sorted(name for name in os.listdir(manual) if name.endswith(".html"))
    with multiprocessing.Pool() as pool:
        read = pool.map(read_page, [os.path.join(manual, name) for name in names], chunksize=16)
    pages = dict(zip(names, read))
    order = []
    seen = set()
    name = FIRST_PAGE
    while name in pages and name not in seen:
        seen.add(name)
        order.append(name)
        name = pages[name][2]
    order += [name for name in names if name not in seen]
    return [(name, pages[name][0], pages[name][1], pages[name][3]) for name in order], contents.entries


def place(name, above, entries):
    """Part and chapter of a page, found by climbing to the pages that the contents name."""
    part = chapter = None
    visited = set()
    while name and name != FIRST_PAGE and name not in visited:
        visited.add(name)
        if name in entries:
            level, title = entries[name]
            if level == 1:
                part = title
            else:
                chapter = title
        name = above.get(name)
    part = part or FRONT_MATTER
    return part, chapter or part


def escape(value):
    """One field of COPY's text format."""
    text = str(value)
    return text.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")


def write_row(file, *values):
    file.write("\t".join(map(escape, values)) + "\n")


def identity(*names):
    return uuid.uuid5(NAMESPACE, "/".join(map(str, names)))


def write_corpus(manual, out):
    pages, entries = read_book(manual)
    above = {name: up for name, _, up, _ in pages}
    collections = {}
    volumes = {}  # chapter -> [volume, chunks in it]
    total = 0

    def target(name):
        return open(os.path.join(out, name), "w", encoding="utf-8", newline="\n")

    with target("collections.copy") as collection_file, target("documents.copy") as document_file, \
            target("chunks.copy") as chunk_file:
        for name, title, _, chunks in pages:
            part, chapter = place(name, above, entries)
            if part not in collections:
                collections[part] = identity("collection", part)
                write_row(collection_file, len(collections), collections[part], part)
            volume = volumes.setdefault((part, chapter), [1, 0])
            if volume[1] and volume[1] + len(chunks) > VOLUME_CHUNKS:
                volume[:] = [volume[0] + 1, 0]
            volume[1] += len(chunks)
            document = identity("document", name)
            write_row(document_file, total + 1, document, collections[part], title, name, part,
                      chapter, volume[0])
            for index, (start, end, content, heading) in enumerate(chunks):
                total += 1
                metadata = json.dumps({"page": name, "heading": heading}, ensure_ascii=False)
                write_row(chunk_file, total, identity("chunk", name, index), document, index,
                          content, len(content.split()) * 4 // 3, start, end, metadata)
    return len(collections), len(pages), total


def package_manual():
    """The directory of the manual's pages in the Debian package."""
    try:
        listing = subprocess.run(["dpkg", "-L", PACKAGE], check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    for line in listing.stdout.splitlines():
        if line.endswith("/html/" + FIRST_PAGE):
            return os.path.dirname(line)
    return None


def main():
    parser = argparse.ArgumentParser(description="Cuts the PostgreSQL manual into the demo's rows.")
    parser.add_argument("--manual", metavar="DIRECTORY", help="the manual's HTML pages")
    parser.add_argument("--out", metavar="DIRECTORY", required=True, help="where the files go")
    arguments = parser.parse_args()
    manual = arguments.manual or package_manual()
    if not manual or not os.path.isfile(os.path.join(manual, FIRST_PAGE)):
        sys.exit("demo_corpus: the PostgreSQL manual is not there: install the package " + PACKAGE +
                 " (scripts/install-deps demo does) or name its directory with --manual")
    os.makedirs(arguments.out, exist_ok=True)
    collections, documents, chunks = write_corpus(manual, arguments.out)
    print(f"demo_corpus: {collections} collections, {documents} documents, {chunks} chunks",
          file=sys.stderr)


if __name__ == "__main__":
    main()
