"""Alerts fire when they should and not before: Prometheus' own tool runs tests/deploy/alerts.yml."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from service.settings import Settings
from tests.served import ROOT

RULES, SCENES = ROOT / "deploy/alerts.yml", Path(__file__).parent / "alerts.yml"
needs_promtool = pytest.mark.skipif(
    not shutil.which("promtool"), reason="promtool is not installed (on Debian: apt install prometheus)"
)


def rules() -> list[dict[str, Any]]:
    """Every rule of the file."""
    return [rule for group in yaml.safe_load(RULES.read_text("utf-8"))["groups"] for rule in group["rules"]]


def _promtool(*arguments: str) -> str:
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
@pytest.mark.parametrize("arguments", [("check", "rules", str(RULES)), ("test", "rules", str(SCENES))], ids=" ".join)
def test_promtool_agrees(arguments: tuple[str, ...]) -> None:
    assert "SUCCESS" in _promtool(*arguments)


@needs_promtool
def test_prometheus_takes_its_configuration() -> None:
    assert "SUCCESS" in _promtool("check", "config", str(ROOT / "deploy/prometheus.yml"))


def test_every_alert_is_seen_to_fire_and_not_to_fire() -> None:
    scenes = yaml.safe_load(SCENES.read_text("utf-8"))["tests"]
    expected = [each for scene in scenes for each in scene.get("alert_rule_test", [])]
    fired = {each["alertname"] for each in expected if each["exp_alerts"]}
    assert fired == {rule["alert"] for rule in rules()}
    quiet = [scene for scene in scenes if scene["name"] == "all is well"]
    assert [each["exp_samples"] for each in quiet[0]["promql_expr_test"]] == [[]] * 4


def test_a_long_queue_is_a_quarter_of_what_the_queue_takes() -> None:
    long_queue = next(rule for rule in rules() if rule["alert"] == "PerceptLongQueue")
    assert long_queue["expr"].endswith(f"> {Settings.model_fields['queue_length'].default // 4}")
