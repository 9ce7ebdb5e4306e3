"""The API process: bind the port, build the application, serve until told to stop (`python -m api.main`)."""

import logging
import signal
import socket
import sys
from types import FrameType

import uvicorn
from fastapi import FastAPI

from api.application import create_app
from api.context import Context  # noqa: TC001 - names what an application holds
from domain.errors import InvalidSettings
from domain.settings import Settings

log = logging.getLogger("normlab.api")

GRACE_SECONDS = 5
"""How long open requests may take to end after a signal; event streams end at once."""
MAX_CONNECTIONS = 2000
GONE_SECONDS = 12
"""How long a client may leave unacknowledged what was sent. An idle event stream says something every 15 s, so that one
whose machine vanished without a word is noticed within half a minute; by itself the kernel would try for 15 minutes."""


class Server(uvicorn.Server):
    """Ends the event streams with the signal: uvicorn would wait for them, and cleans up only afterwards."""

    def __init__(self, config: uvicorn.Config, application: FastAPI) -> None:
        super().__init__(config)
        self.application = application

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        context: Context | None = getattr(self.application.state, "context", None)
        if context:
            context.loop.call_soon_threadsafe(context.stream.stop)
        super().handle_exit(sig, frame)


def bind(host: str, port: int) -> socket.socket:
    """A listening socket, bound before anything else starts. Raises OSError when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform == "linux":  # inherited by the connections that it accepts
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_SECONDS * 1000)
        listening.bind((host.strip("[]"), port))
        listening.listen(1024)
    except OSError:
        listening.close()
        raise
    return listening


def serve(settings: Settings, listening: socket.socket) -> None:
    """Answer requests on the socket until SIGTERM or SIGINT."""
    application = create_app(settings)
    config = uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE_SECONDS,
        limit_concurrency=MAX_CONNECTIONS,
    )
    # uvicorn raises the signal again when it has ended well; that is an ordinary end, status 0.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(signal.SIGINT, lambda *_: sys.exit(0))
    Server(config, application).run(sockets=[listening])


def main() -> int:
    """The exit status: 0 after a signal, 1 when it can't start, with one line that says why."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        settings = Settings()
        listening = bind(settings.host, settings.port)
    except InvalidSettings as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except OSError as error:
        place = f"{settings.host}:{settings.port}"
        sys.stderr.write(f"Cannot listen on {place}: {error.strerror}. Choose another port with NORMLAB_PORT.\n")
        return 1
    log.info("listening on http://%s:%s", settings.host, listening.getsockname()[1])
    serve(settings, listening)
    return 0


if __name__ == "__main__":
    sys.exit(main())
