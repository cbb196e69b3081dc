#!/usr/bin/env python3
"""The documentation: every command in it is run, and what it says of options, codes and files holds.

Usage: docs_test.py pages PGFANOUT       links, options, codes, man page; needs no server
       docs_test.py commands PGFANOUT    every command of the pages, page by page, and every example of the help
"""

import collections
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent))
import pages  # noqa: E402
from blocks import BadPage, blocks_of, missing_line  # noqa: E402
from states import GATE, GATED, ROOT, Server  # noqa: E402

# An example of the help, by how it begins, on the state that it needs and with the code that it ends with.
HELP_STATES = [
    ("pgfanout plan --source 'service=prod' --table public.chunks --accept", "notes", 0),
    ("pgfanout run job.toml --swap --confirm verify", "waiting", 0),
    ("pgfanout run job.toml --release", "waiting", 0),
    ("pgfanout run job.toml --dry-run", "fresh", 0),
    ("pgfanout run job.toml --finish-by", "fresh", 3),
    ("pgfanout run job.toml --profile", "fresh", 3),
    ("pgfanout run job.toml --events", "fresh", 3),
    ("pgfanout run job.toml", "fresh", 3),  # the job file has a gate
    ("pgfanout verify --source 'service=old'", "other", 0),
    ("pgfanout verify", "verified", 0),
    ("pgfanout queries job.toml", "verified", 0),
    ("pgfanout queries", "verified", 2),  # no pg_stat_statements, no job file
    ("pgfanout swap job.toml --confirm verify", "waiting", 0),
    ("pgfanout swap", "verified", 0),
    ("pgfanout rollback job.toml --", "written", 0),
    ("pgfanout rollback", "swapped", 0),
    ("pgfanout cleanup job.toml --force", "swapped", 0),
    ("pgfanout cleanup", "swapped", 2),  # too early
    ("pgfanout status", "swapped", 0),
    ("pgfanout run --source", "fresh", 0),
    ("pgfanout swap --source", "verified", 0),
    # Kept small: the suite itself is tested elsewhere.
    ("pgfanout bench", None, 0),
    ("", "fresh", 0),
]
CHANGES_NOTHING = re.compile("^pgfanout (plan|key|status|verify|queries)(?!.*--repair)|--dry-run")


def say(text):
    print(text, flush=True)


class Failures:
    def __init__(self):
        self.texts = []

    def add(self, text):
        self.texts.append(text)
        say(f"FAILED {text}")


