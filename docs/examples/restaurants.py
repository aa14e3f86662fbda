"""A public set of restaurant inspections (LIVES format) as two offices would send it, and what followed a night.

``python restaurants.py SET NIGHT OUT`` writes 物业服务主体名录_restaurants.csv (source nmg_enterprises) and
物业检查问题台账_restaurants.csv (source nmg_inspections) of what was known on NIGHT, and outcomes.csv of later scores.
Businesses get made-up credit codes: 91, a region, their number and the check character of GB 32100-2015.
"""

import csv
import sys
from collections import defaultdict
from contextlib import contextmanager
from datetime import date
from pathlib import Path

ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
FIRMS = "统一社会信用代码 单位名称 主体类型 登记地 成立日期 登记状态 经营异常 列入日期 移出日期 年报公示日期 更新时间"
LINES = ("检查编号 行号 行类型 小区编码 统一社会信用代码 检查日期 检查部门 检查方式 检查项数 不合格项数 得分 "
         "检查事项 严重程度 安全隐患 问题描述 整改期限 整改完成 查实 更新时间")
TYPES = {"routine": "日常巡查", "complaint": "投诉核查", "followup": "专项"}
SERIOUS = ("vermin", "sewage", "unclean hands", "contaminated", "holding temperature", "no hot water", "high risk")
GENERAL = ("moderate risk", "not properly", "improper", "inadequate", "unapproved", "unsanitary")


def code(business_id):
    body = "91150200" + f"{int(business_id):09d}"
    total = sum(ALPHABET.index(one) * pow(3, place, 31) for place, one in enumerate(body))
    return body + ALPHABET[(31 - total % 31) % 31]


def day(text):
    return date(int(text[:4]), int(text[4:6]), int(text[6:8]))


def severity(text):
    low = text.lower()
    return "严重" if any(one in low for one in SERIOUS) else "一般" if any(one in low for one in GENERAL) else "轻微"


def rows(path, encoding="cp1252"):
    with open(path, encoding=encoding, newline="") as file:
        seen = set()
        for row in csv.DictReader(file):
            if tuple(row.values()) not in seen:
                seen.add(tuple(row.values()))
                yield row


@contextmanager
def office(path, heads):
    with open(path, "w", encoding="utf-8-sig", newline="") as file:
        table = csv.DictWriter(file, heads.split(), restval="")
        table.writeheader()
        yield lambda **row: table.writerow(row)


def main(folder, night, out):
    folder, out, night = Path(folder), Path(out), date.fromisoformat(str(night))
    out.mkdir(parents=True, exist_ok=True)
    visits = [row for row in rows(folder / "inspections.csv") if day(row["date"]).year > 1900]
    violations = defaultdict(list)
    for row in rows(folder / "violations.csv"):
        violations[row["business_id"], row["date"]].append(row["description"])
    names = {row["business_id"]: row["name"] for row in rows(folder / "businesses.csv")}
    known = [row for row in visits if day(row["date"]) <= night]
    inspected = sorted({row["business_id"] for row in known} & names.keys(), key=int)
    with office(out / "物业服务主体名录_restaurants.csv", FIRMS) as add:
        for one in inspected:
            firm = {"主体类型": "企业", "登记地": "150203", "登记状态": "存续", "经营异常": "正常"}
            add(统一社会信用代码=code(one), 单位名称=names[one], **firm)
    with office(out / "物业检查问题台账_restaurants.csv", LINES) as add:
        for number, row in enumerate(known):
            if row["business_id"] in names:
                score, day_text = row["score"], f"{day(row['date']):%Y-%m-%d}"
                visit = {"检查编号": f"V{number:06d}", "统一社会信用代码": code(row["business_id"])}
                visit |= {"检查日期": day_text, "检查方式": TYPES.get(row["type"], "其他")}
                items = {"检查项数": 100, "不合格项数": 100 - int(score), "得分": score} if score else {}
                add(**visit, **items, 行号="TOTAL", 行类型="汇总")
                for line, text in enumerate(violations.get((row["business_id"], row["date"]), ()), 1):
                    add(**visit, 行号=f"{line:02d}", 行类型="问题", 检查事项=text, 严重程度=severity(text), 查实="是")
    with open(out / "outcomes.csv", "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["entity", "date", "value"])
        for row in visits:
            if day(row["date"]) > night and row["score"] and row["type"] == "routine":
                table.writerow([code(row["business_id"]), f"{day(row['date']):%Y-%m-%d}", row["score"]])


if __name__ == "__main__":
    main(*sys.argv[1:])
