#!/usr/bin/env python3
"""Makes a Debian package of a build, and looks at what it holds and whether its program runs.

Usage: check_package.py BUILD_FOLDER
"""

import pathlib
import re
import subprocess
import sys
import tempfile

FILES = {
    "./usr/lib/systemd/system/pgfanout@.service",
    "./usr/lib/systemd/system/pgfanout@.timer",
    "./usr/share/doc/pgfanout/prometheus/pgfanout.rules.yml",
    "./usr/share/doc/pgfanout/prometheus/pgfanout.dashboard.json",
    "./usr/bin/pgfanout",
    "./usr/libexec/pgfanout/pgfanout-bench",
    "./usr/share/doc/pgfanout/README.md",
    "./usr/share/doc/pgfanout/copyright",
    "./usr/share/doc/pgfanout/job.example.toml",
    "./usr/share/doc/pgfanout/EVENTS.md",
    "./usr/share/doc/pgfanout/events.schema.json",
}
LIBRARIES = ["libc6", "libstdc++6", "libpq5", "libtbb12", "libfmt9", "libprometheus-cpp-pull1.0"]


def output_of(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def problems_of(package, unpacked):
    listing = output_of("dpkg-deb", "--contents", package).splitlines()
    names = {line.split(maxsplit=5)[5] for line in listing}
    man_page = pathlib.Path(__file__).resolve().parent.parent / "docs" / "pgfanout.1"
    wanted = FILES | ({"./usr/share/man/man1/pgfanout.1"} if man_page.exists() else set())
    yield from (f"{name} is missing" for name in sorted(wanted - names))
    for line in listing:
        mode, owner = line.split(maxsplit=2)[:2]
        if owner != "root/root" or mode[1:] not in ("rwxr-xr-x", "rw-r--r--"):
            yield f"owner or mode: {line}"
    fields = dict(
        line.split(": ", 1) for line in output_of("dpkg-deb", "--field", package).splitlines()
        if line and not line.startswith(" ")
    )
    depends = re.findall(r"(?:^|, )([^ ,]+)", fields["Depends"])
    yield from (f"does not depend on {name}" for name in LIBRARIES if name not in depends)
    if fields["Section"] != "database" or "@" not in fields["Maintainer"]:
        yield f"section or maintainer: {fields}"
    subprocess.run(["dpkg-deb", "--extract", package, unpacked], check=True)
    version = output_of(f"{unpacked}/usr/bin/pgfanout", "--version")
    if not version.startswith(f"pgfanout {fields['Version']}\n"):
        yield f"--version says {version!r}, the package {fields['Version']}"
    # Unpacked, it finds its parts where the package puts them.
    if "insert/" not in output_of(f"{unpacked}/usr/bin/pgfanout", "bench", "--list"):
        yield "bench does not run"


def main(arguments):
    if len(arguments) != 1:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(arguments[0]) / "CPackConfig.cmake"
        made = subprocess.run(["cpack", "-G", "DEB", "--config", config, "-B", folder],
                              capture_output=True, text=True)
        packages = list(pathlib.Path(folder).glob("pgfanout_*.deb"))
        if made.returncode != 0 or len(packages) != 1:
            print(made.stdout + made.stderr)
            return 1
        problems = list(problems_of(str(packages[0]), folder + "/unpacked"))
    for problem in problems:
        print(problem)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
