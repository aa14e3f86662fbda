"""值班联系方式: the desk and the duty line of each office and enterprise. Posts only: no name, nobody's own number."""

from property_credit.ingestion.contract import Feed, Field, RowRule

FEED = Feed(
    name="contacts",
    title_zh="值班联系方式",
    title_en="duty lines of offices and enterprises",
    max_age_days=100,
    key=("contact_id",),
    event_field="valid_from",
    ends_field="valid_until",
    immutable=("area_code", "uscc"),
    fields=(
        Field("contact_id", "text", "联系编号", "contact", required=True),
        Field("area_code", "text", "地区代码", "area of the office: division (6 digits) or street (9)",
              pattern=r"^15\d{4}(\d{3})?$"),
        Field("uscc", "uscc", "统一社会信用代码", "enterprise", references="enterprises"),
        Field("post_code", "code", "岗位", "post: a desk, never a name", required=True,
              codes=("property_section", "duty_desk", "street_desk", "service_centre", "enterprise_desk")),
        Field("telephone", "text", "值班电话", "telephone of the desk", required=True,
              pattern=r"^(0\d{2,3}-\d{7,8}(-\d{1,5})?|\d{5,8}|1[3-9]\d{9})$"),
        Field("valid_from", "date", "启用日期", "in use from", required=True),
        Field("valid_until", "date", "停用日期", "in use until", may_be_future=True),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "TELEPHONE_OF_A_PERSON",
            "telephone",
            "手机号码属于个人，请报送值班固定电话",
            "a mobile number is a person's: report the telephone of the desk",
            lambda row: row["telephone"].str.contains(r"^1[3-9]\d{9}$"),
        ),
        RowRule(
            "HOLDER_UNCLEAR",
            "uscc",
            "地区代码与统一社会信用代码应填且只填一项",
            "give the area of an office or the code of an enterprise, and not both",
            lambda row: row["area_code"].is_null() == row["uscc"].is_null(),
        ),
        RowRule(
            "ENDED_BEFORE_BEGUN",
            "valid_until",
            "停用早于启用",
            "ended before it began",
            lambda row: row["valid_until"] < row["valid_from"],
        ),
    ),
)  # fmt: skip
