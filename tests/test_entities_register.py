"""The register of entities: one writer, append-only, decisions that can be undone, and what no decision may do."""

from datetime import date

import psycopg
import pytest

from property_credit.warehouse.connection import connect

pytestmark = pytest.mark.usefixtures("warehouse_database")

NIGHT = date(2026, 10, 1)
OTHER_WRITERS = ("pc_ingestion", "pc_dbt", "pc_gatekeeper", "pc_supervision", "pc_pages", "pc_scoring", "pc_api")
TABLES = ("decisions", "entities", "identifiers", "names", "mentions", "links")


def decide(connection, act="register", *, made_by="person", undoes=None, known_on=NIGHT, source=""):
    return connection.execute(
        "insert into entities.decisions (act_code, entity_type_code, made_by_code, made_by, why, source,"
        " undoes_decision_id, known_on, recorded_at) values (%s, 'enterprise', %s, 'someone', 'because', %s, %s, %s,"
        " now()) returning decision_id",
        (act, made_by, source, undoes, known_on),
    ).fetchone()[0]


def enter(connection, code=None, *, kind="enterprise"):
    decision = decide(connection)
    entity = connection.execute(
        "insert into entities.entities (entity_type_code, decision_id, known_on, recorded_at)"
        " values (%s, %s, %s, now()) returning entity_id",
        (kind, decision, NIGHT),
    ).fetchone()[0]
    if code:
        connection.execute(
            "insert into entities.identifiers (entity_id, scheme_code, value, decision_id, known_on, recorded_at)"
            " values (%s, 'uscc', %s, %s, %s, now())",
            (entity, code, decision, NIGHT),
        )
    return entity


def mention(connection, name):
    return connection.execute(
        "insert into entities.mentions (entity_type_code, written_by, name, known_on, recorded_at)"
        " values ('enterprise', 'hotline', %s, %s, now()) returning mention_id",
        (name, NIGHT),
    ).fetchone()[0]


def link(connection, code, entity, *, other=None, mention=None, made_by="person"):
    act = "separate" if code == "different" else "link"
    decision = decide(connection, act, made_by=made_by)
    connection.execute(
        "insert into entities.links (link_code, entity_id, other_entity_id, mention_id, decision_id, known_on,"
        " recorded_at) values (%s, %s, %s, %s, %s, %s, now())",
        (code, entity, other, mention, decision, NIGHT),
    )
    return decision


def test_entities__another_role_writes__is_refused():
    for role in OTHER_WRITERS:
        with connect(role, autocommit=True) as connection:
            for table in TABLES:
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(f"insert into entities.{table} default values")


def test_decision__undone__stands_before_its_undoing_and_not_after():
    later = date(2026, 10, 5)
    with connect("pc_entities") as connection:
        made = decide(connection, "link")
        decide(connection, "undo", undoes=made, known_on=later)
        standing = "select decision_id from entities.standing_decisions(%s)"
        assert connection.execute(standing, (date(2026, 9, 30),)).fetchall() == []
        assert connection.execute(standing, (date(2026, 10, 4),)).fetchall() == [(made,)]
        assert connection.execute(standing, (later,)).fetchall() == []


def test_decision__undone_twice_or_an_undo_undone__is_refused():
    with connect("pc_entities", autocommit=True) as connection:
        made = decide(connection, "link")
        undo = decide(connection, "undo", undoes=made)
        with pytest.raises(psycopg.errors.CheckViolation, match="undone already"):
            decide(connection, "undo", undoes=made)
        with pytest.raises(psycopg.errors.CheckViolation, match="make the first decision again"):
            decide(connection, "undo", undoes=undo)


def test_link__two_enterprises_with_codes_of_their_own__are_never_one():
    with connect("pc_entities", autocommit=True) as connection:
        one, two = enter(connection, "91150204MA0000001X"), enter(connection, "91150204MA00000028")
        with pytest.raises(psycopg.errors.CheckViolation, match="official numbers of their own"):
            link(connection, "same", one, other=two)
        link(connection, "successor", one, other=two)


def test_link__of_matching__joins_no_two_entities():
    with connect("pc_entities", autocommit=True) as connection:
        one, two = enter(connection, "91150204MA0000001X"), enter(connection)
        with pytest.raises(psycopg.errors.CheckViolation, match="never two entities"):
            link(connection, "same", one, other=two, made_by="matching")


def test_link__third_record_between_two_entities__joins_one_of_them_alone():
    with connect("pc_entities", autocommit=True) as connection:
        one, two = enter(connection, "91150204MA0000001X"), enter(connection, "91150204MA00000028")
        written = mention(connection, "阳光物业")
        first = link(connection, "same", one, mention=written, made_by="matching")
        with pytest.raises(psycopg.errors.CheckViolation, match="undo that decision first"):
            link(connection, "same", two, mention=written)
        decide(connection, "undo", undoes=first)
        link(connection, "same", two, mention=written)


def test_link__separated_by_a_person__is_never_linked_by_matching():
    with connect("pc_entities", autocommit=True) as connection:
        one, written = enter(connection, "91150204MA0000001X"), mention(connection, "阳光物业")
        separated = link(connection, "different", one, mention=written)
        with pytest.raises(psycopg.errors.CheckViolation, match="was separated from"):
            link(connection, "same", one, mention=written, made_by="matching")
        decide(connection, "undo", undoes=separated)
        link(connection, "same", one, mention=written, made_by="matching")
