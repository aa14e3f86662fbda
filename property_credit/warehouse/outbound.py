"""Requests to systems of others, each with an end: a deadline over the whole exchange and a bound on the answer.

A timeout of a socket begins again with every byte: a receiver that sends one now and then holds its caller for as long
as it likes. Here connecting, sending, headers and body share one deadline. Owns nothing of what is sent or answered.
"""

from types import TracebackType
from typing import Any

import anyio
import httpx
from anyio.from_thread import start_blocking_portal

MOST_BYTES = 16 * 2**20


class DeadlineError(httpx.TransportError):
    """The exchange took longer than it may."""


class OversizedError(httpx.TransportError):
    """The answer is larger than it may be."""


class Outbound:
    """A client of one address whose every exchange ends within ``deadline_seconds``.

    ``most_bytes`` bounds an answer as it is unpacked. Used as a context manager, by one thread at a time.
    """

    def __init__(
        self,
        base_url: str,
        *,
        deadline_seconds: float,
        headers: dict[str, str] | None = None,
        most_bytes: int = MOST_BYTES,
        trust_env: bool = True,
    ) -> None:
        self._deadline_seconds, self._most_bytes = deadline_seconds, most_bytes
        self._client = httpx.AsyncClient(
            base_url=base_url, headers=headers, timeout=deadline_seconds, trust_env=trust_env
        )
        self.base_url = self._client.base_url
        self._portal_context = start_blocking_portal()

    def __enter__(self) -> "Outbound":
        self._portal = self._portal_context.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._portal.call(self._client.aclose)
        finally:
            self._portal_context.__exit__(kind, error, trace)

    def build_request(self, method: str, path: str, **more: Any) -> httpx.Request:
        """Return a request to ``path`` below the address, to be signed or changed before it is sent."""
        return self._client.build_request(method, path, **more)

    def send(self, request: httpx.Request) -> httpx.Response:
        """Send and return the whole answer.

        Raises what httpx raises, DeadlineError when it is not there in time, OversizedError when it is too large.
        """
        return self._portal.call(self._exchange, request)

    def get(self, path: str, **more: Any) -> httpx.Response:
        """Send a GET; raises as ``send`` does."""
        return self.send(self.build_request("GET", path, **more))

    async def _exchange(self, request: httpx.Request) -> httpx.Response:
        try:
            with anyio.fail_after(self._deadline_seconds):
                answer = await self._client.send(request, stream=True)
                try:
                    content = await self._content_of(answer)
                finally:
                    await answer.aclose()
        except TimeoutError as error:
            raise DeadlineError(f"no whole answer within {self._deadline_seconds:g} s", request=request) from error
        headers = [
            pair for pair in answer.headers.raw if pair[0].lower() not in (b"content-encoding", b"content-length")
        ]
        return httpx.Response(answer.status_code, headers=headers, content=content, request=request)

    async def _content_of(self, answer: httpx.Response) -> bytes:
        parts, size = [], 0
        async for part in answer.aiter_bytes():
            size += len(part)
            if size > self._most_bytes:
                raise OversizedError(f"the answer is larger than {self._most_bytes:,} bytes", request=answer.request)
            parts.append(part)
        return b"".join(parts)
