import io
import pickle

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skmultimodal.encoders import ImageEncoder
from skmultimodal.encoders._video import VideoEncoder
from skmultimodal.encoders.decoding._clips import ClipDecoder

av = pytest.importorskip("av")

CODECS = {
    "mp4": ("libx264", "yuv420p"),
    "mov": ("mpeg4", "yuv420p"),
    "webm": ("libvpx-vp9", "yuv420p"),
    "matroska": ("libx264", "yuv420p"),
    "avi": ("mpeg4", "yuv420p"),
    "gif": ("gif", "rgb8"),
    "mpegts": ("libx264", "yuv420p"),
    "flv": ("flv1", "yuv420p"),
}


def film(n=20, size=64, direction=0, colour=(240, 200, 30), start=(10, 10), speed=2):
    """A square that goes right, down, left or up."""
    frames = np.full((n, size, size, 3), 40, dtype=np.uint8)
    dy, dx = [(0, 1), (1, 0), (0, -1), (-1, 0)][direction]
    for k in range(n):
        y, x = (start[0] + speed * dy * k) % 48, (start[1] + speed * dx * k) % 48
        frames[k, y : y + 16, x : x + 16] = colour
    return frames


def video(frames, kind="mp4", rate=10, sound=False, turned=0, **options):
    codec, pix_fmt = CODECS[kind]
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind) as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = frames.shape[1:3]
        stream.pix_fmt = pix_fmt
        stream.codec_context.thread_count = 1
        if turned:
            stream.set_display_rotation(turned)
        if sound:
            voice = container.add_stream("aac", rate=16000)
            wave = np.zeros((1, 1024), dtype=np.float32)
            for k in range(20):
                part = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
                part.sample_rate, part.pts = 16000, 1024 * k
                container.mux(voice.encode(part))
            container.mux(voice.encode(None))
        for frame in frames:
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            container.mux(stream.encode(picture.reformat(format=pix_fmt)))
        container.mux(stream.encode(None))
    return buffer.getvalue()


@pytest.mark.parametrize("kind", CODECS)
def test_every_format_gives_the_frames_that_were_written(kind):
    frames = film()
    clip = ClipDecoder(4)(video(frames, kind))
    written = ClipDecoder(4)(frames)
    assert clip.frames.shape == (4, 64, 64, 3)
    assert clip.grey.shape == (20, 48, 48)
    error = np.abs(clip.frames.astype(int) - written.frames)
    assert error.mean() < (20 if kind == "gif" else 6)  # of 256 colours
    # the right frames: a neighbour lies further away
    for k, frame in enumerate(clip.frames.astype(int)):
        near = np.abs(frames.astype(int) - frame).mean(axis=(1, 2, 3)).argmin()
        assert near == [2, 7, 12, 17][k]


def test_paths_bytes_and_a_sound_track_are_one(tmp_path):
    content = video(film(), sound=True)
    path = tmp_path / "film.mp4"
    path.write_bytes(content)
    z = VideoEncoder().fit_transform([content, path, str(path), video(film())])
    assert np.isfinite(z).all()
    np.testing.assert_array_equal(z[1:3], z[[0, 0]])
    np.testing.assert_allclose(z[3], z[0], atol=1e-5)


def test_one_part_of_a_long_film_is_decoded_as_the_whole_is(monkeypatch):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 255, (300, 8, 8, 1), dtype=np.uint8).repeat(3, axis=3)
    frames = frames.repeat(8, axis=1).repeat(8, axis=2)
    decoder = ClipDecoder(5)
    short = video(frames, g="300", bf="3")
    long = video(frames, g="12", bf="3")  # many key frames: most is skipped
    expected = frames[[30, 90, 150, 210, 270]].astype(int)
    for content in (short, long):
        found = decoder(content).frames
        assert np.abs(found - expected).mean() < 12
        monkeypatch.setattr("skmultimodal.encoders.decoding._film._IN_MEMORY", 100)
        np.testing.assert_array_equal(decoder(content).frames, found)
        monkeypatch.undo()


def test_a_long_film_is_seen_in_bursts():
    clip = ClipDecoder(8)(np.zeros((2000, 16, 16), dtype=np.uint8))
    assert len(clip.grey) == 64
    assert (~clip.follows).sum() == 7


@pytest.mark.parametrize(("rate", "steps"), [(2, 4), (5, 10), (100, 20)])
def test_frames_by_rate(rate, steps):
    encoder = VideoEncoder(output="sequence", frame_rate=rate)
    encoder.fit([video(film())])
    assert encoder.n_steps_ == steps
    fewer = VideoEncoder(output="sequence", frame_rate=rate, max_steps=3)
    assert fewer.fit([video(film())]).n_steps_ == 3


