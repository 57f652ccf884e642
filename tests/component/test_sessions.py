"""What an administrator has made of roles and schemas changes no answer to the agent."""

import contextlib

import pytest

from tests.component.server import owner

FIRST_WITH_LOGIN_TRIGGERS = 17
IMPOSTOR = """CREATE FUNCTION public.pg_wal_lsn_diff({0}) RETURNS numeric LANGUAGE plpgsql AS
$$BEGIN RAISE LOG 'impostor called by %', current_user; RETURN 1; END$$"""
#: The first fits "pg_wal_lsn_diff(LSN, '0/0')" better than PostgreSQL's own; the second is found
#: first by its role.
IMPOSTORS = {"fits better": (IMPOSTOR.format("pg_lsn, text"), "SELECT 1"),
             "found first": (IMPOSTOR.format("pg_lsn, pg_lsn"),
                             "ALTER ROLE {0} SET search_path = public, pg_catalog")}


@pytest.mark.parametrize("kind", sorted(IMPOSTORS))
def test_no_function_of_somebody_else_is_called(pair, kind):
    """In the schema public of an older server every user can make one."""
    primary = pair["srv1"]
    for statement in IMPOSTORS[kind]:
        primary.sql(statement.format(owner().pw_name))
    pair.wait_for_streams("srv1", 1)
    assert primary.monitor().code == 8
    pair.notify("pre", "promote", {"active": "srv2", "unpromoted": "srv2", "promote": "srv2"},
                ["srv2"])
    logs = [path.read_text() for path in (pair.folder / "log").glob("server*.log")]
    assert logs and not [text for text in logs if "impostor called" in text]


def test_a_role_that_becomes_another_one_sees_its_standbys(pair):
    """Its sessions saw null for them, which counted as a base backup that is in progress."""
    primary = pair["srv1"]
    primary.sql("CREATE ROLE weak")
    primary.sql(f"ALTER ROLE {owner().pw_name} SET role = weak")
    assert primary.monitor().code == 8
    assert pair.store.score("srv2") == 1000 and pair.store.remark("srv1") is None


TRIGGERS = {
    "writes": "INSERT INTO logins VALUES (session_user)",
    "refuses": "RAISE EXCEPTION 'no login'"}


@pytest.mark.since(FIRST_WITH_LOGIN_TRIGGERS)
@pytest.mark.parametrize("kind", sorted(TRIGGERS))
def test_a_login_trigger_keeps_the_agent_from_nothing(pair, kind):
    """The manual's own example writes a row, which a session that only reads may not."""
    primary = pair["srv1"]
    primary.sql("CREATE TABLE logins (who text)")
    primary.sql("CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$BEGIN "
                f"IF NOT pg_is_in_recovery() THEN {TRIGGERS[kind]}; END IF; END$$")
    with contextlib.closing(primary.connect()) as kept, kept.cursor() as cursor:
        cursor.execute("CREATE EVENT TRIGGER on_login ON login EXECUTE FUNCTION note()")
        run = primary.monitor()
        cursor.execute("DROP EVENT TRIGGER on_login")
        cursor.execute("SELECT count(*) FROM logins")
        assert cursor.fetchone()[0] == 0
    assert run.code == 8 and pair.store.score("srv2") == 1000
    assert pair.store.remark("srv1") is None
