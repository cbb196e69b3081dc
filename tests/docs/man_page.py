#!/usr/bin/env python3
"""docs/pgfanout.1, made from the program's own help and tests/docs/pgfanout.1.in.

Usage: man_page.py --write PGFANOUT
"""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/pgfanout.1"


def roff(text):
    """Plain text as roff gives it back."""
    escaped = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga").replace('"', "\\(dq")
    return "\n".join("\\&" + line if line[:1] in (".", "\\") and line.startswith((".", "\\(aq")) else line
                     for line in escaped.splitlines())


def parts_of(help_text):
    """description, examples, [(group, [(option, text)])] of a command's help."""
    head, _, rest = help_text.partition("\nOptions of every command")[0].partition("\nExamples:\n")
    description = head.split("\n\n", 1)[1].split("\nUsage:")[0].strip()
    usage = re.search(r"^Usage: (.*)$", head, re.M)[1]
    examples, groups = groups_of(rest)
    return description, usage, examples, groups


def groups_of(text):
    """What stands before the first group of options, and the groups."""
    pieces = re.split(r"^(\S.*):\n", text, flags=re.M)
    groups = []
    for group, body in zip(pieces[1::2], pieces[2::2]):
        options = []
        for line in body.splitlines():
            option = re.match(r"  (--\S+(?: \S+| \"[^\"]*\")*?)(?:  +(.*))?$", line)
            if option:
                options.append([option[1], option[2] or ""])
            elif line.strip():
                options[-1][1] = f"{options[-1][1]} {line.strip()}".strip()
        groups.append((group, options))
    return pieces[0].rstrip("\n"), groups


def options_text(groups):
    lines = []
    for group, options in groups:
        lines.append(f'.PP\n\\fI{roff(group)}\\fP')
        for option, text in options:
            lines.append(f".TP\n.B {roff(option)}\n{roff(text)}")
    return "\n".join(lines)


def command_text(name, description, usage, examples, groups):
    return (f".SS {name}\n.B {roff(usage)}\n.PP\n{roff(' '.join(description.split()))}\n.PP\nExamples:\n.PP\n.nf\n"
            f"{roff(examples)}\n.fi\n" + options_text(groups))


def generated(pgfanout):
    """The whole page: options that several commands share stand once, at the end."""
    import pages
    names = pages.commands_of(pgfanout)
    parts = {name: parts_of(pages.help_of(pgfanout, name)) for name in names}
    _, shared = groups_of(pages.shared_options_of(pgfanout))
    commands = [command_text(name, *part) for name, part in parts.items()]
    template = (ROOT / "tests/docs/pgfanout.1.in").read_text()
    return template.replace("@COMMANDS@", "\n".join(commands)).replace("@OPTIONS@", options_text(shared))


def complaints_of(command):
    done = subprocess.run(command, text=True, capture_output=True)
    return done.stderr + (done.stdout if command[0] == "mandoc" else "")


def check(pgfanout, failures):
    if generated(pgfanout) != PAGE.read_text():
        failures.add(f"docs/pgfanout.1 is not what the help says: {pathlib.Path(__file__).relative_to(ROOT)} --write PGFANOUT")
    for command in (["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(PAGE)],
                    ["mandoc", "-Tlint", "-W", "warning", str(PAGE)]):
        said = complaints_of(command)
        if said:
            failures.add(f"{' '.join(command)}:\n{said}")


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "--write":
        sys.exit(__doc__)
    sys.path.insert(0, str(pathlib.Path(__file__).parent))
    PAGE.write_text(generated(sys.argv[2]))