@pytest.mark.parametrize("turned", [90, 180, -90])
def test_videos_are_turned_as_their_metadata_say(turned):
    frames = film()[:, :, :48]
    upright = np.rot90(frames, turned // 90, axes=(1, 2))
    found = ClipDecoder(4)(video(frames, turned=turned))
    expected = ClipDecoder(4)(np.ascontiguousarray(upright))
    assert np.abs(found.frames.astype(int) - expected.frames).mean() < 8
    assert np.abs(found.grey.astype(int) - expected.grey).mean() < 8


def test_direction_is_motion_and_colour_is_appearance():
    rng = np.random.default_rng(0)
    colours = [(240, 200, 30), (30, 80, 240)]
    truth = rng.integers(0, (4, 2), (120, 2))
    clips = [
        film(12, direction=d, colour=colours[c], start=rng.integers(0, 48, 2))
        for d, c in truth
    ]
    scores = {}
    for features in ("appearance", "motion"):
        z = VideoEncoder(features=features).fit_transform(clips)
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1))
        for name, y in zip(("direction", "colour"), truth.T):
            scores[features, name] = cross_val_score(model, z, y, cv=3).mean()
    assert scores["motion", "direction"] > 0.95
    assert scores["appearance", "colour"] > 0.95
    assert scores["appearance", "direction"] < scores["motion", "direction"] - 0.2


def test_speed_is_told_from_the_frames_of_a_step():
    slow = film(16, speed=1)
    fast = film(16, speed=4)
    z = VideoEncoder(features="motion", output="sequence").fit_transform([slow, fast])
    energy = z.reshape(2, 8, -1)[:, :, :16].mean(axis=(1, 2))
    assert energy[1] > 1.3 * energy[0]


def test_a_still_picture_does_not_move():
    still = np.full((9, 20, 30), 90, dtype=np.uint8)
    z = VideoEncoder(features="motion").fit_transform([still, still[:1]])
    np.testing.assert_allclose(z[0], z[1], atol=1e-6)
    steps = VideoEncoder(output="sequence").fit_transform([still, still[:1]])
    assert np.isfinite(steps[0]).all()
    assert np.isnan(steps[1]).mean() == pytest.approx(7 / 8)


def test_a_list_of_pictures_is_one_video_and_a_list_of_videos_is_several():
    frames = film()
    listed = [Image.fromarray(frame) for frame in frames]
    other = film(direction=1)
    z = VideoEncoder().fit_transform(
        [frames, list(frames), listed, [frames, other], other]
    )
    np.testing.assert_array_equal(z[1:3], z[[0, 0]])
    np.testing.assert_allclose(z[3], (z[0] + z[4]) / 2, atol=1e-5)


def test_pictures_of_different_sizes_are_no_video():
    with pytest.raises(ValueError, match=r"row 1: .* of different sizes"):
        VideoEncoder().fit([film(), [np.zeros((8, 8)), np.zeros((9, 9))]])


def test_values_of_arrays_are_read_as_of_pictures():
    frames = film()
    encoder = VideoEncoder()
    z = encoder.fit_transform([frames, frames / 255, frames.astype(np.uint16) * 257])
    np.testing.assert_allclose(z[1:], z[[0, 0]], atol=5e-3)
    assert encoder.ranges_["float"] == (0.0, 1.0)
    alone = encoder.transform([frames / 255])
    np.testing.assert_allclose(alone[0], z[1], atol=1e-6)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (np.zeros((4, 3, 20, 20)), "np.moveaxis"),
        (np.zeros((20, 20)), "shape .20, 20."),
        (np.zeros((4, 20, 20, 2)), "shape .4, 20, 20, 2."),
        (np.where(np.eye(20), np.nan, np.zeros((4, 20, 20))), "NaN"),
        (b"nonsense" * 50, "no video that libav can read"),
        (3.5, "found float"),
    ],
)
def test_what_is_no_video_is_named(cell, message):
    with pytest.raises(ValueError, match=f"row 1: .*{message}"):
        VideoEncoder().fit([film(), cell])


@pytest.mark.parametrize(
    ("limit", "value"),
    [("max_pixels", 1000), ("max_seconds", 1), ("max_frames", 10), ("max_bytes", 100)],
)
def test_limits_are_named_with_their_remedy(limit, value):
    content = video(film())
    VideoEncoder().fit([content])
    with pytest.raises(ValueError, match=f"{limit}={value}"):
        VideoEncoder(**{limit: value}).fit([content])
    if limit in ("max_pixels", "max_frames"):
        with pytest.raises(ValueError, match=f"{limit}={value}"):
            VideoEncoder(**{limit: value}).fit([film()])


