"""The event stream of a real server: in order, resumed without loss, filtered, and no obstacle to stopping."""

import threading
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest

from domain.database import Database
from domain.event import EventKind
from domain.settings import Settings
from domain.store import events
from tests.api import specs
from tests.api.server import ApiProcess, following, running
from tests.waiting import wait_until


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiProcess]:
    from tests.api.conftest import prepare

    settings = Settings(data_dir=tmp_path_factory.mktemp("events") / "data")
    with running(settings, prepare(settings)) as api:
        yield api


def submit(api: ApiProcess, **changes: Any) -> str:
    with api.client() as client:
        return str(client.post("/v1/jobs", json=specs.job(**changes)).json()["id"])


def test_events_come_while_one_listens(server: ApiProcess) -> None:
    with following(server) as stream:
        job = submit(server)
        seen = list(islice(stream, 3))
    assert {event["data"]["job_id"] for event in seen} == {job}
    assert sorted(event["kind"] for event in seen) == ["job_submitted", "run_queued", "run_queued"]
    assert all(event["seq"] == event["data"]["seq"] for event in seen)


def test_a_reader_that_comes_back_gets_each_event_once(server: ApiProcess) -> None:
    with following(server) as stream:
        submit(server, seeds=1)
        first = next(stream)["seq"]
    submit(server, seeds=4)
    with following(server, after=first) as stream:
        submit(server, seeds=1)
        numbers = [event["seq"] for event in islice(stream, 1 + 5 + 2)]
    assert numbers == list(range(first + 1, first + 9))


def test_a_stream_of_one_job_leaves_out_the_others(server: ApiProcess) -> None:
    mine = submit(server)
    with following(server, after=0, job=mine) as stream:
        submit(server)
        with server.client() as client:
            client.post(f"/v1/jobs/{mine}/cancel")
        seen = list(islice(stream, 5))
    assert {event["data"]["job_id"] for event in seen} == {mine}
    assert [event["kind"] for event in seen][-2:] == ["run_cancelled", "run_cancelled"]


def test_many_readers_all_get_everything(server: ApiProcess) -> None:
    readers, count = 25, 40
    seen: list[list[int]] = [[] for _ in range(readers)]
    ready = threading.Barrier(readers + 1)

    def read(place: int) -> None:
        with following(server) as stream:
            ready.wait(30)
            seen[place] = [event["seq"] for event in islice(stream, count + 1)]

    threads = [threading.Thread(target=read, args=(place,)) for place in range(readers)]
    for thread in threads:
        thread.start()
    ready.wait(30)
    submit(server, seeds=count)
    for thread in threads:
        thread.join(30)
    assert len({tuple(numbers) for numbers in seen}) == 1
    assert seen[0] == list(range(seen[0][0], seen[0][0] + count + 1))


def test_a_stream_of_a_study_is_found_by_its_name(server: ApiProcess) -> None:
    with server.client() as client:
        study = client.post("/v1/studies", json=specs.study(name="named")).json()
    with following(server, after=0, study="named") as stream:
        assert {event["data"]["study_id"] for event in islice(stream, 13)} == {study["id"]}


def test_a_reader_with_a_number_of_another_database_gets_what_is_new(server: ApiProcess) -> None:
    with following(server, after=10**9) as stream:
        job = submit(server)
        assert next(stream)["data"]["job_id"] == job


def test_a_wrong_last_event_id_is_refused(server: ApiProcess) -> None:
    with server.client() as client:
        for wrong in ("x", "-1", "1.5", "9" * 19):
            assert client.get("/v1/events", headers={"Last-Event-ID": wrong}).status_code == 422


def test_the_server_stops_at_once_although_streams_are_open(settings: Settings, token: str, store: Database) -> None:
    last: list[list[dict[str, Any]]] = []
    with running(settings, token) as api:
        ready = threading.Barrier(6)

        def read() -> None:
            with following(api) as stream:
                ready.wait(30)
                last.append(list(stream))

        threads = [threading.Thread(target=read) for _ in range(5)]
        for thread in threads:
            thread.start()
        ready.wait(30)
        with store.write() as c:
            events.append(c, EventKind.WARNING, "before the end")
        assert api.stop() == 0
        for thread in threads:
            thread.join(10)
    # Streams that had to be cut off, when the grace is over, end without this.
    assert [events_[-1]["kind"] for events_ in last] == ["bye"] * 5


def test_the_reader_of_the_log_sleeps_while_nobody_follows(server: ApiProcess) -> None:
    with following(server) as stream:
        submit(server, seeds=1)
        next(stream)
    submit(server, seeds=1)
    with following(server) as stream:
        job = submit(server, seeds=1)
        wait_until(lambda: next(stream)["data"]["job_id"] == job)
