"""Settings from the environment, or one sentence that names the variable."""

from __future__ import annotations

import subprocess

import pytest
from pydantic import ValidationError

from service.errors import StartupError
from service.settings import ApiKey, Settings, read_settings

DIGEST = "a" * 64


def test_lists_are_written_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERCEPT_MODELS", "b@2, a ,,b@2")
    monkeypatch.setenv("PERCEPT_API_KEYS", f"admin:{DIGEST.upper()}, inference:{'b' * 64}")
    settings = read_settings()
    assert settings.models == ("b@2", "a")
    assert settings.api_keys == (ApiKey(role="admin", sha256=DIGEST), ApiKey(role="inference", sha256="b" * 64))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"), ("PORT", "65536"), ("MODELS", ""), ("MODELS", "../x"), ("MODELS", "a@0"),
        ("VARIANT", "int4"), ("PROVIDERS", "tpu"), ("API_KEYS", "secret"), ("API_KEYS", f"root:{DIGEST}"),
        ("API_KEYS", ","), ("API_KEYS", f"inference:,admin:{DIGEST}"),
        ("QUEUE_LENGTH", "0"), ("LANES", "0"), ("DEFAULT_TIMEOUT_S", "0"),
    ],
)  # fmt: skip
def test_a_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"PERCEPT_{name}", value)
    with pytest.raises(StartupError, match=f"^PERCEPT_{name}: "):
        read_settings()


@pytest.mark.parametrize("command", ['printf %s "$UNSET_KEY"', 'echo "$UNSET_KEY"', 'printf "%s\\r\\n" "$UNSET_KEY"'])
@pytest.mark.parametrize("role", ["inference", "admin"])
def test_the_digest_of_nothing_is_no_key(monkeypatch: pytest.MonkeyPatch, command: str, role: str) -> None:
    script = f"{command} | sha256sum | cut -d' ' -f1"
    digest = subprocess.run(["sh", "-c", script], capture_output=True, text=True, check=True).stdout.strip()
    monkeypatch.setenv("PERCEPT_API_KEYS", f"admin:{DIGEST},{role}:{digest}")
    with pytest.raises(StartupError, match=r"^PERCEPT_API_KEYS: that is the sha256 of an empty key; .* was not set"):
        read_settings()


def test_a_blank_setting_means_that_there_are_no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PERCEPT_API_KEYS", " ")
    assert read_settings().api_keys == ()


def test_they_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings().port = 1  # type: ignore[misc]  # that is what is tested


def test_every_setting_is_described() -> None:
    assert not [name for name, field in Settings.model_fields.items() if not field.description]
