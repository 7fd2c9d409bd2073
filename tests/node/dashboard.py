"""Goes through the pages of a node as people do, in Debian's Chromium, and looks at what they see.

usage: dashboard.py PORT PASSWORD PICTURES anonymous|teach|drop|job|around [FILE...]

Ends with an error at the first thing that is not as it should be. PICTURES gets screenshots; FILEs are dropped.
"""

import pathlib
import sys

from playwright.sync_api import sync_playwright

port, password, pictures, part, *files = sys.argv[1:]
pictures = pathlib.Path(pictures)
home = f"http://127.0.0.1:{port}"
complaints = []
root = pathlib.Path(__file__).resolve().parents[2]
AXE = (root / ".deps/node/node_modules/axe-core/axe.min.js").read_text()
# Of what has the focus: its place among all elements, its text, whether it is drawn otherwise than without.
FOCUSED = """() => {
    const it = document.activeElement;
    if (!it || it === document.body) return null;
    const drawn = () => { const s = getComputedStyle(it); return [s.outline, s.boxShadow, s.border].join(); };
    const focused = drawn();
    it.blur();
    const otherwise = drawn();
    it.focus();
    const place = [...document.querySelectorAll("*")].indexOf(it);
    return { place, text: it.textContent.trim() || it.name || it.tagName, is_marked: focused !== otherwise };
}"""


def check(truth, what):
    if not truth:
        raise SystemExit(f"dashboard: {what}\n{complaints}")


def context(browser, **options):
    """A browser of its own; whatever its pages complain of (a blocked script, say) is noted."""
    made = browser.new_context(**options)
    made.on("page", lambda page: page.on("console", lambda message: complaints.append(message.text)))
    made.on("page", lambda page: page.on("pageerror", lambda error: complaints.append(str(error))))
    return made


def sign_in(page, name, word=password):
    page.goto(home + "/login")
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill(word)
    page.get_by_role("button", name="Sign in").click()


def loaded(image):
    return image.evaluate("image => image.decode().then(() => image.naturalWidth, () => 0)")


def fits(page):
    """Nothing sticks out to the side."""
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def accessible(page):
    """Everybody can use it: WCAG 2.2 A and AA as far as axe-core can tell, contrast included."""
    page.wait_for_load_state("networkidle")
    page.evaluate(AXE)
    kinds = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
    found = page.evaluate("kinds => axe.run(document, { runOnly: kinds })", kinds)
    check(len(found["passes"]) > 10, f"{page.url}: nothing was looked at")
    wrong = [f"{one['id']}: {node['html']} ({node['failureSummary']})" for one in found["violations"] for node in one["nodes"]]
    check(not wrong, f"{page.url}: " + "; ".join(wrong))


def by_keyboard(page):
    """Tab goes through all that can be used, in the order it is written, and where it is can be seen."""
    reached = []
    while len(reached) < 200:
        page.keyboard.press("Tab")
        at = page.evaluate(FOCUSED)
        if at is None or at["place"] in [one["place"] for one in reached]:
            break
        check(at["is_marked"], f"{page.url}: nothing shows that {at['text']} has the focus")
        reached.append(at)
    places = [one["place"] for one in reached]
    check(len(places) > 1 and places == sorted(places), f"{page.url}: {reached}")


def anonymous(browser):
    """Nobody is configured: read only, no pictures, no names."""
    page = context(browser).new_page()
    page.goto(home)
    check(page.get_by_role("heading", name="Jobs").is_visible(), "the jobs are open")
    for path in ["/teach", "/tasks", "/peers", "/jobs/1/slice.png"]:
        answer = page.request.get(home + path)
        check(answer.status == 403 and "web user add" in answer.text(), f"{path}: {answer.status}")
    check("Portal venous" not in page.locator("main").inner_text(), "what a series is called is for users")
    accessible(page)
    page.get_by_role("link", name="Activity").click()
    check(page.get_by_role("img", name="series arrived").is_visible(), "the activity is open")
    page.goto(home + "/jobs/1")
    text = page.locator("body").inner_text()
    check("Job 1" in text and "Nobody" not in text and page.locator("img").count() == 0, text)
    answer = page.request.post(home + "/jobs/1/retry", form={"token": ""})
    check(answer.status == 403, f"retry by nobody: {answer.status}")


