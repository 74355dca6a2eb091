"""What is no audio is refused by what it is, and opening one file never reaches for another."""

from __future__ import annotations

import io

import pytest
from av.stream import Discard
from PIL import Image

from models.sound_files.containers import open_container, pick_stream, refusal
from models.sound_files.unread import DamagedSound, UnknownSound
from tests.media import RECIPES, Recipe, film_with_sound, sound_file


def picture(format_name: str) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).convert("RGB").save(buffer, format_name)
    return buffer.getvalue()


@pytest.mark.parametrize("format_name", ["JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF"])
def test_a_picture_is_unsupported(format_name: str) -> None:
    with pytest.raises(UnknownSound):
        open_container(io.BytesIO(picture(format_name)))


_TEXTS = {
    "one byte": b"a",
    "prose": b"This is no sound at all.\n" * 200,
    "utf-16": "This is no sound at all.\n".encode("utf-16") * 200,
    "playlist": b"#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n",
    "concat script": b"ffconcat version 1.0\nfile /etc/hostname\n",
    "session description": b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio 5004 RTP/AVP 0\n",
    "dash": b'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011"><Period/></MPD>',
    "zip": b"PK\x03\x04" + bytes(400),
    "zeros": bytes(5_000),
}


@pytest.mark.parametrize("name", _TEXTS)
def test_what_is_no_medium_is_unsupported(name: str) -> None:
    with pytest.raises(UnknownSound, match="send wav"):
        open_container(io.BytesIO(_TEXTS[name]))


@pytest.mark.parametrize(
    "head", [b"RIFF\x00\x00\x00\x00WAVE", b"OggS\x00", b"fLaC", b"\x1a\x45\xdf\xa3", b"ID3\x04\x00"]
)
def test_a_known_beginning_without_more_is_undecodable(head: bytes) -> None:
    with pytest.raises(DamagedSound):
        open_container(io.BytesIO(head + bytes(20)))


def test_the_position_of_the_file_does_not_matter() -> None:
    file = io.BytesIO(sound_file(RECIPES["flac"], 0.2))
    file.seek(0, io.SEEK_END)
    with open_container(file) as container:
        assert container.format.name == "flac"


def test_only_the_sound_of_a_film_is_read() -> None:
    with open_container(io.BytesIO(film_with_sound())) as container:
        chosen = pick_stream(container)
        assert chosen.type == "audio"
        assert {stream.type: stream.discard for stream in container.streams} == {
            "video": Discard.all,
            "audio": Discard.none,
        }


def test_a_codec_that_is_not_listed_is_unsupported() -> None:
    data = sound_file(Recipe("matroska", "tta"), 0.2)
    with open_container(io.BytesIO(data)) as container, pytest.raises(UnknownSound, match="codec"):
        pick_stream(container)


def test_text_that_is_not_unicode_in_a_tag_does_no_harm() -> None:
    tag = b"TIT2\x00\x00\x00\x05\x00\x00\x03\xff\xfe\xff\xfe"
    data = b"ID3\x03\x00\x00\x00\x00\x00" + bytes([len(tag)]) + tag + sound_file(RECIPES["mp3"], 0.5)
    with open_container(io.BytesIO(data)) as container:
        assert container.format.name == "mp3"


def test_a_refusal_depends_on_the_first_bytes() -> None:
    assert isinstance(refusal(b"\x00\x00\x00\x20ftypM4A ", "x"), DamagedSound)
    assert isinstance(refusal(b"\xff\xd8\xff\xe0", "x"), UnknownSound)
