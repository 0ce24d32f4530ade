"""The page in a real browser, without a screen."""

import shutil
import threading

import numpy as np
import pandas as pd
import pytest
from sklearn.pipeline import Pipeline

from skmultimodal.compose import ModalityTransformer
from skmultimodal.encoders import DialogueHistoryEncoder, TabularEncoder
from skmultimodal.heads import FusionGenerator, reply
from skmultimodal.serving import DialogueServer

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = [
    "--disable-gpu",
    "--no-sandbox",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser():
    playwright = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip("no Chromium or Chrome on this machine")
    with playwright.sync_playwright() as running:
        browser = running.chromium.launch(executable_path=found, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def server(model):
    with DialogueServer(model, port=0, title="Shapes") as server:
        yield server


@pytest.fixture
def page(browser, server):
    page = browser.new_page()
    page.set_default_timeout(20_000)
    complaints = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text))
    page.goto(server.url)
    page.wait_for_selector("#given:not([hidden])")
    yield page
    page.close()
    refused = "Failed to load resource"  # with a status that the page shows
    assert not [text for text in complaints if not text.startswith(refused)]


def say(page, text):
    """The last turn of the model, when it has come."""
    turns = page.locator("#turns .model .text")
    before = turns.count()
    page.fill("#text", text)
    page.press("#text", "Enter")
    turns.nth(before).wait_for()
    assert turns.count() == before + 1
    return turns.nth(before).inner_text()


def upload(page, content, name="picture.png"):
    file = {"name": name, "mimeType": "image/png", "buffer": content}
    page.set_input_files("input[type=file]", file)


def test_a_conversation(page, model, pictures):
    """Each reply is that of Python to the same turns and cells."""
    assert page.title() == page.inner_text("h1") == "Shapes"
    assert page.evaluate("document.activeElement.id") == "text"
    assert page.locator("#given label").all_inner_texts() == ["side", "image"]
    history, said = [], []
    for color, side, turn in [
        ("green", "right", "call it bob"),
        ("green", "right", "which colour"),
        ("green", "right", "which name"),
        ("red", "right", "which colour"),
        ("red", "left", "which side"),
    ]:
        upload(page, pictures[color])
        page.select_option("select", side)
        history.append(("user", turn))
        answer = reply(model, history, image=pictures[color], side=side)
        assert say(page, turn) == answer
        history.append(("model", answer))
        said.append(answer)
    assert said[:2] == ["ok", "green"]
    assert len(set(said)) > 2
    assert page.locator("#turns .text").all_inner_texts() == [t for _, t in history]
    assert page.evaluate("document.querySelector('.field img').naturalWidth") == 8
    page.click("#again")
    assert page.locator("#turns li").count() == 0
    assert say(page, "call it ann") == "ok"


def test_what_goes_wrong_is_shown_and_the_turn_kept(page):
    upload(page, b"no picture", "broken.png")
    page.fill("#text", "which colour")
    page.click("#send")
    page.wait_for_selector("#error:not([hidden])")
    assert "image" in page.inner_text("#error")
    assert page.input_value("#text") == "which colour"
    assert page.locator("#turns li").count() == 0
    page.set_input_files("input[type=file]", [])
    page.click("#send")
    page.wait_for_selector("#turns .model")
    assert page.locator("#error").is_hidden()


def test_markup_in_a_turn_is_text(page):
    page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    text = "<img src=x onerror=alert(1)><b>bold</b>"
    say(page, text)
    assert page.locator("#turns .person .text").inner_text() == text
    assert page.locator("#turns img, #turns b").count() == 0


def test_enter_sends_and_shift_enter_does_not(page):
    page.fill("#text", "two")
    page.press("#text", "Shift+Enter")
    assert page.input_value("#text") == "two\n"
    assert page.locator("#turns li").count() == 0
    page.fill("#text", "   ")
    page.press("#text", "Enter")
    assert page.locator("#turns li").count() == 0


def test_a_server_that_is_gone_is_said(browser, model):
    with DialogueServer(model, port=0) as server:
        page = browser.new_page()
        page.goto(server.url)
        page.wait_for_selector("#given:not([hidden])")
    page.fill("#text", "which side")
    page.press("#text", "Enter")
    page.wait_for_selector("#error:not([hidden])")
    assert "still running" in page.inner_text("#error")
    page.close()


