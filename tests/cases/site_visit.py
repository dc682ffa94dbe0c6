"""A site's pages in a browser, opened from the disk."""

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None)
NO_BROWSER = f"none of {', '.join(NAMES)} is installed"
VIOLATIONS = """
window.violations = [];
document.addEventListener("securitypolicyviolation", (event) =>
  window.violations.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));
"""


def launched(playwright):
    """Chromium; as root, who may not have its sandbox, without it."""
    options = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return playwright.chromium.launch(executable_path=CHROMIUM, args=options)


class Visit:
    """A tab on the site, and everything in it that should not have happened."""

    def __init__(self, browser, site, **options):
        self.site = site
        self.context = browser.new_context(
            **{"viewport": {"width": 1300, "height": 900}, **options}
        )
        self.context.add_init_script(VIOLATIONS)
        self.page = self.context.new_page()
        self.page.set_default_timeout(8000)
        self.said, self.asked = [], []
        self.page.on("console", lambda message: self.said.append(message.text))
        self.page.on("pageerror", lambda error: self.said.append(str(error)))
        self.page.on("request", lambda request: self.asked.append(request.url))

    def go(self, route):
        """Open an address as somebody would who was sent it."""
        self.page.goto("about:blank")
        self.page.goto(f"{self.site.as_uri()}/index.html{route}")
        self.shown()

    def shown(self):
        self.until("document.getElementById('page').dataset.shown === location.hash")

    def until(self, expression):
        """Asks again and again from outside: the page's policy lets nothing be evaluated inside."""
        for _ in range(400):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"never so: {expression}")

    def labels(self):
        return self.page.locator("#board-table .tabulator-row .label").all_inner_texts()

    def route(self):
        return self.page.evaluate("decodeURIComponent(location.hash)")

    def check(self):
        inside = (self.site.as_uri(), "about:", "data:", "blob:")
        assert self.said == []
        assert self.page.evaluate("window.violations") == []
        assert [url for url in self.asked if not url.startswith(inside)] == []
