"""The warehouse on Citus, as far as it can be proved without one: what is sent is what Citus accepts.

The SQL of every model, compiled with DISTRIBUTED=citus, is read by a parser and held against the rules of Citus
(``citus_rules``); constraints are read from the migrated database. The hooks run for real against functions that stand
where Citus's own would and keep what they were called with.
"""

import re
from datetime import date

import pytest
import yaml
from citus_rules import LOCAL, REFERENCE, violations

from property_credit.warehouse import transformation
from property_credit.warehouse.connection import connect
from property_credit.warehouse.distribution import (
    RAW_COPIES,
    RAW_KEYS,
    DistributionError,
    are_models_spread,
    distribute,
)
from property_credit.warehouse.settings import get_settings

NIGHT = date(2026, 10, 31)
STAND_INS = """
create table pg_dist_partition (logicalrelid regclass);
create table pg_dist_authinfo (nodeid integer, rolename name, authinfo text, unique (rolename, nodeid));
create table calls (relation text, by text);
create function create_distributed_table(relation regclass, by text, colocate_with text) returns void
  begin atomic
    insert into pg_dist_partition values (relation);
    insert into calls values (relation::text, by);
  end;
create function create_reference_table(relation regclass) returns void
  begin atomic
    insert into pg_dist_partition values (relation);
    insert into calls values (relation::text, 'reference');
  end;
create function run_command_on_workers(command text) returns void
  begin atomic
    insert into calls values ('workers', command);
  end;
grant all on pg_dist_partition, calls to public;
"""


