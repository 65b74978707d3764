"""`eventnet report`: the file that it writes, and what the page says in a browser when it is used."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from eventnet.reports.numbers import count, joules
from eventnet.trace.networks import NETWORKS_FILE
from eventnet.trace.queries import Run, open_run
from eventnet.units import format_ns
from tests.cli.command import assert_only_error, eventnet_here, files_of
from tests.recorded import rows_of, two_rates
from tests.why_runs import forget_what_was_noted

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
WAIT_S = 30


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a run and its report."""
    folder = tmp_path_factory.mktemp("report")
    two_rates(folder / "a run", until_s=4.0)
    result = eventnet_here("report", str(folder / "a run"), "--out", str(folder / "run.html"))
    assert (result.code, result.out, result.err) == (0, "", f"written to {folder / 'run.html'}\n")
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Run:
    return open_run(folder / "a run")


# --- the file


class Page(HTMLParser):
    """What is on a page: its embedded data, the visible texts of its elements, and whatever it would fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.fetched: list[str] = []
        self.open: list[str] = []
        self.data: dict[str, Any] = {}
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.open.append(tag)
        self.fetched += [str(value) for name, value in attributes if name in ("src", "href", "data", "srcset")]

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"]:
            self.data = self.data or json.loads(data)
        elif self.open[-1:] != ["style"] and data.strip():
            self.texts.append(data.strip())


def page_of(file: Path) -> Page:
    return Page(file.read_text(encoding="utf-8"))


def test_the_page_needs_nothing_else(folder: Path) -> None:
    text = (folder / "run.html").read_text(encoding="utf-8")
    page = Page(text)
    assert page.fetched == ["#raster"]
    assert "default-src 'none'" in text
    style = text[text.index("<style>") : text.index("</style>")]
    assert not re.search(r"url\(|@import", style)
    assert not re.search(r"\bfetch\(|XMLHttpRequest|import\(|<!--slot", text)
    # the one address is the name of SVG's elements
    assert set(re.findall(r"https?://[^\"' ]+", text)) <= {"http://www.w3.org/2000/svg"}


def test_the_page_has_the_runs_numbers(folder: Path, run: Run) -> None:
    page, summary = page_of(folder / "run.html"), run.summary
    assert summary is not None
    assert page.data["raster"]["n_spikes"] == page.data["raster"]["n_single"]
    spikes = {**summary["spikes"]["forward"]}
    assert page.data["raster"]["n_spikes"] == sum(spikes.values()) + sum(summary["spikes"]["backward"].values())
    by_name = {way["name"]: way["values"] for way in page.data["costs"]["ways"]}
    for values in (by_name["population"], by_name["sensor"]):
        total_pj = sum(map(sum, values["energy_pj"]))
        assert total_pj == pytest.approx(summary["energy"]["total_j"] * 1e12, rel=1e-5)
        assert sum(map(sum, values["events"])) == pytest.approx(summary["events"], rel=1e-5)
    losses = [each for each in page.data["answers"] if each["is_loss"]]
    total = sum(n * value for each in losses for n, value in zip(each["samples"], each["values"], strict=True))
    assert total / sum(sum(each["samples"]) for each in losses) == pytest.approx(
        summary["losses"]["ahead"]["all"]["mean"], rel=1e-9
    )
    assert "estimate" in page.texts
    assert any("Horowitz" in text for text in page.texts)


def test_names_of_the_users_cannot_break_the_page(tmp_path: Path) -> None:
    name = "</script><b>&'\""
    two_rates(tmp_path / "run", until_s=0.5)
    for file in ("config.yaml", "provenance.json"):
        path = tmp_path / "run" / file
        path.write_text(path.read_text(encoding="utf-8").replace("two_rates", json.dumps(name)[1:-1]), encoding="utf-8")
    (tmp_path / "<").mkdir()
    run = (tmp_path / "run").rename(tmp_path / "<" / "script>run")
    result = eventnet_here("report", str(run), "--out", str(tmp_path / "run.html"))
    assert result.code == 0, result.err
    page = page_of(tmp_path / "run.html")
    assert name in page.texts
    assert page.data["run"] == str(run)
    assert page.data["command"] == f"eventnet why '{run}'"


def test_fewer_spikes_on_demand(folder: Path, run: Run, tmp_path: Path) -> None:
    file = tmp_path / "few.html"
    assert eventnet_here("report", str(run.path), "--out", str(file), "--spikes", "100").code == 0
    raster = page_of(file).data["raster"]
    assert 0 < raster["n_single"] <= 100 < raster["n_spikes"]
    assert raster["columns"]["event"]["n"] == raster["n_single"]
    latest = [row["time_ns"] for row in rows_of(run) if row["kind"] in ("forward", "backward")][-raster["n_single"] :]
    assert raster["single_from_ns"] == latest[0]


def test_runs_with_less_to_show(tmp_path: Path) -> None:
    for options, words in (
        (("--no-trace",), "recorded without a trace"),
        (("--engine", "dense"), "Nothing in a dense network is an event"),
    ):
        run, file = tmp_path / options[-1], tmp_path / f"{options[-1]}.html"
        assert eventnet_here("run", "two_rates", "--until", "1 s", "--out", str(run), *options).code == 0
        assert eventnet_here("report", str(run), "--out", str(file)).code == 0
        page = page_of(file)
        assert any(words in text for text in page.texts)
        assert page.data["answers"][0]["target"] == "ahead"


def facts_of(file: Path) -> dict[str, str]:
    """The numbers at the top of a page."""
    text = file.read_text(encoding="utf-8")
    return dict(re.findall(r"<div><dt>([^<]*)</dt><dd>([^<]*)</dd></div>", text))


@pytest.mark.parametrize("options", [("--engine", "dense"), ("--no-trace",), ()])
def test_the_numbers_at_the_top_are_those_of_the_run(options: tuple[str, ...], tmp_path: Path) -> None:
    """Of a dense network, too, in which nothing is an event."""
    run, file = tmp_path / "run", tmp_path / "run.html"
    assert eventnet_here("run", "two_rates", "--until", "1 s", "--out", str(run), *options).code == 0
    assert eventnet_here("report", str(run), "--out", str(file)).code == 0
    summary, facts, page = open_run(run).summary, facts_of(file), page_of(file)
    assert summary is not None
    assert facts["energy, an estimate"] == joules(summary["energy"]["total_j"])
    assert facts["unit additions"] == count(sum(summary["operations"]["adds_unit"].values()))
    assert facts.get("events") == (None if "dense" in options else count(summary["events"]))
    assert (page.data["costs"] is None) == bool(options)
    if "dense" in options:
        assert not any("spikes/s" in text for text in page.texts)


def test_rates_have_no_exponents(tmp_path: Path) -> None:
    config = """
    duration: 1 ms
    sensors: {s: {generator: {kind: constant, level: 1}, rate: 100 kHz}}
    populations: {s: {}, h: {size: 1}}
    codes: {forward: {k_alpha: 0.5, k_beta: 0.1}}
    projections: [{from: s, to: h, weights: [[0.001]]}]
    """
    (tmp_path / "my.yaml").write_text(config, encoding="utf-8")
    assert eventnet_here("run", str(tmp_path / "my.yaml"), "--out", str(tmp_path / "run")).code == 0
    assert eventnet_here("report", str(tmp_path / "run"), "--out", str(tmp_path / "run.html")).code == 0
    [row] = re.findall(r"<tr><th scope=.row.>s</th>(.*?)</tr>", (tmp_path / "run.html").read_text(encoding="utf-8"))
    cells = re.findall(r"<td>([^<]*)</td>", row)
    assert cells[1] != "0"
    assert cells[2] == count(1000 * int(cells[1]))  # by neuron and second


def test_a_run_that_was_killed_reaches_as_far_as_what_was_recorded(folder: Path, tmp_path: Path) -> None:
    """Its status may be behind."""
    shutil.copytree(folder / "a run", tmp_path / "run")
    (tmp_path / "run" / "summary.json").unlink()
    status = tmp_path / "run" / "status.json"
    behind = json.loads(status.read_text(encoding="utf-8")) | {"state": "running", "time_ns": 10**9, "events": 7}
    status.write_text(json.dumps(behind), encoding="utf-8")
    assert eventnet_here("report", str(tmp_path / "run"), "--out", str(tmp_path / "run.html")).code == 0
    rows = rows_of(open_run(tmp_path / "run"))
    assert facts_of(tmp_path / "run.html")["events"] == count(len(rows))
    assert any(f"{format_ns(rows[-1]['time_ns'])} simulated" in text for text in page_of(tmp_path / "run.html").texts)


def test_a_run_that_was_killed_and_whose_network_is_gone(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "a run", tmp_path / "run")
    (tmp_path / "run" / "summary.json").unlink()
    status = tmp_path / "run" / "status.json"
    status.write_text(status.read_text(encoding="utf-8").replace("complete", "running"), encoding="utf-8")
    (tmp_path / "run" / "config.yaml").unlink()
    (tmp_path / "run" / NETWORKS_FILE).unlink()
    assert eventnet_here("report", str(tmp_path / "run"), "--out", str(tmp_path / "run.html")).code == 0
    page, whole = page_of(tmp_path / "run.html"), page_of(folder / "run.html")
    assert [way["name"] for way in page.data["costs"]["ways"]] == ["population"]
    assert page.data["raster"] == whole.data["raster"]
    assert any("No energies" in text and "config.yaml" in text for text in page.texts)
    assert any("killed" in text for text in page.texts)


def test_a_run_of_months_is_refused(folder: Path, tmp_path: Path) -> None:
    """The numbers of a browser are exact up to 2^53, in ns some hundred days."""
    run = tmp_path / "run"
    shutil.copytree(folder / "a run", run)
    status = json.loads((run / "status.json").read_text(encoding="utf-8"))
    (run / "status.json").write_text(json.dumps(status | {"time_ns": 2**53}), encoding="utf-8")
    result = eventnet_here("report", str(run), "--out", str(tmp_path / "run.html"))
    assert_only_error(result, str(run), "simulated time", "longer than a page can show")
    assert not (tmp_path / "run.html").exists()


def test_what_cannot_be_written_is_one_line_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    run, file = folder / "a run", tmp_path / "run.html"
    file.write_text("mine", encoding="utf-8")
    before = files_of(tmp_path)
    for options, words in (
        (("--out", str(file)), (str(file), "is there already", "--force")),
        (("--out", str(tmp_path)), (str(tmp_path), "is a directory")),
        (("--out", str(tmp_path / "no" / "run.html")), ("directory does not exist",)),
        (("--out", str(run / "run.html")), ("inside the run",)),
        (("--out", str(file), "--force", "--spikes", "-1"), ("--spikes", "-1", "negative")),
        (("--out", str(file), "--force", "--answers", "-1"), ("--answers", "-1", "negative")),
        (("--out", str(file), "--force", "--energy-table", "none.yaml"), ("none.yaml",)),
    ):
        assert_only_error(eventnet_here("report", str(run), *options), *words)
    shutil.copytree(run, tmp_path / "broken")
    tail = tmp_path / "broken" / "trace" / "tail.parquet"
    tail.write_bytes(tail.read_bytes()[:-40])
    assert_only_error(eventnet_here("report", str(tmp_path / "broken"), "--out", str(file), "--force"), str(tail))
    shutil.rmtree(tmp_path / "broken")
    assert files_of(tmp_path) == before
    assert eventnet_here("report", str(run), "--out", str(file), "--force").code == 0
    # the whole page again, up to what measures no run
    assert page_of(file).data == page_of(folder / "run.html").data


# --- in a browser


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Any]:
    """The report in a headless browser, as large as a laptop's."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="selenium is not installed")
    binary = next(filter(None, map(shutil.which, BROWSERS)), None)
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("no Chromium with a chromedriver is installed")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for each in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--window-size=1366,768"):
        options.add_argument(each)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with webdriver.Chrome(options=options, service=webdriver.ChromeService(driver)) as found:
        found.get((folder / "run.html").as_uri())
        until(found, lambda: "each drawn" in text(found, "raster-status"))
        yield found
        assert found.get_log("browser") == []


