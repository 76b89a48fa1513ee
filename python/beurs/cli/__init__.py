"""The `beurs` command.

    serve, verify, replay, store, key on this machine, on a data directory or files
    book, order, account, instrument of a running server, through its REST interface
    admin                            the same, for the venue's staff
    bench                            on this machine, which it measures
    liabilities                      on this machine, what is owed, proved and checked
    version

What goes wrong is said in one line on standard error. Exit codes: 0 done, 1 it could not be done, 2 the command line
makes no sense, 3 something was compared and differs, 130 interrupted.
"""

import sys

from sqlalchemy.exc import SQLAlchemyError

from beurs.cli.commands import app
from beurs.errors import BeursError

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> None:
    """Runs one command and exits the process."""
    try:
        app(args=arguments, prog_name="beurs")
    except BeursError as error:
        sys.exit(_failed(error))
    except (OSError, ValueError) as error:  # a file that cannot be read, settings that cannot be used
        sys.exit(_failed(error))
    except SQLAlchemyError as error:  # a database that is not there, or is none
        sys.exit(_failed(getattr(error, "orig", None) or error))
    except KeyboardInterrupt:
        sys.exit(130)


def _failed(error: Exception) -> int:
    text = " ".join(str(error).split()) or type(error).__name__
    print(f"beurs: {text}", file=sys.stderr)
    return 1
