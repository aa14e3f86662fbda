"""What Citus refuses or gets wrong (14.0.1, by trying), as rules on the SQL that dbt would send to it.

Read with a real parser, never with patterns.

A relation is spread by a column, is a reference table, or lies on the coordinator; a CTE that passes the column of its
table through is spread like it. A join of two spread relations must compare their columns, or Citus has to send rows
between the machines: then the model says so (``meta.repartitions``).
"""

import sqlglot
from sqlglot import exp

REFERENCE, LOCAL = "reference", "local"


def violations(sql: str, spread: dict[str, str], *, repartitions: bool = False) -> list[str]:
    """Return what Citus would refuse in ``sql``; ``spread`` says by relation name how it lies."""
    problems = []
    for statement in sqlglot.parse(sql, read="postgres"):
        problems += _unsupported(statement, spread)
        if not repartitions:
            problems += [problem for select in statement.find_all(exp.Select) for problem in _joins(select, spread)]
    return problems


def _is_spread(table: exp.Table, spread: dict[str, str]) -> bool:
    return spread.get(table.name, LOCAL) not in (LOCAL, REFERENCE)


def _unsupported(statement: exp.Expr, spread: dict[str, str]) -> list[str]:
    problems = []
    if not any(_is_spread(table, spread) for table in statement.find_all(exp.Table)):
        return problems  # runs on one machine, where all of PostgreSQL is there
    problems += [
        f"{table.name}, which lies on the coordinator, beside spread tables"
        for table in statement.find_all(exp.Table)
        if table.db and table.name and spread.get(table.name, LOCAL) == LOCAL
    ]
    for select in statement.find_all(exp.Select):
        sources = [source for source in _sources(select) if isinstance(source, exp.Table)]
        if not select.expressions and any(_is_spread(source, spread) for source in sources):
            problems.append("SELECT of no column from a spread table")
        for called in (source.this for source in sources if isinstance(source.this, exp.Func)):
            if any(_is_spread(table, spread) for table in called.find_all(exp.Table)):
                problems.append("a function in FROM is asked once a shard, with a part of what its argument reads")
    if isinstance(statement, exp.Merge):
        problems.append("MERGE into or from a spread table")
    if isinstance(statement, exp.Update):
        column = spread.get(statement.this.name)
        if any(isinstance(part, exp.EQ) and part.this.name == column for part in statement.expressions):
            problems.append(f"UPDATE of {column}, by which {statement.this.name} is spread")
    if any(clause.args.get("recursive") for clause in statement.find_all(exp.With)):
        problems.append("WITH RECURSIVE over a spread table")
    if statement.find(exp.GroupingSets, exp.Cube, exp.Rollup):
        problems.append("GROUPING SETS, CUBE or ROLLUP over a spread table")
    for lateral in statement.find_all(exp.Lateral):
        if isinstance(lateral.this, exp.Subquery) and lateral.find(exp.Limit):
            problems.append("LATERAL subquery with LIMIT")
    return problems


def _sources(select: exp.Select) -> list[exp.Expr]:
    first = select.args.get("from_") or select.args.get("from")
    return ([first.this] if first else []) + [join.this for join in select.args.get("joins") or []]


def _column_of(source: exp.Expr, spread: dict[str, str]) -> str | None:
    """Return the column by which ``source`` is spread; None for reference, local and what passes no column through."""
    if isinstance(source, exp.Subquery):
        return _passed(source.this, spread)
    if not isinstance(source, exp.Table):
        return None
    scope = source.find_ancestor(exp.Select)
    while scope is not None and not source.db:
        clause = scope.args.get("with_") or scope.args.get("with")
        for cte in clause.expressions if clause else ():
            if cte.alias == source.name and not _is_inside(source, cte):
                return _passed(cte.this, spread)
        scope = scope.parent.find_ancestor(exp.Select, exp.Union) if scope.parent else None
    by = spread.get(source.name)
    return None if by in (None, LOCAL, REFERENCE) else by


def _is_inside(node: exp.Expr, cte: exp.Expr) -> bool:
    parent = node.parent
    while parent is not None:
        if parent is cte:
            return True
        parent = parent.parent
    return False


def _passed(query: exp.Expr, spread: dict[str, str]) -> str | None:
    """Return the column by which the rows of ``query`` still lie, if it is among what the query gives."""
    if not isinstance(query, exp.Select):
        return None  # a union is brought together first
    columns = [_column_of(source, spread) for source in _sources(query)]
    by = next((column for column in columns if column), None)
    if by is None or query.args.get("limit"):
        return None
    given = {part.alias_or_name for part in query.expressions}
    if by not in given and not query.is_star:
        return None
    group = query.args.get("group")
    if group and by not in {part.name for part in group.expressions}:
        return None
    return by


def _joins(select: exp.Select, spread: dict[str, str]) -> list[str]:
    sources = _sources(select)
    by = {source.alias_or_name: column for source in sources if (column := _column_of(source, spread))}
    problems = []
    joined = [sources[0].alias_or_name] if sources else []
    for join in select.args.get("joins") or []:
        name = join.this.alias_or_name
        before = [other for other in joined if other in by]
        joined.append(name)
        if name not in by or not before:
            continue
        together = {(name, by[name])} | {(other, by[other]) for other in before}
        condition = join.args.get("on") or exp.true()
        pairs = [{(side.table, side.name) for side in (part.this, part.expression) if isinstance(side, exp.Column)}
                 for part in condition.find_all(exp.EQ)]  # fmt: skip
        using = {column.name for column in join.args.get("using") or []}
        if by[name] in using and any(by[other] == by[name] for other in before):
            continue
        if not any(len(pair) == 2 and pair <= together for pair in pairs):
            others = ", ".join(f"{other} ({by[other]})" for other in before)
            problems.append(f"{name} ({by[name]}) is joined to {others} on other columns than they are spread by")
    return problems