def teach(browser):
    """Signing in, and a proposal that an admin approves."""
    visitor = context(browser)
    page = visitor.new_page()
    page.goto(home)
    check(page.url == home + "/login", "who is nobody signs in first")
    sign_in(page, "ada", "not the password at all")
    check(page.get_by_role("alert").inner_text() == "The name or the password is wrong.", "a wrong password")
    accessible(page)
    by_keyboard(page)
    sign_in(page, "ada")
    check(page.url == home + "/", page.url)
    cookie = next(one for one in visitor.cookies() if one["name"] == "irisnode")
    check(cookie["httpOnly"] and cookie["sameSite"] == "Strict", cookie)

    page.get_by_role("link", name="Teaching").click()
    card = page.locator("article", has_text="new task leber")
    check("proposed" in card.inner_text() and " ml" in card.inner_text(), card.inner_text())
    check("Run by the rule every CT." in card.inner_text(), card.inner_text())
    check(loaded(card.get_by_role("img")) > 300, "slices of the labels")
    page.screenshot(path=pictures / "teaching.png", full_page=True)
    accessible(page)
    by_keyboard(page)

    # A viewer sees the same without buttons, and cannot act in any other way.
    other = context(browser)
    looking = other.new_page()
    sign_in(looking, "vic")
    looking.goto(home + "/teach")
    check(looking.get_by_role("button", name="Approve").count() == 0, "a viewer has no button")
    answer = other.request.post(home + "/teach/1/approve", form={"token": "", "task": "leber"})
    check(answer.status == 403, f"approved by a viewer: {answer.status}")
    # And a form that is not from a page of the session is nobody's wish.
    answer = visitor.request.post(home + "/teach/1/approve", form={"token": "guess", "task": "leber"})
    check(answer.status == 403, f"a forged form: {answer.status}")

    elsewhere = {"Sec-Fetch-Site": "cross-site"}
    answer = visitor.request.post(home + "/login", form={"name": "vic", "password": password}, headers=elsewhere)
    check(answer.status == 403, f"signed in from another site's page: {answer.status}")

    card.get_by_role("button", name="Approve").click()
    check(page.url == home + "/teach", page.url)
    row = page.get_by_role("row", name="approved")
    check("made task" in row.inner_text(), row.inner_text())
    page.get_by_role("link", name="Tasks").click()
    card = page.locator("article", has_text="leber")
    check("taught over DICOM" in card.inner_text(), card.inner_text())
    check("Run by the rule every CT." in card.inner_text(), card.inner_text())
    card.locator("summary").click()
    check(loaded(card.get_by_role("img")) > 300, "slices of the reference")
    accessible(page)

    # Guessing gets slower.
    answers = [
        other.request.post(home + "/login", form={"name": "ada", "password": f"guess {n}"}).status for n in range(6)
    ]
    check(answers[0] == 401 and answers[-1] == 429, answers)
    page.get_by_role("button", name="Sign out").click()
    page.goto(home + "/teach")
    check(page.url == home + "/login", "signed out")


def drop(browser):
    """Labels and their images from this computer, dropped by an admin."""
    visitor = context(browser, viewport={"width": 1100, "height": 900})
    page = visitor.new_page()
    sign_in(page, "ada")
    page.goto(home + "/teach")
    chooser = page.get_by_label("Labels from this computer")
    chooser.set_input_files([__file__])
    page.get_by_role("button", name="Teach").click()
    said = page.locator("body").inner_text()
    check("0 taken" in said and "dashboard.py: it is no DICOM file" in said, said)

    page.goto(home + "/teach")
    chooser.set_input_files(files)
    page.get_by_role("button", name="Teach").click()
    check(f"{len(files)} files are taken" in page.get_by_role("status").inner_text(), page.url)
    card = page.locator("article", has_text="new task milz")
    # Nobody reloads the page.
    card.wait_for(timeout=60_000)
    check(loaded(card.get_by_role("img")) > 300, "slices of the labels")
    page.screenshot(path=pictures / "dropped.png", full_page=True)

    dropped = {"token": "guess", "files": {"name": "a.dcm", "mimeType": "application/dicom", "buffer": b"DICM"}}
    answer = visitor.request.post(home + "/teach/files", multipart=dropped)
    check(answer.status == 403, f"a forged drop: {answer.status}")
    other = context(browser)
    looking = other.new_page()
    sign_in(looking, "vic")
    looking.goto(home + "/teach")
    check(looking.get_by_role("button", name="Teach").count() == 0, "a viewer drops nothing")
    answer = other.request.post(home + "/teach/files", multipart=dropped)
    check(answer.status == 403, f"dropped by a viewer: {answer.status}")


