"""A throw-away server with the demo's table, and databases that stand at given points of a job.

Each state is made once, and copied from there. A copy keeps OIDs and files' numbers, and gets the name and the OID of
the first, so that the journal and the fence of a job are as good in it: pgfanout would refuse any other copy.
"""

import os
import pathlib
import shutil
import subprocess

ROOT = pathlib.Path(__file__).resolve().parents[2]

DATABASE = "app"
DATABASE_OID = 60000
# The application's roles and objects beside the demo's tables.
ROLES = """
CREATE ROLE app LOGIN; CREATE ROLE app_owner NOLOGIN;
"""
OBJECTS = r"""
CREATE INDEX chunks_document_id_idx ON public.chunks (document_id, chunk_index);
CREATE FUNCTION public.touch_updated_at() RETURNS trigger LANGUAGE plpgsql AS
  'BEGIN NEW.updated_at := now(); RETURN NEW; END';
CREATE TRIGGER chunks_touch BEFORE UPDATE ON public.chunks FOR EACH ROW EXECUTE FUNCTION touch_updated_at();
CREATE VIEW public.recent_chunks AS SELECT id, collection_id, content FROM public.chunks ORDER BY created_at DESC LIMIT 100;
CREATE MATERIALIZED VIEW public.collection_chunking_stats AS
  SELECT collection_id, count(*) AS chunks, sum(token_count) AS tokens FROM public.chunks GROUP BY collection_id;
COMMENT ON TABLE public.chunks IS 'pieces of documents';
GRANT SELECT, INSERT, UPDATE, DELETE ON public.chunks TO app;
ALTER TABLE public.chunks OWNER TO app_owner;
ALTER VIEW public.recent_chunks OWNER TO app_owner;
ALTER MATERIALIZED VIEW public.collection_chunking_stats OWNER TO app_owner;
DO $$ BEGIN FOR leaf IN 0..15 LOOP
  EXECUTE format('ALTER TABLE public.chunks_h%s OWNER TO app_owner', lpad(leaf::text, 2, '0')); END LOOP; END $$;
"""
NOTES = r"""
CREATE TABLE public.notes (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, chunk_id uuid, collection_id uuid,
  CONSTRAINT notes_chunk_fkey FOREIGN KEY (chunk_id, collection_id) REFERENCES public.chunks (id, collection_id));
ALTER TABLE public.notes OWNER TO app_owner;
"""
NEW_ROW = """INSERT INTO public.chunks (id, collection_id, document_id, chunk_index, content, partition_key)
  SELECT gen_random_uuid(), collection_id, id, 100000, 'written after the swap',
         public.chunks_partition_key(collection_id) FROM public.documents ORDER BY id LIMIT 1;"""
GATE = '[gates]\nverify = "confirm"\n'
GATED = (f'[source]\ntable = "public.chunks"\n{GATE}'
         '[[queries]]\nname = "all"\nsql = "SELECT count(*) FROM {table}"\n')

# State: the one that it is made from, SQL, and commands with their exit codes.
STATES = {
    "fresh": (None, "", []),
    "notes": ("fresh", NOTES, []),
    "verified": ("fresh", "", [("run --table public.chunks", 0)]),
    "waiting": ("fresh", "", [("run gated.toml", 3)]),
    "swapped": ("verified", "", [("swap --table public.chunks", 0)]),
    "written": ("swapped", NEW_ROW, []),
}


def in_memory():
    """The environment for a server whose files are in memory, where a database is copied in a tenth of the time."""
    memory = pathlib.Path("/dev/shm")
    has_room = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 4 << 30
    return os.environ | ({"TMPDIR": str(memory)} if has_room and "TMPDIR" not in os.environ else {})


class Server:
    def __init__(self, pgfanout, directory):
        self.pgfanout, self.directory = pgfanout, pathlib.Path(directory)
        script = f"""cd {ROOT}; source scripts/throwaway_server.sh; trap throwaway_stop EXIT
            throwaway_start max_connections=80 fsync=off shared_buffers=128MB max_locks_per_transaction=256 \
                log_statement=none autovacuum=off full_page_writes=off wal_level=logical
            echo "$throwaway_directory/socket"; read -r || true"""
        # It ends when its standard input does, also if this process is killed.
        self.process = subprocess.Popen(["bash", "-euo", "pipefail", "-c", script], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=in_memory())
        self.socket = self.process.stdout.readline().strip()
        if not self.socket:
            raise RuntimeError("the throw-away server did not start")
        self.made = {}
        self.state, self.is_touched = None, True

    def stop(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(60)

    def environment(self):
        """Everything that a command needs to find the database, also by the service names of the pages."""
        services = self.directory / "services"
        services.write_text("".join(f"[{name}]\nhost={self.socket}\ndbname={database}\n" for name, database in
                                    {"prod": DATABASE, "test": DATABASE, "old": DATABASE, "new": f"{DATABASE}_new"}.items()))
        clean = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
        return clean | {"PGHOST": self.socket, "PGPORT": "5432", "PGUSER": "postgres", "PGDATABASE": DATABASE,
                        "PGSERVICEFILE": str(services), "HOME": str(self.directory), "LC_ALL": "C.UTF-8", "NO_COLOR": "1",
                        "PATH": f"{pathlib.Path(self.pgfanout).parent}:{ROOT / 'scripts'}:{os.environ['PATH']}"}

    def sql(self, database, text):
        subprocess.run(["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1"], input=text, text=True, check=True,
                       env=self.environment() | {"PGDATABASE": database}, stdout=subprocess.DEVNULL)

    def renew(self, name, template=None):
        self.sql("postgres", f"SET client_min_messages = warning; DROP DATABASE IF EXISTS {name} WITH (FORCE);"
                             f" CREATE DATABASE {name} TEMPLATE {template or 'template1'}"
                 + (f" OID {DATABASE_OID};" if name == DATABASE else ";"))

    def make(self, state):
        """The database that others in this state are copied from."""
        if state in self.made:
            return self.made[state]
        base, sql, commands = STATES[state]
        self.renew(DATABASE, base and self.make(base))
        if base is None:
            self.sql("postgres", ROLES)
            subprocess.run([ROOT / "scripts/demo_load", "--small", "--quiet",
                            f"host={self.socket} user=postgres dbname={DATABASE}"], check=True)
            sql = OBJECTS
        if sql:
            self.sql(DATABASE, sql)
        (self.directory / "gated.toml").write_text(GATED)
        for command, code in commands:
            done = subprocess.run([self.pgfanout, *command.split(), "--progress", "none"], cwd=self.directory, text=True,
                                  env=self.environment(), capture_output=True)
            if done.returncode != code:
                raise RuntimeError(f"state {state}: {command} exited {done.returncode}: {done.stderr}")
        self.renew(f"state_{state}", DATABASE)
        self.made[state] = f"state_{state}"
        return self.made[state]

    def put_into(self, state):
        """Makes the database anew, in this state, unless it is as it was made."""
        if self.state == state and not self.is_touched:
            return
        self.renew(DATABASE, self.make(state))
        self.state, self.is_touched = state, True
