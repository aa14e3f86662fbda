"""业委会（物管会）备案: owners' committees with their members and trainings."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="owners_committees",
    title_zh="业委会备案",
    title_en="owners' committees",
    max_age_days=100,
    is_scored=True,
    key=("committee_id",),
    event_field="formed_on",
    ends_field="dissolved_on",
    fields=(
        Field("committee_id", "text", "备案编号", "committee", required=True),
        Field("community_id", "text", "小区编码", "community", required=True, references="communities"),
        Field("committee_kind_code", "code", "组织类别", "kind", required=True, codes=("owners", "management")),
        Field("formed_on", "date", "成立日期", "formed on", required=True),
        Field("dissolved_on", "date", "终止日期", "dissolved on"),
        Field("member_count", "integer", "委员人数", "members", minimum=1, maximum=99),
        Field("party_member_count", "integer", "党员委员人数", "members who are party members", minimum=0),
        Field("training_year", "integer", "培训年度", "year the trainings are counted for", minimum=2020, maximum=2100),
        Field("training_count", "integer", "年度培训次数", "trainings in that year", minimum=0, maximum=366),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "DISSOLVED_BEFORE_FORMED",
            "dissolved_on",
            "终止早于成立",
            "dissolved before it was formed",
            lambda row: row["dissolved_on"] < row["formed_on"],
        ),
        RowRule(
            "PARTY_MORE_THAN_MEMBERS",
            "party_member_count",
            "党员人数大于委员人数",
            "more party members than members",
            lambda row: row["party_member_count"] > row["member_count"],
        ),
        RowRule(
            "TRAININGS_WITHOUT_YEAR",
            "training_year",
            "有培训次数但无培训年度",
            "trainings are given, but not of which year",
            lambda row: (row["training_count"] > 0) & row["training_year"].is_null(),
        ),
    ),
)
