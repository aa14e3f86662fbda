"""Check a published file offline: its signatures, its entries and its place in the log, with a public key only.

Owns what "verified" means. Opens no connection and reads no warehouse: whoever distrusts us can run it elsewhere.
"""

import base64
import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from property_credit.publishing import case_file, log, merkle, notes, prefix_map, roots
from property_credit.publishing.log import INVENTED_ORIGIN
from property_credit.publishing.roots import Trust, canonical

INVENTED = ("虚构数据：沙箱租户的等级不属于任何企业", "INVENTED: a sandbox tenant's grade is nobody's")


class UnreadableError(Exception):
    """A file is not what it should be; the message says which and why."""


class VerificationError(Exception):
    """The file was tampered with, or was not signed by the key; the message says what does not fit."""


@dataclass(frozen=True)
class Verified:
    """What was proved, in Chinese and English, by which key, and what the reader should know beside it.

    ``remarks``: (Chinese, English) each, such as that an entry was replaced since. ``cosigned_by``: witnesses.
    """

    kind: str
    said_zh: str
    said_en: str
    key_id: str
    root: str
    remarks: tuple[tuple[str, str], ...] = ()
    cosigned_by: tuple[str, ...] = field(default=())


@dataclass(frozen=True)
class Known:
    """What a reader holds by a way it trusts: public keys (base64), and signed root documents."""

    public_keys: list[str]
    roots: list[dict[str, Any]]


def verify_file(path: Path, public_key: Path, *, kept: Path | None = None, data: Sequence[Path] = ()) -> Verified:
    """Check a list, a manifest, a proof of the log, a certificate, a checkpoint or a case file.

    Args:
        path: what `/v1/lists/…`, `/v1/log/…` or `/v1/…certificate…` answered, saved as it came; or a case file (ZIP).
        public_key: PEM, 32 bytes in base64, a root document, or the answer of `/v1/public-keys`.
        kept: a file of ours that was saved before: its head is compared with this one's.
        data: files that a manifest names, to be compared with it.

    Raises UnreadableError when a file cannot be read, VerificationError when something does not fit.
    """
    known = read_known(public_key)
    verdict, heads = _verify(path, known, data)
    if kept is not None:
        _, before = _verify(kept, known)
        _compare(before, heads)
    if _is_invented(path):
        return replace(verdict, remarks=(INVENTED, *verdict.remarks))
    return verdict


def _is_invented(path: Path) -> bool:
    """Return whether a verified file says that it is a sandbox tenant's: its head does, or its checkpoint's name."""
    is_bundle = zipfile.is_zipfile(path)
    text = case_file.unpacked(path)[case_file.CERTIFICATE].decode() if is_bundle else read_text(path)
    if not text.lstrip().startswith("{"):
        return notes.read(text).origin == INVENTED_ORIGIN
    content = json.loads(text)
    sections = (content.get(name) for name in ("tree_head", "second_head"))
    return any(section["head"].get("is_invented") is True for section in sections if section)


def _verify(path: Path, known: Known, data: Sequence[Path] = ()) -> tuple[Verified, dict[int, str]]:
    """Return what a file proves, and the heads it showed: size → root."""
    is_bundle = zipfile.is_zipfile(path)
    text = "" if is_bundle else read_text(path)
    try:
        if is_bundle:
            return _case_file(path, known)
        if not text.lstrip().startswith("{"):
            return _checkpoint(text, known)
        content = json.loads(text)
        if not isinstance(content, dict):
            raise UnreadableError(f"{path}: it is not a JSON object")
        trust = roots.trust_in(
            known.public_keys, known.roots, offered=content.get("roots") or [], keys=content.get("keys") or []
        )
        heads: dict[int, str] = {}
        if "document" in content:
            return _list(content, trust, heads), heads
        if "manifest" in content:
            return _manifest(content, trust, heads, data), heads
        kind = content.get("format")
        if kind in log.INCLUSION_FORMATS.values():
            return _inclusion(content, trust, heads), heads
        if kind == log.CONSISTENCY_FORMAT:
            return _consistency(content, trust, heads), heads
        if kind == log.CERTIFICATE_FORMAT:
            return _certificate(content, trust, heads), heads
    except (merkle.ProofError, notes.NoteError, case_file.UnsoundBundleError) as error:
        raise VerificationError(str(error)) from error
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, RecursionError) as error:
        raise UnreadableError(f"{path}: it is not as published: {type(error).__name__}: {error}") from error
    raise UnreadableError(f"{path}: neither a published list nor a proof of the log")


