"""A workbench over a graded region: accounts of every role, clients signed in, forms sent as a browser does."""

import re
import time
import uuid
from dataclasses import dataclass, field

import psycopg
import pyotp
from fastapi.testclient import TestClient

from property_credit.cli.workbench_commands import application
from property_credit.warehouse import sign_in
from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.connection import connect
from property_credit.workbench import acts, areas
from property_credit.workbench.acts import Act
from property_credit.workbench.rights import Place

REGION, CITY = "150000", "150200"
PASSWORD = "four unrelated words 17 lanterns"
_HASHED = sign_in.hashed(PASSWORD)


def add_account(name, role, *, area=None, community=None, uscc=None, code=None):
    """An account as an accepted invitation leaves it."""
    secret = pyotp.random_base32()
    with connect("pc_workbench") as connection:
        connection.execute(
            "insert into workbench.accounts (account_name, role_code, area_code, community_id, uscc, officer_code, "
            "password_hash, totp_secret, created_at, changed_at) values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            (name, role, area, community, uscc, code, _HASHED, secret, arrival(), arrival()),
        )
    return secret


@dataclass
class World:
    """The application and the places of the region that tests speak of."""

    app: object
    district: str
    other_district: str
    street: str
    community: str
    uscc: str
    other_uscc: str
    secrets: dict = field(default_factory=dict)

    def account(self, name, role, **where):
        if name not in self.secrets:
            self.secrets[name] = add_account(name, role, **where)
        return name

    def client(self):
        return TestClient(self.app, base_url="http://workbench.test", follow_redirects=False)

    def signed_in(self, name):
        """A client whose session is a row as after signing in; the cookie is made by the form of the sign-in page."""
        client = self.client()
        form = client.get("/sign-in")
        with connect("pc_workbench") as connection:
            connection.execute("update workbench.accounts set totp_last_step = 0 where account_name = %s", (name,))
        answer = client.post(
            "/sign-in",
            data={
                "name": name,
                "password": PASSWORD,
                "token": field_of(form.text, "token"),
                "code": pyotp.TOTP(self.secrets[name]).at(time.time()),
            },
        )
        assert answer.status_code == 303, answer.text
        return client


def field_of(html, name):
    return re.search(rf'name="{name}" value="([^"]*)"', html)[1]


def token_of(client):
    """The token of a session, as any page of it holds it."""
    page = client.get("/", follow_redirects=True)
    return field_of(page.text, "token")


def send(client, address, data=None, *, token=None, form_id=None, files=None):
    """Send a form as a page of this session would."""
    token = token_of(client) if token is None else token
    return client.post(
        address, data={"token": token, "form_id": form_id or str(uuid.uuid4()), **(data or {})}, files=files
    )


def world_of():
    """Look the region over and make its accounts."""
    with connect("pc_workbench") as connection:
        tree = areas.read(connection)
        served = connection.execute(
            "select area_code, uscc from marts.mart_scorecards__area_enterprises order by 1, 2"
        ).fetchall()
        objectable = {
            row[0]
            for row in connection.execute(
                "select distinct uscc from marts.mart_scoring__disputable_counts where adverse_weight > 0"
            )
        }
        homes = dict(connection.execute("select uscc, region_code from marts.mart_scoring__enterprises").fetchall())
        published = {row[0] for row in connection.execute("select uscc from publishing.grade_history")}
    usable = sorted(uscc for uscc in homes if uscc in objectable and uscc in published and homes[uscc])
    uscc = usable[0]
    district = homes[uscc]
    other_uscc = next(one for one in usable if homes[one] != district)
    street = next(
        code for code, parent in sorted(tree.parents.items()) if parent == district and tree.levels[code] == "street"
    )
    community = next(one for one, area in sorted(tree.communities.items()) if area == street)
    assert served
    world = World(application(), district, homes[other_uscc], street, community, uscc, other_uscc)
    world.account("企业甲", "enterprise", uscc=uscc)
    world.account("企业乙", "enterprise", uscc=other_uscc)
    world.account("旗县甲", "officer", area=district, code=f"{district}-01")
    world.account("旗县乙", "officer", area=district, code=f"{district}-02")
    world.account("旗县丙", "officer", area=district, code=f"{district}-03")
    world.account("邻县", "officer", area=world.other_district, code=f"{world.other_district}-01")
    world.account("盟市", "officer", area=CITY, code="150200-01")
    world.account("自治区", "officer", area=REGION, code="150000-01")
    world.account("街道", "officer", area=street, code=f"{street}-01")
    world.account("社区", "officer", area=street, community=community, code=f"{street}-C1")
    world.account("管理员", "administrator", area=district)
    world.account("盟市管理员", "administrator", area=CITY)
    return world


def record_of(uscc):
    """A complaint, inspection line or record that the enterprise lost points for, as (type, id)."""
    with connect("pc_workbench") as connection:
        return connection.execute(
            "select target_type_code, target_id from marts.mart_scoring__disputable_counts as held "
            "where uscc = %s and adverse_weight > 0 and exists (select from marts.mart_scorecards__indicator_evidence "
            "as shown, jsonb_array_elements(shown.evidence) as piece where shown.uscc = held.uscc "
            "and piece ->> 0 = held.target_id) order by adverse_weight desc, target_id limit 1",
            (uscc,),
        ).fetchone()


def owner_sees(query, *values):
    with connect() as connection:
        return connection.execute(query, values).fetchall()


UniqueViolation = psycopg.errors.UniqueViolation


def make_case(world, state, *, kind="objection", uscc=None, area=None, target=("complaint", "made-up")):
    """A case in ``state``, made of acts that the database takes, without a page; returns its number."""
    uscc, area = uscc or world.uscc, area or world.district
    number = f"T-{uuid.uuid4().hex[:12]}"
    place = Place(uscc, area)
    filed = {"target_type_code": target[0], "target_id": target[1], "reason": "测试理由", "record_id": target[1]}
    decided = {"outcome_code": "rejected", "reply": "经核查不成立", "has_no_conflict": True, "evidence_ids": []}
    steps = [
        ("企业甲", "file", filed),
        ("旗县甲", "mark", {"source_class_code": "own"}),
        (
            "旗县甲",
            "forward",
            {
                "to": "旗县乙",
                "to_officer_code": f"{world.district}-02",
                "original_officer_code": f"{world.district}-03",
            },
        ),
        ("旗县乙", "decide", decided),
        ("企业甲", "ask_review", {"reason": "不服决定"}),
    ]
    last = ["filed", "marked", "forwarded", "decided", "review"].index(state)
    with connect("pc_workbench") as connection:
        for version, (name, code, details) in enumerate(steps[: last + 1]):
            form = str(uuid.uuid4())
            acts.record(connection, name, Act(kind, number, version, code, details, form, place))
    return number


def version_of(number):
    return owner_sees("select max(subject_version) from workbench.acts where subject_id = %s", number)[0][0]
