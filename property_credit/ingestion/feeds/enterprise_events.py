"""企业变更: what changes who an enterprise is: a new name or code, a merger, a split, its end."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="enterprise_events",
    title_zh="企业变更",
    title_en="what changes who an enterprise is: name, code, merger, split, end",
    max_age_days=400,
    key=("event_id",),
    event_field="effective_on",
    immutable=("uscc", "event_code"),
    withdrawn=("status_code", "withdrawn"),
    fields=(
        Field("event_id", "text", "变更编号", "event", required=True),
        Field(
            "event_code",
            "code",
            "变更种类",
            "kind of change",
            required=True,
            codes=("renamed", "recoded", "merged", "split", "succeeded", "deregistered", "entered"),
        ),
        Field("uscc", "uscc", "统一社会信用代码", "unified social credit code", references="enterprises"),
        Field("other_uscc", "uscc", "承继方统一社会信用代码", "new code, or code of the successor"),
        Field("other_name", "text", "变更后名称", "new name, or name of the successor"),
        Field("effective_on", "date", "生效日期", "takes effect on", may_be_future=True),
        Field("authority_name", "text", "登记机关", "registering authority"),
        Field("decision_no", "text", "文号", "number of the decision"),
        Field("status_code", "code", "状态", "status", codes=("standing", "withdrawn")),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
        Field("local_no", "text", "本单位编号", "the office's own number of one without a code", is_later=True),
    ),
    rules=(
        RowRule(
            "NUMBER_MISSING",
            "uscc",
            "既无统一社会信用代码，又无本单位编号",
            "neither a code nor the office's own number",
            lambda row: row["uscc"].is_null() & row["local_no"].is_null(),
        ),
        RowRule(
            "ENTERED_WITH_CODE",
            "uscc",
            "已有统一社会信用代码的主体无需登记",
            "who has a code stands in the register of enterprises",
            lambda row: (row["event_code"] == "entered") & row["uscc"].is_not_null(),
        ),
        RowRule(
            "CODE_MISSING",
            "uscc",
            "除登记、换码外须有统一社会信用代码",
            "only who is entered or gets a first code may be named by an office's own number",
            lambda row: row["uscc"].is_null() & ~row["event_code"].is_in(["entered", "recoded"]),
        ),
        RowRule(
            "SUCCESSOR_MISSING",
            "other_uscc",
            "缺少承继方或变更后代码",
            "neither a new code nor a successor",
            lambda row: (
                row["event_code"].is_in(["recoded", "merged", "split", "succeeded"]) & row["other_uscc"].is_null()
            ),
        ),
        RowRule(
            "SUCCESSOR_IS_ITSELF",
            "other_uscc",
            "承继方与本企业相同",
            "it succeeds itself",
            lambda row: row["other_uscc"] == row["uscc"],
        ),
        RowRule(
            "NAME_MISSING",
            "other_name",
            "更名但无变更后名称",
            "renamed without a new name",
            lambda row: row["event_code"].is_in(["renamed", "entered"]) & row["other_name"].is_null(),
        ),
    ),
)