@pytest.mark.parametrize("kind", ["mp4", "webm", "avi", "gif", "mpegts"])
def test_a_cut_or_damaged_file_decodes_or_is_missing(kind, capfd):
    rng = np.random.default_rng(0)
    whole = video(film(), kind)
    cells = [whole, *(whole[: int(len(whole) * part)] for part in (0.1, 0.5, 0.9))]
    for _ in range(30):
        damaged = bytearray(whole)
        for place in rng.integers(0, len(whole), 20):
            damaged[place] = rng.integers(256)
        cells.append(bytes(damaged))
    z = VideoEncoder(on_error="missing").fit_transform(cells)
    missing = np.isnan(z).any(axis=1)
    np.testing.assert_array_equal(missing, np.isnan(z).all(axis=1))
    assert not missing[0]
    assert capfd.readouterr() == ("", "")


def test_a_list_of_files_is_not_followed(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(video(film()))
    lists = [
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{path}\n#EXT-X-ENDLIST\n",
        f"ffconcat version 1.0\nfile '{path}'\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96",
    ]
    for k, text in enumerate(lists):
        listed = tmp_path / f"list{k}.m3u8"
        listed.write_text(text)
        for cell in (listed, text.encode()):
            with pytest.raises(ValueError, match="no video that libav can read"):
                VideoEncoder().fit([cell])


def test_a_single_picture_or_sound_is_no_video(tmp_path):
    buffer = io.BytesIO()
    Image.fromarray(film()[0]).save(buffer, format="PNG")
    with pytest.raises(ValueError, match="libav"):
        VideoEncoder().fit([buffer.getvalue()])


def test_files_are_closed(tmp_path):
    path = tmp_path / "film.mp4"
    path.write_bytes(video(film()))
    encoder = VideoEncoder().fit([path])
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(ValueError, match=r"film\.mp4"):
        encoder.transform([path])
    path.unlink()


def test_a_frame_encoder_describes_the_frames():
    clips = [film(direction=d) for d in range(4)]
    own = ImageEncoder(n_components=5, random_state=0)
    encoder = VideoEncoder(frame_encoder=own, features="appearance", random_state=0)
    z = encoder.fit_transform(clips)
    assert z.shape == (4, 10)
    assert not hasattr(own, "n_features_out_")
    chosen = clips[2][[1, 3, 6, 8, 11, 13, 16, 18]]
    frames = encoder.frame_encoder_.transform(list(chosen))
    expected = np.concatenate([frames.mean(axis=0), frames.std(axis=0)])
    np.testing.assert_allclose(z[2], expected, atol=1e-4)
    encoder.set_params(frame_encoder__n_components=3)
    assert encoder.fit_transform(clips).shape == (4, 6)
    with pytest.raises(ValueError, match="output='pooled'"):
        encoder.set_params(frame_encoder__output="sequence").fit(clips)


def test_arrays_need_no_libav(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    assert np.isfinite(VideoEncoder().fit_transform([film()])).all()
    with pytest.raises(ImportError, match=r"skmultimodal\[video\]"):
        VideoEncoder().fit([b"some bytes of a film"])


@pytest.mark.parametrize("output", ["pooled", "sequence"])
def test_a_video_alone_is_one_among_others(output, tmp_path):
    cells = [video(film()), film(7, direction=1), None, film(30, direction=2)]
    encoder = VideoEncoder(output=output, n_components=4, random_state=0, n_jobs=2)
    z = encoder.fit_transform(cells)
    assert len(encoder.get_feature_names_out()) == z.shape[1]
    again = pickle.loads(pickle.dumps(encoder))
    for k, cell in enumerate(cells):
        np.testing.assert_allclose(again.transform([cell])[0], z[k], atol=1e-4)


def test_a_store_gives_what_was_described(tmp_path):
    cells = [video(film()), film(direction=1) / 255]
    with_store = VideoEncoder(store=tmp_path / "store.sqlite")
    first = with_store.fit_transform(cells)
    np.testing.assert_array_equal(with_store.fit_transform(cells), first)
    np.testing.assert_array_equal(VideoEncoder().fit_transform(cells), first)


@pytest.mark.data
def test_a_real_clip_is_read_whole(real_data):
    clips = real_data("fight_video")["modalities"]["mp4"][:5]
    z = VideoEncoder().fit_transform(clips)
    assert np.isfinite(z).all()
