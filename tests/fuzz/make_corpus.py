#!/usr/bin/env python3
"""Writes the seeds of all corpora. Usage: make_corpus.py [FOLDER]; FOLDER is corpus/ beside it.

Files that a fuzzer found are kept beside the seeds, named found_*; this script leaves them alone.
"""

import pathlib
import struct
import sys

SIGNATURE = b"PGCOPY\n\xff\r\n\0"
TRAILER = b"\xff\xff"


def header(flags=0, extension=b"", length=None):
    length = len(extension) if length is None else length
    return SIGNATURE + struct.pack(">Ii", flags, length) + extension


def field(value):
    return struct.pack(">i", -1) if value is None else struct.pack(">i", len(value)) + value


def row(*values):
    return struct.pack(">h", len(values)) + b"".join(field(value) for value in values)


def decoder_input(fields, stream, wanted=1, cuts=3, at_row=False):
    """The layout is in decoder_fuzz.cc."""
    return bytes([fields, wanted, cuts | (0x80 if at_row else 0)]) + stream


ROW3 = row(b"abc", None, b"")
WIDE = row(b"w" * 300, b"x")

DECODER = {
    "plain": decoder_input(3, header() + ROW3 + ROW3 + TRAILER),
    "plain_at_once": decoder_input(3, header() + ROW3 * 4 + TRAILER, cuts=0),
    "plain_byte_by_byte": decoder_input(3, header() + ROW3 + TRAILER, cuts=1),
    "at_row": decoder_input(3, ROW3 + ROW3 + TRAILER, at_row=True),
    "second_field_only": decoder_input(3, header() + ROW3 + TRAILER, wanted=2),
    "nothing_wanted": decoder_input(3, header() + ROW3 + TRAILER, wanted=0),
    "no_rows": decoder_input(3, header() + TRAILER),
    "no_fields": decoder_input(0, header() + row() * 5 + TRAILER),
    "many_fields": decoder_input(200, header() + row(*[b"1"] * 200) + TRAILER, wanted=7, cuts=50),
    "wide": decoder_input(2, header() + WIDE + WIDE + TRAILER, cuts=100),
    "extension": decoder_input(1, header(extension=b"extension") + row(b"a") + TRAILER),
    "extension_too_long": decoder_input(1, header(length=(1 << 20) + 1)),
    "extension_negative": decoder_input(1, header(length=-1) + row(b"a")),
    "flag_ignored": decoder_input(1, header(flags=0xFFFF) + row(b"a") + TRAILER),
    "flag_oids": decoder_input(1, header(flags=1 << 16) + row(b"a") + TRAILER),
    "flag_critical": decoder_input(1, header(flags=1 << 31) + row(b"a") + TRAILER),
    "signature_as_text": decoder_input(1, b"PGCOPY\r\n\xff\r\n\0" + row(b"a") + TRAILER),
    "signature_cut": decoder_input(1, SIGNATURE[:7]),
    "header_cut": decoder_input(1, header()[:17]),
    "row_cut": decoder_input(3, header() + ROW3[:8]),
    "trailer_cut": decoder_input(3, header() + ROW3 + b"\xff"),
    "trailer_missing": decoder_input(3, header() + ROW3),
    "after_trailer": decoder_input(3, header() + ROW3 + TRAILER + b"x"),
    "two_trailers": decoder_input(3, header() + TRAILER + TRAILER, cuts=2),
    "two_headers": decoder_input(1, header() + header() + row(b"a") + TRAILER),
    "count_other": decoder_input(3, header() + row(b"a", b"b") + TRAILER),
    "count_negative": decoder_input(3, header() + struct.pack(">h", -2)),
    "length_minus_two": decoder_input(1, header() + struct.pack(">hi", 1, -2)),
    "length_smallest": decoder_input(1, header() + struct.pack(">hI", 1, 0x80000000)),
    "length_one_gibibyte": decoder_input(1, header() + struct.pack(">hI", 1, 0x40000000)),
    "length_largest": decoder_input(1, header() + struct.pack(">hI", 1, 0x3FFFFFFA)),
    "row_too_long": decoder_input(1, header() + struct.pack(">hI", 1, 0x3FFFFFFB)),
    "row_too_long_by_words": decoder_input(3, header() + struct.pack(">hI", 3, 0x3FFFFFF3)),
    "length_beyond_end": decoder_input(2, header() + struct.pack(">hI", 2, 100) + b"a" * 50),
    "empty_stream": decoder_input(1, b""),
}

