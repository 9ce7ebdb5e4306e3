"""`python -m worker.fetch`, which stands behind `normlab datasets`: what it refuses, and with which status."""

from pathlib import Path

import pytest

from domain.settings import Settings
from worker import fetch
from worker.loading.sources import Sources


class Unkept:
    """A dataset whose files come, and cannot be written."""

    def load(self, sources: Sources) -> None:
        raise PermissionError(13, "Permission denied", str(sources.directory))


def test_a_name_that_is_no_dataset_is_refused_before_any_is_fetched(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert fetch.fetch(["digits", "fashion_mnst"], Settings(data_dir=tmp_path)) == 3
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "There is no dataset 'fashion_mnst'. Did you mean fashion_mnist?\n")


def test_where_nothing_can_be_written_the_folder_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "load", lambda _folder, _name: Unkept)
    assert fetch.fetch(["digits"], Settings(data_dir=tmp_path)) == 1
    assert capsys.readouterr().err == f"digits cannot be kept in {tmp_path / 'datasets'}: Permission denied.\n"
