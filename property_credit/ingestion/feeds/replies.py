"""企业声明: what an enterprise says beside its grade, in its own words (right of reply, at most 200 characters).

The only text of a feed that is published as it came. So it is looked at here: one line, and nobody in it can be rung up
or identified by a number.
"""

from typing import TYPE_CHECKING

from property_credit.ingestion.contract import Feed, Field, Row, RowRule

if TYPE_CHECKING:
    import polars


def _has_control(row: Row) -> "polars.Expr":
    from property_credit.warehouse import own_words  # here: a DAG file that is parsed imports the contracts alone

    return row["statement"].str.contains(own_words.CONTROL)


def _names_a_person(row: Row) -> "polars.Expr":
    from property_credit.warehouse import own_words

    return row["statement"].str.contains(own_words.PERSONAL)


FEED = Feed(
    name="replies",
    title_zh="企业声明",
    title_en="replies of enterprises to their grades",
    max_age_days=100,
    key=("reply_id",),
    event_field="filed_on",
    ends_field="withdrawn_on",
    immutable=("filed_on",),
    fields=(
        Field("reply_id", "text", "声明编号", "reply", required=True),
        Field(
            "uscc", "uscc", "统一社会信用代码", "unified social credit code", required=True, references="enterprises"
        ),
        Field(
            "statement",
            "text",
            "声明内容",
            "the enterprise's own words",
            required=True,
            maximum_length=200,
        ),
        Field("filed_on", "date", "提交日期", "filed on", required=True),
        Field("withdrawn_on", "date", "撤回日期", "withdrawn on"),
        Field("updated_at", "timestamp", "更新时间", "last changed at the source"),
    ),
    rules=(
        RowRule(
            "STATEMENT_NOT_ONE_LINE",
            "statement",
            "声明内容不是一行可读文字",
            "the statement is not one line of readable characters",
            _has_control,
        ),
        RowRule(
            "STATEMENT_NAMES_A_PERSON",
            "statement",
            "声明内容含电话或身份证号码，不得公开",
            "the statement holds a telephone or identity number, which must not be published",
            _names_a_person,
        ),
        RowRule(
            "WITHDRAWN_BEFORE_FILED",
            "withdrawn_on",
            "撤回早于提交",
            "withdrawn before it was filed",
            lambda row: row["withdrawn_on"] < row["filed_on"],
        ),
    ),
)