KEY_EXPRESSION = {
    "default": "abs(hashtext(u::text)) % 100",
    "column": "i4",
    "number": "7",
    "negative": "-7",
    "smallest_bigint": "-9223372036854775808",
    "too_large": "9223372036854775808",
    "sum": "i2 + i4 * i8 - 3",
    "division": "i8 / (i4 - i4)",
    "remainder": "i8 % 100",
    "minus_minus": "- -i4",
    "plus": "+i4",
    "bits": "(i8 & 255) | (i4 # 3)",
    "mod": "mod(abs(i8), 100)",
    "abs_overflow": "abs(i4)",
    "coalesce": "coalesce(i4, i2, 0) % 10",
    "coalesce_text": "hashtext(coalesce(t, v, 'none'))",
    "nullif": "coalesce(nullif(i4, 41), 1)",
    "concat": "hashtext(t || '-' || i4::text || f::text)",
    "quoted": '"Mixed ""Case""" % 10',
    "reserved": 'hashtext("select")',
    "reserved_bare": "hashtext(select)",
    "cast": "cast(i8 AS int4)",
    "cast_double_colon": "i8::integer::smallint",
    "cast_names": "(i4::bigint)::int8",
    "qualified": "pg_catalog.hashtext(t)",
    "string_quote": "hashtext('it''s')",
    "string_escape": "hashtext(E'a\\n')",
    "hashint2": "hashint2(i2)",
    "hashint4": "hashint4(i4)",
    "hashint8": "hashint8(i8)",
    "hashbpchar": "hashbpchar(c)",
    "hashtext_varchar": "hashtext(v)",
    "hashtext_bpchar": "hashtext(c)",
    "uuid_hash": "uuid_hash(u)",
    "hashvarlena": "hashvarlena(b)",
    "hashbytea": "hashbytea(b)",
    "extended": "hashtextextended(t, 42) % 100",
    "extended_int": "hashint8extended(i8, -1)",
    "extended_uuid": "uuid_hash_extended(u, 0)",
    "null": "NULL",
    "null_cast": "NULL::int4 + 1",
    "spaces": " \t\n i4\n+\t1 ",
    "comment": "i4 -- comment\n + /* another */ 1",
    "upper": "ABS(HASHTEXT(T))",
    "unknown_column": "nope",
    "unknown_function": "random()",
    "other_type": "o",
    "text_result": "t",
    "parentheses": "((((((((i4))))))))",
    "unbalanced": "((i4)",
    "operators": "i4 +* 2",
    "empty": "",
    "not_ascii": "hashtext('ä€')",
    "semicolon": "i4; drop table t",
    "subselect": "(select 1)",
    "dollar": "$1 + $$a$$",
    "precedence": "i4 + i4 * i4 % 7 # 3 & 1 | 2",
    "deep": "(" * 99 + "i4" + ")" * 99,
    "too_deep": "-" + "(-" * 200 + "1" + ")" * 200,
}


