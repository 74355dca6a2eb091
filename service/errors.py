"""Everything that can go wrong with a request, as one tree. No web here: `service.api.problems` gives it a status.

PerceptError
├── RequestError                  the client can mend it
│   ├── MalformedRequest          it is no valid HTTP, or its body is not what its headers say
│   ├── HeadersTooLarge           its header has no end
│   ├── MethodNotAllowed          no route answers it
│   ├── Unauthorized, Forbidden   keys
│   ├── ModelNotFound             no such model, or not loaded
│   ├── RequestTimeout            its header or body arrives too slowly
│   ├── PayloadTooLarge, ImageTooLarge, AudioTooLong
│   ├── UnsupportedMedia          the bytes are of no format we read
│   └── InvalidParameter, UndecodableImage, UndecodableAudio, NoAudioStream
├── OverloadError                 later it will work: carries `retry_after_s`
│   ├── QueueFull, RateLimited
│   └── NotReady, Draining
├── DeadlineExceeded              waited or ran past the request's deadline
├── ClientGone                    nobody is there to answer
└── StartupError                  the service cannot start as configured
    ├── ArtifactRefused           an artifact is damaged, or its golden replay differs
    └── ProviderUnavailable       the execution provider asked for is not on this machine
"""

from __future__ import annotations


class PerceptError(Exception):
    """Root of the tree. `detail` says what is wrong and what to do, in words meant for the client."""

    code = "internal_error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class RequestError(PerceptError):
    """The client can mend it."""

    code = "malformed_request"


class MalformedRequest(RequestError):
    """No valid HTTP; broken multipart, an empty body or part, no `file`, or more than one."""


class HeadersTooLarge(RequestError):
    """Too many header lines, or too many bytes in them, trailers and the framing of chunks included."""

    code = "headers_too_large"


class MethodNotAllowed(RequestError):
    """A method that nothing here answers, found before there was a route."""

    code = "method_not_allowed"


class Unauthorized(RequestError):
    """Keys are configured and the request carries none that is known."""

    code = "unauthorized"


class Forbidden(RequestError):
    """The key's role, or the client's address, does not allow this route."""

    code = "forbidden"


class ModelNotFound(RequestError):
    """No model of that name and version is loaded."""

    code = "model_not_found"


class RequestTimeout(RequestError):
    """The header or the body arrives too slowly."""

    code = "request_timeout"


class PayloadTooLarge(RequestError):
    """More bytes than the limit, counted while reading."""

    code = "payload_too_large"


class ImageTooLarge(RequestError):
    """More pixels than the limit, known before decoding."""

    code = "image_too_large"


class AudioTooLong(RequestError):
    """More seconds of audio than the limit."""

    code = "audio_too_long"


class UnsupportedMedia(RequestError):
    """The bytes are of no format that we read."""

    code = "unsupported_media"


class InvalidParameter(RequestError):
    """A field is unknown, or its value is not one of those allowed."""

    code = "invalid_parameter"


class UndecodableImage(RequestError):
    """An image of a known format, truncated or corrupt."""

    code = "undecodable_image"


class UndecodableAudio(RequestError):
    """A known container of which no audio could be decoded."""

    code = "undecodable_audio"


class NoAudioStream(RequestError):
    """A container without any sound, such as a silent video."""

    code = "no_audio_stream"


class OverloadError(PerceptError):
    """It would work later; `retry_after_s` says when to try again."""

    code = "queue_full"

    def __init__(self, detail: str, retry_after_s: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class QueueFull(OverloadError):
    """The bounded queue has no place left."""


class RateLimited(OverloadError):
    """The client asks more often than it may."""

    code = "rate_limited"


class NotReady(OverloadError):
    """The model is still loading, or could not be loaded."""

    code = "not_ready"


class Draining(OverloadError):
    """The process is shutting down and takes no new work."""

    code = "draining"


class DeadlineExceeded(PerceptError):
    """The request waited or ran past its deadline."""

    code = "deadline_exceeded"


class ClientGone(PerceptError):
    """The client hung up; nobody will read an answer."""

    code = "client_gone"


class StartupError(PerceptError):
    """The service cannot start as configured."""

    code = "not_ready"


class ArtifactRefused(StartupError):
    """An artifact is missing, damaged, or does not replay its golden vectors."""


class ProviderUnavailable(StartupError):
    """The execution provider that was asked for does not work on this machine."""
