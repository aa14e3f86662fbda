"""One sentence for each indicator's points, in Chinese for officials and enterprises and in English for engineers."""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from scoring.formulas import Bonus, Deduction, NormalScore, Rate, Ratio, RelativeRisk, State
from scoring.indicators import FEED_MISSING, NO_ESTIMATE, NO_EXPOSURE, NOT_APPLICABLE
from scoring.inputs import Silence
from scoring.schema import Indicator


@dataclass(frozen=True)
class Scored:
    """The figures of one enterprise's indicator; ``value`` as the curve reads it, points after redistribution."""

    status: str
    counted: Decimal
    exposure: Decimal
    value: Decimal
    window_months: int
    points: Decimal
    maximum: Decimal
    deemed: int = 0  # cases counted as confirmed because nobody said otherwise in time
    pending: int = 0  # cases counted because their limit ran out before anybody said
    design_effect: Decimal = Decimal(1)  # so many of the exposure are worth one independent one
    silences: tuple[Silence, ...] = ()  # of the indicator's feeds
    counted_until: date | None = None  # last day counted, where that is before the night


def plain(number: Decimal, decimals: int) -> str:
    """Return ``number`` rounded half up to at most ``decimals``, without trailing zeros or an exponent."""
    text = f"{number.quantize(Decimal(1).scaleb(-decimals), rounding=ROUND_HALF_UP):f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text in ("-0", "") else text


def reason(indicator: Indicator, figures: Scored) -> tuple[str, str]:
    """Return the Chinese and the English sentence.

    As ``24小时解决率 81.3%（解决 412／有效 507，收缩后），得 2.2／4 分``.
    """
    zh, en = _finding(indicator, figures)
    name = indicator.name
    if figures.status in (NOT_APPLICABLE, FEED_MISSING, NO_ESTIMATE):
        if isinstance(indicator.formula, Bonus):
            return f"{name.zh}：{zh}，不加分", f"{name.en}: {en}, no bonus"
        most = plain(indicator.max_points, 2)
        return f"{name.zh}：{zh}，{most} 分由其他指标分担", f"{name.en}: {en}, its {most} points go to other indicators"
    got, most = plain(figures.points, 2), plain(figures.maximum, 2)
    for silence in figures.silences:  # of some of its districts
        sentence = _silence(silence)
        zh, en = (
            f"{zh}（不含{silence.region_names}：{sentence[0]}）",
            f"{en} (without {silence.region_names}: {sentence[1]})",
        )
    if figures.counted_until:
        zh, en = f"{zh}（数据截至 {figures.counted_until}）", f"{en} (data up to {figures.counted_until})"
    return f"{name.zh} {zh}，得 {got}／{most} 分", f"{name.en} {en}: {got} of {most} points"


def _silence(silence: Silence) -> tuple[str, str]:
    since = f"自 {silence.from_on} 起未报送" if silence.from_on else "从未报送"
    return f"{silence.title_zh}{since}", f"{silence.feed} silent since {silence.from_on or 'ever'}"


def _finding(indicator: Indicator, figures: Scored) -> tuple[str, str]:
    feeds = ", ".join(indicator.feeds)
    match figures.status:
        case "feed_missing":
            for silence in figures.silences:
                if silence.is_silent:
                    return _silence(silence)
            return f"数据未接入（{feeds}）", f"feed not available ({feeds})"
        case "no_estimate":
            return "尚无地区基准值", "no regional estimate yet"
        case "not_applicable":
            return f"不适用（期内无{indicator.exposure.zh}）", f"not applicable (no {indicator.exposure.en})"
    if figures.status == NO_EXPOSURE and indicator.no_exposure == "full":
        return "期内无记录", "no record"
    if figures.status == NO_EXPOSURE:
        return f"期内无{indicator.exposure.zh}数据", f"nothing on {indicator.exposure.en}"
    x, n = plain(figures.counted, 2), plain(figures.exposure, 2)
    counted, exposure = indicator.counted, indicator.exposure
    parts_zh, parts_en = f"{counted.zh} {x}／{exposure.zh} {n}", f"{counted.en} {x} / {exposure.en} {n}"
    if figures.deemed:
        parts_zh, parts_en = (
            f"{parts_zh}，其中逾期未定性视为查实 {figures.deemed}",
            f"{parts_en}, {figures.deemed} deemed confirmed",
        )
    if figures.pending:
        parts_zh = f"{parts_zh}，其中超时尚未定性 {figures.pending}"
        parts_en = f"{parts_en}, {figures.pending} past the limit without a finding yet"
    if figures.design_effect != 1:
        independent = plain(figures.exposure / figures.design_effect, 1)
        parts_zh, parts_en = (
            f"{parts_zh}，折合独立样本 {independent}",
            f"{parts_en}, worth {independent} independent ones",
        )
    if indicator.is_shrunk:
        parts_zh, parts_en = f"{parts_zh}，收缩后", f"{parts_en}, shrunk"
    match indicator.formula:
        case Ratio():
            value = f"{plain(figures.value * 100, 1)}%"
        case Rate(per=per):
            rate, unit = plain(figures.value, 3), plain(per, 0)
            return (
                f"每 {unit} {exposure.zh} {rate} 件（{parts_zh}）",
                f"{rate} per {unit} {exposure.en} ({parts_en})",
            )
        case RelativeRisk():
            value = plain(figures.value, 2)
            parts_zh, parts_en = (
                f"近 {figures.window_months} 个月，{parts_zh}",
                f"{figures.window_months} months, {parts_en}",
            )
        case Deduction(scale=scale):
            return (
                f"{counted.zh} {x}（扣至 {plain(scale, 0)} 为零分）",
                f"{counted.en} {x} (nothing left at {plain(scale, 0)})",
            )
        case State():
            return f"{counted.zh} {x}（1 为正常）", f"{counted.en} {x} (1 is clean)"
        case NormalScore():
            value = plain(figures.value, 3)
        case Bonus(points_each=each):
            return f"{counted.zh} {x} 项（每项 {plain(each, 2)} 分）", f"{counted.en} {x} ({plain(each, 2)} each)"
    return f"{value}（{parts_zh}）", f"{value} ({parts_en})"
