"""Every setting of the exchange, in one class.

A value comes from the first of: a flag, the environment (`BEURS_PORT=9000`), the TOML file given by `--config` or
`BEURS_CONFIG`, the default. A key that is not a field below is refused wherever it stands, so that a misspelt setting
is noticed and not ignored.
"""

import os
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, InitSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict

ENV_PREFIX = "BEURS_"
CONFIG_VARIABLE = "BEURS_CONFIG"
_FILE = "_file"  # under this name the file's content goes through pydantic-settings


class SettingsInvalid(ValueError):
    """The settings cannot be used; the text says where and why, one line per fault."""


# Variables of the tests, which are not settings.
TEST_PREFIX = f"{ENV_PREFIX}TEST_"


class Settings(BaseSettings):
    """The settings of one exchange."""

    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="forbid", frozen=True, validate_default=True)

    data_directory: Annotated[
        Path, Field(description="Where the journal, the checkpoints, the keys and, by default, the database live.")
    ] = Path("beurs-data")
    host: Annotated[str, Field(min_length=1, description="The address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="The port to listen on; 0 for any free one.")] = 8000
    workers: Annotated[
        int,
        Field(ge=0, le=64, description="Processes that answer clients, beside the engine's; 0 for one in all."),
    ] = 0
    binary: Annotated[
        str,
        Field(
            pattern=r"^(off|unix:.+|[^,\s]+:[0-9]{1,5})$",
            description="Where the binary door listens: `host:port` (port 0 for any free one), `unix:` and a path, "
            "or `off`.",
        ),
    ] = "127.0.0.1:9000"
    database_url: Annotated[
        str | None, Field(description="SQLAlchemy URL of the store; without it SQLite in the data directory.")
    ] = None
    demo: Annotated[
        bool, Field(description="List demo instruments, open demo accounts with money and print their keys.")
    ] = False
    simulator: Annotated[
        bool | None, Field(description="Run the built-in market simulator; by default exactly in demo mode.")
    ] = None
    clock: Annotated[
        Literal["system", "manual"],
        Field(description="`manual` for a clock that stands still until staff moves it: for tests of what time does."),
    ] = "system"
    checkpoint_interval: Annotated[
        int,
        Field(
            ge=0,
            le=1 << 40,
            description="Commands between two checkpoints, each made beside the engine with a second one's memory; "
            "0 for one at shutdown only.",
        ),
    ] = 1_000_000
    checkpoints_kept: Annotated[int, Field(ge=1, le=1000, description="How many checkpoints are kept, the newest.")] = 3
    journal_retention: Annotated[
        Literal["keep", "archive", "drop"],
        Field(
            description="What becomes of journal segments behind every checkpoint that is kept and behind the store: "
            "keep them, move them to `journal_archive_directory`, or drop them."
        ),
    ] = "keep"
    journal_archive_directory: Annotated[
        Path | None, Field(description="Where archived segments go; it may be on another disk.")
    ] = None
    queue_capacity: Annotated[
        int, Field(ge=1, le=1 << 20, description="Commands that may wait for the sequencer; the next one gets 503.")
    ] = 65_536
    body_bytes_max: Annotated[
        int, Field(ge=1024, le=1 << 24, description="Bytes of a request body; a longer one gets 413.")
    ] = 65_536
    batch_orders_max: Annotated[int, Field(ge=1, le=1000, description="Orders in one batch request.")] = 100
    body_seconds_max: Annotated[
        float, Field(gt=0, le=300, description="How long a request body may take to arrive; then 408.")
    ] = 10.0
    store_wait_seconds_max: Annotated[
        float, Field(gt=0, le=60, description="How long a read waits for the store to catch up; then 503.")
    ] = 2.0
    liabilities_time: Annotated[
        str | None,
        Field(
            pattern=r"^([01]\d|2[0-3]):[0-5]\d$",
            description="When the proof of liabilities is made every day, UTC, as in `00:05`; without it, never.",
        ),
    ] = None
    liabilities_opentimestamps: Annotated[
        bool,
        Field(description="Have the `ots` program stamp every root too; it needs that program and a network."),
    ] = False
    shutdown_seconds_max: Annotated[
        float, Field(gt=0, le=600, description="How long open requests may take at shutdown.")
    ] = 10.0
    log_format: Annotated[Literal["text", "json"], Field(description="How a log line is written.")] = "text"
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="The least severe log line to write.")
    ] = "info"

    @model_validator(mode="after")
    def _one_process_has_the_clock(self) -> Self:
        if self.workers and self.clock == "manual":
            raise ValueError("a manual clock needs one process: workers must be 0")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags before environment before file; nothing else is read."""
        flags = dict(init_settings())
        file = flags.pop(_FILE, {})
        return InitSettingsSource(settings_cls, flags), env_settings, InitSettingsSource(settings_cls, file)

    @classmethod
    def load(cls, config: Path | str | None = None, **flags: Any) -> Self:
        """Reads the settings; a flag that is None was not given. Raises SettingsInvalid."""
        path = config if config is not None else os.environ.get(CONFIG_VARIABLE)
        file: dict[str, Any] = {}
        if path is not None:
            try:
                file = tomllib.loads(Path(path).read_text(encoding="utf-8"))
            except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
                raise SettingsInvalid(f"{path}: {error}") from error
        known = {f"{ENV_PREFIX}{name}".upper() for name in cls.model_fields} | {CONFIG_VARIABLE}
        unknown = sorted(
            name
            for name in os.environ
            if name.upper().startswith(ENV_PREFIX)
            and not name.upper().startswith(TEST_PREFIX)
            and name.upper() not in known
        )
        if unknown:
            raise SettingsInvalid("\n".join(f"{name}: there is no such setting" for name in unknown))
        given: dict[str, Any] = {name: value for name, value in flags.items() if value is not None}
        given[_FILE] = file
        try:
            return cls(**given)
        except ValidationError as error:
            raise SettingsInvalid("\n".join(_fault(fault) for fault in error.errors())) from error

    @property
    def has_journal(self) -> bool:
        """Whether the data directory has a journal already."""
        return (self.data_directory / "journal").exists()

    @property
    def store_url(self) -> str:
        """Where the store is."""
        return self.database_url or f"sqlite:///{self.data_directory / 'store.sqlite'}"

    @property
    def simulator_runs(self) -> bool:
        """Whether the market simulator runs."""
        return self.demo if self.simulator is None else self.simulator


def _fault(fault: Any) -> str:
    name = ".".join(str(part) for part in fault["loc"]) or "settings"
    said = str(fault["msg"]).removeprefix("Value error, ")
    return f"{name}: there is no such setting" if fault["type"] == "extra_forbidden" else f"{name}: {said}"
