"""What a real browser makes of the gateway: the playground, and pages of other origins (headless Chromium, driven by Selenium)."""

import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from tests.contract.test_run import running
from tests.support import processes
from tests.support.processes import Server, free_port

CROSS = """<!doctype html><title>start</title><pre id="out"></pre><script>
const out = document.getElementById("out");
async function run() {
  const answer = await fetch("%s/v1/chat/completions", {
    method: "POST",
    headers: {"Authorization": "Bearer any", "Content-Type": "application/json"},
    body: JSON.stringify({model: "gemini-3.8-flash", stream: true, messages: [{role: "user", content: "count to 5"}]}),
  });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let reads = 0;
  for (let read; !(read = await reader.read()).done;) { out.textContent += read.value; reads += 1; }
  out.textContent += "route " + answer.headers.get("x-chromagent-route") + " status " + answer.status;
}
run().then(() => { document.title = "done"; }, fault => { out.textContent = String(fault); document.title = "failed"; });
</script>"""


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    binary, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no chromium and chromedriver on this machine (on Debian: apt install chromium chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for argument in ("headless", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"):
        options.add_argument(f"--{argument}")
    for argument in (
        "disable-component-update",
        "disable-sync",
        "no-proxy-server",
        f"user-data-dir={tmp_path_factory.mktemp('chromium')}",
    ):
        options.add_argument(f"--{argument}")
    found = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    try:
        yield found
    finally:
        found.quit()


def text(browser: webdriver.Chrome, identifier: str) -> str:
    return browser.find_element(By.ID, identifier).text


def test_the_playground_lists_models_streams_an_answer_and_shows_the_code(browser: webdriver.Chrome) -> None:
    port = free_port()
    with running("--port", str(port)) as (_, banner):
        assert f"http://127.0.0.1:{port}/" in banner
        browser.get(f"http://127.0.0.1:{port}/")
        wait = WebDriverWait(browser, 20)
        wait.until(lambda page: len(page.find_elements(By.CSS_SELECTOR, "#model option")) > 10)
        Select(browser.find_element(By.ID, "model")).select_by_visible_text("claude-sonnet-4-6")
        prompt = browser.find_element(By.ID, "prompt")
        prompt.clear()
        prompt.send_keys("say Reykjavik")
        more = browser.find_element(By.ID, "more")
        more.clear()
        more.send_keys('{"seed": 5}')
        browser.find_element(By.ID, "send").click()
        wait.until(lambda page: text(page, "whole").endswith("ms"))
        assert "Reykjavik" in text(browser, "answer")
        assert text(browser, "finish") == "stop"
        assert text(browser, "ignored") == "seed"
        assert text(browser, "route") == "vertex-anthropic/claude-sonnet-4-6@global"
        assert text(browser, "first").endswith("ms")
        assert int(text(browser, "tokens").split(" / ")[1]) > 0
        assert '"say Reykjavik"' in text(browser, "curl")
        assert 'model="claude-sonnet-4-6"' in text(browser, "sdk")
        assert "seed=5" in text(browser, "sdk")

        prompt.clear()
        prompt.send_keys("simulate: 429 60s")
        browser.find_element(By.ID, "send").click()
        wait.until(lambda page: "rate_limit_exceeded" in text(page, "error"))


@pytest.fixture(scope="module")
def other_origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("pages")

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the base class
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", folder
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("allowed", [True, False])
def test_a_page_of_another_origin_streams_only_where_it_is_allowed(
    browser: webdriver.Chrome, other_origin: tuple[str, Path], simulation: Server, tmp_path: Path, allowed: bool
) -> None:
    origin, folder = other_origin
    backend = {"base_url": simulation.url, "auth": "none", "project": "p"}
    configuration = {
        "allow_anonymous": True,
        "backends": {"vertex-gemini": backend, "vertex-anthropic": backend},
        "cors": {"origins": [origin if allowed else "https://app.example.com"]},
    }
    with processes.function("chat_completions", configuration, tmp_path / "gateway.log") as gateway:
        (folder / "page.html").write_text(CROSS % gateway.url)
        browser.get(f"{origin}/page.html")
        WebDriverWait(browser, 20).until(lambda page: page.title in ("done", "failed"))
        if allowed:
            assert browser.title == "done"
            assert "data: [DONE]" in text(browser, "out")
            assert "route vertex-gemini/gemini-3.8-flash@global status 200" in text(browser, "out")
        else:
            assert browser.title == "failed"
            assert "Failed to fetch" in text(browser, "out")