@pytest.mark.parametrize("width", [360, 1200])
def test_nothing_is_cut_off(page, width, pictures):
    page.set_viewport_size({"width": width, "height": 700})
    upload(page, pictures["blue"])
    say(page, "call it ann " + "x" * 200)
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width


@pytest.fixture
def held(monkeypatch):
    """Replies wait until this is set."""
    go = threading.Event()

    def slow(*args, **cells):
        go.wait(20)
        return reply(*args, **cells)

    monkeypatch.setattr("skmultimodal.serving._dialogue.reply", slow)
    yield go
    go.set()


def test_what_was_asked_before_it_started_again_is_forgotten(page, held):
    page.fill("#text", "call it bob")
    page.press("#text", "Enter")
    page.wait_for_selector("#turns .person")
    page.click("#again")
    with page.expect_response("**/reply"):
        held.set()
    page.wait_for_selector("#send:enabled")
    assert page.locator("#turns li").count() == 0
    with page.expect_request("**/reply") as sent:
        say(page, "which side")
    assert sent.value.post_data_json["history"] == [["user", "which side"]]


def test_what_was_written_meanwhile_stays(page, held):
    upload(page, b"no picture", "broken.png")
    page.fill("#text", "which colour")
    page.press("#text", "Enter")
    page.fill("#text", "and the side")
    held.set()
    page.wait_for_selector("#error:not([hidden])")
    assert page.input_value("#text") == "which colour\nand the side"


@pytest.mark.parametrize("size", [1_000_001, 900_000])
def test_a_file_that_is_too_large_is_said(browser, model, size):
    """Before it is read, or by the server."""
    with DialogueServer(model, port=0, max_bytes=1_000_000) as server:
        page = browser.new_page()
        page.goto(server.url)
        page.wait_for_selector("#given:not([hidden])")
        upload(page, b"x" * size)
        page.fill("#text", "which colour")
        page.press("#text", "Enter")
        page.wait_for_selector("#error:not([hidden])")
        assert "too large" in page.inner_text("#error")
        page.close()


@pytest.fixture(scope="module")
def odd_model():
    """Columns whose names and categories are odd."""
    X = pd.DataFrame(
        {
            "age": np.arange(40.0),
            "seen": pd.date_range("2026-01-01", periods=40),
            "__proto__": ["<b>bold</b>", " two  spaces "] * 20,
            "talk": pd.Series([[("user", "hi")]] * 40, dtype=object),
        }
    )
    encode = ModalityTransformer(
        [
            ("table", TabularEncoder(), ["age", "seen", "__proto__"]),
            ("talk", DialogueHistoryEncoder(), "talk"),
        ]
    )
    head = FusionGenerator(max_epochs=1, random_state=0)
    return Pipeline([("encode", encode), ("head", head)]).fit(X, ["hello"] * 40)


def test_odd_fields(browser, odd_model):
    roles = ("user", "user")  # the sides of the page differ all the same
    with DialogueServer(odd_model, port=0, roles=roles) as server:
        page = browser.new_page()
        page.goto(server.url)
        page.wait_for_selector("#given:not([hidden])")
        assert page.locator("#given b").count() == 0
        page.select_option("select", "<b>bold</b>")
        number, date = "input[type=number]", "input[type=date]"
        for field, keys, kind in [(number, "1e", "number"), (date, "02", "date")]:
            page.click(field)
            page.keyboard.type(keys)  # half of one
            page.fill("#text", "hi")
            page.press("#text", "Enter")
            page.wait_for_selector("#error:not([hidden])")
            assert f"no {kind}" in page.inner_text("#error")
            page.fill(field, "")
        page.fill(number, "3.5")
        page.fill(date, "2026-01-05")
        with page.expect_request("**/reply") as sent:
            say(page, "hi")
        cells = {"age": 3.5, "seen": "2026-01-05", "__proto__": "<b>bold</b>"}
        assert sent.value.post_data_json["cells"] == cells
        page.fill(number, "")
        page.select_option("select", "")
        with page.expect_request("**/reply") as sent:
            say(page, "hi")
        cells |= {"age": None, "__proto__": None}
        assert sent.value.post_data_json["cells"] == cells
        page.close()


def test_enter_that_ends_a_composition_does_not_send(page):
    page.fill("#text", "kana")
    page.evaluate(
        """() => document.getElementById("text").dispatchEvent(new KeyboardEvent(
            "keydown", {key: "Enter", isComposing: true, bubbles: true}))"""
    )
    assert page.input_value("#text") == "kana"
    assert page.locator("#turns li").count() == 0