def until(browser: Any, condition: Any) -> None:
    """Wait until something is so."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(browser, WAIT_S, poll_frequency=0.02).until(lambda _: condition())


def text(browser: Any, name: str) -> str:
    return str(browser.find_element("id", name).text)


def press(browser: Any, key: str) -> None:
    """Press a key on the raster, and wait until the page has drawn."""
    browser.find_element("id", "raster").send_keys(key)
    browser.execute_async_script("const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(done))")


def seen(browser: Any) -> tuple[float, float]:
    """From when to when the raster shows, in ns."""
    canvas = browser.find_element("id", "raster")
    return float(canvas.get_attribute("data-start-ns")), float(canvas.get_attribute("data-end-ns"))


def spikes_between(run: Run, start_ns: float, end_ns: float) -> list[dict[str, Any]]:
    sent = (row for row in rows_of(run) if row["kind"] in ("forward", "backward"))
    return [row for row in sent if start_ns <= row["time_ns"] < end_ns]


def click(browser: Any, spike: dict[str, Any]) -> None:
    """Click where a spike is drawn."""
    from selenium.webdriver.common.action_chains import ActionChains

    canvas = browser.find_element("id", "raster")
    start_ns, end_ns = seen(browser)
    gutter, width = int(canvas.get_attribute("data-gutter")), canvas.size["width"]
    lanes = {lane["name"]: lane for lane in json.loads(canvas.get_attribute("data-lanes"))}
    lane = lanes[spike["population"]]
    x = gutter + (spike["time_ns"] - start_ns) / (end_ns - start_ns) * (width - 2 * gutter)
    y = lane["top"] + (spike["neuron"] + 0.5) / lane["size"] * lane["height"]
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    offset = round(x - width / 2), round(y - canvas.size["height"] / 2)
    ActionChains(browser).move_to_element_with_offset(canvas, *offset).click().perform()


def assert_shows(browser: Any, run: Run, spike: dict[str, Any]) -> None:
    """What the page says of a spike is what the trace says."""
    from eventnet.units import format_ns

    said = text(browser, "spike")
    error = "an error of " if spike["kind"] == "backward" else ""
    sign = "+" if spike["value"] > 0 else "−"
    where = f"{spike['population']} {spike['neuron']}"
    headline = f"event {spike['event']}: {where} sent {error}{sign}{abs(spike['value']):.0f} at "
    assert said.startswith(headline + format_ns(spike["time_ns"])), said
    assert f"({spike['time_ns']} ns)" in said
    assert ("none: a clock or a sensor" if spike["cause"] < 0 else f"event {spike['cause']}\n") in said
    named = [row["kind"] for row in rows_of(run) if row["cause"] == spike["event"]]
    arrivals = named.count("forward_arrival") + named.count("backward_arrival")
    assert re.search(rf"is the cause of\n{arrivals} later arrivals?, ", said), said
    assert text(browser, "hover") in ("", said.splitlines()[0])
    assert text(browser, "why") == f"eventnet why '{run.path}' {spike['event']}"


def test_the_whole_run_is_there_and_keys_zoom_and_move(browser: Any, run: Run) -> None:
    press(browser, "0")
    start_ns, end_ns = seen(browser)
    assert (start_ns, end_ns) == (0, 4e9)
    n = len(spikes_between(run, 0, 4e9))
    assert f"{n:,} spikes, each drawn" in text(browser, "raster-status")
    for _ in range(4):
        press(browser, "+")
    start_ns, end_ns = seen(browser)
    assert end_ns - start_ns == pytest.approx(4e9 / 16)
    assert f"{len(spikes_between(run, start_ns, end_ns))} spikes, each drawn" in text(browser, "raster-status")
    press(browser, "\ue014")  # the right arrow
    assert seen(browser)[0] == pytest.approx(start_ns + 0.2 * 0.25e9)
    press(browser, "\ue012")  # the left one
    assert seen(browser)[0] == pytest.approx(start_ns)
    press(browser, "-")
    assert seen(browser)[1] - seen(browser)[0] == pytest.approx(4e9 / 8)
    press(browser, "0")
    assert seen(browser) == (0, 4e9)


@pytest.mark.parametrize("kind", ["forward", "backward"])
def test_a_clicked_spike_is_read(kind: str, browser: Any, run: Run) -> None:
    press(browser, "0")
    for _ in range(5):
        press(browser, "+")
    start_ns, end_ns = seen(browser)
    shown = spikes_between(run, start_ns + 0.2e8, end_ns - 0.2e8)
    alone = [
        spike
        for spike in shown
        if spike["kind"] == kind
        and sum((each["time_ns"], each["neuron"]) == (spike["time_ns"], spike["neuron"]) for each in shown) == 1
    ]
    assert len(alone) > 5
    for spike in (alone[0], alone[len(alone) // 2]):
        click(browser, spike)
        assert_shows(browser, run, spike)
        assert text(browser, "hover").startswith(f"event {spike['event']}: ")


def test_keys_walk_from_spike_to_spike_and_to_the_one_behind(browser: Any, run: Run) -> None:
    press(browser, "0")
    press(browser, "\ue00c")  # Escape
    assert text(browser, "spike") == "No spike is chosen."
    press(browser, "n")
    every = spikes_between(run, 0, 4e9)
    after = next(k for k, spike in enumerate(every) if spike["time_ns"] >= 2e9)
    assert_shows(browser, run, every[after])
    press(browser, "n")
    assert_shows(browser, run, every[after + 1])
    press(browser, "p")
    press(browser, "p")
    assert_shows(browser, run, every[after - 1])
    rows = {row["event"]: row for row in rows_of(run)}
    while "sent" not in text(browser, "spike").split("spike behind it\n")[1].splitlines()[0]:
        press(browser, "n")
    event = int(re.findall(r"^event (\d+):", text(browser, "spike"))[0])
    behind = rows[rows[event]["cause"]]
    while behind["kind"] not in ("forward", "backward"):
        behind = rows[behind["cause"]]
    browser.find_element("css selector", "#spike .link").click()
    assert_shows(browser, run, behind)


def test_populations_and_directions_can_be_left_out(browser: Any, run: Run) -> None:
    press(browser, "0")
    press(browser, "\ue015")  # the arrow down: the first population alone
    name = run.populations[0]
    n = sum(spike["population"] == name for spike in spikes_between(run, 0, 4e9))
    assert f": {n} spikes, each drawn" in text(browser, "raster-status")
    press(browser, "\ue013")
    browser.find_element("id", "forward").click()
    n = sum(spike["kind"] == "backward" for spike in spikes_between(run, 0, 4e9))
    until(browser, lambda: f": {n:,} spikes, each drawn" in text(browser, "raster-status"))
    browser.find_element("id", "forward").click()


def test_the_tab_key_reaches_everything_in_order_and_focus_shows(browser: Any) -> None:
    browser.execute_script("document.querySelector('.skip').focus()")
    wanted = ["population", "forward", "errors", "back", "on", "out", "in", "all", "raster"]
    reached: list[str] = []
    for _ in range(30):
        active = browser.switch_to.active_element
        active.send_keys("\ue004")  # Tab
        active = browser.switch_to.active_element
        if active.get_attribute("id"):
            reached.append(active.get_attribute("id"))
        if reached[-1:] == ["raster"]:
            outline = active.value_of_css_property("outline-style"), active.value_of_css_property("outline-width")
            assert outline == ("solid", "3px")
    assert reached[: len(wanted)] == wanted
    assert {"measure", "payer", "cost-chart", "answer-chart"} <= set(reached)


def test_charts_say_their_numbers_by_keyboard(browser: Any, folder: Path) -> None:
    costs = page_of(folder / "run.html").data["costs"]
    chart = browser.find_element("id", "cost-chart")
    browser.find_element("css selector", "#measure option:last-child").click()
    browser.find_element("css selector", "#payer option:last-child").click()
    chart.send_keys("\ue014")
    chart.send_keys("\ue014")
    values = costs["ways"][-1]["values"]["events"]
    said = text(browser, "cost-status")
    for name, of_name in zip(costs["ways"][-1]["names"], values, strict=True):
        assert f"{name} {of_name[1]:,.0f}" in said
    browser.find_element("id", "answer-chart").send_keys("\ue014")
    assert text(browser, "answer-status").startswith("ahead, all, ")


def test_on_a_phone_nothing_sticks_out(browser: Any) -> None:
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    press(browser, "0")
    assert browser.execute_script("return document.documentElement.scrollWidth") == 390
    assert browser.find_element("css selector", ".downwards").is_displayed()
    assert not browser.find_element("css selector", ".rightwards").is_displayed()
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a run with 70 populations, some of whose names nothing has room for."""
    folder = tmp_path_factory.mktemp("crowded")
    long = (
        "a name that nothing has room for, and which nobody forbids, for whatever it may be good, however long it gets"
    )
    names = [f"{long} {k}" if k % 2 else f"p{k}" for k in range(69)]
    config = {
        "duration": "300 ms",
        "sensors": {"s": {"generator": {"kind": "sine", "n_channels": 2}, "rate": "50 Hz"}},
        "codes": {"forward": {"k_alpha": 0.8, "k_beta": 0.05}},
        "populations": {"s": {}} | {name: {"size": 2} for name in names},
        "projections": [{"from": "s", "to": name} for name in names]
        + [{"from": names[k], "to": names[k + 1]} for k in range(0, 68, 2)],
    }
    (folder / "my.yaml").write_text(json.dumps(config), encoding="utf-8")
    assert eventnet_here("run", str(folder / "my.yaml"), "--out", str(folder / "run")).code == 0
    assert eventnet_here("report", str(folder / "run"), "--out", str(folder / "run.html"), "--answers", "0").code == 0
    return folder / "run.html"


