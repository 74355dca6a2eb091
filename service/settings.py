"""Every setting of the service: one frozen, typed object, read from `PERCEPT_…` once, at start.

Nothing else in the service reads the environment. The sentence under each field is what the documentation prints.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from models.store import DEFAULT_ROOT
from service.errors import StartupError

ENV_PREFIX = "PERCEPT_"
Role = Literal["inference", "admin"]
LogFormat = Literal["text", "json"]
_BLANKS = " \t\r\n"
_LONGEST_BLANK = 3  # an unset variable and the line's end that a command adds
ModelReference = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}(@[1-9][0-9]{0,8})?$")]


class ApiKey(BaseModel):
    """One key that may call: the sha256 of it (never the key itself) and what it allows."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    role: Role
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]

    @field_validator("sha256")
    @classmethod
    def _is_of_something(cls, value: str) -> str:
        """`printf %s "$KEY" | sha256sum` gives a digest for a variable that is not set, too."""
        if value in _digests_of_nothing():
            raise ValueError(
                "that is the sha256 of an empty key; the variable that should hold the key was not set when the "
                "digest was made: make it again"
            )
        return value


def _digests_of_nothing() -> Iterator[str]:
    """The sha256 of every short text of blanks and line ends, the empty one first."""
    for length in range(_LONGEST_BLANK + 1):
        for blanks in product(_BLANKS, repeat=length):
            yield hashlib.sha256("".join(blanks).encode()).hexdigest()


class Settings(BaseSettings):
    """What an operator may decide; units stand in the names."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX, frozen=True, extra="ignore", use_attribute_docstrings=True
    )

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int = Field(default=8000, ge=0, le=65535)
    """TCP port to listen on; 0 takes a free one."""
    artifacts: Path = DEFAULT_ROOT
    """Folder of the artifact store."""
    models: Annotated[tuple[ModelReference, ...], NoDecode] = ("efficientnet-lite0", "whisper-base")
    """Models to load, as a comma list of `name` or `name@version`; the first of each task is its default."""
    variant: Literal["auto", "fp32", "int8"] = "auto"
    """Precision to serve; `auto` takes int8 where it is published and replays its golden vectors here."""
    providers: Literal["auto", "cpu", "cuda", "openvino"] = "auto"
    """Execution provider; `auto` falls back to the CPU and says so, the others fail at start when missing."""
    threads: int | None = Field(default=None, ge=1, le=256)
    """Threads of one run on the CPU; by default chosen from the processor quota."""
    lanes: int | None = Field(default=None, ge=1, le=256)
    """Requests of one model that run at the same time; by default chosen from the processor quota."""
    queue_length: int = Field(default=64, ge=1, le=100_000)
    """Requests of one client (key or address) to one model that may wait or run, then 429; a quarter more in all."""
    default_timeout_s: float = Field(default=30.0, gt=0)
    """Deadline of a request that sets none, counted from the end of its upload."""
    max_timeout_s: float = Field(default=14_400.0, gt=0)
    """Longest deadline that `X-Request-Timeout` may ask for."""
    timeout_per_audio_s: float = Field(default=1.0, ge=0)
    """Seconds by which the default deadline grows for every second of audio that is decoded."""
    max_image_body_bytes: int = Field(default=32 << 20, ge=1)
    """Largest body of /classify-image."""
    max_image_pixels: int = Field(default=100_000_000, ge=1)
    """Largest picture, width times height, checked before it is decoded."""
    max_audio_body_bytes: int = Field(default=2 << 30, ge=1)
    """Largest body of /transcribe."""
    max_audio_s: float = Field(default=14_400.0, gt=0)
    """Longest recording, in seconds, counted while it is decoded."""
    max_connections: int = Field(default=1000, ge=4)
    """Open connections; fewer where the process may open few files (half of what is left beside 32 of its own)."""
    header_timeout_s: float = Field(default=10.0, gt=0)
    """Time for a request's header, and TLS before it; then 408, or the connection is closed if nothing was sent."""
    body_idle_timeout_s: float = Field(default=10.0, gt=0)
    """A body of which nothing arrives for this long is refused with 408."""
    min_body_bytes_per_s: int = Field(default=16_384, ge=0)
    """A body that arrives slower than this, on average after its first 10 s, is refused with 408."""
    drain_s: float = Field(default=0.0, ge=0, le=3600)
    """How long to go on answering after SIGTERM, already not ready, so that load balancers notice."""
    shutdown_timeout_s: float = Field(default=30.0, gt=0)
    """How long running requests may take to end at shutdown."""
    api_keys: Annotated[tuple[ApiKey, ...], NoDecode] = ()
    """Keys that may call, a comma list of `role:sha256` with the roles `inference` and `admin`; none means open."""
    cors_origins: Annotated[tuple[str, ...], NoDecode] = ()
    """Origins whose pages may call, as a comma list; `*` is any."""
    trusted_proxies: str = ""
    """Addresses, as a comma list, whose `X-Forwarded-…` headers are believed; `*` is any."""
    tls_certificate: Path | None = None
    """PEM file with the certificate chain; with `tls_key` it makes the service speak HTTPS."""
    tls_key: Path | None = None
    """PEM file with the certificate's private key."""
    log_format: LogFormat = "text"
    """`text` for people, `json` for one object a line."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """Least severe message that is logged."""

    @field_validator("models", "cors_origins", mode="before")
    @classmethod
    def _split_list(cls, value: object) -> object:
        return _comma_list(value) if isinstance(value, str) else value

    @field_validator("models", mode="after")
    @classmethod
    def _at_least_one(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if not value:
            raise ValueError("at least one model must be named")
        return tuple(dict.fromkeys(value))

    @field_validator("api_keys", mode="before")
    @classmethod
    def _split_keys(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        pairs = [item.partition(":") for item in _comma_list(value)]
        if value.strip() and not pairs:
            raise ValueError("it is set but names no key; leave it out where everybody may call")
        return tuple({"role": role.strip(), "sha256": digest.strip().lower()} for role, _, digest in pairs)


def _comma_list(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def read_settings() -> Settings:
    """The settings of this process's environment.

    Raises:
        StartupError: naming the variable and what is wrong with it.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = str(first["loc"][0]) if first["loc"] else "settings"
        words = first["msg"].removeprefix("Value error, ")  # pydantic's way to quote our own
        raise StartupError(f"{ENV_PREFIX}{field.upper()}: {words}") from error


class _LogFormat(BaseSettings):
    model_config = SettingsConfigDict(env_prefix=ENV_PREFIX, extra="ignore")

    log_format: LogFormat = "text"


def log_format() -> LogFormat:
    """How to say that another setting is wrong; `text` where this one is."""
    try:
        return _LogFormat().log_format
    except ValidationError:
        return "text"
