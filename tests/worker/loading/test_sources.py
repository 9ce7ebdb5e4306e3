"""Where datasets come from: who is asked first, what is checked, and what is said when none answers."""

import functools
import hashlib
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.worker.loading.test_idx import packed
from worker.loading import idx
from worker.loading.sources import DatasetUnavailableError, File, Sources

PICTURE = (28, 28)


@pytest.fixture
def files() -> dict[str, bytes]:
    """Small files laid out like MNIST's; more than the 5000 that are held out."""
    dice = np.random.default_rng(0)
    images, labels = dice.integers(0, 256, (5020, *PICTURE)), dice.integers(0, 10, 5020)
    return dict(zip(idx.NAMES, map(packed, (images, labels, images[:30], labels[:30])), strict=True))


def checksums(files: dict[str, bytes], kind: str = "sha256") -> list[tuple[str, ...]]:
    return [(f"{kind}:{hashlib.new(kind, contents).hexdigest()}",) for contents in files.values()]


def lay_out(files: dict[str, bytes], folder: Path) -> Path:
    folder.mkdir(parents=True)
    for name, contents in files.items():
        (folder / name).write_bytes(contents)
    return folder


class Server:
    """A web server on this machine that counts what it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        handler = functools.partial(_Handler, self.asked, directory=str(folder))
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.SimpleHTTPRequestHandler):
    def __init__(self, asked: list[str], *args: object, directory: str) -> None:
        self._asked = asked
        super().__init__(*args, directory=directory)  # type: ignore[arg-type]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002, ARG002 - as the base class has it
        self._asked.append(self.path)


@pytest.fixture
def server(tmp_path: Path, files: dict[str, bytes]) -> Iterator[Server]:
    started = Server(lay_out(files, tmp_path / "web"))
    yield started
    started.close()


def test_a_download_is_verified_kept_and_announced(tmp_path: Path, files: dict[str, bytes], server: Server) -> None:
    said: list[str] = []
    sources = Sources(tmp_path / "datasets", said.append)
    data = idx.load_pictures("mnist", checksums(files, "md5"), [], [server.address], sources)
    assert (len(data.train), len(data.validation), len(data.test)) == (20, 5000, 30)
    assert data.shape == (1, *PICTURE)
    assert f"Downloading {server.address}/{idx.NAMES[0]}" in said
    for name, contents in files.items():
        assert (tmp_path / "datasets" / "mnist" / name).read_bytes() == contents
    server.asked.clear()
    again = idx.load_pictures("mnist", checksums(files), [], [server.address], sources)
    assert server.asked == []
    assert torch.equal(again.train.inputs, data.train.inputs)


def test_the_data_directory_is_asked_before_folders_and_folders_before_addresses(
    tmp_path: Path, files: dict[str, bytes], server: Server
) -> None:
    folder = lay_out(files, tmp_path / "system")
    idx.load_pictures("mnist", checksums(files), [folder], [server.address], Sources(tmp_path / "datasets"))
    assert server.asked == []
    said: list[str] = []
    lay_out(files, tmp_path / "datasets" / "mnist")
    idx.load_pictures("mnist", checksums(files), [folder], [], Sources(tmp_path / "datasets", said.append))
    assert all(str(tmp_path / "datasets" / "mnist") in sentence for sentence in said)


def test_a_file_with_another_checksum_is_passed_over(tmp_path: Path, files: dict[str, bytes], server: Server) -> None:
    folder = lay_out({name: contents + b"!" for name, contents in files.items()}, tmp_path / "system")
    idx.load_pictures("mnist", checksums(files), [folder], [server.address], Sources(tmp_path / "datasets"))
    assert len(server.asked) == 4


def test_when_no_source_answers_the_error_names_all_that_were_tried(tmp_path: Path, server: Server) -> None:
    folder = lay_out({"a": b"wrong"}, tmp_path / "system")
    closed = "http://127.0.0.1:1"
    wanted = [File("a", ("sha256:" + "0" * 64,))]
    with pytest.raises(DatasetUnavailableError) as raised:
        Sources(tmp_path / "datasets").read("mnist", wanted, [folder], [server.address, closed])
    message = str(raised.value)
    assert f"the folder {tmp_path / 'datasets' / 'mnist'}: no such file or directory" in message
    assert f"the folder {folder}: has another checksum" in message
    assert f"the address {server.address}: answered 404" in message
    assert f"the address {closed}: did not answer" in message


def test_a_download_with_another_checksum_is_not_kept(tmp_path: Path, server: Server) -> None:
    wanted = [File(idx.NAMES[1], ("md5:" + "0" * 32,))]
    with pytest.raises(DatasetUnavailableError, match="has another checksum"):
        Sources(tmp_path / "datasets").read("mnist", wanted, [], [server.address])
    assert not list((tmp_path / "datasets").rglob("*.gz"))
