"""What people write: short Chinese texts a category. No text names a person; none describes a real place."""

import numpy as np
import polars as pl

_MATTERS = {
    "heating": ["家中暖气不热，室温不足", "供暖管道漏水", "入户阀门损坏，暖气时有时无"],
    "water_leak": ["顶层住户屋面渗水", "地下车库漏水，积水没人清理", "楼道公共管道漏水"],
    "cleaning": ["楼道多日没有人打扫", "垃圾清运不及时，有异味", "电梯间卫生差"],
    "security": ["单元门禁损坏，外人随意进出", "夜间无人巡逻", "门岗长期无人值守"],
    "lift": ["电梯停运多日", "电梯运行异响，有抖动", "电梯按键失灵"],
    "parking": ["地面停车混乱，堵住通道", "车位收费没有公示", "外来车辆长期占用车位"],
    "fees": ["物业费上涨没有征求意见", "缴费后不给开票", "额外收取没有依据的费用"],
    "greening": ["绿化带枯死没有补种", "树木遮挡窗户没人修剪", "绿地被占用种菜"],
    "noise": ["水泵房夜间噪声大", "楼下商铺夜间扰民", "装修时间不受管理"],
    "fire_safety": ["消防通道被堵占", "楼道堆放杂物", "消火栓没有水压"],
    "facilities": ["楼道灯不亮", "单元门损坏没人修", "健身器材松动"],
    "funds": ["公共收益没有公示", "维修资金使用情况不清楚", "广告收入去向不明"],
    "attitude": ["报修电话没人接", "工作人员态度差", "多次反映没有答复"],
    "other": ["快递柜占用通道", "宠物管理混乱", "咨询物业服务事项"],
}
_TITLES = {
    "heating": "供暖问题", "water_leak": "漏水问题", "cleaning": "保洁问题", "security": "安保问题",
    "lift": "电梯故障", "parking": "停车管理", "fees": "收费问题", "greening": "绿化养护",
    "noise": "噪声扰民", "fire_safety": "消防隐患", "facilities": "设施维修", "funds": "收益公示",
    "attitude": "服务态度", "other": "其他事项",
}  # fmt: skip
_ENDINGS = ["，请尽快处理。", "，已反映过，希望解决。", "，影响正常生活。", "，请给个说法。", "，望核实。"]
_REPLIES = ["已安排人员到场处理完毕。", "经核实，问题已解决，并告知诉求人。", "已维修恢复，后续加强巡查。"]


def complaint_texts(frame: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Return the complaints with ``title``, ``content`` and ``reply``; a title with a comma in it now and then."""
    size = frame.height
    matter = rng.integers(0, 3, size)
    known = pl.DataFrame(
        {
            "category_code": [code for code, texts in _MATTERS.items() for _ in texts],
            "_matter": [place for texts in _MATTERS.values() for place in range(len(texts))],
            "_text": [text for texts in _MATTERS.values() for text in texts],
        }
    )
    frame = frame.with_columns(pl.Series("_matter", matter)).join(
        known, on=["category_code", "_matter"], how="left", maintain_order="left"
    )
    ending = pl.Series(_ENDINGS).gather(pl.Series(rng.integers(0, len(_ENDINGS), size)))
    reply = pl.Series(_REPLIES).gather(pl.Series(rng.integers(0, len(_REPLIES), size)))
    mark = pl.when(pl.lit(pl.Series(rng.random(size) < 0.02))).then(pl.lit(', "急"')).otherwise(pl.lit(""))
    return frame.with_columns(
        pl.concat_str(pl.col("category_code").replace_strict(_TITLES), mark).alias("title"),
        pl.concat_str(pl.col("_community"), pl.lit("："), pl.col("_text"), pl.lit(ending)).alias("content"),
        pl.lit(reply).alias("reply"),
    )