@pytest.mark.parametrize("width", [360, 1366])
def test_many_populations_of_long_names_fit(width: int, crowded: Path, folder: Path, browser: Any) -> None:
    size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 400}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get(crowded.as_uri())
    until(browser, lambda: "each drawn" in text(browser, "raster-status"))
    canvas = browser.find_element("id", "raster")
    lanes = json.loads(canvas.get_attribute("data-lanes"))
    assert len(lanes) == 70
    ends = [0.0, *(lane["top"] + lane["height"] for lane in lanes)]
    assert all(end <= lane["top"] + 1e-6 for end, lane in zip(ends, lanes, strict=False))
    assert ends[-1] <= canvas.size["height"] - 20  # where the axis of time is
    assert canvas.size["height"] <= 640
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width
    # the drawing can be read where it begins, and the table has its numbers in view on a laptop
    drawn = next(each for each in browser.find_elements("css selector", ".network") if each.is_displayed())
    shrunk = "return arguments[0].getBoundingClientRect().width / arguments[0].viewBox.baseVal.width"
    assert browser.execute_script(shrunk, drawn) >= 0.7
    assert browser.execute_script(
        """const frame = arguments[0].parentElement.getBoundingClientRect();
        const box = arguments[0].querySelector("rect").getBoundingClientRect();
        return box.left >= frame.left && box.top >= frame.top
          && box.right <= frame.right && box.bottom <= frame.bottom""",
        drawn,
    )
    if width > 1000:
        frame = browser.find_elements("css selector", ".scroll")[1]
        assert browser.execute_script("return arguments[0].scrollWidth <= arguments[0].clientWidth", frame)
    # one population alone stands there as it would without the others
    browser.execute_script(
        "const s = document.getElementById('population'); s.value = '1'; s.dispatchEvent(new Event('change'))"
    )
    until(browser, lambda: len(json.loads(canvas.get_attribute("data-lanes"))) == 1)
    assert canvas.size["height"] in (320, 360)
    browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.get((folder / "run.html").as_uri())
    until(browser, lambda: "each drawn" in text(browser, "raster-status"))


