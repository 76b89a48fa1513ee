"""What a process that does not keep the store knows of it: how far the process that does has got."""

import asyncio
import contextlib
import time
from typing import Final

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from beurs.store.database import Store
from beurs.store.models import ProjectorState
from beurs.store.projector import STATE_NAME, Source

_LOOK_SECONDS: Final = 0.005


class StoreWatch:
    """Has the questions and answers of a :class:`~beurs.store.Projector`, and looks into the database for them."""

    def __init__(self, source: Source, store: Store) -> None:
        self._source = source
        self._store = store
        self._position = 0
        self._error: str | None = None

    running = True

    @property
    def position(self) -> int:
        """The sequence of the last event that was in the tables when somebody last looked."""
        return self._position

    @property
    def lag(self) -> int:
        """How many commands are durable and not known to be in the tables."""
        with contextlib.suppress(SQLAlchemyError):
            self._look()
        return max(0, self._source.sequence - self._position)

    @property
    def error(self) -> str | None:
        """What keeps it from looking, ``None`` when all is well."""
        return self._error

    def stats(self) -> dict[str, int | bool | str | None]:
        """The figures that there are."""
        return {"running": self.running, "lag": self.lag, "position": self._position, "error": self._error}

    async def wait_for_async(self, sequence: int, timeout_seconds: float) -> bool:
        """Waits until ``sequence`` is in the tables; whether it is."""
        deadline = time.monotonic() + timeout_seconds
        while self._position < sequence:
            try:
                await asyncio.to_thread(self._look)
            except SQLAlchemyError as error:
                self._error = f"{type(error).__name__}: {error}"[:500]
            if self._position >= sequence:
                break
            if time.monotonic() >= deadline:
                return False
            await asyncio.sleep(_LOOK_SECONDS)
        return True

    def _look(self) -> None:
        with self._store.reading() as session:
            query = select(ProjectorState.sequence).where(ProjectorState.name == STATE_NAME)
            self._position = max(self._position, session.scalar(query) or 0)
        self._error = None
