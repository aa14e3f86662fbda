"""The offices' shapes: which columns each export has, under which Chinese headers, in which words and date formats.

Knows how a feed's true rows look in an export; knows neither dirt nor file formats' bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import polars as pl

from simulation import words

DAY, SLASH_DAY, COMPACT_DAY = "%Y-%m-%d", "%Y/%m/%d", "%Y%m%d"
MOMENT, SLASH_MOMENT = "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S"
EXCEL = "excel"  # a real date cell


@dataclass(frozen=True)
class Column:
    """One column of an export. Without ``field`` it is one that nobody asked for: a running number or a remark."""

    header: str
    field: str | None = None
    format: str = DAY
    words: dict[Any, Any] | None = None


@dataclass(frozen=True)
class Office:
    """One source: its export's name, kind, columns and lines above the header."""

    profile: str
    feed: str
    format: Literal["csv", "xlsx", "json_api"]
    file: str  # {day} is yyyymmdd of the delivery
    columns: tuple[Column, ...]
    title: str = ""
    encoding: str = "utf-8-sig"
    line_end: str = "\r\n"
    header_row: int = 1  # where the header stands, 1-based
    only: Callable[[pl.DataFrame], pl.DataFrame] = field(default=lambda frame: frame)
    like: str = ""  # the profile whose shape this one has, if it is not its own

    @property
    def shape(self) -> str:
        """Return the profile that says which columns this export has."""
        return self.like or self.profile

    @property
    def headers(self) -> tuple[str, ...]:
        """Return the headers in order."""
        return tuple(column.header for column in self.columns)

    def header_of(self, name: str) -> str:
        """Return the header that field ``name`` stands under; KeyError when the export lacks it."""
        for column in self.columns:
            if column.field == name:
                return column.header
        raise KeyError(f"{self.profile} does not export {name}")

    def column_of(self, name: str) -> Column:
        """Return the column of field ``name``; KeyError when the export lacks it."""
        return self.columns[self.headers.index(self.header_of(name))]

    def render(self, known: pl.DataFrame) -> pl.DataFrame:
        """Return the rows as the office would export them: text, and numbers where the export has numbers."""
        rows = self.only(known)
        rendered = []
        for column in self.columns:
            if column.field is None:
                running = pl.int_range(1, pl.len() + 1) if column.header == "序号" else pl.lit(None, dtype=pl.String)
                rendered.append(running.alias(column.header))
                continue
            values = pl.col(column.field)
            kind = rows.schema[column.field]
            if column.words is not None:
                values = values.replace_strict(column.words, default=None, return_dtype=pl.String)
            elif kind in (pl.Date, pl.Datetime("us")):
                values = _serial(values) if column.format == EXCEL else values.dt.strftime(column.format)
            rendered.append(values.alias(column.header))
        return rows.select(rendered)


def _serial(values: pl.Expr) -> pl.Expr:
    return values.cast(pl.Date).cast(pl.Int32).cast(pl.Int64) + 25569  # days from 1899-12-30 to 1970-01-01


def _fields(
    *pairs: str, words_of: dict[str, dict[Any, Any]] | None = None, formats: dict[str, str] | None = None
) -> tuple[Column, ...]:
    """Return columns from 'header=field' pairs; a pair without '=' is a column that nobody asked for."""
    columns = []
    for pair in pairs:
        header, _, name = pair.partition("=")
        columns.append(
            Column(header, name or None, format=(formats or {}).get(name, DAY), words=(words_of or {}).get(name))
        )
    return tuple(columns)


_COMPLAINT_WORDS: dict[str, dict[Any, Any]] = {
    "channel_code": words.CHANNELS, "category_code": words.CATEGORIES, "responsible_party_code": words.PARTIES,
    "status_code": words.STATUSES,
    "callback_result_code": words.CALLBACKS, "is_confirmed": words.FLAG, "pause_reason_code": words.PAUSE_REASONS,
    "is_pause_approved": words.FLAG,
}  # fmt: skip
_COMPLAINT_TIMES = (
    "submitted_at", "responded_at", "handled_at", "resolved_at", "closed_at", "updated_at", "escalated_at",
)  # fmt: skip


