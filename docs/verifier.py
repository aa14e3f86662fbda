"""Check a published file of the credit log with the standard library and openssl alone: python verifier.py FILE KEY.pem

FILE is what /v1/lists/…, /v1/log/inclusion/…, /v1/log/consistency or /v1/…certificate… answered.
It shares no code with the project and follows format.md. Exit 0 and what was proved, or exit 1 and why not."""
import base64
import hashlib
import json
import subprocess
import sys
import tempfile
from datetime import date

def sha(data):
    return hashlib.sha256(data).digest()

def canonical(value):  # RFC 8785: our documents hold text, whole numbers, true, false and null only
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()

def need(holds, why):
    if not holds:
        raise ValueError(why)

def signed(pem, content, signature):
    with tempfile.TemporaryDirectory() as home:
        for name, data in (("said", content), ("given", base64.b64decode(signature)), ("key", pem)):
            with open(f"{home}/{name}", "wb") as file:
                file.write(data)
        command = "openssl pkeyutl -verify -pubin -inkey key -rawin -in said -sigfile given".split()
        return subprocess.run(command, cwd=home, capture_output=True).returncode == 0

def pem_of(raw):  # 32 bytes of an Ed25519 key as SubjectPublicKeyInfo (RFC 8410)
    body = base64.b64encode(bytes.fromhex("302a300506032b6570032100") + raw).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{body}\n-----END PUBLIC KEY-----\n".encode()

