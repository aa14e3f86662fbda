"""The API is asked what its own OpenAPI document allows: never a server error, never an undocumented answer."""

from datetime import date

import pytest
import schemathesis
from grade_rows import add_run, uscc
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from property_credit.publishing import api, api_keys, service
from property_credit.publishing.models import EXAMPLE_USCC
from property_credit.publishing.publish import publish
from property_credit.warehouse.connection import connect

NIGHT = date(2026, 10, 31)
schema = schemathesis.openapi.from_asgi("/openapi.json", api.app)


@pytest.fixture
def key(warehouse_database, monkeypatch):
    monkeypatch.setattr(service.CURRENT, "service", service.Service(today=lambda: NIGHT, max_age_seconds=0))
    publish(add_run(NIGHT, {code: {"grade": "A"} for code in (EXAMPLE_USCC, *(uscc(n) for n in range(5)))}), NIGHT)
    with connect("pc_publishing") as connection:
        connection.execute("update publishing.enterprise_details set region_codes = '{150000,150200}'")
    yield api_keys.issue(scope="regulator", region_code="150200", name="测试", rate_per_minute=1_000_000).text
    service.service().close()


@schema.parametrize()
@settings(max_examples=12, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
def test_openapi__whatever_it_allows__never_ends_in_a_server_error(case, key):
    case.call_and_validate(
        headers={"Authorization": f"Bearer {key}"},
        checks=[
            not_a_server_error,
            status_code_conformance,
            content_type_conformance,
            response_schema_conformance,
        ],
    )
