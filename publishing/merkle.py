"""The Merkle tree of everything published (RFC 9162, SHA-256): roots, proofs, and their offline check.

Owns hashing and proofs, through pymerkle. Knows no table and no key.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

from pymerkle import (
    BaseMerkleTree,
    ConsistencyProof,
    InclusionProof,
    InvalidProof,
    verify_consistency,
    verify_inclusion,
)


class ProofError(Exception):
    """A proof does not hold; the message says which part."""


class PublishedTree(BaseMerkleTree):  # type: ignore[misc]
    """The tree over leaf hashes that are known already; pymerkle does the rest."""

    def __init__(self, leaf_hashes: Iterable[bytes]) -> None:
        super().__init__(algorithm="sha256")
        self._leaves = list(leaf_hashes)

    def _encode_entry(self, data: bytes) -> bytes:
        return data

    def _store_leaf(self, data: bytes, digest: bytes) -> int:
        self._leaves.append(digest)
        return len(self._leaves)

    def _get_leaf(self, index: int) -> bytes:
        return self._leaves[index - 1]

    def _get_leaves(self, offset: int, width: int) -> Sequence[bytes]:
        return self._leaves[offset : offset + width]

    def _get_size(self) -> int:
        return len(self._leaves)

    def frontier(self, size: int) -> list[str]:
        """Return the roots of the perfect subtrees that the first ``size`` leaves fall into, from left to right.

        >>> tree = PublishedTree(leaf_hash(bytes([n])) for n in range(7))
        >>> [width for width, _ in _subtrees([bytes.fromhex(one) for one in tree.frontier(6)], 6)]
        [4, 2]
        """
        found, offset = [], 0
        for width in _widths(size):
            found.append(self._get_subroot(offset, width).hex())
            offset += width
        return found


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf (RFC 9162, 2.1.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


def _widths(size: int) -> list[int]:
    return [1 << bit for bit in reversed(range(size.bit_length())) if size >> bit & 1]


def _subtrees(frontier: Sequence[bytes], size: int) -> list[tuple[int, bytes]]:
    if len(frontier) != len(_widths(size)):
        raise ProofError(f"a tree of {size} leaves has {len(_widths(size))} subtrees, the file names {len(frontier)}")
    return list(zip(_widths(size), frontier, strict=True))


def root_of(frontier: Sequence[str], size: int, leaf_hashes: Iterable[bytes] = ()) -> str:
    """Return the root of a tree of ``size`` leaves, known by its subtrees only, after appending ``leaf_hashes``.

    >>> tree = PublishedTree(leaf_hash(bytes([n])) for n in range(7))
    >>> root_of(tree.frontier(5), 5, [leaf_hash(b"\\x05"), leaf_hash(b"\\x06")]) == tree.get_root().hex()
    True
    """
    stack = _subtrees([bytes.fromhex(one) for one in frontier], size)
    for found in leaf_hashes:
        stack.append((1, found))
        while len(stack) > 1 and stack[-1][0] == stack[-2][0]:
            width, right = stack.pop()
            stack[-1] = (2 * width, _node(stack[-1][1], right))
    if not stack:
        return hashlib.sha256(b"").hexdigest()
    root = stack.pop()[1]
    while stack:
        root = _node(stack.pop()[1], root)
    return root.hex()


def check_inclusion(entry: bytes, proof: dict[str, Any], *, leaf_index: int, tree_size: int, root: str) -> None:
    """Raise ProofError unless ``entry`` is the leaf ``leaf_index`` (from 1) of the tree with this size and root."""
    try:
        found = InclusionProof.deserialize(proof)
        where = {"index": leaf_index, "size": tree_size}
        verify_inclusion(leaf_hash(entry), bytes.fromhex(root), found, algorithm="sha256", **where)
    except (InvalidProof, ValueError, TypeError) as error:
        raise ProofError(f"the inclusion proof does not hold: {error}") from error


def check_consistency(proof: dict[str, Any], *, first: tuple[int, str], second: tuple[int, str]) -> None:
    """Raise ProofError unless the tree ``second`` (size, root) only adds leaves to the tree ``first``."""
    try:
        found = ConsistencyProof.deserialize(proof)
        sizes = {"prior_size": first[0], "later_size": second[0]}
        verify_consistency(bytes.fromhex(first[1]), bytes.fromhex(second[1]), found, algorithm="sha256", **sizes)
    except (InvalidProof, ValueError, TypeError) as error:
        raise ProofError(f"the consistency proof does not hold: {error}") from error
