"""What kind of file a path or some bytes stand for; no file is opened."""

from __future__ import annotations

import re
from pathlib import PurePath

_SUFFIXES = {
    "image": "png apng jpg jpeg jpe jfif gif bmp tif tiff webp ppm pgm pbm pnm jp2 ico "
    "avif heic heif",
    "audio": "wav wave w64 flac ogg oga opus spx mp3 mp2 m4a m4b mka aac ac3 amr aif "
    "aiff aifc caf wma",  # codespell:ignore caf
    "video": "mp4 m4v mov avi mkv webm ogv mpg mpeg m2ts mts vob 3gp 3g2 wmv asf flv",
    "series": "npy",
    "other": "npz mat edf hdf5 h5 parquet feather pkl csv tsv json zip pdf",
}
_KIND_OF_SUFFIX = {s: kind for kind, names in _SUFFIXES.items() for s in names.split()}
_PATH = re.compile(r"[^\n]{1,1023}\.([A-Za-z0-9]{2,5})")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
HEAD = 4096  # bytes that tell the kind of a file

# (kind, name, offset, magic bytes); the first that fits decides.
_MAGIC: list[tuple[str, str, int, tuple[bytes, ...]]] = [
    ("image", "PNG", 0, (b"\x89PNG\r\n\x1a\n",)),
    ("image", "JPEG", 0, (b"\xff\xd8\xff",)),
    ("image", "GIF", 0, (b"GIF87a", b"GIF89a")),
    ("image", "TIFF", 0, (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")),
    ("image", "PNM", 0, tuple(b"P%d%c" % (n, c) for n in range(1, 7) for c in b"\n #")),
    ("image", "JPEG 2000", 0, (b"\x00\x00\x00\x0cjP  ", b"\xff\x4f\xff\x51")),
    ("image", "ICO", 0, (b"\x00\x00\x01\x00",)),
    ("image", "AVIF", 4, (b"ftypavif", b"ftypavis")),
    (
        "image",
        "HEIF",
        4,
        tuple(b"ftyp" + b for b in (b"hei", b"hev", b"mif1", b"msf1")),
    ),
    ("audio", "M4A", 4, (b"ftypM4A", b"ftypM4B", b"ftypF4A")),
    ("video", "MP4 or MOV", 4, (b"ftyp", b"moov", b"mdat", b"wide", b"skip", b"free")),
    ("video", "MPEG", 0, (b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3")),
    ("video", "Flash", 0, (b"FLV\x01",)),
    ("video", "Windows media", 0, (b"\x30\x26\xb2\x75\x8e\x66\xcf\x11",)),
    ("audio", "FLAC", 0, (b"fLaC",)),
    ("audio", "MP3", 0, (b"ID3",)),
    ("audio", "AU", 0, (b".snd",)),
    ("audio", "Core Audio", 0, (b"caff",)),
    ("audio", "AMR", 0, (b"#!AMR",)),
    ("audio", "Wave64", 0, (b"riff\x2e\x91\xcf\x11",)),
    ("series", "NumPy", 0, (b"\x93NUMPY",)),
]
# Four letters, four bytes of length, four letters.
_CHUNKS = {
    (b"RIFF", b"WAVE"): ("audio", "WAVE"),
    (b"RF64", b"WAVE"): ("audio", "WAVE"),
    (b"RIFF", b"AVI "): ("video", "AVI"),
    (b"RIFF", b"WEBP"): ("image", "WEBP"),
    (b"FORM", b"AIFF"): ("audio", "AIFF"),
    (b"FORM", b"AIFC"): ("audio", "AIFF"),
}
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}


def path_kind(path: str | PurePath) -> tuple[str, str] | None:
    """Kind and suffix of what looks like a path, None of any other string."""
    text = str(path)
    match = _PATH.fullmatch(text)
    kind = _KIND_OF_SUFFIX.get(match[1].lower()) if match else None
    if match is None or kind is None:
        return None
    return "url" if _URL.match(text) else kind, match[1].lower()


def bytes_kind(head: bytes) -> tuple[str, str] | None:
    """Kind and format of a file by its first `HEAD` bytes, None where unknown.

    >>> bytes_kind(b"RIFF\\x24\\x00\\x00\\x00WAVEfmt ")
    ('audio', 'WAVE')
    """
    if (head[:4], head[8:12]) in _CHUNKS:
        return _CHUNKS[head[:4], head[8:12]]
    if head[:4] == b"OggS":
        return ("video" if _has_theora(head) else "audio"), "Ogg"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        # Browsers record voices as WebM: the names of the codecs tell.
        only_sound = b"A_" in head and not re.search(rb"V_[A-Z]", head)
        return ("audio" if only_sound else "video"), "Matroska or WebM"
    for kind, name, offset, magics in _MAGIC:
        if head[offset:].startswith(magics):
            return kind, name
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return "image", "BMP"
    if head[:1] == b"\x47" and head[188:189] == b"\x47" and head[376:377] in b"\x47":
        return "video", "MPEG"
    if _is_mpeg_sound(head):
        return "audio", "MPEG sound"
    return None


def _has_theora(head: bytes) -> bool:
    """Whether the first pages of an Ogg file begin a stream of pictures."""
    return b"\x80theora" in head or b"BBCD\x00" in head or b"OVP80" in head


def _is_mpeg_sound(head: bytes) -> bool:
    """Whether the bytes begin a frame of MP3, MP2 or AAC.

    Not a byte order mark, which begins with eleven bits set just as well.
    """
    if len(head) < 3 or head[0] != 0xFF:
        return False
    if head[1] & 0xF6 == 0xF0:  # ADTS
        return (head[2] >> 2) & 0xF < 13
    layer = head[1] & 0x06
    known_rate = head[2] >> 4 != 15 and (head[2] >> 2) & 3 != 3
    return head[1] & 0xE0 == 0xE0 and layer in (0x02, 0x04) and known_rate
