"""The offices' words for the feeds' codes: what stands in an export instead of a code. No file format here."""

ORGANISATIONS = {"enterprise": "企业", "committee": "居民委员会", "social_org": "社会组织"}
LISTINGS = {"none": "正常", "listed": "列入经营异常名录", "cured": "已移出"}
COMMUNITY_TYPES = {
    "commercial": "商品房", "old": "老旧小区", "resettlement": "回迁安置", "transferred": "三供一业移交",
    "abandoned": "弃管接管", "affordable": "保障房",
}  # fmt: skip
END_REASONS = {
    "expired": "合同到期", "dismissed_for_cause": "业主解聘", "left_with_notice": "书面告知后退出",
    "left_without_notice": "擅自撤离", "mutual": "协商解除",
}  # fmt: skip
CHANNELS = {
    "mashangban": "码上办", "hotline": "12345热线", "platform": "网络平台", "letter": "来信来访", "other": "其他",
}  # fmt: skip
CATEGORIES = {
    "heating": "供暖", "water_leak": "漏水渗水", "cleaning": "环境卫生", "security": "秩序安保", "lift": "电梯",
    "parking": "停车", "fees": "物业收费", "greening": "绿化", "noise": "噪声", "fire_safety": "消防安全",
    "facilities": "设施维修", "funds": "资金收益", "attitude": "服务态度", "other": "其他",
}  # fmt: skip
PARTIES = {
    "property": "物业企业", "developer": "开发企业", "utility": "专营单位", "owner": "业主个人",
    "government": "政府部门",
    "undetermined": "待认定",
}  # fmt: skip
STATUSES = {
    "submitted": "待响应", "responded": "已响应", "handling": "办理中", "resolved": "已解决", "closed": "已办结",
    "withdrawn": "已撤回",
}  # fmt: skip
CALLBACKS = {"satisfied": "满意", "unsatisfied": "不满意", "unreachable": "未接通"}
LINES = {"summary": "汇总", "finding": "问题"}
AUTHORITIES = {
    "housing": "住建", "fire": "消防", "market": "市场监管", "urban_management": "城管", "police": "公安",
    "other": "其他",
}  # fmt: skip
INSPECTION_TYPES = {
    "random": "双随机",
    "targeted": "专项",
    "complaint": "投诉核查",
    "routine": "日常巡查",
    "other": "其他",
}
SEVERITIES = {"minor": "轻微", "general": "一般", "serious": "严重"}
ACCOUNTS = {"maintenance_fund": "维修资金专户", "common_revenue": "公共收益专户", "operating": "企业基本户"}
PURPOSES = {
    "repair": "维修支出", "emergency_repair": "应急维修", "fee_income": "物业费", "advertising_income": "广告收入",
    "parking_income": "停车收入", "interest": "利息", "opening": "期初", "reversal": "红冲",
    "transfer": "转账", "other": "其他",
}  # fmt: skip
CLASSES = {
    "c01": "01企业及人员信息", "c02": "02服务内容和标准", "c03": "03公共收益收支", "c04": "04维修资金使用",
    "c05": "05收费项目和标准", "c06": "06电梯维保", "c07": "07消防设施", "c08": "08共用部位经营", "c09": "09水电分摊",
    "c10": "10投诉受理渠道", "c11": "11合同及履约", "c12": "12应急预案",
}  # fmt: skip
RECORD_TYPES = {
    "penalty": "行政处罚", "serious_dishonesty": "严重失信主体名单", "fund_procedure": "维修资金程序违规",
    "fund_misuse": "挪用维修资金或公共收益", "overcharging": "违规收费", "abandonment": "擅自撤离",
    "accident": "责任事故",
    "fatal_accident": "亡人责任事故", "fraud": "弄虚作假", "coercive_collection": "停水停电等方式催费",
    "inspection_refusal": "拒不接受检查", "judgment": "未履行生效裁判", "wage_arrears": "拖欠工资社保",
    "commendation": "表彰",
}  # fmt: skip
POSTS = {
    "manager": "项目经理", "engineer": "工程维修", "security": "秩序维护", "cleaning": "保洁", "gardening": "绿化养护",
    "service": "客服", "other": "其他",
}  # fmt: skip
TARGETS = {"complaint": "诉求", "inspection": "检查", "public_credit": "公共信用记录", "grade": "信用等级"}
OBJECTION_OUTCOMES = {"pending": "办理中", "upheld": "异议成立", "rejected": "异议不成立", "withdrawn": "已撤回"}
TOPICS = {"fees": "费用", "service": "服务", "facilities": "设施", "funds": "资金", "other": "其他"}
MEDIATION_OUTCOMES = {"pending": "履行中", "performed": "已履行", "breached": "未履行", "failed": "调解不成"}
LEVELS = {"community": "社区", "street": "街道", "district": "旗县区"}
ACCIDENT_LEVELS = {"ordinary": "一般事故", "larger": "较大事故", "major": "重大事故", "extraordinary": "特别重大事故"}
LIFT_ORIGINS = {"original": "原有", "renewed": "更新", "added": "加装"}
LIFT_RESULTS = {"passed": "合格", "failed": "不合格"}
RATER_LEVELS = {"street": "街道", "community": "社区"}
REPORTS = {
    "enterprise": "企业信息", "projects": "项目信息", "staff": "人员信息", "finance": "收支信息", "safety": "安全信息",
    "other": "其他信息",
}  # fmt: skip
SOURCE_CLASSES = {"own": "本部门数据", "other": "其他部门数据", "complex": "情况复杂"}
REVIEW_OUTCOMES = {"upheld": "复核成立", "rejected": "维持原结论"}
OVERSIGHT_AUTHORITIES = {
    "housing": "住建", "fire": "消防", "market": "市场监管", "urban_management": "城管", "police": "公安",
    "other": "其他",
}  # fmt: skip
TIES = {
    "former_employee": "曾任职", "relative": "近亲属任职", "shareholder": "持股", "owner": "本小区业主",
    "other": "其他",
}  # fmt: skip
CONTACT_POSTS = {
    "property_section": "物业监管科", "duty_desk": "值班室", "street_desk": "街道物业岗", "service_centre": "客服中心",
    "enterprise_desk": "企业值班岗",
}  # fmt: skip
COMMITTEES = {"owners": "业主委员会", "management": "物业管理委员会"}
HONOURS = {
    "first_level": "一级服务项目", "second_level": "二级服务项目", "third_level": "三级服务项目",
    "excellent": "自治区级优秀项目", "model": "自治区级示范项目",
}  # fmt: skip
VOTE_PURPOSES = {"use": "使用", "raise": "筹集"}
EMERGENCY_USES = {
    "roof_leak": "屋面渗漏", "wall_leak": "外墙渗漏", "lift_failure": "电梯故障", "fire_facilities": "消防设施故障",
    "water_pumps": "二次供水水泵中断", "drainage": "排水设施堵塞爆裂", "facade_falling": "外立面脱落危险",
    "other": "其他紧急情况",
}  # fmt: skip
PARTY_RELATIONS = {
    "shareholder": "股东", "subsidiary": "控股子公司", "same_controller": "同一实际控制人", "executive": "高管任职",
    "family": "近亲属控制",
}  # fmt: skip
PAUSE_REASONS = {"access": "无法入户", "utilities": "专营单位原因", "fund_vote": "维修资金表决", "other": "其他"}
FLAG = {True: "是", False: "否"}
TENDER_STAGES = {"early": "前期物业", "later": "业主大会选聘"}
TENDER_METHODS = {"open_tender": "公开招标", "invited_tender": "邀请招标", "agreement": "协议选聘"}
DISPUTE_ORIGINS = {
    "petition": "信访", "hotline": "热线转办", "window": "调处窗口", "court": "法院委派", "patrol": "网格巡查",
}  # fmt: skip
COMPLEXITIES = {
    "simple": "简单", "complex": "复杂", "major": "重大疑难",
}  # fmt: skip
DISPUTE_OUTCOMES = {
    "pending": "办理中", "settled": "调处成功", "failed": "调处不成", "withdrawn": "撤回",
}  # fmt: skip
TEMPLATES = {
    "model": "示范文本", "own": "自拟文本",
}  # fmt: skip
SERVICE_ITEMS = {
    "general": "综合管理", "cleaning": "保洁", "security": "秩序维护", "greening": "绿化养护", "facilities": "设施维护",
    "lift": "电梯", "parking": "停车管理", "home": "入户服务", "other": "其他",
}  # fmt: skip
