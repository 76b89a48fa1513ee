"""One worker: the whole API over a replica of the engine. Started by the supervisor, never by hand.

Its settings come as JSON on standard input, its descriptors as arguments; it prints one line when it answers.
"""

from __future__ import annotations

import signal
import socket
import sys

import structlog

from beurs import logs
from beurs.app import OpenExchange, Server, key_ring, server_config
from beurs.config import Settings
from beurs.engine import Node
from beurs.errors import NodeStopped
from beurs.store import Store, StoreWatch
from beurs.workers.supervisor import READY

log = structlog.get_logger()


def run(settings: Settings, listening: socket.socket, link: int) -> bool:
    """Answers until SIGTERM; False if the engine's process went away before."""
    # uvicorn takes it while it runs and raises it again afterwards; then it has done its work.
    signal.signal(signal.SIGTERM, lambda *_: None)
    node = Node.connect(str(settings.data_directory), link, queue_capacity=settings.queue_capacity)
    store = Store(settings.store_url)
    try:
        exchange = OpenExchange(settings, node, store, StoreWatch(node, store), {}, key_ring(node, settings))
        Server(server_config(exchange), exchange, READY).run(sockets=[listening])
        return exchange.stopped is None
    finally:
        store.close()
        node.close()


def main() -> int:
    """`python -m beurs.workers.worker LISTENING LINK`."""
    listening, link = (int(argument) for argument in sys.argv[1:])
    settings = Settings.model_validate_json(sys.stdin.read())
    logs.set_up(settings.log_format, settings.log_level)
    try:
        return 0 if run(settings, socket.socket(fileno=listening), link) else 1
    except NodeStopped as error:
        log.error("the worker could not start", reason=str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
