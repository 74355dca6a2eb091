"""The particle becomes 着 and the word stays 著, by what stands around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.speech.particles import with_particles

WORDS = (
    "原著 土著 土著人 名著 显著 效果显著 显著提高 著名 最著名的 叫做著名 有著名的学校 "
    "向著名作家学习 著名单位 著作 著作权 学术著作 著者 著称 著称于世 著述等身 著书立说 "
    "一生著书无数 著录 著于竹帛 专著 论著 编著 合著 与人合著 译著 拙著 巨著 鸿篇巨著 遗著 "
    "新著 昭著 臭名昭著 卓著 功勋卓著 见微知著 以微知著 彰明较著 所著 所著的 鲁迅著 曹雪芹著， "
    "是钱钟书著的小说 由托尔斯泰著。 鲁迅著有小说 他著有多部小说 著有《呐喊》"
)
PARTICLES = (
    "随著 看著 听著 跟著 紧接著， 沿著 意味著 笑著 走著 有著 著急 睡著 著火 著手 著重 执著 "
    "穿著 衣著 试著 附著 本著 对著 向著 开著的门 充满著 存在著 维持著 影响著 代表著 伴随著 "
    "保持著 用得著 过著 著凉 著陆 著想 著眼 沉著冷静 看著名单 叫著名字 写著作业 听著录音 "
    "读著书 看著书 看著有点累 笑著称赞 合著眼 合著双手 闭合著 结合著 谈论著 讨论著 翻译著文章 "
    "改编著 随著名气 随著作品 比较著 彰显著 你看著我 这样著 不著边际 抱著书 著色 围绕著， "
    "夹杂著 高举著， 马跑著。 车开著的"
)


@pytest.mark.parametrize("text", WORDS.split())
def test_a_word_with_the_character_keeps_it(text: str) -> None:
    assert with_particles(text) == text


@pytest.mark.parametrize("text", PARTICLES.split())
def test_a_particle_is_written_as_the_mainland_does(text: str) -> None:
    assert with_particles(text) == text.replace("著", "着")


def test_each_is_judged_by_itself() -> None:
    assert with_particles("随著这部著名著作，土著人看著名著。") == "随着这部著名著作，土著人看着名著。"


@given(st.text())
def test_nothing_else_is_touched(text: str) -> None:
    assert with_particles(text).replace("着", "著") == text.replace("着", "著")
    assert "著" in text or with_particles(text) == text
