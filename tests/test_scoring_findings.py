"""Cases that count without anybody's finding: said beside the figure, and part of the inputs."""

import hashlib

from own_warehouse import builder
from scoring_marts import BUSINESS_DATE, GOOD, Firm, a_fit, inputs_of, write_marts

from property_credit.warehouse.connection import connect
from scoring.assessment import assessed, point_rows
from scoring.inputs import read_inputs
from scoring.method import load

USCC = "91150200AAAAAAAAA1"


def reasons(firm):
    method = load("2026.2").method
    [(block, scored, _)] = assessed(
        method, a_fit(method), inputs_of([firm], method=method), business_date=BUSINESS_DATE, standings={}
    )
    return {row[1]: row[-2:] for row in point_rows(method, block, scored)}


def test_reason__of_deemed_and_pending_cases__says_how_many():
    told = reasons(Firm(USCC, findings=[("M03", "deemed", 12), ("M03", "pending", 3)]))
    assert "其中逾期未定性视为查实 12，其中超时尚未定性 3" in told["M03"][0]
    assert "12 deemed confirmed, 3 past the limit without a finding yet" in told["M03"][1]
    assert "视为查实" not in told["M01"][0]


def test_inputs__without_such_cases__keep_the_hash_they_had_and_with_them_have_another(warehouse_database):
    def sha256(firm):
        write_marts([firm])
        with connect("pc_scoring") as connection:
            return read_inputs(connection).sha256

    plain = sha256(Firm(USCC, counts=dict(GOOD)))
    with_findings = sha256(Firm(USCC, counts=dict(GOOD), findings=[("M03", "deemed", 12)]))
    assert plain != with_findings and len(with_findings) == len(hashlib.sha256().hexdigest())
    with builder() as connection:
        connection.execute("delete from marts.mart_scoring__findings")
    with connect("pc_scoring") as connection:
        assert read_inputs(connection).sha256 == plain
