"""Who asked a service for what: one line a request, JSON, under DATA_DIR/logs; no form and no cookie."""

import json
import threading
from dataclasses import dataclass, field

from starlette.requests import Request

from property_credit.warehouse.business_date import arrival
from property_credit.warehouse.settings import get_settings


@dataclass(frozen=True)
class AccessLog:
    """The log ``<service>-access.jsonl``; ``who``: what the field of the signed-in person is called."""

    service: str
    who: str
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, request: Request, status: int, name: str | None, *, path: str | None = None) -> None:
        """Write when, who, what and with which outcome; ``path``: instead of one that tells too much."""
        file = get_settings().data_dir / "logs" / f"{self.service}-access.jsonl"
        entry = {
            "at": arrival().isoformat(),
            self.who: name,
            "address": request.client.host if request.client else None,
            "method": request.method,
            "path": path or request.url.path,
            "status": status,
        }
        with self._lock:
            file.parent.mkdir(parents=True, exist_ok=True)
            with open(file, "a", encoding="utf-8") as log:
                log.write(json.dumps(entry, ensure_ascii=False) + "\n")
