"""What ends a scenario, in one sentence for the person who reads it."""


class Failure(Exception):
    pass


class Misuse(Exception):
    """Wrong arguments or a file that is none of ours: exit code 2."""
