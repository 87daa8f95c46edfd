"""What axe-core finds wrong with a page."""


def violations(page):
    """Returns the violations of an open page: the rule and the first place that breaks it."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [(problem["id"], problem["nodes"][0]["html"][:200]) for problem in found]
