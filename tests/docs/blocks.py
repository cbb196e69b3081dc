"""The fenced blocks of a page, and what their info strings ask for.

    ```sh                          commands, run in order by one shell a page; must end with 0
    ```sh exit=3                   ... with 3
    ```sh state=swapped            ... on a database that is in this state (see states.py)
    ```sh norun="needs root"       not run, for the reason that is given
    ```sql                         given to psql; the same words may follow
    ```output                      lines that the block before has printed, numbers aside; "..." skips
    ```toml file=job.toml          written into the working directory of the page
    ```python recipe=alembic       run by tests/application under that name
    ```text, ``` and others        shown, not run; may hold no command of ours
"""

import dataclasses
import re
import shlex

LANGUAGES = {"sh", "sql", "python", "output", "toml", "text", "yaml", "json", ""}
LOOKS_LIKE_A_COMMAND = re.compile(r"^\s*(\$ |sudo |(\S*/)?pgfanout [a-z]|scripts/|psql )")


class BadPage(Exception):
    pass


@dataclasses.dataclass
class Block:
    page: str
    line: int
    language: str
    words: dict
    text: str

    @property
    def place(self):
        return f"{self.page}:{self.line}"

    @property
    def is_run(self):
        return self.language in ("sh", "sql") and "norun" not in self.words


def words_of(info, place):
    known = {"exit", "state", "norun", "file", "recipe"}
    words = dict(word.partition("=")[::2] for word in shlex.split(info))
    if not words.keys() <= known or ("norun" in words and len(words["norun"]) < 5):
        raise BadPage(f"{place}: not understood, or norun without a reason: {info}")
    return words


def blocks_of(page, text):
    blocks, fence, began, lines = [], None, 0, []
    for number, line in enumerate(text.splitlines(), 1):
        mark = re.match(r"^```\s*(\w*)\s*(.*)$", line)
        if mark and fence is None:
            fence, began, lines = mark, number, []
        elif mark:
            language, place = fence[1], f"{page}:{began}"
            if language not in LANGUAGES:
                raise BadPage(f"{place}: blocks are of {sorted(LANGUAGES)}, not {language}")
            block = Block(page, began, language, words_of(fence[2], place), "\n".join(lines) + "\n")
            if language in ("", "text") and any(LOOKS_LIKE_A_COMMAND.match(each) for each in lines):
                raise BadPage(f"{place}: commands belong into a block of sh, which is run")
            blocks.append(block)
            fence = None
        elif fence is not None:
            lines.append(line)
    if fence is not None:
        raise BadPage(f"{page}:{began}: the block has no end")
    return blocks


MASKS = [
    (re.compile(r"\x1b\[[0-9;]*m"), ""),
    (re.compile(r"\b\d{8}T\d{6}-[0-9a-f]+\b"), "JOB"),
    (re.compile(r"\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b"), "UUID"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "DIGEST"),
    (re.compile(r"\d{8}_\d{6}"), "TIME"),
    (re.compile(r"(\d{4}-\d\d-\d\d[ T])?\d\d:\d\d(:\d\d(\.\d+)?)?(Z| UTC|\+\d\d)?"), "CLOCK"),
    (re.compile(r"/[\w./+-]*/socket\b"), "HOST"),
    (re.compile(r"\d[\d,]*(\.\d+)?"), "N"),
    (re.compile(r"\bN (ms|s|min|h|B|kB|MB|GB|KiB|MiB|GiB)\b"), "N unit"),
    (re.compile(r"\s+"), " "),
]


def masked(line):
    for pattern, by in MASKS:
        line = pattern.sub(by, line)
    return line.strip()


def missing_line(shown, printed):
    """The first line of `shown` that `printed` does not have behind those before it; None: all."""
    left = [masked(line) for line in printed.splitlines()]
    for line in shown.splitlines():
        wanted = masked(line)
        if wanted in ("", "..."):
            continue
        is_start = wanted.endswith("...")
        at = next((n for n, each in enumerate(left)
                   if each == wanted or (is_start and each.startswith(wanted[:-3].strip()))), None)
        if at is None:
            return line
        del left[:at + 1]
    return None