@pytest.fixture(scope="module")
def models(migrated_template):
    """Every model compiled as for a cluster."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISTRIBUTED", "citus")
        get_settings.cache_clear()
        nodes = transformation.compiled(NIGHT)
    get_settings.cache_clear()
    return {name: node for name, node in nodes.items() if str(node.resource_type) == "model"}


@pytest.fixture(scope="module")
def spread(models):
    """How every relation lies: its column, reference or local."""
    seeds = {path.stem: REFERENCE for path in (transformation.PROJECT_DIR / "seeds").glob("*.csv")}
    copies = dict.fromkeys(RAW_COPIES, REFERENCE)
    built = {name: node.config.meta.get("distributed_by", LOCAL) for name, node in models.items()}
    return seeds | RAW_KEYS | copies | built


def test_models__compiled_for_a_cluster__ask_for_nothing_that_citus_refuses(models, spread):
    refused = {
        name: problems
        for name, node in models.items()
        if (
            problems := violations(node.compiled_code, spread, repartitions=node.config.meta.get("repartitions", False))
        )
    }
    assert refused == {}


def test_models__said_to_repartition__do(models, spread):
    told = {name for name, node in models.items() if node.config.meta.get("repartitions")}
    assert told == {name for name in told if violations(models[name].compiled_code, spread)}


BY = {"a": "id", "b": "id", "c": "uscc", "small": REFERENCE}


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("merge into a using b on a.id = b.id when matched then update set x = 1", "MERGE"),
        ("update a set id = 'x'", "UPDATE of id"),
        ("with recursive r as (select id from a union all select id from r) select * from r", "RECURSIVE"),
        ("select id, x, count(*) from a group by grouping sets ((id), (x))", "GROUPING SETS"),
        ("select * from a cross join lateral (select * from b where b.id = a.id limit 1) as one", "LATERAL"),
        ("select a.x from a join b on a.x = b.x", "other columns"),
        ("with a2 as (select * from a), b2 as (select id, x from b) select * from a2 join b2 on a2.x = b2.x", "other"),
        ("select a.x from a join c on a.id = c.other", "other columns"),
        ("select exists (select from a)", "no column"),
        ("select a.x from s.a join s.alone on alone.x = a.x", "alone, which lies on the coordinator"),
        ("select a.x from s.a where exists (select 1 from s.alone where alone.x = a.x)", "alone, which lies on"),
        ("select * from r.f(array(select x from a)) as ids", "once a shard"),
    ],
)
def test_rules__what_citus_refuses__is_found(sql, told):
    assert any(told in problem for problem in violations(sql, BY))


@pytest.mark.parametrize(
    "sql",
    [
        "select a.x from a join b on a.id = b.id and a.x > b.x",
        "select a.x from a join b using (id)",
        "select a.x from a join c on a.id = c.uscc",
        "select a.x from a left join small on small.x = a.x",
        "with n as (select x, count(*) as n from b group by x) select * from a join n on n.x = a.x",
        "with recursive r as (select 1 as n union all select n + 1 from r where n < 9) select * from r",
        "select distinct on (id) id, x from a order by id, x desc",
        "delete from a using small where small.x = a.x",
        "select exists (select 1 from a)",
        "select * from r.f(array(select x from small)) as ids",
    ],
)
def test_rules__what_citus_accepts__is_left_alone(sql):
    assert violations(sql, BY) == []


def wrong_constraints(connection, keys):
    """Unique and foreign keys of spread raw tables without their column, and columns that may be null."""
    rows = connection.execute(
        """
        select class.relname, pg_get_indexdef(index.indexrelid),
          array(select attname from pg_attribute where attrelid = class.oid and attnum = any (index.indkey::smallint[]))
        from pg_index as index join pg_class as class on class.oid = index.indrelid
        where class.relnamespace = 'raw'::regnamespace and index.indisunique
        """
    ).fetchall()
    wrong = [text for name, text, columns in rows if name in keys and keys[name] not in columns]
    rows = connection.execute(
        """
        select class.relname, attname from pg_attribute join pg_class as class on class.oid = attrelid
        where class.relnamespace = 'raw'::regnamespace and not attnotnull and attnum > 0
        """
    ).fetchall()
    return wrong + [f"{name}.{column} may be null" for name, column in rows if keys.get(name) == column]


def test_raw_tables__by_their_keys__no_constraint_crosses_machines(warehouse_database):
    with connect() as connection:
        assert wrong_constraints(connection, RAW_KEYS) == []
        connection.execute("create unique index on raw.funds (batch_id, row_number)")
        assert len(wrong_constraints(connection, RAW_KEYS | {"complaints": "community_id"})) == 2


def wrong_models(models):
    """Incremental models with a strategy that Citus refuses, and unique indexes without the column."""
    wrong = []
    for name, node in models.items():
        by, config = node.config.meta.get("distributed_by", LOCAL), node.config
        if config.materialized == "incremental" and by == LOCAL:
            wrong.append(f"{name}: a hook that deletes by another table waits for its own session")
        if by in (LOCAL, REFERENCE):
            continue
        if config.materialized == "incremental" and config.incremental_strategy not in ("delete+insert", "append"):
            wrong.append(f"{name}: {config.incremental_strategy}")
        for index in config.get("indexes") or []:
            if index.get("unique") and by not in index["columns"]:
                wrong.append(f"{name}: unique index without {by}")
    return wrong


def test_models__incremental_and_indexed__are_so_in_a_way_that_citus_takes(models):
    assert wrong_models(models) == []
    seeded = models["fct_complaints"].__class__.from_dict(models["fct_complaints"].to_dict())
    seeded.config.materialized, seeded.config.incremental_strategy = "incremental", "merge"
    seeded.config._extra["indexes"] = [{"columns": ["uscc"], "unique": True}]
    assert len(wrong_models({"fct_complaints": seeded})) == 2
    seeded.config.meta = {}
    assert len(wrong_models({"fct_complaints": seeded})) == 1


def several_commands(text):
    """Jinja macros that send a second command in one go."""
    macros = re.findall(r"{% macro (\w+)\(.*?-%}(.*?){%-? endmacro", re.sub(r"{#.*?#}", "", text, flags=re.S), re.S)
    return {name for name, body in macros if ";" in body}


def test_macros__hooks__send_one_command_each():
    files = (transformation.PROJECT_DIR / "macros").glob("*.sql")
    macros = {name for path in files for name in several_commands(path.read_text("utf-8"))}
    assert macros == {"postgres__get_delete_insert_merge_sql"}  # no hook: dbt sends it outside a prepared statement
    assert several_commands("{% macro two() -%} create index on a (b); delete from a {%- endmacro %}") == {"two"}


def test_models__every_name_in_the_list__is_a_model_or_a_folder(models):
    listed = yaml.safe_load((transformation.PROJECT_DIR / "dbt_project.yml").read_text("utf-8"))["models"]
    names = {
        name for layer in ("staging", "intermediate", "marts") for name in listed["property_credit"][layer]
        if not name.startswith("+")
    }  # fmt: skip
    assert names <= set(models)


def test_build__with_stand_ins_for_citus__spreads_every_table_once(warehouse_database, monkeypatch):
    with connect() as connection:
        connection.execute(STAND_INS)
    monkeypatch.setenv("DISTRIBUTED", "citus")
    get_settings.cache_clear()
    with connect() as connection:
        connection.execute("create table staging.stg_complaints (complaint_id text)")
        connection.execute("alter table staging.stg_complaints owner to pc_dbt")
    for _ in range(2):
        transformation.build(NIGHT, select=["+stg_complaints", "+stg_communities", "regions"], tests=False)
    with connect() as connection:
        calls = set(connection.execute("select distinct relation, by from calls").fetchall())
    assert {by for relation, by in calls if "stg_complaints" in relation} == {"complaint_id"}
    assert {by for relation, by in calls if "stg_communities" in relation or "regions" in relation} == {"reference"}


def test_build__off_citus__calls_nothing(warehouse_database):
    with connect() as connection:
        connection.execute(STAND_INS)
    transformation.build(NIGHT, select=["+stg_complaints"], tests=False)
    with connect() as connection:
        assert connection.execute("select count(*) from calls").fetchone() == (0,)


def test_distribute__off_citus__does_nothing(warehouse_database):
    assert distribute() == []


def test_distribute__server_without_citus__says_what_to_do(warehouse_database, monkeypatch):
    monkeypatch.setenv("DISTRIBUTED", "citus")
    get_settings.cache_clear()
    with pytest.raises(DistributionError, match=r"needs a server with Citus.*docs/scale\.md"):
        distribute()


def test_spread__raw_tables__each_once_and_by_its_key(warehouse_database):
    from property_credit.warehouse.distribution import _spread

    with connect() as connection:
        connection.execute(STAND_INS)
        assert [table for table, key in RAW_KEYS.items() if _spread(connection, table, key)] == list(RAW_KEYS)
        assert not any(_spread(connection, table, key) for table, key in RAW_KEYS.items())
        calls = dict(connection.execute("select relation, by from calls").fetchall())
    assert calls == {f"raw.{table}": key for table, key in RAW_KEYS.items()}


def test_models__restored_into_a_cluster__are_not_spread_until_built(warehouse_database, monkeypatch):
    monkeypatch.setenv("DISTRIBUTED", "citus")
    get_settings.cache_clear()
    with connect() as connection:
        connection.execute(STAND_INS)
        assert are_models_spread(connection)  # there is nothing yet
        connection.execute("create table marts.fct_complaints (complaint_id text)")
        assert not are_models_spread(connection)
        connection.execute("insert into pg_dist_partition values ('marts.fct_complaints')")
        assert are_models_spread(connection)


def test_machines__passwords_with_quotes__are_told_here_and_to_every_worker(warehouse_database):
    from property_credit.warehouse.distribution import _let_machines_connect

    passwords = {"pc_dbt": r"it's a \ secret"}
    with connect() as connection:
        connection.execute(STAND_INS)
        for _ in range(2):
            _let_machines_connect(connection, passwords, workers=False)
        stored = connection.execute("select rolename, authinfo from pg_dist_authinfo").fetchall()
        assert stored == [("pc_dbt", r"password='it\'s a \\ secret'")]
        _let_machines_connect(connection, passwords, workers=True)
        command = connection.execute("select by from calls where relation = 'workers'").fetchone()[0]
        connection.execute("truncate pg_dist_authinfo")
        connection.execute(command)
        assert connection.execute("select rolename, authinfo from pg_dist_authinfo").fetchall() == stored