class Shell:
    """One bash for a page: variables and the working directory last from block to block."""

    def __init__(self, directory, environment):
        self.directory = directory
        self.process = subprocess.Popen(["bash"], cwd=directory, env=environment, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True)

    def run(self, text):
        """(exit code, codes of commands that failed on the way, what was printed)"""
        out, bad = self.directory / ".out", self.directory / ".failed"
        bad.write_text("")
        (self.directory / ".block").write_text(text)
        self.process.stdin.write(f"trap 'echo $? >>{bad}' ERR\n. ./.block >{out} 2>&1 </dev/null\necho $?\n")
        self.process.stdin.flush()
        code = self.process.stdout.readline().strip()
        return (int(code) if code else -1), [int(each) for each in bad.read_text().split()], out.read_text()

    def end(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(60)


def prepared(text, server, directory):
    """The same commands with what is on this machine: host, hook, and a deadline that is far away."""
    hook = directory / "tell-the-team"
    hook.write_text("#!/bin/sh\ncat >>hooks.log\n")
    hook.chmod(0o755)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    later = time.strftime("%H:%M", time.localtime(time.time() + 6 * 3600))
    for name, here in (("db1.example.com", server.socket), ("/usr/local/bin/tell-the-team", str(hook)),
                       ("04:00", later), ("127.0.0.1:9187", f"127.0.0.1:{port}")):
        text = text.replace(name, here)
    return text


def run_page(page, server, failures, counted):
    blocks = blocks_of(page.name, page.read_text())
    counted["not run"] += sum("norun" in block.words for block in blocks)
    if not any(block.is_run for block in blocks):
        return
    with tempfile.TemporaryDirectory(prefix="pgfanout-docs.") as name:
        directory = pathlib.Path(name)
        server.put_into("fresh")
        shell = Shell(directory, server.environment())
        printed = None
        for block in blocks:
            if block.language == "toml" and "file" in block.words:
                (directory / block.words["file"]).write_text(prepared(block.text, server, directory))
            if block.language == "output":
                line = missing_line(block.text, printed) if printed is not None else "(nothing was run before)"
                if line is not None:
                    failures.add(f"{block.place}: not printed: {line}\n--- printed:\n{printed}---")
            if not block.is_run:
                printed = printed if block.language != "sh" else None
                continue
            if "state" in block.words:
                server.put_into(block.words["state"])
            text = prepared(block.text, server, directory)
            if block.language == "sql":
                text = f"PGUSER=postgres psql -X -v ON_ERROR_STOP=1 <<'END_OF_SQL'\n{text}END_OF_SQL\n"
            wanted = int(block.words.get("exit", 0))
            code, failed, printed = shell.run(text)
            counted["run"] += 1
            if code != wanted or any(each != wanted for each in failed):
                failures.add(f"{block.place}: exit code {code} {failed} instead of {wanted}\n{block.text}--- printed:\n{printed}---")
        shell.end()


def check_commands(pgfanout, failures):
    counted = collections.Counter()
    with tempfile.TemporaryDirectory(prefix="pgfanout-docs.") as directory:
        server = Server(pgfanout, directory)
        try:
            for page in pages.with_commands():
                run_page(page, server, failures, counted)
            for command in ["", *pages.commands_of(pgfanout)]:
                for example in examples_of(pages.help_of(pgfanout, command)):
                    counted["examples"] += run_example(server, pathlib.Path(directory), example, failures)
        finally:
            server.stop()
    say(f"{counted['run']} blocks were run, {counted['not run']} are marked as not to be run; "
        f"{counted['examples']} examples of the help were run")
    if counted["run"] < 30 or counted["examples"] < 30:
        failures.add("hardly any commands were found")


def examples_of(help_text):
    """The commands below "Examples:" or "First steps:", each in one line."""
    part = re.search(r"^(?:Examples|First steps):\n(.*?)\n(?=\S)", help_text, re.S | re.M)[1]
    joined = re.sub(r"\\\n\s+", "", part)
    return [line.strip() for line in joined.splitlines() if line.startswith("    pgfanout ")]


def run_example(server, directory, example, failures):
    state, wanted = next((state, code) for begin, state, code in HELP_STATES if example.startswith(begin))
    if state is None:
        return False
    server.put_into("fresh" if state == "other" else state)
    if "service=new" in example:
        server.renew("app_new", server.made["fresh"] if state == "other" else None)
    server.is_touched = not CHANGES_NOTHING.search(example)
    # A job that was verified without a gate has none in its file: a gate would stop its swap.
    (directory / "job.toml").write_text(GATED.replace(GATE, "") if state == "verified" else GATED)
    done = subprocess.run(["bash", "-c", prepared(example, server, directory)], cwd=directory, text=True,
                          env=server.environment(), capture_output=True, stdin=subprocess.DEVNULL)
    if done.returncode != wanted:
        failures.add(f"exit code {done.returncode} instead of {wanted}: {example}\n{done.stdout}{done.stderr}")
    return True


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    what, pgfanout = sys.argv[1], str(pathlib.Path(sys.argv[2]).resolve())
    failures = Failures()
    try:
        {"pages": pages.check, "commands": check_commands}[what](pgfanout, failures)
    except BadPage as problem:
        failures.add(str(problem))
    sys.exit(1 if failures.texts else 0)


if __name__ == "__main__":
    main()
