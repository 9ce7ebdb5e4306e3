"""Every setting with its name, default, unit and meaning; the only place that reads the environment."""

import os
import socket
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from domain.errors import InvalidSettings

__all__ = ["LOOPBACK", "PREFIX", "InvalidSettings", "Settings"]

PREFIX = "NORMLAB_"
SECRETS = ("database_url", "broker_url", "owner_key", "key")
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

Words = Annotated[tuple[str, ...], NoDecode]
"""A list that the environment writes with commas: `NORMLAB_QUEUES=default,cpu,gpu`."""


class SecretFiles(PydanticBaseSettingsSource):
    """Reads `NORMLAB_<SECRET>_FILE`: a secret may lie in a file instead of the environment."""

    def get_field_value(self, field: Any, field_name: str) -> tuple[Any, str, bool]:  # noqa: ARG002 - pydantic's signature
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        if path is None:
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").strip(), field_name, False
        except OSError as error:
            raise InvalidSettings(f"{field_name}_file", f"cannot read {path}: {error.strerror}.") from error

    def __call__(self) -> dict[str, Any]:
        found = {name: self.get_field_value(None, name)[0] for name in SECRETS}
        return {name: value for name, value in found.items() if value is not None}


class Settings(BaseSettings):
    """NORMLAB_* variables, or keyword arguments in code and tests. Lists are written with commas."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid", validate_default=True)

    # Where things lie.
    data_dir: Path = Path("./var")
    """Everything this installation keeps: database, broker, checkpoints, data sets, owner key."""
    database_url: SecretStr = SecretStr("")
    """SQLAlchemy URL; default the SQLite file <data_dir>/normlab.db."""
    broker_url: SecretStr = SecretStr("")
    """Celery broker; default the Valkey socket <data_dir>/valkey/valkey.sock."""
    datasets_dir: Path = Path()
    """Where data sets are kept; default <data_dir>/datasets."""
    runs_dir: Path = Path()
    """Checkpoints, spools and logs of runs; default <data_dir>/runs."""

    # HTTP.
    host: str = "127.0.0.1"
    port: int = Field(default=8787, ge=0, le=65535)
    allowed_hosts: Words = ("localhost", "127.0.0.1", "[::1]")
    """Host headers that are answered; a name of another machine must be added here."""
    auth: bool = True
    """Off only on loopback, and only by saying so."""
    owner_key: SecretStr = SecretStr("")
    """Token of the owner's key at the first start; made up and kept in <data_dir>/owner.key when empty."""
    session_hours: float = Field(default=24 * 7, gt=0)
    login_code_seconds: float = Field(default=600, gt=0)
    idempotency_hours: float = Field(default=24, gt=0)

    # Workers and queues.
    queues: Words = ("default", "cpu", "gpu")
    """The closed list of queues a job may name."""
    worker_queues: Words = ()
    """The queues this worker serves; default all."""
    worker_name: str = ""
    """Shown on the workers page; default the host's name."""
    device: str = Field(default="auto", pattern="^(auto|cpu|cuda)$")
    """What this worker trains on."""
    threads: int = Field(default=0, ge=0)
    """CPU threads of a runner; 0 leaves torch's choice."""
    slot_memory: int = Field(default=0, ge=0)
    """Bytes one slot may use; 0 means what the machine has."""

    # Timers, in seconds.
    heartbeat: float = Field(default=5, gt=0)
    lease: float = Field(default=30, gt=0)
    """A worker silent for this long has lost its run."""
    self_fence: float = Field(default=20, gt=0)
    """A runner without a successful heartbeat stops by itself after this long; less than the lease."""
    reap_every: float = Field(default=5, gt=0)
    tick: float = Field(default=1, gt=0)
    """How often the worker ships metrics while some wait."""
    dispatch_every: float = Field(default=0.05, gt=0)
    republish_after: float = Field(default=30, gt=0)
    """A run queued and unclaimed for this long is announced again."""
    kill_after: float = Field(default=30, gt=0)
    """After TERM, KILL follows this much later."""
    stall_timeout: float = Field(default=300, gt=0)
    """A runner without a step for this long has stalled."""
    backoff: float = Field(default=5, ge=0)
    """Wait before the first retry; doubles with each failure in a row, up to five minutes."""

    # Limits.
    max_attempts: int = Field(default=3, ge=1)
    """Attempts in a row without progress before a run is failed."""
    time_limit: float = Field(default=0, ge=0)
    """Seconds a run may take, over all attempts and whatever its job says; 0 sets no limit."""
    max_queued_runs: int = Field(default=100_000, ge=1)
    """Queued runs an owner may have."""
    read_rate: float = Field(default=500, ge=0)
    """Reads per second that a key may make, ten seconds' worth at once; each API process counts for itself. 0: any."""
    write_rate: float = Field(default=100, ge=0)
    """The same for writes."""
    failure_rate: float = Field(default=20, ge=0)
    """Wrong keys per second that an address may show, ten seconds' worth at once. 0: any."""
    crash_limit: int = Field(default=5, ge=1)
    """`normlab up` gives up when one process ends this often within crash_window."""
    crash_window: float = Field(default=60, gt=0)
    """Seconds over which crashes are counted."""

    # What the command line speaks to.
    url: str = ""
    """Address of the service; default the stack running over data_dir."""
    key: SecretStr = SecretStr("")
    """Token the command line shows; default the owner's key of data_dir."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - pydantic's signature
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, SecretFiles(settings_cls)

    @field_validator("allowed_hosts", "queues", "worker_queues", mode="before")
    @classmethod
    def _split_words(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(word.strip() for word in value.split(",") if word.strip())
        return value

    @model_validator(mode="before")
    @classmethod
    def _fill_paths(cls, given: dict[str, Any]) -> dict[str, Any]:
        data_dir = Path(given.get("data_dir") or "./var").expanduser().absolute()
        defaults: dict[str, Any] = {
            "database_url": f"sqlite:///{data_dir / 'normlab.db'}",
            "broker_url": f"redis+socket://{data_dir / 'valkey' / 'valkey.sock'}",
            "datasets_dir": data_dir / "datasets",
            "runs_dir": data_dir / "runs",
            "worker_name": socket.gethostname(),
        }
        missing = {name: value for name, value in defaults.items() if not given.get(name)}
        return {**given, "data_dir": data_dir, **missing}

    @model_validator(mode="after")
    def _check(self) -> "Settings":
        if self.self_fence >= self.lease:
            raise InvalidSettings("self_fence", f"must be less than the lease ({self.lease} s).")
        if self.heartbeat >= self.self_fence:
            raise InvalidSettings("heartbeat", f"must be less than self_fence ({self.self_fence} s).")
        if not self.auth and self.host not in LOOPBACK:
            raise InvalidSettings("auth", f"can only be off on loopback, and the host is {self.host}.")
        unknown = sorted(set(self.worker_queues) - set(self.queues))
        if unknown:
            raise InvalidSettings("worker_queues", f"{unknown[0]!r} is not one of {', '.join(self.queues)}.")
        return self

    @property
    def serves(self) -> tuple[str, ...]:
        """The queues this worker serves."""
        return self.worker_queues or self.queues

    @property
    def owner_key_file(self) -> Path:
        return self.data_dir / "owner.key"

    def read_owner_key(self) -> str | None:
        """The owner's token: from the settings, else from the data directory (0600), else None."""
        if self.owner_key.get_secret_value():
            return self.owner_key.get_secret_value()
        if self.owner_key_file.exists():
            return self.owner_key_file.read_text(encoding="utf-8").strip()
        return None

    def environment(self) -> dict[str, str]:
        """These settings as variables for a process we start. Secrets are passed by environment, never as arguments."""
        values: dict[str, str] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, SecretStr):
                value = value.get_secret_value()
            values[PREFIX + name.upper()] = ",".join(value) if isinstance(value, tuple) else str(value)
        return {name: value for name, value in values.items() if value}
