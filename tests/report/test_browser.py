"""The page in a browser: sliders, curves and menus work, and nothing is loaded."""

from collections.abc import Iterator

import pytest

from i2i.report import RunImages, collect_contents
from tests.report.pages import image_result, page_of, write_run
from tests.web.chromium import Browser, start

WATCH = """window.wrong = []; addEventListener('error', (event) => wrong.push(event.message));
addEventListener('securitypolicyviolation', (event) => wrong.push(event.blockedURI)); const was = console.error;
console.error = (...words) => { wrong.push(words.join(' ')); was(...words); };"""
LOSS = "#charts .group:nth-of-type(2)"  # the first group is that of the held-out score


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    folder = tmp_path_factory.mktemp("page")
    contents = []
    for number, name in enumerate("ab"):
        results = [image_result(str(each), number, 10 + each) for each in range(4)]
        contents.append(collect_contents(write_run(folder / name), name, RunImages(results)))
    page_of(contents, folder / "page.html")
    browser = start(folder / "chromium")
    browser.call("Page.enable")
    browser.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
    browser.open((folder / "page.html").as_uri())
    yield browser
    browser.close()


def press(browser: Browser, selector: str, key: str) -> None:
    browser.run(f"document.querySelector('{selector}').focus()")
    code = {"ArrowLeft": 37, "ArrowRight": 39}[key]
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key, windowsVirtualKeyCode=code)


def choose(browser: Browser, name: str, change: str) -> None:
    browser.run(
        f"(() => {{ const box = document.getElementById('{name}'); {change}; box.onchange({{target: box}}) }})()"
    )


def test_every_slider_moves_by_keyboard(browser: Browser) -> None:
    press(browser, ".card input", "ArrowRight")
    assert browser.run("document.querySelector('.stack').style.getPropertyValue('--cut')") == "51%"
    shown = "document.querySelector('#sheets img').src + document.querySelector('#sheets figcaption').textContent"
    last = browser.run(shown)
    press(browser, "#when", "ArrowLeft")
    assert browser.run(shown) != last and "step 20" in browser.run(shown)
    press(browser, f"{LOSS} svg", "ArrowLeft")
    assert browser.run(f"document.querySelector('{LOSS} .value').textContent").startswith("29: ")


def test_curves_follow_their_options(browser: Browser) -> None:
    path = f"document.querySelector('{LOSS} path.line').getAttribute('d')"
    plain = browser.run(path)
    browser.run("document.getElementById('log').click()")
    logarithmic = browser.run(path)
    assert logarithmic != plain and "NaN" not in logarithmic
    press(browser, "#smooth", "ArrowRight")
    assert browser.run("document.querySelectorAll('#charts path.raw').length") > 0
    assert browser.run("document.querySelectorAll('#charts h3').length") == 4
    browser.run("document.querySelector('input.run').click()")
    assert browser.run("document.querySelectorAll('#charts path.key0').length") == 0


def test_cards_are_sorted_and_show_the_chosen_pictures(browser: Browser) -> None:
    order = "[...document.querySelectorAll('.card figcaption > b')].map((name) => name.textContent).join('')"
    choose(browser, "order", "box.selectedIndex = 2")
    assert browser.run(order) == "3210", "the best PSNR first"
    choose(browser, "order", "box.selectedIndex = 0")
    assert browser.run(order) == "0123"
    choose(browser, "left", "box.value = 'input'")
    assert browser.run("document.querySelector('.card img.before').alt") == "0: input"
    assert browser.run("document.querySelector('.card img.after').alt") == "0: b: result"


def test_no_console_error_no_request_and_no_sideways_scrolling_on_a_phone(browser: Browser) -> None:
    browser.call("Emulation.setDeviceMetricsOverride", width=360, height=780, deviceScaleFactor=1, mobile=True)
    browser.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    assert browser.run("document.documentElement.scrollWidth") <= 360
    assert browser.run("wrong") == []
    loaded = browser.run("performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert all(name.startswith("data:") for name in loaded)
