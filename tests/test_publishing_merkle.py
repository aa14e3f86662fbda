"""The tree of RFC 9162: published vectors, its own definitions read literally, and every proof that must not hold."""

import hashlib

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from property_credit.publishing.merkle import (
    EMPTY_ROOT,
    ProofError,
    PublishedTree,
    check_consistency,
    check_inclusion,
    leaf_hash,
)
from property_credit.publishing.roots import canonical

_SCALARS = st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
_SCALARS |= st.integers() | st.sampled_from(['\x7f\u2028\u2029\b\x00"\\/é𝒳', 2**53, -(2**53), 1e21, 1e-7, -0.0])
_KEYS = st.text(max_size=3) | st.sampled_from(["\ue000", "𝒳", "\ufb33", "a", "A"])
DOCUMENTS = st.recursive(
    _SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_KEYS, inner, max_size=4)
)

# the reference vectors of certificate transparency (RFC 6962, whose tree RFC 9162 keeps): eight leaves
ENTRIES = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
ENTRIES.append(bytes(range(0x60, 0x70)))
ROOTS = """
6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d
fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125
aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77
d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7
4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4
76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef
ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c
5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328
""".split()
NODES = {
    "0": "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
    "01": ROOTS[1],
    "23": "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
    "4": "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    "45": "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
    "67": "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
    "0123": ROOTS[3],
    "4567": "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
}
TREE = PublishedTree(leaf_hash(entry) for entry in ENTRIES)


def path(*names: str) -> dict[str, list[str]]:
    return {"path": [NODES[name] for name in names]}


@given(document=DOCUMENTS)
def test_canonical__whatever_is_signed__is_as_rfc_8785_writes_it(document):
    try:
        expected = rfc8785.dumps(document)
    except ValueError:  # a number that no reader of JSON keeps, or half a character
        with pytest.raises(ValueError):
            canonical(document)
    else:
        assert canonical(document) == expected


def test_tree__published_vectors__has_their_roots_and_nodes():
    assert PublishedTree().root() == EMPTY_ROOT == hashlib.sha256(b"").digest()
    assert [TREE.root(size).hex() for size in range(1, 9)] == ROOTS
    assert TREE.frontier(7) == [NODES["0123"], NODES["45"], leaf_hash(ENTRIES[6]).hex()]


def test_proofs__published_vectors__are_theirs():
    assert TREE.prove_inclusion(1, 1) == {"path": []}
    assert TREE.prove_inclusion(1, 8) == {"path": [NODES["0"], NODES["23"], NODES["4567"]]}
    assert TREE.prove_inclusion(6, 8) == path("4", "67", "0123")
    assert TREE.prove_inclusion(3, 3) == path("01")
    assert TREE.prove_consistency(1, 1) == {"path": []}
    assert TREE.prove_consistency(6, 8) == path("45", "67", "0123")
    assert TREE.prove_consistency(2, 5) == path("23", "4")
    assert TREE.prove_consistency(1, 8) == path("0", "23", "4567")


def literal_root(leaves: list[bytes]) -> bytes:
    """MTH of section 2.1.1, from entries."""
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\x01" + literal_root(leaves[:k]) + literal_root(leaves[k:])).digest()


def literal_subproof(m: int, leaves: list[bytes], *, is_whole: bool) -> list[bytes]:
    """SUBPROOF of section 2.1.4.1."""
    if m == len(leaves):
        return [] if is_whole else [literal_root(leaves)]
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    if m <= k:
        return [*literal_subproof(m, leaves[:k], is_whole=is_whole), literal_root(leaves[k:])]
    return [*literal_subproof(m - k, leaves[k:], is_whole=False), literal_root(leaves[:k])]


@given(st.data())
def test_proofs__trees_of_any_size__are_the_definitions_and_hold_for_nothing_else(data):
    size = data.draw(st.integers(1, 70))
    first, other = data.draw(st.integers(1, size)), data.draw(st.integers(1, size))
    entries = [bytes([n]) for n in range(size)]
    tree = PublishedTree(map(leaf_hash, entries))
    root = tree.root().hex()
    assert tree.root() == literal_root(entries)

    proof = tree.prove_consistency(first)
    assert [bytes.fromhex(node) for node in proof["path"]] == literal_subproof(first, entries, is_whole=True)
    check_consistency(proof, first=(first, tree.root(first).hex()), second=(size, root))
    if other != first:
        with pytest.raises(ProofError, match="consistency proof does not hold"):
            check_consistency(proof, first=(other, tree.root(first).hex()), second=(size, root))
        with pytest.raises(ProofError, match="consistency proof does not hold"):
            check_consistency(proof, first=(first, tree.root(other).hex()), second=(size, root))

    proof = tree.prove_inclusion(first)
    check_inclusion(entries[first - 1], proof, leaf_index=first, tree_size=size, root=root)
    if other != first:
        with pytest.raises(ProofError, match="inclusion proof does not hold"):
            check_inclusion(entries[other - 1], proof, leaf_index=first, tree_size=size, root=root)
        with pytest.raises(ProofError, match="inclusion proof does not hold"):
            check_inclusion(entries[first - 1], proof, leaf_index=other, tree_size=size, root=root)


BROKEN = [
    lambda path: [*path, "00" * 32],
    lambda path: path[:-1],
    lambda path: [*path[1:], path[0]],
    lambda path: ["00" * 32, *path[1:]],
    lambda path: [path[0][:-2], *path[1:]],
    lambda path: ["xy", *path[1:]],
    lambda path: None,
    lambda path: [None],
]


@pytest.mark.parametrize("broken", BROKEN)
def test_proofs__broken_in_any_way__do_not_hold(broken):
    proof = {"path": broken(TREE.prove_inclusion(3, 7)["path"])}
    with pytest.raises(ProofError, match="inclusion proof does not hold"):
        check_inclusion(ENTRIES[2], proof, leaf_index=3, tree_size=7, root=ROOTS[6])
    proof = {"path": broken(TREE.prove_consistency(3, 7)["path"])}
    with pytest.raises(ProofError, match="consistency proof does not hold"):
        check_consistency(proof, first=(3, ROOTS[2]), second=(7, ROOTS[6]))


def test_proofs__sizes_that_do_not_fit__do_not_hold():
    proof = TREE.prove_inclusion(3, 7)
    for leaf_index, size in ((0, 7), (8, 7), (3, 4), (3, 9), (3, 0)):
        with pytest.raises(ProofError):
            check_inclusion(ENTRIES[2], proof, leaf_index=leaf_index, tree_size=size, root=ROOTS[6])
    nothing = {"path": []}
    shrunk, from_nothing, two_roots = (7, 6, 3, 2), (0, 0, 3, 2), (3, 2, 3, 3)
    for old_size, old_root, new_size, new_root in (shrunk, from_nothing, two_roots):
        first, second = (old_size, ROOTS[old_root]), (new_size, ROOTS[new_root])
        with pytest.raises(ProofError):
            check_consistency(nothing, first=first, second=second)
    with pytest.raises(ProofError, match="path is empty"):
        check_consistency(nothing, first=(3, ROOTS[2]), second=(7, ROOTS[6]))


@pytest.mark.parametrize(
    "ask", [lambda: TREE.prove_inclusion(9), lambda: TREE.prove_consistency(0), lambda: TREE.root(9)]
)
def test_tree__asked_for_what_it_does_not_hold__says_so(ask):
    with pytest.raises(ValueError, match="leaves|leaf"):
        ask()
