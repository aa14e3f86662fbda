"""One post to a receiver: where to, signed by whom, and which kind of failure it met.

Three kinds of failure, told apart because they ask for different things:
- *unavailable*: nobody answers, or the receiver refuses us altogether (401, 403, 404). Rows wait.
- *faltering*: a lost connection, 408, 425, 429, 5xx, a receipt that does not fit. Retried with backoff and jitter.
- *refused*: any other 4xx: the receiver will never take these bytes.
"""

import os
from typing import Any

import httpx
from pydantic import AwareDatetime, BaseModel, ValidationError

from publishing import sandbox_process
from publishing.body import sha256
from publishing.errors import PublishingError
from publishing.messages import sign
from publishing.signing import SigningKey
from warehouse.settings import get_settings

GRADES_PATH, NOTICES_PATH = "/v1/grades", "/v1/notices"
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


class Faltering(Failure):
    """It may work another time."""


class Refused(Failure):
    """It will never work with these bytes."""


def client(subscriber: dict[str, Any], *, timeout_seconds: float) -> httpx.Client:
    """Return a client for a subscriber's endpoint.

    Raises PublishingError when there is no address, or the variable with its token is named and not set.
    """
    settings = get_settings()
    url, is_local = subscriber["endpoint"], False
    built_in = _BUILT_IN.get(subscriber["subscriber"])
    if url is None and built_in:
        url = getattr(settings, f"{built_in.lower()}_url")
        if url is None:
            url, is_local = sandbox_process.address(settings.data_dir), True
    if url is None:
        raise PublishingError(
            f"{subscriber['subscriber']} has no address to deliver to: "
            f"start the sandbox (`python -m publishing.sandbox`), {f'set {built_in}_URL, ' if built_in else ''}"
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
    return httpx.Client(base_url=url, headers=headers, timeout=timeout_seconds, trust_env=not is_local)


def post(opened: httpx.Client, path: str, key: str, content: bytes, signing_key: SigningKey) -> Receipt:
    """Post one signed body to ``path``; return its receipt or raise the kind of failure it met."""
    request = opened.build_request("POST", path, content=content, headers={"Idempotency-Key": key})
    sign(request, content, signing_key)
    try:
        answer = opened.send(request)
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise Unavailable(f"no connection to {opened.base_url}: {error}") from error
    except httpx.TransportError as error:
        raise Faltering(f"the connection broke before the receipt: {type(error).__name__}: {error}") from error
    said = f"{answer.status_code} {answer.text[:300]}"
    if answer.status_code in _SHUT_OUT_STATUS:
        raise Unavailable(f"the receiver does not let us in (address, token such as TENDERING_TOKEN, or key?): {said}")
    if answer.status_code in _TRANSIENT_STATUS or not (answer.is_success or answer.is_client_error):
        raise Faltering(f"the receiver answered {said}")
    if answer.is_client_error:
        raise Refused(f"the receiver refused it: {said}")
    try:
        receipt = Receipt.model_validate_json(answer.content)
    except ValidationError as error:
        raise Faltering(f"the receiver answered without a receipt: {said}") from error
    if receipt.idempotency_key != key or receipt.body_sha256 != sha256(content):
        raise Faltering(f"the receipt is for something else: {said}")
    return receipt
