"""The printed certificate: what a bid's file holds on paper, with a QR code that ties the paper to the proof.

Owns the page. What it says comes from a certificate as ``log.certificate_file`` made it; it proves nothing by itself:
the QR code holds the SHA-256 of the certificate's canonical JSON and the head, so that paper and file can be compared.
"""

import hashlib
import io
from collections.abc import Mapping
from typing import Any

from property_credit.publishing.content import STATUS
from property_credit.publishing.roots import canonical

INVENTED = "虚构数据 INVENTED"
_FONT = "STSong-Light"  # a CID font: every PDF reader brings or replaces it, and the file stays small
_LEFT, _TOP, _LINE, _WIDTH = 60, 780, 19, 475


def fingerprint(certificate: Mapping[str, Any]) -> str:
    """Return the SHA-256 of what a certificate proves, in hex: without the age of the data, which is no part of it."""
    return hashlib.sha256(canonical({name: certificate[name] for name in certificate if name != "data"})).hexdigest()


def code_text(certificate: Mapping[str, Any]) -> str:
    """Return what the QR code says: format, day, every enterprise with version and grade, head and fingerprint."""
    head = certificate["tree_head"]["head"]
    parts = [*([INVENTED] if head.get("is_invented") else []), certificate["format"], certificate["as_of"]]
    for item in certificate["enterprises"]:
        entry = item["entry"]
        version = f"{entry['version_no']}:{entry['grade'] or entry['status_code']}" if entry else "0:none"
        parts.append(f"{item['uscc']}={version}")
    return "\n".join([*parts, f"{head['tree_size']}:{head['root']}", f"sha256:{fingerprint(certificate)}"])


def printed(certificate: Mapping[str, Any]) -> bytes:
    """Return a PDF of one page for each enterprise of a certificate."""
    from reportlab.graphics import renderPDF
    from reportlab.graphics.barcode.qr import QrCodeWidget
    from reportlab.graphics.shapes import Drawing
    from reportlab.lib.utils import simpleSplit
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.cidfonts import UnicodeCIDFont
    from reportlab.pdfgen.canvas import Canvas

    pdfmetrics.registerFont(UnicodeCIDFont(_FONT))
    opened = io.BytesIO()
    page = Canvas(opened, pageCompression=1, invariant=1)
    page.setTitle("物业服务企业信用等级证明")
    for item in certificate["enterprises"]:
        page.setFont(_FONT, 20)
        page.drawString(_LEFT, _TOP, "物业服务企业信用等级证明")
        page.setFont(_FONT, 11)
        page.drawString(_LEFT, _TOP - 20, "Certificate of a property-service credit grade")
        at = _TOP - 60
        for line in _lines(certificate, item):
            for part in simpleSplit(line, _FONT, 11, _WIDTH):
                page.drawString(_LEFT, at, part)
                at -= _LINE
        widget = QrCodeWidget(
            code_text(certificate if len(certificate["enterprises"]) == 1 else _only(certificate, item))
        )
        left, low, right, high = widget.getBounds()
        size = 150.0
        drawing = Drawing(size, size, transform=[size / (right - left), 0, 0, size / (high - low), 0, 0])
        drawing.add(widget)
        renderPDF.draw(drawing, page, _LEFT - 10, 60)
        page.setFont(_FONT, 9)
        for number, line in enumerate(
            (
                "二维码含证明文件指纹与日志根；凭同一次查询的 JSON 文件核验：",
                "property-credit verify certificate.json --public-key public-keys.json",
                "The code ties this page to the JSON file that proves it; verify that file.",
            )
        ):
            page.drawString(_LEFT + 160, 180 - 14 * number, line)
        page.showPage()
    page.save()
    return opened.getvalue()


def _only(certificate: Mapping[str, Any], item: Mapping[str, Any]) -> dict[str, Any]:
    return {**certificate, "enterprises": [item]}


def _lines(certificate: Mapping[str, Any], item: Mapping[str, Any]) -> list[str]:
    entry, day, head = item["entry"], certificate["as_of"], certificate["tree_head"]["head"]
    lines = [INVENTED] if head.get("is_invented") else []
    lines += [f"统一社会信用代码 Credit code：{item['uscc']}", f"基准日 As of：{day}"]
    if entry is None:
        lines.append("该日没有已发布的等级。 No grade of it was published by then.")
    else:
        zh, en = STATUS[entry["status_code"]]
        before = item["supersedes"]
        lines += [
            f"企业名称 Name：{entry['enterprise_name']}",
            f"信用等级 Grade：{entry['grade'] or '—'}　（{zh} {en}）",
            f"版本 Version：{entry['version_no']}，自 {entry['valid_from']} 起，方法 Method {entry['method_version']}",
            f"替代 Replaces：第 {before['version_no']} 版 {before['grade'] or STATUS[before['status_code']][0]}，自 "
            f"{before['valid_from']} 起"
            if before
            else "替代 Replaces：—",
        ]
        later = item["history"][entry["version_no"] :]
        lines.append(
            f"此后 Since：已被第 {later[0][0]} 版替代，自 {later[0][1]} 起 replaced"
            if later
            else "此后 Since：未被替代 not replaced"
        )
        lines.append("该日没有更新的版本有效。 No later version was in force on that day.")
    return [
        *lines,
        f"日志 Log：{head['list_id']}，{head['tree_size']} 条，发布于 {head['published_at']}",
        f"日志根 Root：{head['root']}",
        f"签名密钥 Key：{certificate['tree_head']['signature']['key_id']}",
        f"指纹 SHA-256：{fingerprint(certificate)}",
    ]