def read_known(path: Path) -> Known:
    """Return the public keys and root documents of a file; UnreadableError when there are none."""
    try:
        text = path.read_text(encoding="utf-8").strip()
        held: list[dict[str, Any]] = []
        if text.startswith("-----BEGIN"):
            key = serialization.load_pem_public_key(text.encode())
            if not isinstance(key, Ed25519PublicKey):
                raise ValueError("it is no Ed25519 key")
            raw = key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            return Known([base64.b64encode(raw).decode()], [])
        if text.startswith("{"):
            content = json.loads(text)
            held = content["roots"] if "roots" in content else [content] if "root" in content else []
            keys = [str(key["public_key"]) for key in content.get("keys", [])]
            for one in held:
                roots.trust_of(one["root"])
            if not keys and not held:
                raise ValueError("it names neither keys nor root documents")
        else:
            keys = [text]
        for public in keys:
            Ed25519PublicKey.from_public_bytes(base64.b64decode(public, validate=True))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UnreadableError(f"{path}: no public key can be read from it: {error}") from error
    return Known(keys, held)


def read_text(path: Path) -> str:
    """Return a file's text; UnreadableError when there is none."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise UnreadableError(f"{path}: it cannot be read: {error}") from error


def _compare(before: Mapping[int, str], now: Mapping[int, str]) -> None:
    """Raise VerificationError when two files show different logs of one size, or nothing ties their sizes."""
    for size in before.keys() & now.keys():
        if before[size] != now[size]:
            raise VerificationError(
                f"SPLIT VIEW 分叉: at {size} leaves the kept file shows root {before[size]} and this one {now[size]}: "
                "two logs are shown to two readers. Keep both files and tell the regulator"
            )
    if not before.keys() & now.keys():
        first = max(before)
        raise VerificationError(
            f"nothing ties the kept head of {first} leaves to this file: save /v1/log/consistency?first={first} and "
            "verify that with --kept"
        )


def _signed(document: Any, signature: Mapping[str, str], trust: Trust, what: str) -> bytes:
    """Check a signature by a key that signs, or signed before; return the bytes that it signs."""
    content = canonical(document)
    key_id = signature["key_id"]
    past = trust.past.get(key_id)
    public_key = past.public_key if past else trust.signing.get(key_id)
    if public_key is None:
        raise VerificationError(
            f"{what} is signed by key {key_id}, and nothing ties it to the public key given ({trust.describe()}): "
            "fetch the file again, a newer answer brings how our keys follow one another"
        )
    if not roots.is_signed_by(public_key, content, signature["value"]):
        raise VerificationError(f"{what} was changed after it was signed: the signature of key {key_id} does not fit")
    return content


def _head(section: Mapping[str, Any], trust: Trust, heads: dict[int, str]) -> dict[str, Any]:
    """Check a head; one of an earlier key must lie among the heads that were published before it was replaced."""
    head, key_id = section["head"], section["signature"]["key_id"]
    what = f"the tree head {head['list_id']}"
    content = _signed(head, section["signature"], trust, what)
    past, anchor = trust.past.get(key_id), section.get("anchor")
    if past:
        ended = f"revoked on {past.revoked_on}" if past.revoked_on else "replaced"
        if anchor:
            try:
                merkle.check_inclusion(
                    content,
                    anchor,
                    leaf_index=anchor["head_index"] + 1,
                    tree_size=past.heads,
                    root=past.heads_root,
                )
            except merkle.ProofError as error:
                raise VerificationError(
                    f"{what} is signed by key {key_id}, which is {ended}, and is none of the heads published before: "
                    f"{error}"
                ) from error
        elif past.revoked_on or not trust.is_of_root:
            raise VerificationError(
                f"{what} is signed by key {key_id}, which is {ended}: that counts only with the proof that it was "
                "published before; fetch the file again, it brings the proof"
            )
    if type(head["tree_size"]) is not int or head["tree_size"] < 0:
        raise VerificationError(f"{what} has no size")
    heads[head["tree_size"]] = head["root"]
    return dict(head)


def _list(content: Mapping[str, Any], trust: Trust, heads: dict[int, str]) -> Verified:
    document = content["document"]
    head, tree = _head(content["tree_head"], trust, heads), document["tree"]
    if content["signature"]["key_id"] != content["tree_head"]["signature"]["key_id"]:
        raise VerificationError("the list and its tree head are signed by two keys")
    signed = _signed(document, content["signature"], trust, f"the list {document['list_id']}")
    if head["document_sha256"] != hashlib.sha256(signed).hexdigest():
        raise VerificationError("the tree head belongs to another document")
    leaves = [merkle.leaf_hash(canonical(entry)) for entry in document["entries"]]
    root = merkle.root_of(tree["frontier"], tree["first_leaf"], leaves)
    if root != tree["root"] or root != head["root"] or head["tree_size"] != tree["first_leaf"] + len(leaves):
        raise VerificationError(f"the entries do not give the root {head['root']} of the log")
    count = len(leaves)
    return Verified(
        "list",
        f"名单 {document['list_id']}（{document['as_of']} 起，{count} 条）签名有效，各条均在公开日志内",
        f"list {document['list_id']} (from {document['as_of']}, {count} entries): signed, all in the log",
        content["signature"]["key_id"],
        root,
    )


def _manifest(content: Mapping[str, Any], trust: Trust, heads: dict[int, str], data: Sequence[Path]) -> Verified:
    """Check a manifest by its list's head, and files by the manifest."""
    head, manifest = _head(content["tree_head"], trust, heads), content["manifest"]
    if hashlib.sha256(canonical(manifest)).hexdigest() != head["manifest_sha256"]:
        raise VerificationError("the tree head belongs to another manifest")
    named = {one["name"]: one for one in manifest["files"]}
    for path in data:
        try:
            with path.open("rb") as opened:
                digest, size = hashlib.file_digest(opened, "sha256").hexdigest(), path.stat().st_size
        except OSError as error:
            raise UnreadableError(f"{path}: it cannot be read: {error}") from error
        wanted = named.get(path.name)
        if wanted is None:
            raise VerificationError(f"the manifest names no file {path.name}; it names {', '.join(named)}")
        if (digest, size) != (wanted["sha256"], wanted["bytes"]):
            raise VerificationError(f"{path.name} is not the file that was published: {size} bytes, SHA-256 {digest}")
    checked = ", ".join(path.name for path in data) or "none given (--data)"
    return Verified(
        "manifest",
        f"名单 {manifest['list_id']} 的文件清单签名有效；已核对文件：{checked}",
        f"manifest of {manifest['list_id']} ({manifest['entry_count']} entries): signed; files checked: {checked}",
        content["tree_head"]["signature"]["key_id"],
        head["root"],
    )


