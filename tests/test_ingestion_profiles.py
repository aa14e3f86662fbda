"""Source profiles: a mistake in one is told with file and key, never guessed around."""

import pytest

from property_credit.ingestion import feeds
from property_credit.ingestion import profile as profiles
from property_credit.ingestion.contract import IngestionError

GOOD = """\
feed: surveys
office_zh: 测试
format: csv
files: "*.csv"
header: {row: 1}
columns: {survey_id: 编号, community_id: 小区, surveyed_on: 日期, response_count: 份数, satisfaction_score: 得分}
dates: {surveyed_on: "%Y-%m-%d"}
"""


def written(tmp_path, text):
    path = tmp_path / "some_office.yml"
    path.write_text(text, encoding="utf-8")
    return path


def test_profile__sound__is_named_after_its_file(tmp_path):
    assert profiles.load(written(tmp_path, GOOD)).name == "some_office"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("office_zh: 测试", "office_zh: 测试\nofice: x"), "ofice: unknown key"),
        (("header: {row: 1}", "header: {row: 1, find: [编号]}"), "exactly one of"),
        (("header: {row: 1}", "header: {line: 1}"), "header.line: unknown key"),
        (("得分}", "得分, mark: 分}"), "no field mark"),
        (("survey_id: 编号, ", ""), "no source for the required survey_id"),
        (('dates: {surveyed_on: "%Y-%m-%d"}', ""), "say the format of surveyed_on"),
        (("feed: surveys", "feed: survey"), "there is no feed 'survey'"),
        (("feed: surveys", "feed: surveys\nfeed: funds"), "appears twice"),
        (("feed: surveys", "feed: [surveys"), "not valid YAML"),
        (("份数", "编号"), "given to two fields"),
        (('files: "*.csv"\n', ""), "say which files"),
        (("header: {row: 1}", "header: {row: 1}\ncaptures: [{source: 编号, pattern: '(\\d+)'}]"), "no named group"),
        (
            ("header: {row: 1}", "header: {row: 1}\nskip_rows: [{column: 编号, matches: '('}]"),
            "not a regular expression",
        ),
        (("header: {row: 1}", "header: {row: 1}\nconstants: {survey_id: a}"), "more than once"),
    ],
)
def test_profile__with_a_mistake__says_file_and_key(tmp_path, change, told):
    with pytest.raises(IngestionError) as caught:
        profiles.load(written(tmp_path, GOOD.replace(*change)))
    assert told in str(caught.value) and "some_office.yml" in str(caught.value)


def test_profile__that_extends_another__has_its_keys_but_for_its_own(tmp_path):
    written(tmp_path, GOOD)
    path = tmp_path / "other_office.yml"
    path.write_text('extends: some_office\nfeed: surveys\nfiles: "*.txt"\ncolumns: {uscc: 代码}\n', encoding="utf-8")
    profile, base = profiles.load(path), profiles.load(tmp_path / "some_office.yml")
    assert (profile.name, profile.files, profile.office_zh) == ("other_office", ["*.txt"], "测试")
    assert profile.columns == {**base.columns, "uscc": ["代码"]}


def test_profile__that_extends_nothing_or_a_chain__is_refused(tmp_path):
    with pytest.raises(IngestionError, match="no nobody.yml beside it"):
        profiles.load(written(tmp_path, "extends: nobody\nfeed: surveys\n"))
    written(tmp_path, GOOD)
    for name, base in (("second", "some_office"), ("third", "second")):
        (tmp_path / f"{name}.yml").write_text(f"extends: {base}\nfeed: surveys\n", encoding="utf-8")
    with pytest.raises(IngestionError, match="second extends another profile itself"):
        profiles.load(tmp_path / "third.yml")


def test_profile__code_that_the_feed_does_not_have__is_refused(tmp_path):
    text = GOOD.replace("surveys", "mediations").replace("dates:", "codes: {outcome_code: {好: great}}\ndates:")
    with pytest.raises(IngestionError):
        profiles.load(written(tmp_path, text))


def test_profile__unknown_name__lists_the_known_ones():
    with pytest.raises(IngestionError, match="profiles are"):
        profiles.get("nobody")


def test_profiles__of_the_project__all_load():
    assert all(profile.office_zh for profile in profiles.load_all())


@pytest.mark.parametrize("name", ["workbench_complaints", "workbench_public_credit"])
def test_workbench__a_row_sent_as_it_stands__has_every_field_of_its_feed(name):
    profile = profiles.named(name)
    assert set(profile.columns) == set(feeds.get(profile.feed).field_names)
