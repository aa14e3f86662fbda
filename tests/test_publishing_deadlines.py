"""A receiver that answers a byte now and then, without an end, or too much holds up nobody."""

import socket
import threading
import time
from contextlib import contextmanager
from dataclasses import replace
from datetime import date

import httpx
import pytest
from delivery_world import QUICK, fresh_code, publish_night

from property_credit.night import watch_tasks
from property_credit.publishing import reconcile as reconciling
from property_credit.publishing.relay import deliver
from property_credit.warehouse import outbound
from property_credit.warehouse.connection import connect
from property_credit.warehouse.settings import get_settings

LINE = b"HTTP/1.1 200 OK\r\n"


def drip_headers(send):
    send(LINE)
    for number in range(1000):
        send(f"X-{number}: a\r\n".encode())
        time.sleep(0.05)


def drip_body(send):
    send(LINE + b"Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(1000):
        send(b" ")
        time.sleep(0.05)


def never_end(send):
    send(LINE + b"Transfer-Encoding: chunked\r\n\r\n")
    while True:
        send(b"10000\r\n" + b" " * 65536 + b"\r\n")


@contextmanager
def receiver(behaviour):
    """Listen, read each request's first bytes and behave as given; gives its address."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connected, _ = listening.accept()
            except OSError:
                return
            threading.Thread(target=answer, args=(connected,), daemon=True).start()

    def answer(connected):
        with connected:
            try:
                connected.recv(65536)
                behaviour(connected.sendall)
            except OSError:
                pass

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.close()


@pytest.mark.parametrize("behaviour", [drip_headers, drip_body])
def test_outbound__receiver_that_drips__ends_at_the_deadline(behaviour):
    with receiver(behaviour) as url, outbound.Outbound(url, deadline_seconds=0.5) as client:
        started = time.monotonic()
        with pytest.raises(outbound.DeadlineError, match="no whole answer within 0.5 s"):
            client.get("/")
        assert time.monotonic() - started < 5


def test_outbound__answer_without_an_end__is_cut_at_its_bound():
    with (
        receiver(never_end) as url,
        outbound.Outbound(url, deadline_seconds=60, most_bytes=200_000) as client,
        pytest.raises(outbound.OversizedError, match="larger than 200,000 bytes"),
    ):
        client.get("/")


def use_receiver(monkeypatch, url):
    monkeypatch.setenv("TENDERING_URL", url)
    get_settings.cache_clear()


def test_deliver__receiver_that_drips__rows_wait_with_the_reason(warehouse_database, monkeypatch):
    publish_night(0, {fresh_code(): "A", fresh_code(): "B"})
    with receiver(drip_headers) as url:
        use_receiver(monkeypatch, url)
        started = time.monotonic()
        report = deliver(policy=replace(QUICK, answer_timeout_seconds=0.3, tries_per_round=2))
    assert time.monotonic() - started < 20
    assert (report.delivered_count, report.pending_count) == (0, 2)
    assert "DeadlineError" in report.problem


def test_deliver__round_is_up__what_is_left_waits(warehouse_database, monkeypatch):
    publish_night(0, {fresh_code(): "A", fresh_code(): "B"})
    with receiver(drip_headers) as url:
        use_receiver(monkeypatch, url)
        report = deliver(policy=replace(QUICK, round_seconds=-1))
    assert (report.delivered_count, report.pending_count) == (0, 2)
    assert "the receiver is slow" in report.problem


def test_reconcile__list_without_an_end__is_a_problem_and_holds_no_connection(warehouse_database, monkeypatch):
    monkeypatch.setattr(reconciling, "PAGE_SECONDS", 0.3)
    with receiver(drip_body) as url:
        use_receiver(monkeypatch, url)
        open_transactions = []

        def look():
            time.sleep(0.15)
            with connect() as opened:
                open_transactions.extend(
                    opened.execute(
                        "select query from pg_stat_activity where datname = current_database() "
                        "and usename = 'pc_publishing' and state like 'idle in transaction%'"
                    )
                )

        looking = threading.Thread(target=look)
        looking.start()
        report = reconciling.reconcile("tendering", date(2026, 10, 30))
        looking.join()
    assert "DeadlineError" in report.problem and open_transactions == []


def test_reconcile__endless_pages__end_with_the_list(monkeypatch):
    monkeypatch.setattr(reconciling, "LIST_SECONDS", -1)
    monkeypatch.setattr(reconciling, "PAGE_SIZE", 1)

    class Listing:
        def get(self, _path, *, params):
            row = {"sequence": params["after"] + 1}
            return httpx.Response(200, json={"received": [row]}, request=httpx.Request("GET", "http://a/"))

    with pytest.raises(outbound.DeadlineError, match="not at its end"):
        reconciling._listed(Listing())


def test_receipts__of_a_rerun__are_compared_too(warehouse_database, monkeypatch):
    """The day's comparison is done; a run that delivers more compares again, one that delivers nothing does not."""
    asked, delivered = [], {"tendering": 1}
    monkeypatch.setattr(reconciling, "delivered_so_far", lambda names: [(name, delivered[name]) for name in names])

    def answer(names, _date):
        asked.append(list(names))
        return [reconciling.Reconciliation(name) for name in names]

    monkeypatch.setattr(reconciling, "reconcile_all", answer)
    day = date(2026, 10, 30)
    for count in (1, 1, 84):
        delivered["tendering"] = count
        assert watch_tasks._compare_receipts(["tendering"], day) == []
    assert asked == [["tendering"], ["tendering"]]