def _history(item: Mapping[str, Any], uscc: str, head: Mapping[str, Any]) -> list[tuple[int, date, str]]:
    """Check that the map holds this history of an enterprise and no other; return (version, first day, leaf hash)."""
    history = item["history"]
    key = prefix_map.key_of(uscc)
    value = hashlib.sha256(canonical(history)).digest() if history else None
    prefix_map.check(item["map_proof"], key, value, root=head["map_root"])
    versions = [(int(number), date.fromisoformat(day), str(leaf)) for number, day, leaf in history]
    days = [day for _, day, _ in versions]
    if [number for number, _, _ in versions] != list(range(1, len(versions) + 1)) or days != sorted(days):
        raise VerificationError(f"the history of {uscc} is not in order")
    return versions


def _inclusion(content: Mapping[str, Any], trust: Trust, heads: dict[int, str]) -> Verified:
    head, entry = _head(content["tree_head"], trust, heads), content["entry"]
    is_old = content["format"] == log.INCLUSION_FORMATS[1]
    _check_leaf(content, entry, head, first=1 if is_old else 0)
    remarks: tuple[tuple[str, str], ...] = (
        ("该格式不说明此后是否被替代", "this format does not say whether it was replaced since"),
    )
    if not is_old:
        history = _history(content, entry["uscc"], head)
        place = int(entry["version_no"])
        if place > len(history) or merkle.leaf_hash(canonical(entry)).hex() != history[place - 1][2]:
            raise VerificationError("the entry is not the one that the history names")
        remarks = _replaced(history[place:])
    grade = entry["grade"] or entry["status_code"]
    return Verified(
        "inclusion",
        f"{entry['uscc']} 第 {entry['version_no']} 版（{grade}，{entry['valid_from']} 起）在公开日志内",
        f"{entry['uscc']} version {entry['version_no']} ({grade} from {entry['valid_from']}) is in the log",
        content["tree_head"]["signature"]["key_id"],
        head["root"],
        remarks,
    )


def _check_leaf(item: Mapping[str, Any], entry: Any, head: Mapping[str, Any], *, first: int) -> None:
    """Check that an entry is the leaf that a file says; leaves count from ``first``."""
    place = item["leaf_index"]
    if type(place) is not int:
        raise VerificationError("the inclusion proof does not hold: its leaf index is no whole number")
    merkle.check_inclusion(
        canonical(entry), item["proof"], leaf_index=place + 1 - first, tree_size=head["tree_size"], root=head["root"]
    )


