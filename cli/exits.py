"""Exit codes a script can rely on, and the one error that carries them."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the command's exit status means; documented in `normlab --help` and in the README."""

    OK = 0
    FAILED = 1  # a run failed, the stack could not start or crashed
    BAD_INPUT = 2  # wrong usage, an unreadable file, a spec the server refuses
    NOT_FOUND = 3
    DENIED = 4  # no key, a wrong key, or one without the needed scope
    UNREACHABLE = 5  # no server answers at the address
    CONFLICT = 6  # not possible in the present state
    SERVER_ERROR = 7
    INTERRUPTED = 130  # Ctrl-C


class CommandError(Exception):
    """The command cannot go on: one sentence for people, further lines of detail, and the exit code."""

    def __init__(self, message: str, *, code: ExitCode = ExitCode.FAILED, details: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.details = details