def test_costs_of_many_payers_have_a_colour_each_and_one_for_all_others(
    crowded: Path, folder: Path, browser: Any
) -> None:
    browser.get(crowded.as_uri())
    browser.execute_script(
        """const s = document.getElementById("payer"); s.selectedIndex = s.options.length - 1;
        s.dispatchEvent(new Event("change"))"""
    )
    entries = [each.text for each in browser.find_elements("css selector", "#cost-legend li")]
    assert len(entries) == 8
    assert entries[-1].startswith("63 others: ")
    colours = browser.execute_script(
        "return [...document.querySelectorAll('#cost-legend .swatch')].map((each) => each.style.background)"
    )
    assert len(set(colours)) == 8
    values = page_of(crowded).data["costs"]["ways"][-1]["values"]["energy_pj"]
    sums = sorted((sum(each) for each in values), reverse=True)
    assert entries[-1].split(": ")[1] == joules(sum(sums[7:]) * 1e-12)
    assert text(browser, "cost-status") == f"All: {joules(sum(sums) * 1e-12)}."
    browser.get((folder / "run.html").as_uri())
    until(browser, lambda: "each drawn" in text(browser, "raster-status"))


def test_light_and_dark_are_two_colours(browser: Any) -> None:
    grounds = []
    for scheme in ("light", "dark"):
        features = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
        body = browser.find_element("css selector", "body")
        grounds.append((body.value_of_css_property("background-color"), body.value_of_css_property("color")))
    (light, dark_ink), (dark, light_ink) = grounds

    def brightness(colour: str) -> float:
        return sum(map(float, re.findall(r"\d+", colour)[:3])) / 3

    assert brightness(light) > 200 > 60 > brightness(dark_ink)
    assert brightness(dark) < 60 < 200 < brightness(light_ink)


