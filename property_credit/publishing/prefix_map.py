"""The map of current entries: for every enterprise the history of its versions, under one root that the head signs.

A prefix tree over SHA-256 of the credit code, as key transparency keeps beside its log: the log proves that an entry
was published, the map that no later one was. A subtree with one enterprise is that enterprise's leaf, so a proof has as
many nodes as the tree is deep (18 for 200,000), and a missing enterprise is proved as shortly as one that is there. A
sparse tree of 256 levels proves the same with more to send; a list of all entries would prove it with the whole list.

Hashes: leaf = SHA-256(0x02 ‖ key ‖ value), node = SHA-256(0x03 ‖ left ‖ right), an empty subtree is 32 zero bytes;
0x00 and 0x01 are the log's (RFC 9162). key = SHA-256(credit code), value = SHA-256(canonical JSON of the history).

Owns the tree and its proofs. Knows no table and no key.
"""

import hashlib
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

from property_credit.publishing.merkle import ProofError

EMPTY = bytes(32)
_DEEPEST = 256


def key_of(uscc: str) -> bytes:
    """Return where an enterprise lies in the map."""
    return hashlib.sha256(uscc.encode()).digest()


def leaf(key: bytes, value: bytes) -> bytes:
    """Return the hash of an enterprise's leaf."""
    return hashlib.sha256(b"\x02" + key + value).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x03" + left + right).digest()


def _bit(key: bytes, depth: int) -> int:
    return key[depth >> 3] >> (7 - (depth & 7)) & 1


class PrefixMap:
    """The map over (key, value) pairs of 32 bytes each, at most one pair a key.

    >>> pairs = [(key_of(code), key_of(code + "!")) for code in "abcdefg"]
    >>> tree = PrefixMap(pairs)
    >>> check(tree.prove(key_of("c")), key_of("c"), key_of("c!"), root=tree.root.hex())
    >>> check(tree.prove(key_of("z")), key_of("z"), None, root=tree.root.hex())
    """

    def __init__(self, pairs: Iterable[tuple[bytes, bytes]]) -> None:
        ordered = sorted(pairs)
        self._keys, self._values = [pair[0] for pair in ordered], [pair[1] for pair in ordered]
        self._numbers = [int.from_bytes(key) for key in self._keys]
        self._nodes: dict[tuple[int, int], bytes] = {}  # by the first key's place and the depth of the subtree's top
        self.root = self._build(0, len(ordered), 0)

    def __len__(self) -> int:
        """Return the number of enterprises."""
        return len(self._keys)

    def _build(self, start: int, end: int, depth: int) -> bytes:
        if end - start == 0:
            return EMPTY
        if end - start == 1:
            return leaf(self._keys[start], self._values[start])
        middle = self._middle(start, end, depth)
        node = _node(self._build(start, middle, depth + 1), self._build(middle, end, depth + 1))
        self._nodes[start, depth] = node
        return node

    def _middle(self, start: int, end: int, depth: int) -> int:
        """Return the place of the first key whose bit ``depth`` is set."""
        rest = 255 - depth
        return bisect_left(self._numbers, (self._numbers[start] >> rest | 1) << rest, start, end)

    def _hash(self, start: int, end: int, depth: int) -> bytes:
        return self._build(start, end, depth) if end - start < 2 else self._nodes[start, depth]

    def prove(self, key: bytes) -> dict[str, Any]:
        """Return the proof of what lies at ``key``: its siblings from the root down, and another's leaf met instead."""
        start, end, depth, siblings = 0, len(self._keys), 0, list[str]()
        while end - start > 1:
            middle = self._middle(start, end, depth)
            if _bit(key, depth):
                siblings.append(self._hash(start, middle, depth + 1).hex())
                start = middle
            else:
                siblings.append(self._hash(middle, end, depth + 1).hex())
                end = middle
            depth += 1
        other = None
        if end - start == 1 and self._keys[start] != key:
            other = {"key": self._keys[start].hex(), "value": self._values[start].hex()}
        return {"siblings": siblings, "other": other}


def check(proof: dict[str, Any], key: bytes, value: bytes | None, *, root: str) -> None:
    """Raise ProofError unless the map of this root holds ``value`` at ``key`` (None: holds nothing there)."""
    what = "the map proof does not hold"
    try:
        siblings = [bytes.fromhex(one) for one in proof["siblings"]]
        other = proof.get("other")
        met = (bytes.fromhex(other["key"]), bytes.fromhex(other["value"])) if other else None
    except (KeyError, TypeError, ValueError) as error:
        raise ProofError(f"{what}: it cannot be read: {error}") from error
    if len(siblings) > _DEEPEST or any(len(one) != 32 for one in [*siblings, *(met or ())]):
        raise ProofError(f"{what}: a step of it is no SHA-256 hash, or it has too many")
    if value is not None:
        if met:
            raise ProofError(f"{what}: it shows another enterprise's leaf")
        node = leaf(key, value)
    elif met:
        if met[0] == key or any(_bit(met[0], depth) != _bit(key, depth) for depth in range(len(siblings))):
            raise ProofError(f"{what}: the leaf it shows does not lie on the way")
        node = leaf(*met)
    else:
        node = EMPTY
    node = fold(node, siblings, key)
    if node.hex() != root:
        raise ProofError(f"{what}: it does not lead to the root")


def fold(node: bytes, siblings: Sequence[bytes], key: bytes) -> bytes:
    """Return the root that a node below ``siblings`` (from the root down) on the way to ``key`` leads to."""
    for depth in reversed(range(len(siblings))):
        node = _node(siblings[depth], node) if _bit(key, depth) else _node(node, siblings[depth])
    return node
