#!/bin/sh
# Writes hash_vectors.tsv beside this script: what a server answers to hash_vectors.sql. Takes psql's
# connection options; the database must be in UTF8.
set -eu
here=$(dirname "$0")
{
  echo "# Made by hash_vectors.sh from hash_vectors.sql; $(psql -XAtq "$@" -c 'SELECT version()')"
  echo "# function, argument (bytes in hexadecimal, integers in decimal), seed or -, result"
  psql -XAtq -F "$(printf '\t')" -v ON_ERROR_STOP=1 "$@" -f "$here/hash_vectors.sql"
} >"$here/hash_vectors.tsv.new"
mv "$here/hash_vectors.tsv.new" "$here/hash_vectors.tsv"