def climb(old, new, at, last, path):  # RFC 9162, 2.1.3.2 and 2.1.4.2
    for node in path:
        need(last > 0, "the path is too long")
        if at & 1 or at == last:
            old, new = sha(b"\x01" + node + old), sha(b"\x01" + node + new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = sha(b"\x01" + new + node)
        at, last = at >> 1, last >> 1
    need(last == 0, "the path is too short")
    return old.hex(), new.hex()

def included(leaf, index, size, path, root):  # leaves count from 0
    need(type(index) is int and 0 <= index < size, "there is no such leaf")
    climbed = climb(leaf, leaf, index, size - 1, [bytes.fromhex(node) for node in path])[1]
    need(climbed == root, "the inclusion proof does not lead to the root")

def consistent(m, first, n, second, path):
    path = [bytes.fromhex(node) for node in path]
    if m == n:
        return need(first == second and not path, "one size has two roots: a split view")
    need(0 < m < n, "the log does not go on from there")
    path = [bytes.fromhex(first), *path] if m & (m - 1) == 0 else path
    at, last = m - 1, n - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    roots = climb(path[0], path[0], at, last, path[1:])
    need(roots == (first, second), "the consistency proof does not lead to both roots")

def mapped(uscc, history, proof, root):  # the map: docs/format.md
    key, other = sha(uscc.encode()), proof.get("other")
    bits = [key[i >> 3] >> (7 - (i & 7)) & 1 for i in range(256)]
    need(not (history and other), "the map proof shows another enterprise")
    node_hash = sha(b"\x02" + key + sha(canonical(history))) if history else bytes(32)
    if other:
        met = bytes.fromhex(other["key"])
        shared = [met[i >> 3] >> (7 - (i & 7)) & 1 for i in range(len(proof["siblings"]))]
        need(met != key and shared == bits[: len(shared)], "the leaf shown does not lie on the way")
        node_hash = sha(b"\x02" + met + bytes.fromhex(other["value"]))
    for i, node in reversed(list(enumerate(map(bytes.fromhex, proof["siblings"])))):
        node_hash = sha(b"\x03" + (node + node_hash if bits[i] else node_hash + node))
    need(node_hash.hex() == root, "the map proof does not lead to the root")
    days = [date.fromisoformat(day) for _, day, _ in history]
    numbers = [number for number, _, _ in history]
    need(numbers == list(range(1, len(history) + 1)) and days == sorted(days), "the history is not in order")

def head_of(tree_head, content, pem):
    head, said, by = tree_head["head"], canonical(tree_head["head"]), tree_head["signature"]
    if not signed(pem, said, by["value"]):  # by an earlier key, or a forgery
        newest = (content.get("roots") or [{"signatures": []}])[-1]
        by_us = any(signed(pem, canonical(newest["root"]), one["value"]) for one in newest["signatures"])
        need(by_us, "the tree head is not signed by this key, and no root document that is speaks for another")
        past = {one["key_id"]: one for one in newest["root"]["past"]}.get(by["key_id"])
        key = past and pem_of(base64.b64decode(past["public_key"]))
        need(key and signed(key, said, by["value"]), "the tree head is signed by no key of ours")
        need("anchor" in tree_head, "an earlier key counts only with the proof that its head was published before")
        anchor = tree_head["anchor"]
        included(sha(b"\x00" + said), anchor["head_index"], past["heads"], anchor["path"], past["heads_root"])
    return head

def check(content, pem):
    if "proof" in content and "first_head" in content:
        first, second = (head_of(content[name], content, pem) for name in ("first_head", "second_head"))
        consistent(first["tree_size"], first["root"], second["tree_size"], second["root"], content["proof"]["path"])
        return f"the log grew from {first['tree_size']} to {second['tree_size']} leaves and changed none"
    head = head_of(content["tree_head"], content, pem)
    if "document" in content:
        document, tree = content["document"], content["document"]["tree"]
        need(sha(canonical(document)).hex() == head["document_sha256"], "the tree head is of another document")
        size, nodes = tree["first_leaf"], [bytes.fromhex(node) for node in tree["frontier"]]
        widths = [1 << bit for bit in reversed(range(size.bit_length())) if size >> bit & 1]
        need(len(widths) == len(nodes), "the frontier does not fit")
        stack = list(zip(widths, nodes))
        for entry in document["entries"]:
            stack.append((1, sha(b"\x00" + canonical(entry))))
            while len(stack) > 1 and stack[-1][0] == stack[-2][0]:
                width, right = stack.pop()
                stack[-1] = (2 * width, sha(b"\x01" + stack[-1][1] + right))
        root = stack.pop()[1] if stack else sha(b"")
        while stack:
            root = sha(b"\x01" + stack.pop()[1] + root)
        size += len(document["entries"])
        need(root.hex() == head["root"] and head["tree_size"] == size, "the entries give another root")
        return f"{document['list_id']}: {len(document['entries'])} entries, signed and in the log"
    said, day = [], "enterprises" in content and date.fromisoformat(content["as_of"]).isoformat()
    if day:  # what is published after this head binds from its day on, or later
        need(content["enterprises"], "the certificate names no enterprise")
        need(day <= head["as_of"], f"it is for {day}, and its log reaches to {head['as_of']}: fetch it again")
        said.append(f"on {day}" + (" (a correction of that day may follow)" if day == head["as_of"] else ""))
    for item in content.get("enterprises", [content]):
        uscc, entry = item["uscc"] if "uscc" in item else item["entry"]["uscc"], item["entry"]
        mapped(uscc, item["history"], item["map_proof"], head["map_root"])
        place = sum(one[1] <= day for one in item["history"]) if "enterprises" in content else entry["version_no"]
        wanted, after = item["history"][:place], item["history"][place:]
        need((entry is None) == (not wanted), f"{uscc}: an entry is shown and none was in force, or the reverse")
        if entry:
            leaf = sha(b"\x00" + canonical(entry))
            shown = [entry["version_no"], entry["valid_from"], leaf.hex()]
            need(entry["uscc"] == uscc and shown == wanted[-1], f"{uscc}: the entry is not the one in force")
            included(leaf, item["leaf_index"], head["tree_size"], item["proof"]["path"], head["root"])
            if "enterprises" in content:
                before = item["supersedes"] and sha(b"\x00" + canonical(item["supersedes"])).hex()
                need(before == (wanted[-2][2] if len(wanted) > 1 else None), f"{uscc}: it replaces something else")
        grade = entry and (entry["grade"] or entry["status_code"])
        said.append(f"{uscc}: {grade or 'no published grade'}" + (f", replaced from {after[0][1]}" if after else ""))
    return "; ".join(said)

if __name__ == "__main__":
    try:
        content = json.load(open(sys.argv[1], encoding="utf-8"))
        said = check(content, open(sys.argv[2], "rb").read())
        invented = (content.get("tree_head") or content["second_head"])["head"].get("is_invented")
        print("verified:" + (" INVENTED, nobody's grade:" if invented else ""), said)
    except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
        sys.exit(f"NOT VERIFIED: {type(error).__name__}: {error}")
