"""One post to a receiver: where to, signed by whom, and which kind of failure it met.

Three kinds of failure, told apart because they ask for different things:
- *unavailable*: nobody answers, or the receiver refuses us altogether (401, 403, 404). Rows wait.
- *transient*: a lost connection, 408, 425, 429, 5xx, a receipt that does not fit. Retried with backoff and jitter.
- *refused*: any other 4xx: the receiver will never take these bytes.
"""

import os
from pathlib import Path
from typing import Any

import httpx
from pydantic import AwareDatetime, BaseModel, ValidationError

from property_credit.publishing.body import sha256
from property_credit.publishing.errors import PublishingError
from property_credit.publishing.messages import sign
from property_credit.publishing.signing import SigningKey
from property_credit.warehouse.outbound import Outbound
from property_credit.warehouse.settings import get_settings

GRADES_PATH, NOTICES_PATH = "/v1/grades", "/v1/notices"
MOST_BYTES = 2**20  # of a receipt
_BUILT_IN = {"tendering": "TENDERING", "supervision": "SUPERVISION"}  # <…>_URL and <…>_TOKEN are settings
_TRANSIENT_STATUS = {408, 425, 429}
_SHUT_OUT_STATUS = {401, 403, 404, 405, 407}


class Receipt(BaseModel):
    """What a receiver answers to a delivery that it has stored."""

    idempotency_key: str
    receipt_no: str
    received_at: AwareDatetime
    body_sha256: str


class Failure(Exception):
    """One post failed."""


class Unavailable(Failure):
    """Nobody answers, or the receiver does not let us in."""


class TransientError(Failure):
    """It may work another time."""


class Refused(Failure):
    """It will never work with these bytes."""


def sandbox_address(data_dir: Path) -> str | None:
    """Return the address the sandbox of ``data_dir`` last listened on, whether or not it still does."""
    try:
        return (data_dir / "sandbox" / "address").read_text().strip() or None
    except FileNotFoundError:
        return None


def client(subscriber: dict[str, Any], *, deadline_seconds: float, most_bytes: int = MOST_BYTES) -> Outbound:
    """Return a client for a subscriber's endpoint; each of its exchanges ends within ``deadline_seconds``.

    Raises PublishingError when there is no address, or the variable with its token is named and not set.
    """
    settings = get_settings()
    url, is_local = subscriber["endpoint"], False
    built_in = _BUILT_IN.get(subscriber["subscriber"])
    if url is None and built_in:
        url = getattr(settings, f"{built_in.lower()}_url")
        if url is None:
            url, is_local = sandbox_address(settings.data_dir), True
    if url is None:
        raise PublishingError(
            f"{subscriber['subscriber']} has no address to deliver to: "
            f"start the sandbox (`python -m simulation.sandbox`), {f'set {built_in}_URL, ' if built_in else ''}"
            "or give the subscriber an endpoint"
        )
    headers = {"Content-Type": "application/json"}
    variable = subscriber["token_variable"]
    token = os.environ.get(variable) if variable else None
    if is_local and not token and settings.tendering_token:  # the sandbox stands in for every receiver, with one token
        token = settings.tendering_token.get_secret_value()
    if variable and not token and not (built_in and variable == f"{built_in}_TOKEN"):
        raise PublishingError(
            f"{subscriber['subscriber']}: the environment variable {variable} with its token is not set"
        )
    if token:
        headers["Authorization"] = f"Bearer {token}"
    # a proxy of the environment is for the world outside
    return Outbound(
        url, headers=headers, deadline_seconds=deadline_seconds, most_bytes=most_bytes, trust_env=not is_local
    )


def post(opened: Outbound, path: str, key: str, content: bytes, signing_key: SigningKey) -> Receipt:
    """Post one signed body to ``path``; return its receipt or raise the kind of failure it met."""
    request = opened.build_request("POST", path, content=content, headers={"Idempotency-Key": key})
    sign(request, content, signing_key)
    try:
        answer = opened.send(request)
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise Unavailable(f"no connection to {opened.base_url}: {error}") from error
    except httpx.TransportError as error:
        raise TransientError(f"the connection broke before the receipt: {type(error).__name__}: {error}") from error
    answered = f"{answer.status_code} {answer.text[:300]}"
    if answer.status_code in _SHUT_OUT_STATUS:
        raise Unavailable(
            f"the receiver does not let us in (address, token such as TENDERING_TOKEN, or key?): {answered}"
        )
    if answer.status_code in _TRANSIENT_STATUS or not (answer.is_success or answer.is_client_error):
        raise TransientError(f"the receiver answered {answered}")
    if answer.is_client_error:
        raise Refused(f"the receiver refused it: {answered}")
    try:
        receipt = Receipt.model_validate_json(answer.content)
    except ValidationError as error:
        raise TransientError(f"the receiver answered without a receipt: {answered}") from error
    if receipt.idempotency_key != key or receipt.body_sha256 != sha256(content):
        raise TransientError(f"the receipt is for something else: {answered}")
    return receipt