INK = """
const canvas = document.getElementById("raster"), ratio = canvas.width / canvas.clientWidth;
const lane = JSON.parse(canvas.dataset.lanes).find((each) => each.name === arguments[0]);
// not its edges, which lie between pixels
const area = [0, lane.top + 2, canvas.clientWidth, lane.height - 4].map((each) => Math.round(each * ratio));
const copy = document.createElement("canvas");
[copy.width, copy.height] = [canvas.width, canvas.height];
const paint = copy.getContext("2d", { willReadFrequently: true });
paint.drawImage(canvas, 0, 0);
const pixels = new Uint32Array(paint.getImageData(...area).data.buffer);
return pixels.filter((each) => each !== pixels[0]).length / pixels.length;
"""
"""The share of a lane that is not its ground."""


@pytest.fixture(scope="module")
def longer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with more spikes than are shown one by one, and two reports: with all single spikes and with some."""
    folder = tmp_path_factory.mktemp("longer")
    two_rates(folder / "run", until_s=32.0)
    assert eventnet_here("report", str(folder / "run"), "--out", str(folder / "all.html")).code == 0
    few = ("--out", str(folder / "few.html"), "--spikes", "1000")
    assert eventnet_here("report", str(folder / "run"), *few).code == 0
    return folder


@pytest.mark.parametrize(
    ("page", "words"), [("all", "Zoom in for single ones"), ("few", "Single spikes are here from")]
)
def test_many_spikes_are_counted_until_zoomed_in(page: str, words: str, browser: Any, longer: Path) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    run = open_run(longer / "run")
    browser.get((longer / f"{page}.html").as_uri())
    until(browser, lambda: words in text(browser, "raster-status"))
    every = spikes_between(run, 0, 32e9)
    assert len(every) > 20_000
    assert f"{len(every) / 1000:.1f}k spikes, counted" in text(browser, "raster-status")
    assert all(browser.execute_script(INK, name) > 0.1 for name in run.populations)
    # the output sends errors only
    browser.find_element("id", "errors").click()
    until(browser, lambda: browser.execute_script(INK, "output") == 0)
    assert browser.execute_script(INK, "fast") > 0.1
    browser.find_element("id", "errors").click()
    canvas = browser.find_element("id", "raster")
    browser.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    right = canvas.size["width"] // 2 - 12
    ActionChains(browser).move_to_element_with_offset(canvas, right, 30).click().perform()
    until(browser, lambda: seen(browser)[0] > 0)
    assert seen(browser)[1] - seen(browser)[0] == pytest.approx(8e9)
    for _ in range(3):
        press(browser, "+")
    press(browser, "\ue010")  # End
    start_ns, end_ns = seen(browser)
    assert end_ns == 32e9
    shown = spikes_between(run, start_ns, end_ns)
    if page == "few":
        for _ in range(2):
            press(browser, "+")
        press(browser, "\ue010")
        shown = spikes_between(run, *seen(browser))
    assert f": {len(shown)} spikes, each drawn" in text(browser, "raster-status")
    before = seen(browser)
    ActionChains(browser).drag_and_drop_by_offset(canvas, 100, 0).perform()
    until(browser, lambda: seen(browser)[0] < before[0])
    moved = (before[0] - seen(browser)[0]) / (before[1] - before[0]) * (canvas.size["width"] - 16)
    assert moved == pytest.approx(100, abs=5)


# --- why, in a browser


def parts_shown(browser: Any) -> list[tuple[str, str, int]]:
    """The rows of the answer: their kind, what they are called, and their number as it stands there, in parts."""
    found = browser.execute_script(
        "return [...document.querySelectorAll('#answer tr')].map((row) => "
        "[row.className, row.cells[0].firstChild.textContent, row.cells[1].innerText.trim()])"
    )
    return [(kind, name, round(float(number.replace("−", "-")) * 10_000)) for kind, name, number in found]


def sums_of(rows: list[tuple[str, str, int]]) -> dict[str, int]:
    return {name: number for kind, name, number in rows if kind in ("phi", "sum", "sent", "after")}


def asked(run: Run, event: int) -> dict[str, Any]:
    """What `eventnet why RUN EVENT --json` says of a spike."""
    result = eventnet_here("why", str(run.path), str(event), "--depth", "0", "--json")
    assert result.code == 0, result.err
    document: dict[str, Any] = json.loads(result.out)
    return document


def chosen_event(browser: Any) -> int:
    return int(re.findall(r"^event (\d+):", text(browser, "spike"))[0])


def assert_answers(browser: Any, run: Run) -> dict[str, Any]:
    """The page tells the chosen spike as the command does, and its rows add up; returns what the command says."""
    document = asked(run, chosen_event(browser))
    told, rows = document["spikes"][0], parts_shown(browser)
    sums = sums_of(rows)
    parts = [(kind, name, number) for kind, name, number in rows if kind in ("arrival", "others", "term")]
    # in the numbers as they stand there, without any rounding left
    assert sum(number for *_, number in parts) == sums["a(t), all but φ"]
    assert sums["φ, what was left"] + sums["a(t), all but φ"] == sums["φ + a(t)"]
    assert sums["φ + a(t)"] == sums["sent"] + sums["φ, rounded off and left"]
    expected = {"φ, what was left": told["phi_before"], "a(t), all but φ": told["a"], "sent": told["s"]}
    for name, value in expected.items():
        assert sums[name] == pytest.approx(value * 10_000, abs=0.51), name
    assert sums["φ, rounded off and left"] == pytest.approx(told["phi_after"] * 10_000, abs=1.1)
    shown = [number for kind, _, number in parts if kind == "arrival"]
    shares = [each["share"] * 10_000 for each in told["arrivals"] if abs(each["share"]) > 1.1e-4]
    assert sorted(shown)[: len(shares)] == pytest.approx(sorted(shares), abs=1.01)
    assert [abs(number) for number in shown] == sorted((abs(number) for number in shown), reverse=True)
    terms = {name: number for kind, name, number in parts if kind == "term"}
    for term in told["terms"]:
        name = "held since the sample before" if term["name"] == "held" else term["name"]
        assert terms.get(name, 0) == pytest.approx(term["share"] * 10_000, abs=1.01), name
    others = sum(number for kind, _, number in parts if kind == "others")
    rest = sum(each["share"] for each in told["arrivals"]) + told["other_arrivals"]["share"]
    assert others + sum(shown) == pytest.approx(rest * 10_000, abs=6)
    return document


def alone_between(browser: Any, run: Run, population: str, kind: str) -> list[dict[str, Any]]:
    """Spikes in view that nobody can mistake for another."""
    start_ns, end_ns = seen(browser)
    shown = spikes_between(run, start_ns + 0.2e8, end_ns - 0.2e8)
    at = [(each["population"], each["time_ns"], each["neuron"]) for each in shown]
    mine = [each for each in shown if (each["population"], each["kind"]) == (population, kind)]
    return [each for each in mine if at.count((each["population"], each["time_ns"], each["neuron"])) == 1]


@pytest.fixture
def closely(browser: Any, folder: Path) -> Any:
    """The page of the run, its answers read, so near that a click means one spike."""
    browser.get((folder / "run.html").as_uri())
    until(browser, lambda: browser.find_element("id", "raster").get_attribute("data-answers") == "read")
    for _ in range(5):
        press(browser, "+")
    return browser


@pytest.mark.parametrize(
    ("population", "kind"),
    [("fast", "forward"), ("hidden", "forward"), ("hidden", "backward"), ("output", "backward")],
)
def test_a_clicked_spike_says_why(population: str, kind: str, closely: Any, run: Run) -> None:
    alone = alone_between(closely, run, population, kind)
    assert len(alone) > 2
    for spike in (alone[0], alone[len(alone) // 2]):
        click(closely, spike)
        assert chosen_event(closely) == spike["event"]
        told = assert_answers(closely, run)["spikes"][0]
        if population == "output":
            said = text(closely, "outcome").replace("−", "-")
            numbers = [float(each) for each in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", said)]
            answer = told["answer"]
            assert numbers[:4] == pytest.approx(
                [answer["answered"], answer["wanted"], answer["loss"], answer["event"]], rel=2e-3, abs=2e-3
            )
        if population == "fast":
            samples = {row["event"]: row for row in rows_of(run) if row["kind"] == "sample"}
            ((value, event),) = re.findall(r"a value of (\S+), event (\d+)", text(closely, "spike"))
            assert float(value.replace("−", "-")) == pytest.approx(samples[int(event)]["value"], rel=1e-3, abs=1e-4)


def test_weights_are_those_that_spikes_met(closely: Any, run: Run) -> None:
    for kind in ("forward", "backward"):
        click(closely, alone_between(closely, run, "hidden", kind)[0])
        told = asked(run, chosen_event(closely))["spikes"][0]
        weights = [float(each.replace("−", "-")) for each in re.findall(r"weight (\S+),", text(closely, "spike"))]
        expected = [each["weight"] for each in sorted(told["arrivals"], key=lambda each: -abs(each["share"]))]
        assert len(weights) > 0
        assert weights == pytest.approx(expected[: len(weights)], rel=0.02, abs=2e-3)


def test_links_lead_back_to_a_sample_and_to_a_loss(closely: Any, run: Run) -> None:
    for kind, words in (("forward", "a value of"), ("backward", "It answered")):
        click(closely, alone_between(closely, run, "hidden", kind)[0])
        link = closely.find_element("css selector", "#answer .arrival .link")
        called = link.text
        told = assert_answers(closely, run)["spikes"][0]
        biggest = max(told["arrivals"], key=lambda each: abs(each["share"]))
        link.click()
        assert chosen_event(closely) == biggest["spike"]
        assert called.replace("−", "-") == f"{biggest['population']} {biggest['neuron']} sent {biggest['s']:+g}"
        assert_answers(closely, run)
        assert words in text(closely, "spike")
        # and back again
        closely.find_element("id", "back-to").click()
        assert chosen_event(closely) == told["event"]


def test_keys_follow_a_spike_back_and_forth(closely: Any, run: Run) -> None:
    click(closely, alone_between(closely, run, "hidden", "forward")[1])
    first = chosen_event(closely)
    told = asked(run, first)["spikes"][0]
    press(closely, "b")
    assert chosen_event(closely) == max(told["arrivals"], key=lambda each: abs(each["share"]))["spike"]
    caused = [
        int(each.get_attribute("data-event")) for each in closely.find_elements("css selector", "#came [data-event]")
    ]
    press(closely, "f")
    assert chosen_event(closely) == caused[0]
    press(closely, "u")
    press(closely, "u")
    assert chosen_event(closely) == first


def test_what_came_of_a_spike_is_what_the_command_says(closely: Any, run: Run) -> None:
    """For each projection the spikes that owe most to it; those among whose largest arrivals it is."""
    for population, kind in (("fast", "forward"), ("output", "backward")):
        click(closely, alone_between(closely, run, population, kind)[1])
        event = chosen_event(closely)
        reached = asked(run, event)["effects"]["reached"]
        shown = closely.find_elements("css selector", "#came .effect")
        assert [each.get_attribute("data-projection") for each in shown] == [each["projection"] for each in reached]
        for item, effect in zip(shown, reached, strict=True):
            assert f"{effect['n_fired']} neuron" in item.text
            owed = {caused["event"]: caused["share"] for caused in effect["spikes"]}
            for caused in item.find_elements("css selector", "[data-event]"):
                of = int(caused.get_attribute("data-event"))
                share = asked(run, of)["spikes"][0]["arrivals"]
                mine = [each["share"] for each in share if each["spike"] == event]
                assert int(caused.get_attribute("data-parts")) == pytest.approx(mine[0] * 10_000, abs=1.01)
                assert of not in owed or owed[of] == pytest.approx(mine[0], rel=1e-9)
            assert item.find_elements("css selector", "[data-event]")


def test_an_answer_fits_a_phone(closely: Any, run: Run) -> None:
    click(closely, alone_between(closely, run, "hidden", "forward")[0])
    size = {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True}
    closely.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    assert closely.execute_script("return document.documentElement.scrollWidth") == 390
    sticking_out = closely.execute_script(
        "return [...document.querySelectorAll('#spike *, #came *')].filter((each) => "
        "each.getBoundingClientRect().right > 380 || each.scrollWidth > each.clientWidth + 1 && each.clientWidth > 0"
        ").map((each) => each.outerHTML.slice(0, 80))"
    )
    assert sticking_out == []
    closely.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


MARKED = """
const why = JSON.parse(document.getElementById("data").textContent).why.stretches;
const canvas = document.getElementById("raster");
const ratio = canvas.width / canvas.clientWidth, end = +canvas.dataset.endNs, gutter = +canvas.dataset.gutter;
const copy = document.createElement("canvas");
[copy.width, copy.height] = [canvas.width, canvas.height];
const paint = copy.getContext("2d", { willReadFrequently: true });
paint.drawImage(canvas, 0, 0);
const at = (ns) => {
  const x = gutter + ns / end * (canvas.clientWidth - 2 * gutter);
  return paint.getImageData(Math.round(x * ratio), Math.round((canvas.clientHeight - 24) * ratio), 1, 1).data[3] > 0;
};
const middle = (one, other) => (one + other) / 2;
return why.slice(1).flatMap(([from, to], k) => [at(middle(why[k][1], from)), at(middle(from, to))]);
"""
"""Of each stretch but the first, whether the axis of time is marked before it and in its middle."""


def test_a_run_that_does_not_come_out_again_has_no_answers(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "a run", tmp_path / "run")
    forget_what_was_noted(tmp_path / "run")
    config = tmp_path / "run" / "config.yaml"
    assert "eta: 0.02" in config.read_text(encoding="utf-8")
    config.write_text(config.read_text(encoding="utf-8").replace("eta: 0.02", "eta: 0.5"), encoding="utf-8")
    assert eventnet_here("report", str(tmp_path / "run"), "--out", str(tmp_path / "run.html")).code == 0
    page, whole = page_of(tmp_path / "run.html"), page_of(folder / "run.html")
    assert page.data["raster"] == whole.data["raster"]
    assert any("no answer to why" in text and "cannot be replayed" in text for text in page.texts)
    assert page.data["why"] is None or page.data["why"]["n_answers"] < 0.1 * whole.data["why"]["n_answers"]


def test_fewer_answers_are_marked_and_the_nearest_is_offered(browser: Any, longer: Path) -> None:
    run, file = open_run(longer / "run"), longer / "answers.html"
    assert eventnet_here("report", str(run.path), "--out", str(file), "--answers", "2000").code == 0
    why = page_of(file).data["why"]
    assert 1000 < why["n_answers"] <= 2000
    assert why["stretches"][-1][1] == max(row["time_ns"] for row in spikes_between(run, 0, 32e9))
    browser.get(file.as_uri())
    until(browser, lambda: browser.find_element("id", "raster").get_attribute("data-answers") == "read")
    assert f"{why['n_answers']:,} of" in text(browser, "stretches")
    # what lies between two stretches, a little below the axis of time
    assert browser.execute_script(MARKED) == [False, True] * (len(why["stretches"]) - 1)
    press(browser, "n")  # from the middle of the run on
    for _ in range(400):
        if "no answer" in text(browser, "spike"):
            break
        press(browser, "n")
    assert text(browser, "why").endswith(f" {chosen_event(browser)}")
    browser.find_element("css selector", "#untold .link").click()
    assert_answers(browser, run)
    without = longer / "none.html"
    assert eventnet_here("report", str(run.path), "--out", str(without), "--answers", "0").code == 0
    assert page_of(without).data["why"] is None