def _replaced(later: Sequence[tuple[int, date, str]]) -> tuple[tuple[str, str], ...]:
    if not later:
        return ()
    number, day, _ = later[0]
    zh = f"该版已被替代：第 {number} 版自 {day} 起"
    return ((zh, f"replaced since: version {number} binds from {day}"),)


def _certificate(content: Mapping[str, Any], trust: Trust, heads: dict[int, str]) -> Verified:
    """Check for every enterprise what was in force on the day, and that nothing later was."""
    head, day = _head(content["tree_head"], trust, heads), date.fromisoformat(content["as_of"])
    said_zh, said_en, remarks, seen = [], [], list[tuple[str, str]](), set[str]()
    reach = date.fromisoformat(head["as_of"])  # what is published later binds from this day on, or later
    if day > reach:
        raise VerificationError(
            f"the certificate is for {day}, and its log reaches to {reach}: what was published after that is not in "
            "it. Fetch it again"
        )
    if not content["enterprises"]:
        raise VerificationError("the certificate names no enterprise")
    for item in content["enterprises"]:
        uscc = str(item["uscc"])
        if uscc in seen:
            raise VerificationError(f"{uscc} is named twice")
        seen.add(uscc)
        history = _history(item, uscc, head)
        in_force = [one for one in history if one[1] <= day]
        entry = item["entry"]
        if not in_force:
            if entry is not None or item.get("supersedes") is not None:
                raise VerificationError(f"{uscc}: an entry is shown, and none was in force on {day}")
            said_zh.append(f"{uscc} 在 {day} 没有已发布的等级")
            said_en.append(f"{uscc} had no published grade on {day}")
            continue
        number, first_day, leaf = in_force[-1]
        if entry is None or merkle.leaf_hash(canonical(entry)).hex() != leaf:
            raise VerificationError(f"{uscc}: version {number} was in force on {day}, and the entry shown is another")
        if (entry["uscc"], entry["version_no"], entry["valid_from"]) != (uscc, number, first_day.isoformat()):
            raise VerificationError(f"{uscc}: the entry is not what the history says of it")
        _check_leaf(item, entry, head, first=0)
        _check_superseded(item, uscc, in_force)
        grade = entry["grade"] or entry["status_code"]
        said_zh.append(f"{uscc} 在 {day} 有效的是第 {number} 版（{grade}，{first_day} 起），其后无更新版本在该日有效")
        said_en.append(f"{uscc} on {day}: version {number} ({grade} from {first_day}), and no later one was in force")
        remarks += [(f"{uscc}：{zh}", f"{uscc}: {en}") for zh, en in _replaced(history[len(in_force) :])]
    if day == reach:
        remarks.append(
            (
                f"日志截至 {head['published_at']}，其后发布的更正可能自 {head['as_of']} 起生效",
                f"the log as of {head['published_at']}: what is published later may bind from {head['as_of']} on",
            )
        )
    return Verified(
        "certificate",
        "；".join(said_zh),
        "; ".join(said_en),
        content["tree_head"]["signature"]["key_id"],
        head["root"],
        tuple(remarks),
    )


def _check_superseded(item: Mapping[str, Any], uscc: str, in_force: Sequence[tuple[int, date, str]]) -> None:
    before, shown = in_force[-2] if len(in_force) > 1 else None, item["supersedes"]
    if (before is None) != (shown is None) or (
        before is not None and merkle.leaf_hash(canonical(shown)).hex() != before[2]
    ):
        raise VerificationError(f"{uscc}: what it replaces is not what the history names")


def _consistency(content: Mapping[str, Any], trust: Trust, heads: dict[int, str]) -> Verified:
    first, second = _head(content["first_head"], trust, heads), _head(content["second_head"], trust, heads)
    sizes = (first["tree_size"], second["tree_size"])
    merkle.check_consistency(content["proof"], first=(sizes[0], first["root"]), second=(sizes[1], second["root"]))
    return Verified(
        "consistency",
        f"日志由 {sizes[0]} 条增至 {sizes[1]} 条，原有各条未变",
        f"the log grew from {sizes[0]} to {sizes[1]} leaves and changed none",
        content["second_head"]["signature"]["key_id"],
        second["root"],
    )


