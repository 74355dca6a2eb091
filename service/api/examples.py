"""What the service says when it refuses: an example of each code that a route may answer, as OpenAPI shows them.

They are its own words, at the default settings; the tests of `service.api.openapi` provoke every one of them.
"""

from __future__ import annotations

_DRAINING = {"draining": "the service is shutting down; ask another instance"}
_UNAUTHORIZED = {"unauthorized": "send a valid key as `Authorization: Bearer KEY` or `X-API-Key: KEY`"}
_DEADLINE = {"deadline_exceeded": "the request ran past its deadline; ask for more time or send less"}
_QUEUE_FULL = {"queue_full": "every place in the queue is taken; try again later"}

_UPLOADS = {
    "malformed_request": "the form sends a file as the part `image`; send one image or recording as the part `file` "
    "of multipart/form-data, or as the body itself",
    **_UNAUTHORIZED,
    "request_timeout": "the body arrives at less than 16384 bytes per second; use a faster line",
}
PICTURES = {
    **_UPLOADS,
    "model_not_found": "there is no model resnet-50; loaded for image-classification: efficientnet-lite0",
    "payload_too_large": "the body is larger than the limit of 33554432 bytes; send less",
    "image_too_large": "the image has 20000 × 20000 pixels and at most 100000000 are read; send a smaller one",
    "unsupported_media": "the bytes are no image of a format that is read here "
    "(JPEG, PNG, WEBP, GIF, BMP, TIFF, AVIF); send one of these",
    "invalid_parameter": "there is no field `topk`; known are min_score, model, top_k",
    "undecodable_image": "the image is truncated or corrupt; send it again whole",
    **_QUEUE_FULL,
    "not_ready": "efficientnet-lite0 is not ready: it is still being loaded",
    **_DRAINING,
    **_DEADLINE,
}
RECORDINGS = {
    **_UPLOADS,
    "model_not_found": "there is no model whisper-huge; loaded for speech-recognition: whisper-base",
    "payload_too_large": "the body is larger than the limit of 2147483648 bytes; send less",
    "audio_too_long": "the audio is longer than the 14400 s that are read; send it in parts",
    "unsupported_media": "the bytes are no audio of a format that is read here; "
    "send wav, flac, mp3, ogg/opus, m4a/aac, webm, or the sound of mp4/mkv",
    "invalid_parameter": "`beam_size` must be a whole number from 1 to 5",
    "undecodable_audio": "nothing could be decoded: the file holds no audio (0 s)",
    "no_audio_stream": "the file has no sound in it; send one with an audio track",
    **_QUEUE_FULL,
    "not_ready": "whisper-base is not ready: it is still being loaded",
    **_DRAINING,
    **_DEADLINE,
}
MODELS = _UNAUTHORIZED
ONE_MODEL = {**_UNAUTHORIZED, "model_not_found": "there is no model resnet-50 here; see /models"}
_CHANGES = {
    **_UNAUTHORIZED,
    "forbidden": "this key is for inference; send one with the role admin",
    "invalid_parameter": "there is no field `version`; this route takes none",
    **_QUEUE_FULL,
    **_DRAINING,
    **_DEADLINE,
}
_DAMAGED = (
    "efficientnet-lite0@2: the sha256 of model.fp32.onnx is not the manifest's; efficientnet-lite0@1 goes on serving"
)
LOADING = {
    **_CHANGES,
    "model_not_found": "there is no model resnet-50 in the store",
    "not_ready": f"efficientnet-lite0@2 was not loaded: {_DAMAGED}",
}
RELOADING = {
    **_CHANGES,
    "model_not_found": "there is no model resnet-50; see /models",
    "not_ready": f"efficientnet-lite0 was not loaded: {_DAMAGED}",
}
UNLOADING = {**_CHANGES, "model_not_found": "there is no model resnet-50; see /models"}
READINESS = {
    "not_ready": "efficientnet-lite0: it is still being loaded; whisper-base: it is still being loaded",
    **_DRAINING,
}
