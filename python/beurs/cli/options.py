"""The options that commands share."""

from pathlib import Path
from typing import Annotated, Final

import typer

URL_VARIABLE: Final = "BEURS_URL"
KEY_VARIABLE: Final = "BEURS_API_KEY"
LOCAL: Final = "http://127.0.0.1:8000"
HELP: Final = {"help_option_names": ["-h", "--help"]}

Url = Annotated[str, typer.Option("--url", envvar=URL_VARIABLE, help="The server.")]
Key = Annotated[str | None, typer.Option("--api-key", envvar=KEY_VARIABLE, help="The account's API key.")]
StaffKey = Annotated[
    str | None, typer.Option("--api-key", envvar=KEY_VARIABLE, help="The API key of a member of staff.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the server's answer as JSON.")]
Config = Annotated[Path | None, typer.Option("--config", help="A TOML file of settings.")]
DataDirectory = Annotated[Path | None, typer.Option("--data-directory", help="Where journal and store live.")]
