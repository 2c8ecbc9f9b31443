"""Why a cache is not read: each error is one sentence that says what was found and what to do."""


class Error(Exception):
    """Any error of this package; what the file system refuses is an `OSError`."""


class Mismatch(Error):
    """What was asked for and what is there do not match: exit code 2 of the program."""


class Damage(Error):
    """Stored data is damaged: exit code 3 of the program."""
