"""The door to the queue: a Celery app that carries wake-up messages only, and publishing one.

Each setting answers a known loss or duplication of messages; the database stays the truth, so any message may be lost,
doubled or reordered. A message says `{"run_id": …}`, and is acknowledged before its worker claims anything.
"""

from typing import Any

from celery import Celery
from kombu.entity import Queue
from kombu.transport import TRANSPORT_ALIASES

from domain.settings import Settings

WAKE = "normlab.wake"
"""Name of the one message."""

# By its alias, since an address such as redis+socket://… names its transport itself.
TRANSPORT_ALIASES.update(redis="domain.intake:Transport", rediss="domain.intake:Transport")


def make_celery(settings: Settings) -> Celery:
    """The app for publishing and consuming. Opens no connection yet."""
    app = Celery("normlab", broker=settings.broker_url.get_secret_value(), set_as_current=False)
    app.conf.update(
        # Acknowledged on receipt: redelivery by a timer would start a run twice; a loss is repaired from the database.
        task_acks_late=False,
        task_reject_on_worker_lost=False,
        worker_disable_prefetch=True,
        worker_prefetch_multiplier=1,
        # Results live in the database; Celery's are never read.
        result_backend=None,
        task_ignore_result=True,
        task_serializer="json",
        accept_content=["json"],
        # Nothing is steered through the broker.
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        task_create_missing_queues=False,
        task_queues=[Queue(name, routing_key=name) for name in settings.queues],  # type: ignore[no-untyped-call]
        task_default_queue=settings.queues[0],
        broker_connection_max_retries=None,
        broker_connection_retry_on_startup=True,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_transport_options=transport_options(),
        worker_hijack_root_logger=False,
    )
    return app


def transport_options() -> dict[str, Any]:
    """Short timeouts: a hung broker must not hold a publisher, and a message popped but never acked comes back soon."""
    return {
        "visibility_timeout": 60,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": 5,
        "socket_connect_timeout": 3,
        "socket_keepalive": True,
        "health_check_interval": 10,
        # A publisher gives up after this; without it kombu tries again for six seconds. Workers reconnect for ever.
        "connect_retries_timeout": 1,
    }


def publish(app: Celery, run_id: str, queue: str) -> None:
    """Send one wake-up message. Raises kombu's OperationalError when the broker is away (the outbox keeps it)."""
    app.send_task(WAKE, kwargs={"run_id": run_id}, queue=queue, ignore_result=True, retry=False)
