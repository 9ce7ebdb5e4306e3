"""Whose turn it is: one dispatcher is active per database."""

from domain.database import Database
from domain.settings import Settings
from worker.supervising.turn import Turn


def second_process(database: Database) -> Database:
    """The same database as another process would see it."""
    return Database(database.url.render_as_string(hide_password=False))


def test_one_dispatcher_is_active_and_the_next_takes_over_when_it_ends(database: Database, settings: Settings) -> None:
    other_database = second_process(database)
    first, second = Turn(settings, database), Turn(settings, other_database)
    assert first.is_mine()
    assert not second.is_mine()
    assert first.is_mine()
    first.give_up()
    assert second.is_mine()
    assert not first.is_mine()
    second.give_up()
    other_database.close()


def test_a_session_that_breaks_gives_its_turn_away(postgres_database: Database, settings: Settings) -> None:
    mine = second_process(postgres_database)
    turn = Turn(settings, mine)
    assert turn.is_mine()
    with postgres_database.write() as c:
        c.exec_driver_sql("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'")
    assert not turn.is_mine()
    assert turn.is_mine()
    turn.give_up()
    mine.close()
