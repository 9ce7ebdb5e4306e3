"""The way in from the broker: wake-ups come through, anything else is logged and dropped.

kombu and Celery parse a message in the worker's event loop, and one that is no JSON, or not as Celery writes it, is an
error nobody catches there: it ended the worker. So what comes is looked at before they see it. Popping has removed it
from the queue, so dropping it needs no acknowledgement, and loses nothing: the database is the truth, and a run that
waits is announced again.
"""

import logging
from base64 import b64decode
from typing import Any

import redis
from kombu.transport import redis as transport
from kombu.utils.json import loads
from pydantic import BaseModel, ConfigDict, TypeAdapter

from domain.queue import WAKE

logger = logging.getLogger(__name__)


class _Headers(BaseModel):
    task: str
    id: str
    eta: None
    expires: None
    timelimit: tuple[None, None]


class _Route(BaseModel):
    exchange: str
    routing_key: str


class _Properties(BaseModel):
    delivery_tag: str
    delivery_info: _Route


class _Message(BaseModel):
    """What kombu and Celery read of a message before the pool process has it."""

    body: str
    headers: _Headers
    properties: _Properties


class _Wake(BaseModel):
    model_config = ConfigDict(extra="forbid")

    run_id: str


_BODY = TypeAdapter(tuple[list[Any], _Wake, dict[str, Any]])


def is_wake(raw: bytes) -> bool:
    """Whether this is a message as `domain.queue.publish` sends it."""
    try:
        message = _Message.model_validate(loads(raw))  # type: ignore[no-untyped-call]
        _BODY.validate_python(loads(b64decode(message.body, validate=True)))  # type: ignore[no-untyped-call]
    except Exception:  # noqa: BLE001 - whatever a stranger's text does to a parser, it is no wake-up
        return False
    return message.headers.task == WAKE


class _Client(redis.Redis):
    def parse_response(self, connection: Any, command_name: str | bytes, **options: Any) -> Any:
        """The answer to a command; a popped message that is no wake-up reads as if nothing had come."""
        answer: Any = super().parse_response(connection, command_name, **options)  # type: ignore[no-untyped-call]
        if command_name == "BRPOP" and answer and not is_wake(answer[1]):
            logger.warning("Dropped a message that is no wake-up: %.200r", answer[1])
            return None
        return answer


class _Channel(transport.Channel):
    def _get_client(self) -> type[redis.Redis]:
        return _Client


class Transport(transport.Transport):
    """kombu's transport over Redis or Valkey, with the look at what comes in."""

    Channel = _Channel
