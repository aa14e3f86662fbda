"""从业人员: staff."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="personnel",
    title_zh="从业人员",
    title_en="staff",
    max_age_days=35,
    is_scored=True,
    key=("staff_id",),
    event_field="hired_on",
    ends_field="left_on",
    person=("staff_id",),
    fields=(
        Field("staff_id", "text", "人员编号", "person", required=True),
        Field(
            "uscc", "uscc", "统一社会信用代码", "unified social credit code", required=True, references="enterprises"
        ),
        Field("staff_name", "text", "姓名", "name", personal=True),
        Field(
            "post_code",
            "code",
            "岗位",
            "post",
            required=True,
            codes=("manager", "engineer", "security", "cleaning", "gardening", "service", "other"),
        ),
        Field("hired_on", "date", "入职日期", "hired on", required=True),
        Field("left_on", "date", "离职日期", "left on", may_be_future=True),
        Field("pre_job_trained_on", "date", "岗前培训日期", "trained before the job on"),
        Field("continuing_trained_on", "date", "继续教育日期", "last continuing training on"),
        Field(
            "continuing_hours",
            "decimal",
            "继续教育学时",
            "hours of continuing training",
            precision=6,
            scale=1,
            minimum=0,
        ),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "LEFT_BEFORE_HIRED",
            "left_on",
            "离职早于入职",
            "left before being hired",
            lambda row: row["left_on"] < row["hired_on"],
        ),
    ),
)
