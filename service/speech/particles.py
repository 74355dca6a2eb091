"""The particle 着 where traditional writing has 著, in text that is otherwise in simplified characters.

Taiwan writes both the particle (看著, 隨著) and the word for writing and for being seen (原著, 著名) with 著; the
mainland keeps 著 for the second alone. OpenCC either leaves every 著 or changes 原著 too. Here the words that keep it
are listed, since they are few; whatever else stands before a 著 is a verb. At the end of a clause it may also follow
an author's name (鲁迅著), which a surname shows. It does not know languages.
"""

from __future__ import annotations

import re

_HAN = r"[\u4e00-\u9fff]"
_SURNAMES = (  # and how the pen names 冰心, 老舍, 巴金 begin
    "李王张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田"
    "任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙万段雷钱汤尹黎易常武乔贺赖龚文施严纪冰老巴鲁茅司欧诸罗"
)
# A clause of a surname and one of these is no author: 高举著, 马跑著, 白等著.
_VERBS = (
    "看听走坐站躺拿带抱背开关活穿戴等睡住笑哭说想守留放挂贴写画堵烧亮转飘飞流响叫喊唱跳跑爬游骑握牵拉推提举扛挑端托扶撑顶"
    "靠围绕盖罩挡压踩追跪趴蹲吊浮漂沉养喂吃喝含咬抽忍熬耗拖欠空闲忙病疼饿醒急怕爱念盼期满有在立悬翔扬歌舞耸昂涌奔"
)
_NAME = re.compile(rf"(?:(?:^|[\W由是])[{_SURNAMES}]{_HAN}{{1,2}}|由{_HAN}{{2,5}})(?<![{_VERBS}])$")
_AUTHORED = re.compile(  # 著 behind one of these belongs to it: what is written, and what is plain to see
    "(?:[原土名巨专遗拙撰所昭卓新旧素]|(?<![夹搀掺混错间])杂|(?<![谈议讨评争辩推])论|(?<!翻)译|(?<!改)编|(?<![彰凸突])显|彰明较|恩威并|微知|积微成|日新月"
    "|(?<![闭配结混融符联组整聚汇吻综适磨凑])合)$"
)
_SHUT = re.compile("[眼嘴掌口双手]")  # 合著眼: eyes are shut, nothing is written together
_ALWAYS = re.compile("[随沿接味伴]$")  # these take the particle whatever follows
_WORDS = (  # what follows a 著 that is no particle, and the characters before it that make it one all the same
    (re.compile("名(?![字片牌]|单(?!位)|著(?![作者述]))"), _ALWAYS),
    (re.compile("作(?![业战画案揖品])"), _ALWAYS),
    (re.compile("者"), re.compile("(?!)")),
    (re.compile("称"), re.compile("[笑哭接跟说喊叫指]$")),
    (re.compile("述"), re.compile("[接跟]$")),
    (re.compile("书"), re.compile("[读看念背抱捧拿翻写带夹教抄藏堆放摆卖买借]$")),
    (re.compile("录(?![音像影制下取入播节视歌])"), _ALWAYS),
    (re.compile("于(?!是)"), _ALWAYS),
    (re.compile("有《"), re.compile("(?!)")),
    (re.compile("有"), re.compile("(?<![他她曾生并均])(?<!^)$")),
)
_CLAUSE_END = re.compile(r"[的之有]|\W|$")
_LONGEST = 7  # characters before a 著 that are looked at


def with_particles(text: str) -> str:
    """Text in simplified characters, in which 着 stands for the particle: 随著 → 随着, while 原著 stays."""
    return re.sub("著", _written, text)


def _written(found: re.Match[str]) -> str:
    text, at = found.string, found.start()
    return "着" if _is_particle(text[max(0, at - _LONGEST) : at], text[at + 1 :]) else "著"


def _is_particle(before: str, after: str) -> bool:
    if _AUTHORED.search(before):
        return before.endswith("合") and _SHUT.match(after) is not None
    if _CLAUSE_END.match(after) and _NAME.search(before):
        return False
    for word, exception in _WORDS:
        if word.match(after):
            return exception.search(before) is not None
    return bool(before or after)