def job(browser):
    """A result, looked through by slider and keys; without scripts; on a phone; in the dark."""
    page = context(browser, viewport={"width": 1100, "height": 900}).new_page()
    sign_in(page, "vic")
    page.get_by_role("row", name="delivered").get_by_role("link").click()
    text = page.locator("main").inner_text()
    for word in ["Drawn^Nobody", "leber", "ml", "every CT", "matches", "Modality"]:
        check(word.lower() in text.lower(), f"{word} in {text}")
    image = page.get_by_role("img", name="slice")
    check(loaded(image) > 300, "a slice")
    slider = page.get_by_role("slider", name="Slice")
    before, at = image.get_attribute("src"), int(slider.input_value())
    slider.focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_function("before => document.querySelector('.viewer img').getAttribute('src') !== before", arg=before)
    check(page.locator("output").inner_text().startswith(f"Axial {at + 1} / "), page.locator("output").inner_text())
    page.keyboard.press("End")
    page.wait_for_function("() => document.querySelector('.viewer img').getAttribute('src').endsWith('index=7')")
    page.wait_for_function("() => document.querySelector('.viewer img').complete")
    check(loaded(page.locator(".viewer img")) > 300, "the last slice")
    page.keyboard.press("Home")
    page.get_by_role("link", name="coronal").click()
    check(loaded(page.locator(".viewer img")) > 300, "a coronal slice")
    page.get_by_role("link", name="axial").click()
    check(loaded(page.locator(".viewer img")) > 300, "an axial slice again")
    page.screenshot(path=pictures / "job.png", full_page=True)
    accessible(page)
    by_keyboard(page)
    address, cookies = page.url, page.context.cookies()

    plain = context(browser, java_script_enabled=False)
    plain.add_cookies(cookies)
    page = plain.new_page()
    page.goto(address)
    before = page.locator(".viewer img").get_attribute("src")
    page.get_by_role("link", name="next slice").click()
    check(page.locator(".viewer img").get_attribute("src") != before, "the next slice, without scripts")
    check(not page.get_by_role("slider").is_visible(), "a slider that does nothing is not shown")

    phone = context(browser, viewport={"width": 375, "height": 740}, color_scheme="dark")
    phone.add_cookies(cookies)
    page = phone.new_page()
    for path, name in [("/", "phone-jobs"), (address.removeprefix(home), "phone-job")]:
        page.goto(home + path)
        page.wait_for_load_state("networkidle")
        check(fits(page), f"{path} sticks out on a phone")
        accessible(page)
        page.screenshot(path=pictures / f"{name}.png", full_page=True)


def around(browser):
    """The list of jobs, the peers and an echo, and what the node did today."""
    page = context(browser, viewport={"width": 1100, "height": 900}).new_page()
    sign_in(page, "ada")
    row = page.get_by_role("row", name="delivered").inner_text()
    for word in ["SCANNER", "CT, 8 instances", "Portal venous", "every CT", "1/1"]:
        check(word in row, f"{word} in {row}")
    page.screenshot(path=pictures / "jobs.png", full_page=True)
    accessible(page)
    by_keyboard(page)

    page.get_by_role("link", name="Peers").click()
    pacs = page.locator("article", has_text="PACS")
    text = pacs.inner_text()
    for word in ["127.0.0.1:", "gets results of: every CT", "its labels teach", "1 in all"]:
        check(word in text, f"{word} in {text}")
    check("answered" not in text, "nobody is called before a person asks")
    pacs.get_by_role("button", name="Echo pacs").click()
    check("answered in" in pacs.get_by_role("status").inner_text(), pacs.inner_text())
    away = page.locator("article", has_text="SCANNER")
    away.get_by_role("button", name="Echo scanner").click()
    check("connect" in away.get_by_role("status").inner_text().lower(), away.inner_text())
    page.screenshot(path=pictures / "peers.png", full_page=True)
    accessible(page)

    other = context(browser)
    looking = other.new_page()
    sign_in(looking, "vic")
    looking.get_by_role("link", name="Peers").click()
    check(looking.get_by_role("heading", name="pacs").is_visible(), "a viewer sees the peers")
    check(looking.get_by_role("button", name="Echo").count() == 0, "and calls none")
    answer = other.request.post(home + "/peers/pacs/echo", form={"token": ""})
    check(answer.status == 403, f"an echo by a viewer: {answer.status}")
    answer = page.context.request.post(home + "/peers/pacs/echo", form={"token": "guess"})
    check(answer.status == 403, f"a forged echo: {answer.status}")

    cookies = page.context.cookies()
    for scheme, width in [("light", 1100), ("dark", 375)]:
        made = context(browser, viewport={"width": width, "height": 900}, color_scheme=scheme)
        made.add_cookies(cookies)
        page = made.new_page()
        for last, words in [("day", "24 hours"), ("week", "7 days")]:
            page.goto(home + "/activity")
            page.get_by_role("link", name=words).click()
            done = page.get_by_role("img", name="Series done").get_attribute("aria-label")
            check("delivered: 1," in done, done)
            check("most at once" in page.get_by_role("img", name="Queue").get_attribute("aria-label"), "the queue")
            bar = page.locator(".plot rect.good").first
            check(bar.bounding_box()["height"] > 10, f"a bar to see: {bar.bounding_box()}")
            check(bar.evaluate("bar => getComputedStyle(bar).fill") != "rgb(0, 0, 0)", "a bar of the page's colours")
            check(fits(page), f"the activity sticks out at {width}")
            page.screenshot(path=pictures / f"activity-{last}-{scheme}.png", full_page=True)
            accessible(page)
        page.get_by_text("The same as a table").click()
        check(page.get_by_role("table").is_visible(), "the numbers as a table")
        page.goto(home + "/peers")
        check(fits(page), f"the peers stick out at {width}")


with sync_playwright() as playwright:
    chromium = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-gpu"])
    {"anonymous": anonymous, "teach": teach, "drop": drop, "job": job, "around": around}[part](chromium)
    chromium.close()
policy = [text for text in complaints if "Content Security Policy" in text or "Error" in text and "status of 4" not in text]
check(not policy, "a page complains")
