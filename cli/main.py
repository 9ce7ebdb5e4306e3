"""The `normlab` command: every subcommand by name, and what becomes of an error."""

import sys

import typer
from pydantic import ValidationError

from cli import access, compare, control, datasets, demo, look, progress, submit, up
from cli.exits import CommandError, ExitCode
from cli.output import complain, write_any_terminal
from domain.settings import PREFIX, InvalidSettings

EPILOG = """Exit codes: 0 all well · 1 a run failed or the stack could not run · 2 bad usage or input · 3 not found ·
4 no access · 5 no service answers · 6 not possible in this state · 7 error of the service · 130 interrupted.

The service is found by NORMLAB_URL and NORMLAB_KEY, or else by the data directory (NORMLAB_DATA_DIR, default ./var)."""

app = typer.Typer(
    help="Train networks under different normalizations and compare what comes out.",
    epilog=EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for command in (
    up.up,
    demo.demo,
    submit.submit,
    progress.watch,
    look.ls,
    look.show,
    control.cancel,
    control.pause,
    control.resume,
    control.retry,
    control.rm,
    compare.compare,
    compare.export,
    access.login,
):
    app.command()(command)
app.add_typer(access.keys, name="keys")
app.add_typer(datasets.datasets, name="datasets")


def main() -> None:
    """The program's entry. Every expected failure ends as a sentence on stderr and an exit code, not a traceback."""
    write_any_terminal()
    try:
        app()
    except CommandError as error:
        complain(error, as_json="--json" in sys.argv)
        sys.exit(error.code)
    except InvalidSettings as error:
        complain(CommandError(str(error), code=ExitCode.BAD_INPUT), as_json="--json" in sys.argv)
        sys.exit(ExitCode.BAD_INPUT)
    except ValidationError as error:
        settings = [f"{PREFIX}{str(e['loc'][-1] if e['loc'] else '').upper()}: {e['msg']}" for e in error.errors()]
        complain(CommandError("A setting cannot be used.", details=tuple(settings)), as_json="--json" in sys.argv)
        sys.exit(ExitCode.BAD_INPUT)


if __name__ == "__main__":
    main()