def _bank_sides(frame: pl.DataFrame) -> pl.DataFrame:
    """A bank prints a side and a positive amount; what it takes back stands on the same side as a negative one."""
    is_debit = (pl.col("amount") < 0) ^ pl.col("_is_reversal")
    printed = pl.when(is_debit).then(-pl.col("amount")).otherwise(pl.col("amount"))
    return frame.with_columns(
        is_debit.replace_strict({True: "借", False: "贷"}, return_dtype=pl.String).alias("_side"),
        printed.alias("_printed"),
        pl.lit("人民币").alias("currency_code"),
    )


_EVENTS = {"renamed": "更名", "merged": "合并", "split": "分立"}
_EVENT_STATUS = {"standing": "有效", "withdrawn": "撤回"}

OFFICES: tuple[Office, ...] = (
    Office(
        "baotou_enterprises", "enterprises", "csv", "物业服务主体名录_{day}.csv",
        _fields(
            "序号", "统一社会信用代码=uscc", "单位名称=enterprise_name", "主体类型=organisation_type_code",
            "登记地=registered_region_code", "成立日期=established_on", "登记状态=is_active",
            "经营异常=listing_status_code", "列入日期=listed_on", "移出日期=delisted_on",
            "年报公示日期=annual_report_filed_on", "更新时间=updated_at",
            words_of={"organisation_type_code": words.ORGANISATIONS, "listing_status_code": words.LISTINGS,
                   "is_active": {True: "存续", False: "注销"}},
            formats={"updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_communities", "communities", "xlsx", "住宅小区台账_{day}.xlsx",
        _fields(
            "序号", "小区编码=community_id", "小区名称=community_name", "区划代码=region_code", "街道代码=street_code",
            "街道（苏木乡镇）=street_name", "小区类型=community_type_code", "建成年份=built_year",
            "户数=household_count", "建筑面积（㎡）=floor_area_m2", "有无电梯=has_lift", "政府指导价=is_price_guided",
            "更新时间=updated_at", "备注",
            words_of={"community_type_code": words.COMMUNITY_TYPES, "has_lift": {True: "有", False: "无"},
                   "is_price_guided": words.FLAG},
            formats={"updated_at": MOMENT},
        ),
        title="包头市住宅小区基础信息台账（模拟数据）", header_row=2,
    ),
    Office(
        "baotou_enterprise_events", "enterprise_events", "csv", "企业变更_{day}.csv",
        _fields(
            "变更编号=event_id", "变更种类=event_code", "统一社会信用代码=uscc", "承继方代码=other_uscc",
            "变更后名称=other_name", "生效日期=effective_on", "登记机关=authority_name", "文号=decision_no",
            "状态=status_code", "更新时间=updated_at",
            words_of={"event_code": {**_EVENTS, "recoded": "换码", "succeeded": "承继", "deregistered": "注销"},
                      "status_code": _EVENT_STATUS},
            formats={"updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_community_events", "community_events", "csv", "小区变更_{day}.csv",
        _fields(
            "变更编号=event_id", "变更种类=event_code", "小区编码=community_id", "变更后小区编码=other_community_id",
            "变更后名称=other_name", "生效日期=effective_on", "认定单位=authority_name", "文号=decision_no",
            "状态=status_code", "更新时间=updated_at",
            words_of={"event_code": {**_EVENTS, "split": "拆分", "renumbered": "变更编码", "phase": "分期"},
                      "status_code": _EVENT_STATUS},
            formats={"updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_contracts", "contracts", "xlsx", "物业服务合同备案_{day}.xlsx",
        _fields(
            "序号", "合同编号=contract_id", "小区编码=community_id", "统一社会信用代码=uscc", "起始日期=starts_on",
            "到期日期=ends_on", "终止日期=ended_on", "终止原因=end_reason_code", "告知日期=notice_given_on",
            "备案日期=filed_on", "备案材料齐全=is_filing_complete", "标准版本=service_standard_edition",
            "服务等级=service_level", "承接接管=is_takeover", "接管认定日期=takeover_certified_on",
            "更新时间=updated_at", "告知街道日期=street_informed_on",
            words_of={"end_reason_code": words.END_REASONS, "is_filing_complete": words.FLAG,
                      "is_takeover": words.FLAG},
            formats={"starts_on": EXCEL, "ends_on": EXCEL, "ended_on": SLASH_DAY, "updated_at": MOMENT},
        ),
        title="包头市物业服务合同备案台账（模拟数据）", header_row=3,
    ),
    Office(
        "mashangban_api", "complaints", "json_api", "{day}.jsonl",
        _fields(
            "诉求编号=complaint_id", "受理渠道=channel_code", "小区编码=community_id", "区划代码=region_code",
            "诉求类别=category_code", "责任方=responsible_party_code", "办理状态=status_code", "提交时间=submitted_at",
            "响应时间=responded_at", "办理时间=handled_at", "解决时间=resolved_at", "办结时间=closed_at",
            "挂起分钟=paused_minutes", "是否查实=is_confirmed", "回访结果=callback_result_code",
            "重复诉求=repeat_of_id", "诉求人=reporter_name", "联系电话=reporter_phone", "标题=title", "内容=content",
            "答复=reply", "提级督办时间=escalated_at", "更新时间=updated_at", "挂起原因=pause_reason_code",
            "街道同意挂起=is_pause_approved",
            words_of=_COMPLAINT_WORDS, formats=dict.fromkeys(_COMPLAINT_TIMES, MOMENT),
        ),
        only=lambda frame: frame.filter(pl.col("channel_code") == "mashangban").sort("updated_at", "complaint_id"),
    ),
    Office(
        "hotline_backlog", "complaints", "csv", "热线工单_{day}.csv",
        _fields(
            "工单编号=complaint_id", "来源=channel_code", "小区编码=community_id", "区县=region_code",
            "问题分类=category_code", "责任单位类型=responsible_party_code", "工单状态=status_code",
            "来电时间=submitted_at", "首次响应时间=responded_at", "到场办理时间=handled_at", "解决时间=resolved_at",
            "办结时间=closed_at", "挂起时长（分钟）=paused_minutes", "是否属实=is_confirmed",
            "回访评价=callback_result_code", "重复工单=repeat_of_id", "来电人=reporter_name", "电话=reporter_phone",
            "标题=title", "诉求内容=content", "办理结果=reply", "点赞=support_count", "点踩=oppose_count",
            "坐席工号", "提级督办时间=escalated_at", "更新时间=updated_at", "挂起原因=pause_reason_code",
            "街道是否同意=is_pause_approved",
            words_of=_COMPLAINT_WORDS, formats=dict.fromkeys(_COMPLAINT_TIMES, SLASH_MOMENT),
        ),
        encoding="gb18030",
        only=lambda frame: frame.filter(pl.col("channel_code") != "mashangban"),
    ),
    Office(
        "baotou_inspections", "inspections", "xlsx", "物业检查问题台账_{day}.xlsx",
        _fields(
            "序号", "检查编号=inspection_id", "行号=line_code", "行类型=line_type_code", "小区编码=community_id",
            "小区名称", "统一社会信用代码=uscc", "检查日期=inspected_on", "检查部门=authority_code",
            "检查方式=inspection_type_code", "检查项数=checked_item_count", "不合格项数=failed_item_count",
            "得分=overall_score", "检查事项=item_name", "严重程度=severity_code", "安全隐患=is_hazard",
            "问题描述=finding", "整改期限=order_due_on", "整改完成=rectified_on", "查实=is_confirmed",
            "更新时间=updated_at", "备注",
            words_of={"line_type_code": words.LINES, "authority_code": words.AUTHORITIES,
                      "inspection_type_code": words.INSPECTION_TYPES,
                   "severity_code": words.SEVERITIES, "is_hazard": words.FLAG, "is_confirmed": words.FLAG},
            formats={"inspected_on": EXCEL, "order_due_on": SLASH_DAY, "updated_at": MOMENT},
        ),
        title="包头市物业服务检查及整改台账（模拟数据）", header_row=2,
    ),
    Office(
        "bank_ledger", "funds", "csv", "账户交易明细_{day}.csv",
        _fields(
            "交易流水号=entry_id", "账号=account_no", "账户类型=account_type_code", "小区编码=community_id",
            "统一社会信用代码=uscc", "交易日期=booked_on", "借贷标志=_side", "发生额=_printed", "币种=currency_code",
            "余额=balance", "对方户名=counterparty_name", "用途=purpose_code", "摘要=summary", "凭证号=voucher_no",
            "表决编号=vote_id", "应急使用=is_emergency", "应急编号=emergency_id", "更新时间=updated_at",
            words_of={"account_type_code": words.ACCOUNTS, "purpose_code": words.PURPOSES, "is_emergency": words.FLAG},
            formats={"booked_on": COMPACT_DAY, "updated_at": MOMENT},
        ),
        title="鹿城商业银行（模拟）账户交易明细", encoding="gb18030", header_row=5, only=_bank_sides,
    ),
    Office(
        "baotou_disclosures", "disclosures", "csv", "信息公示台账_{day}.csv",
        _fields(
            "公示编号=disclosure_id", "小区编码=community_id", "统一社会信用代码=uscc",
            "公示类别=disclosure_class_code",
            "所属期起=period_start_on", "公示日期=published_on", "已核验=is_verified", "更新时间=updated_at",
            words_of={"disclosure_class_code": words.CLASSES, "is_verified": words.FLAG},
                      formats={"updated_at": MOMENT},
        ),
        line_end="\n",
    ),
    Office(
        "baotou_public_credit", "public_credit", "csv", "公共信用信息_{day}.csv",
        _fields(
            "记录编号=record_id", "统一社会信用代码=uscc", "记录类型=record_type_code", "失信等级=tier_code",
            "小区编码=community_id", "决定日期=decided_on", "决定机关=authority_name", "法律依据=legal_basis",
            "文书号=decision_no", "送达日期=served_on", "是否生效=is_final", "公示起始=shown_from",
            "结束日期=ended_on",
            "修复日期=repaired_on", "撤销日期=revoked_on", "金额（元）=amount", "摘要=summary",
            "事故等级=accident_level_code", "受伤人数=injured_count", "更新时间=updated_at",
            words_of={"record_type_code": words.RECORD_TYPES, "tier_code": words.SEVERITIES, "is_final": words.FLAG,
                      "accident_level_code": words.ACCIDENT_LEVELS},
            formats={"updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_surveys", "surveys", "xlsx", "业主满意度调查_{day}.xlsx",
        _fields(
            "序号", "调查批次=survey_id", "小区编码=community_id", "小区名称", "统一社会信用代码=uscc",
            "调查日期=surveyed_on", "调查机构=agency_name", "有效问卷数=response_count",
            "满意度得分=satisfaction_score",
            "更新时间=updated_at",
            formats={"surveyed_on": EXCEL, "updated_at": MOMENT},
        ),
        title="物业服务业主满意度第三方调查结果（模拟数据）", header_row=2,
    ),
    Office(
        "baotou_personnel", "personnel", "xlsx", "从业人员信息_{day}.xlsx",
        _fields(
            "序号", "人员编号=staff_id", "统一社会信用代码=uscc", "姓名=staff_name", "岗位=post_code",
            "入职日期=hired_on",
            "离职日期=left_on", "岗前培训日期=pre_job_trained_on", "继续教育日期=continuing_trained_on",
            "继续教育学时=continuing_hours", "更新时间=updated_at",
            words_of={"post_code": words.POSTS}, formats={"updated_at": MOMENT},
        ),
        title="物业从业人员信息表（模拟数据）", header_row=2,
    ),
    Office(
        "baotou_objections", "objections", "csv", "异议办理_{day}.csv",
        _fields(
            "异议编号=objection_id", "统一社会信用代码=uscc", "异议对象=target_type_code", "对象编号=target_id",
            "提出日期=filed_on", "标注日期=marked_on", "转办日期=forwarded_on", "办结日期=decided_on",
            "办理结果=outcome_code", "原经办人=original_officer_code", "复核人=decider_code", "答复意见=reply",
            "更新时间=updated_at", "数据来源类别=source_class_code", "申请复核日期=review_filed_on",
            "复核办结日期=review_decided_on", "复核结果=review_outcome_code", "复核经办人=reviewer_code",
            words_of={"target_type_code": words.TARGETS, "outcome_code": words.OBJECTION_OUTCOMES,
                      "source_class_code": words.SOURCE_CLASSES, "review_outcome_code": words.REVIEW_OUTCOMES},
            formats={"updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_mediations", "mediations", "csv", "人民调解_{day}.csv",
        _fields(
            "调解编号=mediation_id", "小区编码=community_id", "统一社会信用代码=uscc", "纠纷类别=topic_code",
            "协议日期=agreed_on", "履行期限=due_on", "履行日期=performed_on", "履行结果=outcome_code",
            "调解层级=level_code", "更新时间=updated_at",
            words_of={"topic_code": words.TOPICS, "outcome_code": words.MEDIATION_OUTCOMES,
                      "level_code": words.LEVELS},
            formats={"updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_lifts", "lifts", "xlsx", "电梯定期检验台账_{day}.xlsx",
        _fields(
            "序号", "设备代码=lift_id", "小区编码=community_id", "小区名称", "设备来源=origin_code",
            "投用日期=in_use_from", "停用日期=out_of_use_on", "检验日期=inspected_on", "下次检验日期=valid_until",
            "检验结论=result_code", "更新时间=updated_at", "备注",
            words_of={"origin_code": words.LIFT_ORIGINS, "result_code": words.LIFT_RESULTS},
            formats={"inspected_on": EXCEL, "valid_until": EXCEL, "updated_at": MOMENT},
        ),
        title="包头市在用电梯定期检验台账（模拟数据）", header_row=2,
    ),
    Office(
        "baotou_street_ratings", "street_ratings", "csv", "履约评价汇总_{day}.csv",
        _fields(
            "序号", "评价编号=rating_id", "评价单位编码=rater_code", "评价单位", "单位层级=rater_level_code",
            "小区编码=community_id", "统一社会信用代码=uscc", "评价日期=rated_on", "评价得分=rating_score",
            "更新时间=updated_at",
            words_of={"rater_level_code": words.RATER_LEVELS},
            formats={"rated_on": SLASH_DAY, "updated_at": MOMENT},
        ),
        encoding="gb18030",
    ),
    Office(
        "baotou_standard_assessments", "standard_assessments", "xlsx", "服务标准评估_{day}.xlsx",
        _fields(
            "序号", "评估编号=assessment_id", "小区编码=community_id", "小区名称", "统一社会信用代码=uscc",
            "评估日期=assessed_on", "标准版本=standard_edition", "评估等级=service_level", "评估项数=item_count",
            "符合项数=conforming_item_count", "评估机构=agency_name", "更新时间=updated_at",
            formats={"assessed_on": EXCEL, "updated_at": MOMENT},
        ),
        title="DB15/T 970 物业服务标准符合性评估结果（模拟数据）", header_row=2,
    ),
    Office(
        "baotou_handovers", "handovers", "csv", "退出交接登记_{day}.csv",
        _fields(
            "交接编号=handover_id", "合同编号=contract_id", "小区编码=community_id", "移交单位信用代码=uscc",
            "应交接日期=due_on", "完成交接日期=completed_on", "资料齐全=are_documents_complete",
            "设施设备完好=are_facilities_complete", "账目结清=are_accounts_complete", "更新时间=updated_at",
            "街道到场=is_street_present",
            words_of={"are_documents_complete": words.FLAG, "are_facilities_complete": words.FLAG,
                      "are_accounts_complete": words.FLAG, "is_street_present": words.FLAG},
            formats={"updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_reporting_records", "reporting_records", "csv", "数据报送台账_{day}.csv",
        _fields(
            "报送编号=report_id", "统一社会信用代码=uscc", "报送类别=report_type_code", "所属期起=period_start_on",
            "报送期限=due_on", "报送日期=submitted_on", "抽查项数=checked_item_count", "差错项数=wrong_item_count",
            "更新时间=updated_at",
            words_of={"report_type_code": words.REPORTS},
            formats={"period_start_on": COMPACT_DAY, "due_on": COMPACT_DAY, "submitted_on": COMPACT_DAY,
                     "updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_inspectors", "inspectors", "csv", "检查人员名录_{day}.csv",
        _fields(
            "检查人员代号=inspector_code", "所属部门=authority_code", "区划代码=region_code", "入库日期=active_from",
            "出库日期=active_until", "更新时间=updated_at",
            words_of={"authority_code": words.OVERSIGHT_AUTHORITIES}, formats={"updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_inspector_ties", "inspector_ties", "csv", "检查人员回避登记_{day}.csv",
        _fields(
            "检查人员代号=inspector_code", "统一社会信用代码=uscc", "关系类别=relation_code", "回避起始日期=starts_on",
            "回避截止日期=ends_on", "更新时间=updated_at",
            words_of={"relation_code": words.TIES}, formats={"updated_at": MOMENT},
        ),
        encoding="gb18030",
    ),
    Office(
        "baotou_owners_committees", "owners_committees", "csv", "业委会备案_{day}.csv",
        _fields(
            "备案编号=committee_id", "小区编码=community_id", "组织类别=committee_kind_code", "成立日期=formed_on",
            "终止日期=dissolved_on", "委员人数=member_count", "党员委员人数=party_member_count",
            "培训年度=training_year", "年度培训次数=training_count", "更新时间=updated_at",
            words_of={"committee_kind_code": words.COMMITTEES}, formats={"updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_contacts", "contacts", "csv", "值班联系方式_{day}.csv",
        _fields(
            "联系编号=contact_id", "地区代码=area_code", "统一社会信用代码=uscc", "岗位=post_code",
            "值班电话=telephone", "启用日期=valid_from", "停用日期=valid_until", "更新时间=updated_at",
            words_of={"post_code": words.CONTACT_POSTS}, formats={"updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_project_honours", "project_honours", "csv", "项目达标创优_{day}.csv",
        _fields(
            "认定编号=honour_id", "小区编码=community_id", "统一社会信用代码=uscc", "认定类别=honour_code",
            "标准版本=standard_edition", "认定日期=granted_on", "有效期至=valid_until", "撤销日期=revoked_on",
            "认定单位=authority_name", "更新时间=updated_at",
            words_of={"honour_code": words.HONOURS},
            formats={"granted_on": SLASH_DAY, "valid_until": SLASH_DAY, "revoked_on": SLASH_DAY,
                     "updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_mashangban_enrolments", "mashangban_enrolments", "csv", "码上办入驻小区_{day}.csv",
        _fields(
            "序号", "小区编码=community_id", "入驻日期=enrolled_on", "退出日期=withdrawn_on", "更新时间=updated_at",
            formats={"enrolled_on": COMPACT_DAY, "withdrawn_on": COMPACT_DAY, "updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_replies", "replies", "csv", "企业声明_{day}.csv",
        _fields(
            "声明编号=reply_id", "统一社会信用代码=uscc", "声明内容=statement", "提交日期=filed_on",
            "撤回日期=withdrawn_on", "更新时间=updated_at",
            formats={"updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_fund_votes", "fund_votes", "csv", "维修资金表决_{day}.csv",
        _fields(
            "表决编号=vote_id", "小区编码=community_id", "表决事项=purpose_code", "表决日期=decided_on",
            "应参加人数=owner_count", "应参加面积=owner_area_m2", "参与人数=voting_owner_count",
            "参与面积=voting_area_m2", "同意人数=approving_owner_count", "同意面积=approving_area_m2",
            "同意金额=approved_amount", "更新时间=updated_at",
            words_of={"purpose_code": words.VOTE_PURPOSES}, formats={"updated_at": MOMENT},
        ),
        encoding="gb18030",
    ),
    Office(
        "baotou_emergency_repairs", "emergency_repairs", "csv", "应急使用登记_{day}.csv",
        _fields(
            "应急编号=emergency_id", "小区编码=community_id", "应急事项=use_code", "发生日期=occurred_on",
            "备案日期=filed_on", "认定日期=recognised_on", "更新时间=updated_at",
            words_of={"use_code": words.EMERGENCY_USES}, formats={"updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_related_parties", "related_parties", "xlsx", "物业企业关联方_{day}.xlsx",
        _fields(
            "序号", "关联编号=relation_id", "统一社会信用代码=uscc", "关联方名称=party_name", "关联关系=relation_code",
            "起始日期=valid_from", "终止日期=valid_to", "更新时间=updated_at",
            words_of={"relation_code": words.PARTY_RELATIONS}, formats={"valid_from": EXCEL, "updated_at": MOMENT},
        ),
        title="物业服务企业关联方登记（模拟数据）", header_row=2,
    ),
    Office(
        "baotou_tenders", "tenders", "csv", "物业选聘登记_{day}.csv",
        _fields(
            "选聘编号=tender_id", "小区编码=community_id", "选聘阶段=stage_code", "选聘方式=method_code",
            "公告日期=announced_on", "开标日期=opened_on", "定标日期=awarded_on", "中选企业信用代码=uscc",
            "批准日期=approved_on", "批准文号=approval_no", "更新时间=updated_at",
            words_of={"stage_code": words.TENDER_STAGES, "method_code": words.TENDER_METHODS},
            formats={"updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_tender_bids", "tender_bids", "xlsx", "投标评分汇总_{day}.xlsx",
        _fields(
            "序号", "选聘编号=tender_id", "投标人信用代码=uscc", "评标日期=scored_on", "报价=price_per_m2",
            "有效投标=is_valid", "技术得分=technical_score", "商务得分=business_score", "信用得分=credit_score",
            "总得分=total_score", "申报信用等级=claimed_grade", "更新时间=updated_at",
            words_of={"is_valid": words.FLAG}, formats={"scored_on": EXCEL, "updated_at": MOMENT},
        ),
        title="包头市物业服务企业选聘评标结果汇总（模拟数据）", header_row=2,
    ),
    Office(
        "baotou_fee_collections", "fee_collections", "csv", "物业费收缴_{day}.csv",
        _fields(
            "小区编码=community_id", "统一社会信用代码=uscc", "所属季度起=period_start_on",
            "应收金额=receivable_amount",
            "实收金额=received_amount", "应缴户数=household_count", "欠费户数=owing_household_count",
            "催告户数=reminded_count", "调解户数=mediated_count", "仲裁户数=arbitrated_count", "诉讼户数=sued_count",
            "服务争议未缴=unpaid_service_amount", "房屋质量未缴=unpaid_quality_amount", "空置未缴=unpaid_vacant_amount",
            "困难未缴=unpaid_hardship_amount", "其他未缴=unpaid_other_amount", "更新时间=updated_at",
            formats={"updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_disputes", "disputes", "csv", "矛盾纠纷调处_{day}.csv",
        _fields(
            "纠纷编号=dispute_id", "小区编码=community_id", "涉及企业信用代码=uscc", "来源=origin_code",
            "难易程度=complexity_code",
            "调处层级=level_code", "受理日期=received_on", "办结期限=due_on", "提级日期=escalated_on",
            "答复日期=answered_on",
            "办结日期=closed_on", "调处结果=outcome_code", "调解协议编号=mediation_id", "更新时间=updated_at",
            words_of={"origin_code": words.DISPUTE_ORIGINS, "complexity_code": words.COMPLEXITIES,
                      "level_code": words.LEVELS, "outcome_code": words.DISPUTE_OUTCOMES},
            formats={"updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_joint_meetings", "joint_meetings", "csv", "物业联席会议_{day}.csv",
        _fields(
            "街道代码=street_code", "建立日期=established_on", "终止日期=ended_on", "最近召开日期=last_met_on",
            "更新时间=updated_at",
            formats={"updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_contract_terms", "contract_terms", "csv", "物业合同约定_{day}.csv",
        _fields(
            "合同编号=contract_id", "登记日期=registered_on", "合同文本=template_code", "文本版本=template_version",
            "偏离条款数=deviation_count", "物业费=fee_per_m2", "更新时间=updated_at",
            words_of={"template_code": words.TEMPLATES}, formats={"updated_at": MOMENT},
        ),
    ),
    Office(
        "baotou_contract_items", "contract_items", "csv", "物业合同服务事项_{day}.csv",
        _fields(
            "合同编号=contract_id", "序次=line_no", "服务事项=item_code", "约定日期=agreed_on",
            "服务等级=service_level", "单项收费=fee_per_m2", "另行收费=is_extra", "更新时间=updated_at",
            words_of={"item_code": words.SERVICE_ITEMS, "is_extra": words.FLAG}, formats={"updated_at": MOMENT},
        ),
    ),
)  # fmt: skip