JOB_FILE = {
    "empty": "",
    "comment": "# nothing\n",
    "tables": '[source]\ndsn = "host=a"\ntable = "t"\n[target]\ninto = "u"\npartitions = 7\n',
    "dotted": 'source.table = "t"\ntarget = { into = "u", append = true }\n',
    "key": '[key]\nexpression = "x"\ncolumn = "k"\nmode = "check"\non_mismatch = "fix"\n',
    "map": "[map]\na = 'b'\n\"C d\" = \"\"\"e\nf\"\"\"\n",
    "lists": 'skip = ["a", "b"]\naccept = ["trigger x"]\n',
    "limits": '[limits]\nreaders = "auto"\nmemory = "64MB"\nreject_limit = "5%"\n'
    'lock_timeout = 250\nindex_jobs = 4\nmaintenance_work_mem = "1GB"\n',
    "gates": '[gates]\ncopy = "confirm"\nverify = "auto"\n',
    "swap": '[swap]\nafter_verify = true\nwithin = "10min"\nend_blockers = false\n',
    "verify": '[verify]\nscope = "data"\nmax_differences = 5\n[backup]\nretention_days = 0\n',
    "views": '[views]\n"public.v" = "SELECT 1 FROM {table}"\n',
    "queries": '[[queries]]\nname = "q"\nsql = "SELECT 1 FROM {table}"\nmax_ratio = 1.5\n'
    'max_partitions = 1\nruns = 9\n[[queries]]\nname = "r"\nsql = "{table}"\n',
    "output": '[output]\njson = true\nprogress = "plain"\n',
    "unknown_table": "[sorce]\n",
    "unknown_key": "[limits]\nmemroy = 1\n",
    "wrong_type": '[target]\npartitions = "7"\n',
    "date": "[limits]\nmemory = 1979-05-27T07:32:00Z\n",
    "numbers": "a = [0x1F, 0o17, 0b11, 1e3, inf, nan, -0.0, 1_000]\n",
    "password": '[source]\npassword = "hunter2"\n',
    "password_in_dsn": '[source]\ndsn = "host=a password=hunter2"\n',
    "twice": '[source]\ntable = "a"\ntable = "b"\n',
    "unclosed": '[source]\ntable = "a\n',
    "nested": "a = " + "[" * 300 + "]" * 300 + "\n",
    "deep": "[" + ".".join("a" * 300) + "]\n",
    "dots": "[" + ".".join("a" * 1200) + "]\n",
    "zero_byte": "a = 1\0\n",
    "bom": "\ufeff[source]\n",
}

JOURNAL = {
    "request": '[["key expression","abs(hashtext(a)) % 100"],["partitions","100"],["key column","k"],'
    '["key mode","check"],["accept","view v"],["map","a=b","c = d"],["skip","x"],'
    '["view","public.v","SELECT 1\\nFROM t"]]',
    "request_empty": "",
    "request_odd": '[["key mode","odd"],["partitions","99999999999999"],["partitions","-1"],["map"],'
    '["map","a"],["skip","a","b"],[]]',
    "request_shape": '[["partitions",100],"skip",{"map":null}]',
    "request_escapes": '[["key expression","\\\\\\n\\u0000\\ud83d\\ude00"],["map","\\\\e=",""]]',
    "request_lines": "key expression abs(hashtext(a)) % 100\npartitions 100\n",
    "request_deep": "[" * 300,
    "digest": "0123456789abcdef0123456789abcdef",
    "digest_upper": "0123456789ABCDEF0123456789ABCDEF",
    "digest_sign": "-123456789abcdef+123456789abcdef",
    "digest_blank": " 123456789abcdef 123456789abcdef",
    "digest_long": "0" * 33,
}


def main(arguments):
    here = pathlib.Path(__file__).resolve().parent
    root = pathlib.Path(arguments[0]) if arguments else here / "corpus"
    for folder, seeds, suffix in (
        ("decoder", DECODER, ""),
        ("key_expression", {k: v.encode() for k, v in KEY_EXPRESSION.items()}, ".sql"),
        ("job_file", {k: v.encode() for k, v in JOB_FILE.items()}, ".toml"),
        ("journal", {k: v.encode() for k, v in JOURNAL.items()}, ""),
    ):
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name, data in seeds.items():
            (root / folder / (name + suffix)).write_bytes(data)


if __name__ == "__main__":
    main(sys.argv[1:])
