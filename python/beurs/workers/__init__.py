"""One process with the engine, several that answer clients: `beurs serve --workers N`.

The engine's process has the journal, the store's projector and the market simulator, starts the workers and starts
again those that end. Every worker has a replica of the engine and the whole API, and they all take connections from the
same socket. See `crates/node/src/link` for how the replicas stay the same.
"""

from beurs.workers.supervisor import serve

__all__ = ["serve"]
