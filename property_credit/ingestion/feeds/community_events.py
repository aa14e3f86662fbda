"""小区变更: what changes which community is which: a new name or number, a merger, a split, a phase."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="community_events",
    title_zh="小区变更",
    title_en="what changes which community is which: name, number, merger, split, phase",
    max_age_days=400,
    key=("event_id",),
    event_field="effective_on",
    immutable=("community_id", "event_code"),
    withdrawn=("status_code", "withdrawn"),
    fields=(
        Field("event_id", "text", "变更编号", "event", required=True),
        Field(
            "event_code",
            "code",
            "变更种类",
            "kind of change",
            required=True,
            codes=("renamed", "renumbered", "merged", "split", "phase"),
        ),
        Field("community_id", "text", "小区编码", "community", required=True, references="communities"),
        Field("other_community_id", "text", "变更后小区编码", "new number, or number of the other community"),
        Field("other_name", "text", "变更后名称", "new name"),
        Field("effective_on", "date", "生效日期", "takes effect on", may_be_future=True),
        Field("authority_name", "text", "认定单位", "deciding office"),
        Field("decision_no", "text", "文号", "number of the decision"),
        Field("status_code", "code", "状态", "status", codes=("standing", "withdrawn")),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "OTHER_COMMUNITY_MISSING",
            "other_community_id",
            "缺少变更后小区编码",
            "the other community is missing",
            lambda row: (row["event_code"] != "renamed") & row["other_community_id"].is_null(),
        ),
        RowRule(
            "OTHER_COMMUNITY_IS_ITSELF",
            "other_community_id",
            "变更后小区与本小区相同",
            "the other community is itself",
            lambda row: row["other_community_id"] == row["community_id"],
        ),
        RowRule(
            "NAME_MISSING",
            "other_name",
            "更名但无变更后名称",
            "renamed without a new name",
            lambda row: (row["event_code"] == "renamed") & row["other_name"].is_null(),
        ),
    ),
)
