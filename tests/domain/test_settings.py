"""Settings: defaults, the environment, secrets in files, refusals that name the variable."""

import logging
from pathlib import Path

import pytest
from pydantic import ValidationError

from domain.errors import InvalidSettings
from domain.settings import PREFIX, Settings


@pytest.fixture(autouse=True)
def clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """No NORMLAB_ variable of the machine reaches these tests."""
    import os

    for name in os.environ:
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)


def test_everything_lies_in_the_data_directory_by_default(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert settings.database_url.get_secret_value() == f"sqlite:///{tmp_path}/normlab.db"
    assert settings.broker_url.get_secret_value() == f"redis+socket://{tmp_path}/valkey/valkey.sock"
    assert (settings.runs_dir, settings.datasets_dir) == (tmp_path / "runs", tmp_path / "datasets")
    assert settings.serves == settings.queues == ("default", "cpu", "gpu")
    assert (settings.host, settings.auth) == ("127.0.0.1", True)


def test_the_environment_is_read_and_lists_have_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NORMLAB_PORT", "9000")
    monkeypatch.setenv("NORMLAB_WORKER_QUEUES", "cpu, gpu")
    monkeypatch.setenv("NORMLAB_DATA_DIR", "relative")
    settings = Settings()
    assert (settings.port, settings.serves, settings.data_dir) == (9000, ("cpu", "gpu"), Path.cwd() / "relative")


def test_a_secret_may_lie_in_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "url").write_text("postgresql+psycopg://u:secret@db/normlab\n", encoding="utf-8")
    monkeypatch.setenv("NORMLAB_DATABASE_URL_FILE", str(tmp_path / "url"))
    assert Settings().database_url.get_secret_value() == "postgresql+psycopg://u:secret@db/normlab"
    monkeypatch.setenv("NORMLAB_DATABASE_URL_FILE", str(tmp_path / "missing"))
    with pytest.raises(InvalidSettings, match="NORMLAB_DATABASE_URL_FILE: cannot read"):
        Settings()


def test_secrets_are_masked_where_settings_are_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    settings = Settings(data_dir=tmp_path, owner_key="nl_canary", database_url="postgresql://u:canary@db/x")
    with caplog.at_level(logging.INFO):
        logging.getLogger("test").info("%r %s", settings, settings)
    assert "canary" not in caplog.text
    assert "canary" not in settings.model_dump_json()


def test_a_process_that_is_started_with_these_variables_has_the_same_settings(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = Settings(data_dir=tmp_path, port=1234, worker_queues=("cpu",), owner_key="nl_x", heartbeat=0.5)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"auth": False, "host": "0.0.0.0"}, "NORMLAB_AUTH: can only be off on loopback, and the host is 0.0.0.0."),
        ({"self_fence": 30}, "NORMLAB_SELF_FENCE: must be less than the lease"),
        ({"heartbeat": 25}, "NORMLAB_HEARTBEAT: must be less than self_fence"),
        ({"worker_queues": "fast"}, "NORMLAB_WORKER_QUEUES: 'fast' is not one of default, cpu, gpu."),
    ],
)
def test_settings_that_cannot_work_together_are_refused(given: dict[str, object], why: str) -> None:
    with pytest.raises(InvalidSettings, match=why):
        Settings(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize("given", [{"port": 70_000}, {"lease": 0}, {"device": "tpu"}, {"colour": "red"}])
def test_a_value_out_of_range_or_an_unknown_name_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Settings(**given)  # type: ignore[arg-type]


def test_the_owners_key_comes_from_the_settings_or_its_file(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert settings.read_owner_key() is None
    settings.owner_key_file.write_text("nl_file\n", encoding="utf-8")
    assert settings.read_owner_key() == "nl_file"
    assert Settings(data_dir=tmp_path, owner_key="nl_given").read_owner_key() == "nl_given"
