"""A real browser (Chromium, headless) on the platform's pages."""

import base64
import os
import shutil
import tempfile
import time
from pathlib import Path

FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --window-size=1300,1000"
)


def available():
    """Why not, or None."""
    if not shutil.which("chromium") or not shutil.which("chromedriver"):
        return "no chromium and chromedriver on this machine"
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "selenium is not installed"
    return None


class Browser:
    """One page at a time.  MILL_SCREENSHOTS names a folder that keeps a picture of each."""

    def __init__(self):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        self.profile = tempfile.mkdtemp(prefix="chromium-")
        for flag in [*FLAGS.split(), f"--user-data-dir={self.profile}"]:
            options.add_argument(flag)
        options.binary_location = shutil.which("chromium")
        self.driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
        self.driver.set_page_load_timeout(120)

    def close(self):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    def basic(self, user, password):
        """The login that pages behind basic authentication get from now on."""
        header = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.driver.execute_cdp_cmd("Network.enable", {})
        self.driver.execute_cdp_cmd("Network.setExtraHTTPHeaders", {"headers": {"Authorization": header}})

    def open(self, url):
        self.driver.get(url)

    def wait(self, condition, what, seconds=90):
        from selenium.common.exceptions import WebDriverException

        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                found = condition(self.driver)
                if found:
                    return found
            except WebDriverException:
                pass
            time.sleep(0.3)
        self.keep("failed-" + what)
        raise AssertionError(f"{what}: not seen within {seconds} s at {self.driver.current_url}: {self.text()[:400]}")

    def css(self, selector, seconds=90):
        return self.wait(lambda d: d.find_element("css selector", selector), selector, seconds)

    def text(self):
        return self.driver.find_element("css selector", "body").text

    def says(self, word, seconds=90):
        return self.wait(lambda d: word.lower() in self.text().lower(), word, seconds)

    def keep(self, name):
        folder = os.environ.get("MILL_SCREENSHOTS")
        if folder:
            time.sleep(1.5)
            self.driver.save_screenshot(str(Path(folder) / f"{name.replace('/', '-')}.png"))


def superset(b, link):
    b.open(link["url"].split("/superset/")[0] + "/login/")
    b.css("#username").send_keys(link["user"])
    b.css("#password").send_keys(link["password"])
    b.css("button[type=submit], input[type=submit]").click()
    b.wait(lambda d: "/login" not in d.current_url, "logged in")
    b.open(link["url"])
    b.wait(lambda d: len(d.find_elements("css selector", "[data-test='chart-container'] canvas, .chart-container canvas, canvas")) >= 2, "charts", 150)
    b.says("Temperature by sensor")


def jupyterhub(b, link):
    b.open(link["url"])
    b.css("#username_input").send_keys("browser")
    b.css("#password_input").send_keys(link["password"])
    b.css("#login_submit").click()
    # there is one button when no server runs, then the form with the environments
    b.wait(lambda d: d.find_elements("css selector", "input[name=environment]") or d.find_elements("css selector", "#start"), "spawn page")
    if not b.driver.find_elements("css selector", "input[name=environment]"):
        b.css("#start").click()
    b.css("input[name=environment][value=base]").click()
    b.keep("jupyterhub-environments")
    b.css("form#spawn_form [type=submit], input[type=submit]").click()
    b.wait(lambda d: "/user/browser" in d.current_url, "the server", 180)
    b.css(".jp-LauncherCard[data-category='Notebook']", 180).click()
    editor = b.css(".jp-Notebook .cm-content", 120)
    editor.click()
    b.driver.switch_to.active_element.send_keys("import s3fs; print('buckets', len(s3fs.S3FileSystem().ls('')), 6 * 7)")
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    time.sleep(3)  # the kernel's first idle
    ActionChains(b.driver).key_down(Keys.SHIFT).send_keys(Keys.ENTER).key_up(Keys.SHIFT).perform()
    output = b.wait(lambda d: next((e.text for e in d.find_elements("css selector", ".jp-OutputArea-output") if "42" in e.text), None), "the cell's output")
    assert output.startswith("buckets ")


def mlflow(b, link):
    b.basic(link["user"], link["password"])
    b.open(link["url"])
    b.says("Experiments")


def minio(b, link):
    b.open(link["url"])
    b.css("#accessKey").send_keys(link["user"])
    b.css("#secretKey").send_keys(link["password"])
    b.css("button[type=submit]").click()
    b.wait(lambda d: "/browser" in d.current_url, "the object browser")


def page(*words):
    def look(b, link):
        if link.get("password"):
            b.basic(link.get("user") or "", link["password"])
        b.open(link["url"])
        for word in words:
            b.says(word)

    return look


# (component, title of its link, what to do there)
PAGES = [
    ("jupyterhub", "JupyterHub", jupyterhub),
    ("superset", "Sample dashboard", superset),
    ("mlflow", "MLflow", mlflow),
    ("minio", "Console", minio),
    ("prometheus", "Targets", page("kafka")),
    ("spark", None, page("Spark Master", "Workers")),
    ("flink", None, page("Apache Flink")),
    ("dask", None, page("Workers")),
]
