"""A receiver of grades on a page, with signatures (RFC 9421) and duplicates: python receiver.py public-keys.json [port]
Needs `cryptography`. What it took is in received.json; a real one writes to a database in one transaction."""

import base64, hashlib, json, re, sys, threading, time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

KEYS = {one["key_id"]: base64.b64decode(one["public_key"]) for one in json.loads(Path(sys.argv[1]).read_text())["keys"]
        if one.get("status", "signing") == "signing"}
STORE, LOCK = Path("received.json"), threading.Lock()
TAKEN = json.loads(STORE.read_text()) if STORE.exists() else {}  # idempotency key → receipt and body, in order

def problem_with(request, body):
    """Say what is wrong with a signature, or None."""
    if not (given := re.fullmatch(r'pc=(\((.*?)\);(.*))', request.headers.get("Signature-Input", ""))):
        return "the request is not signed"
    names, about = re.findall(r'"([^"]+)"', given[2]), dict(re.findall(r'(\w+)="?([^";]+)"?', given[3]))
    if not {"@method", "@target-uri", "idempotency-key", "content-type", "content-digest"} <= set(names):
        return "the signature leaves something out"
    if about.get("tag") != "property-credit" or abs(time.time() - int(about.get("created", 0))) > 600:
        return "the signature is not for this, or older than 10 minutes"
    if request.headers.get("Content-Digest") != f"sha-256=:{base64.b64encode(hashlib.sha256(body).digest()).decode()}:":
        return "the body is not the one that was signed"
    derived = {"@method": request.command, "@target-uri": f"http://{request.headers['Host']}{request.path}"}
    lines = [f'"{name}": {derived.get(name) or request.headers.get(name, "")}' for name in names]
    base = "\n".join([*lines, f'"@signature-params": {given[1]}'])
    try:
        signature = base64.b64decode(re.fullmatch("pc=:(.*):", request.headers.get("Signature", ""))[1])
        Ed25519PublicKey.from_public_bytes(KEYS[about["keyid"]]).verify(signature, base.encode())
    except Exception:
        return "the signature does not hold"
class Receiver(BaseHTTPRequestHandler):
    def answer(self, status, content):
        sent = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(sent)))
        self.end_headers()
        self.wfile.write(sent)

    def do_POST(self):
        body, key = self.rfile.read(int(self.headers.get("Content-Length", 0))), self.headers.get("Idempotency-Key")
        if wrong := problem_with(self, body):
            return self.answer(401, {"detail": wrong})
        try:
            json.loads(body)["uscc"]
        except (ValueError, KeyError, TypeError):
            return self.answer(422, {"detail": "the body is no grade"})
        digest = hashlib.sha256(body).hexdigest()
        with LOCK:
            place, now = len(TAKEN) + 1, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            known = TAKEN.setdefault(key, {"idempotency_key": key, "receipt_no": f"R{place}", "received_at": now,
                                           "body_sha256": digest, "sequence": place, "body": body.decode()})
            STORE.write_text(json.dumps(TAKEN))
        self.answer(200 if known["body_sha256"] == digest else 409, known)

    def do_GET(self):  # /received: what the sender compares its receipts with every night
        self.answer(200, {"received": list(TAKEN.values())} if self.path.startswith("/received") else {})

ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2]) if len(sys.argv) > 2 else 8080), Receiver).serve_forever()
