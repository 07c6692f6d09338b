"""An MQTT broker inside this process, for the demo only: it stores nothing on disk and speaks MQTT 3.1.1."""

import asyncio
import logging
import socket
import threading
from types import TracebackType
from typing import Self

from amqtt.broker import Broker
from amqtt.contexts import BrokerConfig, ListenerConfig

START_TIMEOUT_S = 10.0


class EmbeddedBroker:
    """amqtt on a free port of the loopback interface, in its own thread; use as a context manager."""

    def __init__(self) -> None:
        self.host = "127.0.0.1"
        with socket.create_server((self.host, 0)) as listener:
            self.port: int = listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="embedded broker", daemon=True)

    def __enter__(self) -> Self:
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(START_TIMEOUT_S)
        return self

    async def _start(self) -> None:
        listener = ListenerConfig(bind=f"{self.host}:{self.port}")
        plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        self._broker = Broker(BrokerConfig(listeners={"default": listener}, plugins=plugins))
        await self._broker.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._broker.shutdown(), self._loop).result(START_TIMEOUT_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
