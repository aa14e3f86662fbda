"""The summary page of a case file 卷宗摘要: what a person reads first, one HTML file without script, style or address
from elsewhere.

Owns the page. It says what stands in the other files and proves nothing by itself: the manifest names its hash.
"""

import hashlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from property_credit.publishing.case_file import FILES
from property_credit.publishing.content import STATUS

ACTS_ZH = {
    "file": "提出", "mark": "标注", "forward": "转办", "recuse": "声明回避", "decide": "决定", "review": "复核决定",
    "ask_review": "申请复核", "withdraw": "撤回", "supplement": "补充材料", "assign": "指派", "note": "批注",
    "explain": "说明", "confirm": "确认", "close": "办结", "reopen": "重新打开",
}  # fmt: skip
KINDS_ZH = {"objection": "异议", "repair": "信用修复", "reply": "企业声明", "alert": "预警"}
OUTCOMES_ZH = {"upheld": "异议成立", "rejected": "异议不成立", "granted": "准予修复", "refused": "不予修复"}
ROLES_ZH = {"enterprise": "企业", "officer": "经办人", "operator": "系统管理"}
DELIVERIES_ZH = {"pending": "待送达", "delivered": "已送达", "dead": "未送达"}


def summary(
    about: Mapping[str, Any], parts: Mapping[str, Any], method: Mapping[str, Any], files: Mapping[str, bytes]
) -> str:
    """Return the page.

    Args:
        about: the manifest's own words: number, enterprise, day, version, grade, run.
        parts: name → content of the JSON files.
        method: the method's document, with names of domains and indicators.
        files: name → bytes of the other files, whose hashes the page shows.
    """
    entry = parts["certificate.json"]["enterprises"][0]["entry"]
    return _template().render(
        about=about,
        entry=entry,
        status=STATUS,
        head=parts["certificate.json"]["tree_head"]["head"],
        run=parts["run.json"],
        grade=parts["grade.json"],
        indicators=[
            (domain["name"]["zh"], one)
            for pillar in parts["grade.json"]["pillars"]
            for domain in pillar["domains"]
            for one in domain["indicators"]
        ],
        inputs=parts["inputs.json"],
        decisions=parts["decisions.json"],
        notices=parts["notices.json"],
        replay=parts["replay.json"],
        method=method,
        acts=ACTS_ZH,
        kinds=KINDS_ZH,
        outcomes=OUTCOMES_ZH,
        roles=ROLES_ZH,
        delivered=DELIVERIES_ZH,
        files=[
            (name, title, hashlib.sha256(files[name]).hexdigest() if name in files else None)
            for name, title in FILES.items()
        ],
    )


@lru_cache(maxsize=1)
def _template() -> Template:
    templates = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("case_file.html.j2")
