"""The Merkle tree of everything published (RFC 9162, SHA-256): roots, proofs, and their offline check.

Owns hashing and proofs, as section 2.1 of the RFC has them. Knows no table and no key. Nodes are bytes inside and hex
in files; leaves count from 1, as they are numbered in the log.
"""

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

EMPTY_ROOT = hashlib.sha256(b"").digest()


class ProofError(Exception):
    """A proof does not hold; the message says which part."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of a leaf (RFC 9162, 2.1.1)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()


class PublishedTree:
    """The tree over leaf hashes in their order. Every complete subtree is hashed once, when its last leaf comes.

    >>> tree = PublishedTree(leaf_hash(bytes([n])) for n in range(7))
    >>> proof = tree.prove_inclusion(3)
    >>> check_inclusion(bytes([2]), proof, leaf_index=3, tree_size=7, root=tree.root().hex())
    >>> check_consistency(tree.prove_consistency(5), first=(5, tree.root(5).hex()), second=(7, tree.root().hex()))
    """

    def __init__(self, leaf_hashes: Iterable[bytes] = ()) -> None:
        self._levels: list[list[bytes]] = [[]]  # level k: roots of the complete subtrees of 2^k leaves, from the left
        for leaf in leaf_hashes:
            self.append(leaf)

    def __len__(self) -> int:
        """Return the number of leaves."""
        return len(self._levels[0])

    def append(self, node: bytes) -> None:
        """Add a leaf by its hash."""
        for nodes in self._levels:
            nodes.append(node)
            if len(nodes) % 2:
                return
            node = _node(nodes[-2], nodes[-1])
        self._levels.append([node])

    def root(self, size: int | None = None) -> bytes:
        """Return the root over the first ``size`` leaves (2.1.1); None: over all of them."""
        size = self._checked(len(self) if size is None else size)
        return self._subroot(0, size) if size else EMPTY_ROOT

    def frontier(self, size: int) -> list[str]:
        """Return the roots of the perfect subtrees that the first ``size`` leaves fall into, from left to right.

        >>> tree = PublishedTree(leaf_hash(bytes([n])) for n in range(7))
        >>> [width for width, _ in _subtrees([bytes.fromhex(one) for one in tree.frontier(6)], 6)]
        [4, 2]
        """
        nodes, start = [], 0
        for width in _widths(self._checked(size)):
            nodes.append(self._subroot(start, start + width).hex())
            start += width
        return nodes

    def prove_inclusion(self, leaf_index: int, size: int | None = None) -> dict[str, Any]:
        """Return the proof that the leaf ``leaf_index`` (from 1) is among the first ``size`` (2.1.3.1)."""
        start, end, path = 0, self._checked(len(self) if size is None else size), list[bytes]()
        if not 1 <= leaf_index <= end:
            raise ValueError(f"there is no leaf {leaf_index} among {end}")
        while end - start > 1:
            middle = start + _split(end - start)
            if leaf_index <= middle:
                path.append(self._subroot(middle, end))
                end = middle
            else:
                path.append(self._subroot(start, middle))
                start = middle
        return {"path": [node.hex() for node in reversed(path)]}

    def prove_consistency(self, first: int, second: int | None = None) -> dict[str, Any]:
        """Return the proof that the first ``second`` leaves begin with the first ``first`` ones (2.1.4.1)."""
        start, end, path = 0, self._checked(len(self) if second is None else second), list[bytes]()
        if not 1 <= first <= end:
            raise ValueError(f"a tree of {end} leaves does not go on from one of {first}")
        while end > first:
            middle = start + _split(end - start)
            if first <= middle:
                path.append(self._subroot(middle, end))
                end = middle
            else:
                path.append(self._subroot(start, middle))
                start = middle
        if start:  # else what is left is the first tree itself, whose root the reader has
            path.append(self._subroot(start, end))
        return {"path": [node.hex() for node in reversed(path)]}

    def hashes(self, height: int, start: int, count: int) -> list[bytes]:
        """Return ``count`` roots of complete subtrees of 2^``height`` leaves, from number ``start`` (from 0) on."""
        nodes = self._levels[height] if height < len(self._levels) else []
        if start + count > len(nodes):
            raise ValueError(f"there are {len(nodes)} complete subtrees of height {height}, not {start + count}")
        return nodes[start : start + count]

    def _checked(self, size: int) -> int:
        if not 0 <= size <= len(self):
            raise ValueError(f"the tree has {len(self)} leaves, not {size}")
        return size

    def _subroot(self, start: int, end: int) -> bytes:
        """Return the root over the leaves from ``start`` to before ``end``; only what starts a subtree is asked for."""
        width = end - start
        if width & (width - 1) == 0:
            return self._levels[width.bit_length() - 1][start // width]
        middle = start + _split(width)
        return _node(self._subroot(start, middle), self._subroot(middle, end))


def _split(width: int) -> int:
    """Return the largest power of two below ``width`` (≥ 2)."""
    return 1 << ((width - 1).bit_length() - 1)


def _widths(size: int) -> list[int]:
    return [1 << bit for bit in reversed(range(size.bit_length())) if size >> bit & 1]


def _subtrees(frontier: Sequence[bytes], size: int) -> list[tuple[int, bytes]]:
    if len(frontier) != len(_widths(size)):
        raise ProofError(f"a tree of {size} leaves has {len(_widths(size))} subtrees, the file names {len(frontier)}")
    return list(zip(_widths(size), frontier, strict=True))


def root_of(frontier: Sequence[str], size: int, leaf_hashes: Iterable[bytes] = ()) -> str:
    """Return the root of a tree of ``size`` leaves, known by its subtrees only, after appending ``leaf_hashes``.

    >>> tree = PublishedTree(leaf_hash(bytes([n])) for n in range(7))
    >>> root_of(tree.frontier(5), 5, [leaf_hash(b"\\x05"), leaf_hash(b"\\x06")]) == tree.root().hex()
    True
    """
    stack = _subtrees([bytes.fromhex(one) for one in frontier], size)
    for leaf in leaf_hashes:
        stack.append((1, leaf))
        while len(stack) > 1 and stack[-1][0] == stack[-2][0]:
            width, right = stack.pop()
            stack[-1] = (2 * width, _node(stack[-1][1], right))
    if not stack:
        return EMPTY_ROOT.hex()
    root = stack.pop()[1]
    while stack:
        root = _node(stack.pop()[1], root)
    return root.hex()


def check_inclusion(entry: bytes, proof: dict[str, Any], *, leaf_index: int, tree_size: int, root: str) -> None:
    """Raise ProofError unless ``entry`` is the leaf ``leaf_index`` (from 1) of the tree with this size and root.

    RFC 9162, 2.1.3.2, step by step: ``at`` and ``last`` are where we and the tree's last leaf are at each level.
    """
    what = "the inclusion proof does not hold"
    if not 1 <= leaf_index <= tree_size:
        raise ProofError(f"{what}: there is no leaf {leaf_index} among {tree_size}")
    at, last, computed = leaf_index - 1, tree_size - 1, leaf_hash(entry)
    for node in _path(proof, what):
        if last == 0:
            raise ProofError(f"{what}: its path is too long")
        if at & 1 or at == last:
            computed = _node(node, computed)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            computed = _node(computed, node)
        at, last = at >> 1, last >> 1
    if last or computed.hex() != root:
        raise ProofError(f"{what}: it does not lead to the root")


def check_consistency(proof: dict[str, Any], *, first: tuple[int, str], second: tuple[int, str]) -> None:
    """Raise ProofError unless the tree ``second`` (size, root) only adds leaves to the tree ``first`` (2.1.4.2)."""
    what = "the consistency proof does not hold"
    path = _path(proof, what)
    if not 1 <= first[0] <= second[0]:
        raise ProofError(f"{what}: a tree of {second[0]} leaves does not go on from one of {first[0]}")
    if first[0] == second[0]:
        if path or first[1] != second[1]:
            raise ProofError(f"{what}: two trees of one size have one root, and nothing is to be proved")
        return
    if first[0] & (first[0] - 1) == 0:
        path = [bytes.fromhex(first[1]), *path]
    if not path:
        raise ProofError(f"{what}: its path is empty")
    at, last = first[0] - 1, second[0] - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    old = new = path[0]
    for node in path[1:]:
        if last == 0:
            raise ProofError(f"{what}: its path is too long")
        if at & 1 or at == last:
            old, new = _node(node, old), _node(node, new)
            while not at & 1 and at:
                at, last = at >> 1, last >> 1
        else:
            new = _node(new, node)
        at, last = at >> 1, last >> 1
    if last or (old.hex(), new.hex()) != (first[1], second[1]):
        raise ProofError(f"{what}: it does not lead to both roots")


def _path(proof: dict[str, Any], what: str) -> list[bytes]:
    try:
        path = [bytes.fromhex(node) for node in proof["path"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ProofError(f"{what}: its path cannot be read: {error}") from error
    if any(len(node) != hashlib.sha256().digest_size for node in path):
        raise ProofError(f"{what}: a step of its path is no SHA-256 hash")
    return path
