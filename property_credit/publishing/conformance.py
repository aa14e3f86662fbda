"""Play every fault of the delivery protocol against a receiver and say how it took each.

Owns the cases. Uses a key and invented grades of its own, and neither warehouse nor outbox: a vendor can run it alone.
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from pydantic import ValidationError

from property_credit.publishing.body import canonical_bytes, sha256
from property_credit.publishing.messages import sign
from property_credit.publishing.sending import GRADES_PATH, Receipt
from property_credit.publishing.signing import SigningKey

USCC = "91350100M000100Y43"  # invented: nobody has it


@dataclass(frozen=True)
class Outcome:
    """One case: its name, what a receiver must do, whether it did, and what it answered."""

    case: str
    wanted: str
    is_passed: bool
    answered: str


class Suite:
    """The cases against one receiver."""

    def __init__(self, http: httpx.Client, key: SigningKey, stranger: SigningKey) -> None:
        self._http, self._key, self._stranger = http, key, stranger
        self._run = f"{int(time.time() * 1000):x}"

    def outcomes(self) -> list[Outcome]:
        """Run every case in order; a receiver that is away is an outcome, no error."""
        cases: list[tuple[str, str, Callable[[], tuple[bool, str]]]] = [
            ("delivery", "2xx and a receipt with key and SHA-256 of the body", self._delivery),
            ("same delivery again", "2xx and the same receipt", self._again),
            ("same key, another body", "4xx", self._other_body),
            ("eight times at once", "one receipt", self._at_once),
            ("body changed on the way", "401 or another 4xx", self._changed_body),
            ("not signed", "401 or another 4xx", self._unsigned),
            ("signed by another key", "401 or another 4xx", self._stranger_signs),
            ("signature of another request", "401 or another 4xx", self._other_key_header),
            ("signature an hour old", "401 or another 4xx", self._old_signature),
            ("signature for another address", "401 or another 4xx", self._other_address),
            ("no JSON", "4xx, not 5xx", self._no_json),
            ("unknown field", "2xx: fields may be added", self._unknown_field),
            ("older version after a newer one, then the newer one again", "2xx for each", self._older_after_newer),
            ("list of what was received", "GET /received names every delivery once, with its SHA-256", self._listed),
        ]
        results = []
        for name, wanted, case in cases:
            try:
                is_passed, answered = case()
            except (httpx.HTTPError, ValidationError, ValueError, KeyError, TypeError) as error:
                is_passed, answered = False, f"{type(error).__name__}: {str(error)[:120]}"
            results.append(Outcome(name, wanted, is_passed, answered))
        return results

    def _body(self, version: int = 1, **more: Any) -> bytes:
        grade = {
            "uscc": USCC,
            "enterprise_name": "示例物业",
            "grade": "A",
            "status_code": "rated",
            "version_no": version,
        }
        return canonical_bytes({**grade, "valid_from": "2026-10-01", "run": self._run, **more})

    def _request(self, name: str, content: bytes, *, key: SigningKey | None = None) -> httpx.Request:
        headers = {"Idempotency-Key": f"conformance/{self._run}/{name}", "Content-Type": "application/json"}
        request = self._http.build_request("POST", GRADES_PATH, content=content, headers=headers)
        sign(request, content, key or self._key)
        return request

    def _post(self, name: str, content: bytes) -> httpx.Response:
        return self._http.send(self._request(name, content))

    def _receipt(self, name: str, content: bytes) -> tuple[Receipt | None, str]:
        answer = self._post(name, content)
        answered = f"{answer.status_code} {answer.text[:80]}"
        if not answer.is_success:
            return None, answered
        receipt = Receipt.model_validate_json(answer.content)
        is_ours = receipt.idempotency_key.endswith(f"/{name}") and receipt.body_sha256 == sha256(content)
        return (receipt if is_ours else None), answered

    def _delivery(self) -> tuple[bool, str]:
        receipt, answered = self._receipt("1", self._body())
        return receipt is not None, answered

    def _again(self) -> tuple[bool, str]:
        first, _ = self._receipt("1", self._body())
        second, answered = self._receipt("1", self._body())
        return first is not None and first == second, answered

    def _other_body(self) -> tuple[bool, str]:
        return _refused(self._post("1", self._body(grade="AA")))

    def _at_once(self) -> tuple[bool, str]:
        receipts: list[Receipt | None] = []
        threads = [
            threading.Thread(target=lambda: receipts.append(self._receipt("parallel", self._body(9))[0]))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        different = len({str(receipt) for receipt in receipts})
        is_one = len(receipts) == 8 and None not in receipts and different == 1
        return is_one, f"{len(receipts)} answers, {different} receipts"

    def _changed_body(self) -> tuple[bool, str]:
        signed = self._request("changed", self._body())
        changed = self._body(grade="AA")
        headers = {**signed.headers, "content-length": str(len(changed))}
        return _refused(self._http.send(httpx.Request("POST", signed.url, headers=headers, content=changed)))

    def _unsigned(self) -> tuple[bool, str]:
        headers = {"Idempotency-Key": f"conformance/{self._run}/unsigned", "Content-Type": "application/json"}
        return _refused(self._http.post(GRADES_PATH, content=self._body(), headers=headers))

    def _stranger_signs(self) -> tuple[bool, str]:
        as_ours = SigningKey(self._key.key_id, self._stranger.private)
        return _refused(self._http.send(self._request("stranger", self._body(), key=as_ours)))

    def _other_key_header(self) -> tuple[bool, str]:
        request = self._request("moved", self._body())
        request.headers["Idempotency-Key"] = f"conformance/{self._run}/elsewhere"
        return _refused(self._http.send(request))

    def _old_signature(self) -> tuple[bool, str]:
        content = self._body()
        headers = {"Idempotency-Key": f"conformance/{self._run}/old", "Content-Type": "application/json"}
        request = self._http.build_request("POST", GRADES_PATH, content=content, headers=headers)
        sign(request, content, self._key, created=datetime.now(UTC) - timedelta(hours=1))
        return _refused(self._http.send(request))

    def _other_address(self) -> tuple[bool, str]:
        content = self._body()
        headers = {"Idempotency-Key": f"conformance/{self._run}/address", "Content-Type": "application/json"}
        elsewhere = httpx.Request("POST", "http://elsewhere.example/v1/grades", headers=headers, content=content)
        sign(elsewhere, content, self._key)
        request = self._http.build_request("POST", GRADES_PATH, content=content, headers=headers)
        for name in ("Content-Digest", "Signature", "Signature-Input"):
            request.headers[name] = elsewhere.headers[name]
        return _refused(self._http.send(request))

    def _no_json(self) -> tuple[bool, str]:
        return _refused(self._post("no-json", b"\xff not json"))

    def _unknown_field(self) -> tuple[bool, str]:
        receipt, answered = self._receipt("unknown-field", self._body(2, field_of_next_year=True))
        return receipt is not None, answered

    def _older_after_newer(self) -> tuple[bool, str]:
        names = (("order/2", 2), ("order/1", 1), ("order/2/2", 2))
        answers = [self._receipt(name, self._body(version, order=True)) for name, version in names]
        return all(receipt for receipt, _ in answers), "; ".join(answered[:40] for _, answered in answers)

    def _listed(self) -> tuple[bool, str]:
        answer = self._http.get("/received", params={"after": 0, "limit": 1_000_000})
        answer.raise_for_status()
        ours = [row for row in answer.json()["received"] if f"/{self._run}/" in row["idempotency_key"]]
        names = sorted(row["idempotency_key"].split("/", 2)[2] for row in ours)
        wanted = sorted(["1", "parallel", "unknown-field", "order/1", "order/2", "order/2/2"])
        hashes = {row["idempotency_key"].split("/", 2)[2]: row["body_sha256"] for row in ours}
        return names == wanted and hashes["1"] == sha256(self._body()), f"{len(ours)} listed: {', '.join(names)}"


def _refused(answer: httpx.Response) -> tuple[bool, str]:
    return answer.is_client_error, f"{answer.status_code} {answer.text[:80]}"
