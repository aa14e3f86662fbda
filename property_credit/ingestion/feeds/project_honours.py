"""项目达标创优: service levels and model-project titles that an authority granted to a community's service."""

from property_credit.ingestion.contract import Feed, Field, RowRule

LEVELS = ("first_level", "second_level", "third_level")

FEED = Feed(
    name="project_honours",
    title_zh="项目达标创优",
    title_en="service levels and titles granted to projects",
    max_age_days=200,
    is_scored=True,
    key=("honour_id",),
    event_field="granted_on",
    ends_field="valid_until",
    fields=(
        Field("honour_id", "text", "认定编号", "honour", required=True),
        Field("community_id", "text", "小区编码", "community", required=True, references="communities"),
        Field("uscc", "uscc", "统一社会信用代码", "unified social credit code", references="enterprises"),
        Field("honour_code", "code", "认定类别", "what was granted", required=True,
              codes=(*LEVELS, "excellent", "model")),
        Field("standard_edition", "text", "标准版本", "edition of DB15/T 970 a level belongs to"),
        Field("granted_on", "date", "认定日期", "granted on", required=True),
        Field("valid_until", "date", "有效期至", "valid until", may_be_future=True),
        Field("revoked_on", "date", "撤销日期", "revoked on"),
        Field("authority_name", "text", "认定单位", "who granted it"),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "REVOKED_BEFORE_GRANTED",
            "revoked_on",
            "撤销早于认定",
            "revoked before it was granted",
            lambda row: row["revoked_on"] < row["granted_on"],
        ),
        RowRule(
            "LEVEL_WITHOUT_EDITION",
            "standard_edition",
            "等级认定未注明标准版本",
            "a level says nothing without the edition of the standard",
            lambda row: row["honour_code"].is_in(LEVELS) & row["standard_edition"].is_null(),
        ),
    ),
)  # fmt: skip
