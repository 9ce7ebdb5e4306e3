"""Keys, login codes, sessions and idempotency: shown once, found by digest, refused in every other case."""

import threading
from contextlib import suppress
from datetime import timedelta

import pytest
from sqlalchemy import select

from domain.clock import now
from domain.database import Database
from domain.errors import KeyReused, KeyRunning, NotAuthenticated, NotFound
from domain.store import idempotency, keys
from domain.tables import api_key, login_code, metadata, session
from tests.conftest import clear
from tests.domain.made import submit_job
from tests.waiting import wait_until

CALL = {"owner": "ada", "route": "POST /v1/jobs", "key": "k1"}


def test_a_key_is_found_by_its_token_and_only_its_digest_is_stored(database: Database) -> None:
    with database.write() as c:
        made, token = keys.create(c, owner="ada", name="laptop", scopes=["read"])
        code = keys.make_login_code(c, made.id)
        cookie = keys.open_session(c, made.id)
    with database.read() as c:
        found = keys.find(c, token)
        assert found == made
        assert (found.may("read"), found.may("write")) == (True, False)
        rows = [str(row) for table in metadata.sorted_tables for row in c.execute(select(table))]
    for secret in (token, token.split("_")[2], code, cookie):
        assert not any(secret in row for row in rows)


def test_a_token_has_a_prefix_an_id_a_secret_and_a_checksum() -> None:
    prefix, key_id, secret, crc = keys.make_token().split("_")
    assert (prefix, len(key_id), len(secret), len(crc)) == ("nl", 26, 64, 8)


def wrong_tokens(token: str) -> dict[str, str]:
    other = keys.make_token()
    return {
        "": "should look like",
        "nl_a_b": "should look like",
        "x" + token: "should look like",
        token.replace("nl_", "nl_é", 1): "should look like",
        token[:-1]: "mistyped",
        token[:40] + ("0" if token[40] != "0" else "1") + token[41:]: "mistyped",
        other: "not known",
        keys.make_token(token.split("_")[1]): "not known",
    }


def test_a_wrong_token_is_refused_with_what_is_wrong(database: Database) -> None:
    with database.write() as c:
        _, token = keys.create(c, owner="ada", name="laptop")
        for wrong, why in wrong_tokens(token).items():
            with pytest.raises(NotAuthenticated, match=why):
                keys.find(c, wrong)


def test_a_revoked_key_is_refused_with_its_codes_and_sessions(database: Database) -> None:
    with database.write() as c:
        made, token = keys.create(c, owner="ada", name="laptop")
        cookie = keys.open_session(c, made.id)
        assert keys.find_session(c, cookie).id == made.id
        assert keys.revoke(c, made.id).revoked_at == keys.revoke(c, made.id).revoked_at
        with pytest.raises(NotAuthenticated, match="revoked"):
            keys.find(c, token)
        with pytest.raises(NotAuthenticated, match="not logged in"):
            keys.find_session(c, cookie)
        with pytest.raises(NotFound):
            keys.revoke(c, "key_x")


def test_an_expired_key_is_refused(database: Database) -> None:
    with database.write() as c:
        later, _ = keys.create(c, owner="ada", name="a", expires_at=now(c) + timedelta(hours=1))
        _, token = keys.create(c, owner="ada", name="b", expires_at=now(c) - timedelta(seconds=1))
        with pytest.raises(NotAuthenticated, match="expired"):
            keys.find(c, token)
        assert [key.name for key in keys.page(c, owner="ada").data] == ["b", "a"]
        assert keys.page(c, owner="bob").data == []
        assert keys.get(c, later.id).expires_at == later.expires_at


def test_the_owners_key_is_registered_once(database: Database) -> None:
    token = keys.make_token()
    for _ in range(2):
        with database.write() as c:
            keys.create(c, owner="owner", name="owner", token=token)
    with database.read() as c:
        assert keys.find(c, token).owner == "owner"
        assert len(c.execute(select(api_key)).all()) == 1


def test_a_login_code_works_once_and_not_for_ever(database: Database) -> None:
    with database.write() as c:
        made, _ = keys.create(c, owner="ada", name="laptop")
        code, old = keys.make_login_code(c, made.id), keys.make_login_code(c, made.id, seconds=-1)
        cookie = keys.use_login_code(c, code)
        assert keys.find_session(c, cookie).id == made.id
        for refused in (code, old, "x", "\ud800"):
            with pytest.raises(NotAuthenticated, match="`normlab login` makes another"):
                keys.use_login_code(c, refused)
        assert len(c.execute(select(login_code)).all()) == 2


def test_a_session_ends_by_logging_out_and_by_itself(database: Database) -> None:
    with database.write() as c:
        made, _ = keys.create(c, owner="ada", name="laptop")
        cookie, old = keys.open_session(c, made.id), keys.open_session(c, made.id, hours=-1)
        keys.end_session(c, cookie)
        for refused in (cookie, old, "", "x"):
            with pytest.raises(NotAuthenticated, match="`normlab login`"):
                keys.find_session(c, refused)
        assert len(c.execute(select(session)).all()) == 2
        assert keys.forget_old(c) == 1


def test_the_same_key_and_body_gets_the_stored_answer(database: Database) -> None:
    with database.write() as c:
        assert idempotency.begin(c, **CALL, body_hash="a") is None
        idempotency.keep(c, **CALL, status=201, headers={"Location": "/v1/jobs/1"}, body='{"id": 1}')
    with database.write() as c:
        answer = idempotency.begin(c, **CALL, body_hash="a")
        assert answer is not None
        assert (answer.status, answer.headers, answer.body) == (201, {"Location": "/v1/jobs/1"}, '{"id": 1}')
        with pytest.raises(KeyReused, match="with another body"):
            idempotency.begin(c, **CALL, body_hash="b")
        assert idempotency.begin(c, **{**CALL, "owner": "bob"}, body_hash="b") is None
        assert idempotency.forget_old(c, hours=24) == 0
        assert idempotency.forget_old(c, hours=-1) == 2
        assert idempotency.begin(c, **CALL, body_hash="b") is None


def test_a_key_is_free_again_when_its_transaction_failed(database: Database) -> None:
    with suppress(ZeroDivisionError), database.write() as c:
        idempotency.begin(c, **CALL, body_hash="a")
        raise ZeroDivisionError
    with database.write() as c:
        assert idempotency.begin(c, **CALL, body_hash="b") is None


def test_a_key_that_another_transaction_holds_is_running_and_others_are_not(postgres_database: Database) -> None:
    clear(postgres_database)
    with postgres_database.write() as first:
        assert idempotency.begin(first, **CALL, body_hash="a") is None
        with postgres_database.write() as second:
            with pytest.raises(KeyRunning, match="'k1' is still being answered"):
                idempotency.begin(second, **CALL, body_hash="a")
            assert idempotency.begin(second, **{**CALL, "key": "k2"}, body_hash="a") is None
            assert idempotency.begin(second, **{**CALL, "owner": "bob"}, body_hash="a") is None


def test_many_submissions_at_once_with_one_key_are_one_job(database: Database) -> None:
    answers: list[str] = []

    def submit() -> bool:
        with suppress(KeyRunning), database.write() as c:
            answer = idempotency.begin(c, **CALL, body_hash="a")
            if answer is None:
                job = submit_job(c)
                idempotency.keep(c, **CALL, status=201, headers={}, body=job.id)
            answers.append(answer.body if answer else job.id)
            return True
        return False

    def insist() -> None:
        wait_until(submit)

    threads = [threading.Thread(target=insist) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 8
    assert len(set(answers)) == 1