def _checkpoint(text: str, known: Known) -> tuple[Verified, dict[int, str]]:
    try:
        checkpoint = notes.read(text)
    except notes.NoteError as error:
        raise UnreadableError(f"neither a published file nor a checkpoint: {error}") from error
    trust = roots.trust_in(known.public_keys, known.roots)
    signer = notes.check_log(checkpoint, trust.signing.values())
    by = notes.cosigners(checkpoint, trust.witnesses)
    if len(by) < trust.witness_threshold:
        raise VerificationError(
            f"{trust.witness_threshold} witnesses must cosign a checkpoint, and {len(by)} did: "
            f"{', '.join(by) or 'none'}"
        )
    seen = ", ".join(f"{name} {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%MZ}" for name, at in sorted(by.items()))
    return (
        Verified(
            "checkpoint",
            f"检查点（{checkpoint.size} 条）签名有效，见证：{seen or '无'}",
            f"the checkpoint of {checkpoint.size} leaves is signed; witnesses: {seen or 'none'}",
            roots.key_id_of(signer),
            checkpoint.root,
            cosigned_by=tuple(sorted(by)),
        ),
        {checkpoint.size: checkpoint.root},
    )


def _case_file(path: Path, known: Known) -> tuple[Verified, dict[int, str]]:
    """Check a case file: its signature, each file by the manifest, and that all speak of one grade and one run."""
    files = case_file.unpacked(path)
    signed, heads = json.loads(files[case_file.MANIFEST]), dict[int, str]()
    trust = roots.trust_in(
        known.public_keys, known.roots, offered=signed.get("roots") or [], keys=signed.get("keys") or []
    )
    manifest, key_id = signed["manifest"], signed["signature"]["key_id"]
    if manifest["format"] != case_file.FORMAT:
        raise UnreadableError(f"{path}: a case file of another format: {manifest['format']}")
    past = trust.past.get(key_id)
    if past and (past.revoked_on or not trust.is_of_root):
        raise VerificationError(
            f"the case file is signed by key {key_id}, which signs no more: nothing says when this was made; "
            "ask for the case file again"
        )
    _signed(manifest, signed["signature"], trust, "the case file")
    named = {one["name"]: one for one in manifest["files"]}
    for name in case_file.FILES:
        digest, size = hashlib.sha256(files[name]).hexdigest(), len(files[name])
        if name not in named or (digest, size) != (named[name]["sha256"], named[name]["bytes"]):
            raise VerificationError(f"{name} is not the file that was signed: {size} bytes, SHA-256 {digest}")
    parts = {name: json.loads(files[name]) for name in case_file.FILES if name.endswith(".json")}
    shown = parts[case_file.CERTIFICATE]
    about = _certificate(shown, trust, heads)
    entry = shown["enterprises"][0]["entry"]
    said = [manifest[name] for name in ("as_of", "uscc", "version_no", "grade", "status_code")]
    if said != [shown["as_of"], *(entry[name] for name in ("uscc", "version_no", "grade", "status_code"))]:
        raise VerificationError("the certificate is of another grade than the case file")
    _check_run(parts, manifest["run_id"], files[case_file.METHOD])
    remarks = list(about.remarks)
    replay = parts["replay.json"]
    if not replay["is_made"]:
        remarks.append(("本卷宗未附重算", "the run was not computed again for this case file"))
    elif not replay["is_identical"]:
        remarks.append(("重算结果与发布时不一致，见 replay.json", "the replay differs: see replay.json"))
    verdict = Verified(
        "case-file",
        f"卷宗签名有效，{len(case_file.FILES)} 个文件均未改动；{about.said_zh}",
        f"the case file is signed and none of its {len(case_file.FILES)} files was changed; {about.said_en}",
        key_id,
        about.root,
        tuple(remarks),
    )
    return verdict, heads


def _check_run(parts: Mapping[str, Any], run_id: str, method: bytes) -> None:
    """Check that method, inputs and estimates give the run's id, and that the points give the score."""
    run, grade = parts[case_file.RUN], parts[case_file.POINTS]
    if hashlib.sha256(method).hexdigest() != run["content_sha256"]:
        raise VerificationError("the method is not the one of the run")
    text = "|".join(
        str(run[name]) for name in ("business_date", "method_version", "content_sha256", "fit_id", "input_sha256")
    )
    text += f"|edition {run['edition']}" if run["edition"] > 1 else ""
    if {run_id, run["run_id"], grade["run_id"], parts["replay.json"]["run_id"]} != {
        "r" + hashlib.sha256(text.encode()).hexdigest()[:16]
    }:
        raise VerificationError("method, inputs and estimates are not those of the run")
    if grade.get("score") is not None:
        points = [Decimal(one["points"]) for one in grade["pillars"]] + [Decimal(grade["bonus"]["counted_points"])]
        if sum(points) != Decimal(grade["score"]):
            raise VerificationError(f"the points add up to {sum(points)}, the score is {grade['score']}")
