#!/usr/bin/python3
"""Checks every line of event streams against docs/events.schema.json.

Usage: check_events.py FILE...

Also: sequences count from 1 without a gap, and a stream ends with job_finished. Prints what is
wrong as file:line: message and exits 1; exits 2 if a file holds no events.
"""

import json
import pathlib
import sys

import jsonschema

SCHEMA = pathlib.Path(__file__).resolve().parent.parent / "docs" / "events.schema.json"


def problems_of(path, validator):
    lines = path.read_text(encoding="utf-8").splitlines()
    sequence = 0
    event = {}
    for number, line in enumerate(lines, 1):
        try:
            event = json.loads(line)
        except json.JSONDecodeError as error:
            yield f"{path}:{number}: {error}"
            continue
        kind = event.get("event")
        definition = validator.schema["$defs"].get(kind)
        for error in validator.iter_errors(event):
            # The errors against the schema of its own kind of event, not those against the seven
            # others.
            inner = [e.message for e in error.context if definition and list(e.schema_path)[0:1]
                     == [names(validator).index(kind)]] if error.validator == "oneOf" else []
            yield f"{path}:{number}: {'; '.join(inner) or error.message}"
        sequence = 1 if event.get("sequence") == 1 else sequence + 1
        if event.get("sequence") != sequence:
            yield f"{path}:{number}: sequence {event.get('sequence')} where {sequence} was due"
    if event.get("event") != "job_finished":
        yield f"{path}: ends with {event.get('event')}"


def names(validator):
    return [each["$ref"].rsplit("/", 1)[1] for each in validator.schema["oneOf"]]


def main(arguments):
    if not arguments or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    found = 0
    for name in arguments:
        path = pathlib.Path(name)
        if not path.read_bytes():
            print(f"{path}: holds no events")
            return 2
        for problem in problems_of(path, validator):
            print(problem)
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
