"""The paged API: a real server in this process, pages kept byte for byte, a cursor that moves only with its batch."""

import json
import threading
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from property_credit.ingestion import api_reader, night, profile
from property_credit.ingestion.load import no_check
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings
from property_credit.warehouse.task_runs import StoppedByGate

DAY, NEXT_DAY = date(2026, 10, 30), date(2026, 10, 31)
PROFILE = """\
feed: complaints
office_zh: 测试平台
format: json_api
url_setting: complaints_api_url
path: /v1/complaints
page_size: 2
columns: {complaint_id: 编号, submitted_at: 时间, title: 标题, support_count: 点赞}
ignore: [备注]
constants: {channel_code: mashangban, category_code: other, status_code: submitted}
dates: {submitted_at: "%Y-%m-%d %H:%M:%S"}
"""


@pytest.fixture
def office(warehouse_database, monkeypatch):
    """A server over a list of (day, record); ``failures`` makes the next answers fail with that status."""

    class Office(BaseHTTPRequestHandler):
        records: list = []
        failures: list = []
        asked: list = []

        def do_GET(self):
            Office.asked.append(self.path)
            if Office.failures:
                self.send_response(Office.failures.pop(0))
                self.end_headers()
                return
            query = parse_qs(urlsplit(self.path).query)
            start, limit = int(query.get("updated_since", ["0"])[0]), int(query["limit"][0])
            known = [record for day, record in Office.records if day <= query["until"][0]]
            page = known[start : start + limit]
            body = json.dumps(
                {"data": page, "next_cursor": str(start + len(page)) if page else None}, ensure_ascii=False
            )
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_message):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Office)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("COMPLAINTS_API_URL", f"http://127.0.0.1:{server.server_port}")
    get_settings.cache_clear()
    (warehouse_database / "platform.yml").write_text(PROFILE, encoding="utf-8")
    Office.sources = warehouse_database
    yield Office
    server.shutdown()
    server.server_close()
    Office.records, Office.failures, Office.asked = [], [], []


def record(number, **changes):
    return {"编号": number, "时间": "2026-10-01 08:00:00", "标题": "漏水", "点赞": 3, "备注": "x", **changes}


def pull(office, day=DAY, check=no_check):
    return night.ingest_feed("complaints", day, check=check, sources=office.sources)


def query(statement):
    with connect("pc_ingestion") as connection:
        return connection.execute(statement).fetchall()


def test_pull__over_several_pages__loads_all_and_keeps_the_pages(office):
    office.records[:] = [(DAY.isoformat(), record(f"a{number}")) for number in range(5)]
    (report,) = pull(office)
    assert (report.status, report.rows_in, report.rows_accepted) == ("loaded", 5, 5)
    assert query("select cursor, business_date from ops.source_cursors") == [("5", DAY)]
    ((path,),) = query("select archive_path from ops.batches")
    pages = sorted((get_settings().archive_dir / path).iterdir())
    assert [len(json.loads(page.read_bytes())["data"]) for page in pages] == [2, 2, 1]
    assert pull(office) == [] and query("select count(*) from raw.complaints") == [(5,)]


def test_pull__next_night__brings_only_what_changed(office):
    office.records[:] = [(DAY.isoformat(), record("a")), (NEXT_DAY.isoformat(), record("a", 标题="停电"))]
    assert pull(office)[0].rows_in == 1
    assert pull(office, NEXT_DAY)[0].rows_accepted == 1
    assert query("select title from raw.complaints order by known_on") == [("漏水",), ("停电",)]


def test_pull__with_bad_records__refuses_them_by_their_ordinal(office):
    office.records[:] = [
        (DAY.isoformat(), content)
        for content in (
            record("a"),
            record("b", 时间="昨天"),
            record("c", 点赞=2.5),
            record("d", 标题="零\x00字节"),
            record("e", 标题=None),
        )
    ]
    (report,) = pull(office)
    assert (report.rows_accepted, report.rows_rejected) == (2, 3)
    refused = query("select row_number, reason_code, payload from quarantine.rejected_rows order by 1")
    assert [one[:2] for one in refused] == [
        (2, "TYPE_INVALID_TIMESTAMP"), (3, "TYPE_INVALID_NUMBER"), (4, "TEXT_UNREADABLE")
    ]  # fmt: skip
    assert json.loads(refused[0][2])["编号"] == "b"


