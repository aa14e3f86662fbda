"""Signed deliveries (RFC 9421 with Content-Digest, Ed25519): signing on our side, checking on a receiver's.

Owns which parts of a request are signed. A receiver can use ``problem_with_signature`` as it is.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from http_message_signatures import (
    HTTPMessageSignaturesException,
    HTTPMessageSigner,
    HTTPMessageVerifier,
    MappingKeyResolver,
    algorithms,
)

from property_credit.publishing.signing import SigningKey

COVERED = ("@method", "@target-uri", "idempotency-key", "content-type")
TAG = "property-credit"
OLDEST = timedelta(minutes=10)


def sign(request: Any, content: bytes, key: SigningKey, *, created: datetime | None = None) -> None:
    """Add Content-Digest, Signature-Input and Signature to an httpx request with ``content``; ``created``: else now."""
    resolver = MappingKeyResolver(public_keys={}, private_keys={key.key_id: key.private})
    signer = HTTPMessageSigner(signature_algorithm=algorithms.ED25519, key_resolver=resolver)
    signer.sign(
        request, key_id=key.key_id, covered_component_ids=COVERED, tag=TAG, label="pc", body=content, created=created
    )


def problem_with_signature(request: Any, content: bytes, public_keys: Mapping[str, bytes]) -> str | None:
    """Say what is wrong with a request's signature, or None when it is by one of ``public_keys`` (id → 32 bytes)."""
    resolver = MappingKeyResolver(
        public_keys={key_id: Ed25519PublicKey.from_public_bytes(raw) for key_id, raw in public_keys.items()},
        private_keys={},
    )
    verifier = HTTPMessageVerifier(signature_algorithm=algorithms.ED25519, key_resolver=resolver)
    try:
        verified = verifier.verify(request, max_age=OLDEST, expect_tag=TAG, require_components=COVERED, body=content)
    except (HTTPMessageSignaturesException, ValueError, KeyError) as error:
        return f"the signature does not hold: {error}"
    return None if verified else "the request is not signed"