def test_read__number_or_half_a_character__keeps_what_the_source_wrote(tmp_path):
    strict = b'{"data": [{"\xe7\xbc\x96\xe5\x8f\xb7": 12345678901234567890, "\xe7\x82\xb9\xe8\xb5\x9e": 1.50}'
    strict += b', {"\xe7\xbc\x96\xe5\x8f\xb7": true, "\xe6\xa0\x87\xe9\xa2\x98": [1, 2.50]}'
    (tmp_path / "profile.yml").write_text(PROFILE, encoding="utf-8")
    (tmp_path / "strict.json").write_bytes(strict + b"]}")
    (tmp_path / "loose.json").write_bytes(strict + b', {"\xe6\xa0\x87\xe9\xa2\x98": "\\ud800"}]}')
    known = profile.load(tmp_path / "profile.yml")
    (block,) = api_reader.read([tmp_path / "strict.json"], known)
    assert block.frame.select("编号", "标题", "点赞").rows() == [
        ("12345678901234567890", None, "1.50"), ("true", '["1", "2.50"]', None)
    ]  # fmt: skip
    (other,) = api_reader.read([tmp_path / "loose.json"], known)
    assert other.frame.head(2).equals(block.frame) and other.frame["标题"][2] == "␀" and not block.flags
    assert other.flags["TEXT_UNREADABLE", None].tolist() == [False, False, True]


def test_pull__unknown_name__refuses_the_batch_and_keeps_the_cursor(office):
    office.records[:] = [(DAY.isoformat(), record("a", 新字段="x"))]
    (report,) = pull(office)
    assert report.status == "refused" and "新字段" in report.message
    assert query("select count(*) from ops.source_cursors") == [(0,)]


def test_pull__stopped_by_gate__comes_again_the_next_night(office):
    office.records[:] = [(DAY.isoformat(), record("a")), (NEXT_DAY.isoformat(), record("b"))]

    def stop(_stats):
        raise StoppedByGate("no")

    assert pull(office, check=stop)[0].is_stopped_by_gate
    assert query("select count(*) from ops.source_cursors") == [(0,)]
    assert pull(office, NEXT_DAY)[0].rows_accepted == 2


def test_pull__server_busy_at_first__tries_again(office):
    office.records[:] = [(DAY.isoformat(), record("a"))]
    office.failures[:] = [503, 429]
    assert pull(office)[0].rows_accepted == 1


def test_pull__server_says_no__is_refused_with_its_answer(office):
    office.failures[:] = [403]
    (report,) = pull(office)
    assert report.status == "refused" and "403" in report.message and len(office.asked) == 1


def test_pull__server_gone__is_refused_with_its_address(office, monkeypatch):
    monkeypatch.setenv("COMPLAINTS_API_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(api_reader, "ATTEMPTS", 2)
    get_settings.cache_clear()
    (report,) = pull(office)
    assert report.status == "refused" and "127.0.0.1:9" in report.message


def test_pull__no_address__says_which_setting(office, monkeypatch):
    monkeypatch.delenv("COMPLAINTS_API_URL")
    get_settings.cache_clear()
    assert "COMPLAINTS_API_URL" in pull(office)[0].message


def test_pull__whose_cursors_go_in_a_circle__loads_nothing_and_says_so(office, monkeypatch):
    def circle(self):
        asked = parse_qs(urlsplit(self.path).query).get("updated_since", ["0"])[0]
        answer(self, json.dumps({"data": [record(f"c{asked}")], "next_cursor": {"0": "1", "1": "2", "2": "1"}[asked]}))

    monkeypatch.setattr(office, "do_GET", circle)
    (report,) = pull(office)
    assert report.status == "refused" and "repeats itself" in report.message
    assert query("select count(*) from raw.complaints") == [(0,)]


def answer(handler, body):
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(body.encode())


def test_pull__that_never_ends__stops_at_its_limit_and_goes_on_the_next_time(office, monkeypatch):
    office.records[:] = [(DAY.isoformat(), record(f"a{number}")) for number in range(7)]
    with monkeypatch.context() as patch:
        patch.setattr(api_reader, "PULL_PAGES", 2)
        (report,) = pull(office)
        assert (report.status, report.rows_in) == ("loaded", 4) and "ended after 2 pages" in report.message
    (report,) = pull(office, NEXT_DAY)
    assert (report.rows_in, report.message) == (3, "")
    assert query("select count(*) from raw.complaints") == [(7,)]


@pytest.mark.parametrize("part", ["headers", "body"])
def test_answer__that_drips__is_given_up(office, monkeypatch, part):
    monkeypatch.setattr(api_reader, "ANSWER_SECONDS", 0.5)
    is_over = threading.Event()

    def drip(self):
        if part == "body":
            self.send_response(200)
            self.end_headers()
        for _piece in range(200):
            if is_over.wait(0.05):
                return
            try:
                self.wfile.write(b"H" if part == "headers" else b" ")
            except OSError:
                return

    monkeypatch.setattr(office, "do_GET", drip)
    (report,) = pull(office)
    is_over.set()
    assert report.status == "refused" and "an answer took more than" in report.message


def test_answer__larger_than_any_page__is_given_up(office, monkeypatch):
    monkeypatch.setattr(api_reader, "ANSWER_BYTES", 1_000)
    office.records[:] = [(DAY.isoformat(), record("a", 标题="长" * 1_000))]
    assert "an answer has more than" in pull(office)[0].message


def test_answer__nested_without_end__is_refused(office, monkeypatch):
    monkeypatch.setattr(office, "do_GET", lambda self: answer(self, "[" * 200_000))
    (report,) = pull(office)
    assert report.status == "refused" and "the answer is not JSON" in report.message
