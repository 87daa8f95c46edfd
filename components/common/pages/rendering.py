"""Pages of a step: self-contained HTML of one style, whatever the names in it."""

import functools
from collections.abc import Mapping
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup


def render_page(package: str, template: str, values: Mapping[str, Any]) -> str:
    """Renders a template that extends `page.html.j2`, which has the style and forbids every request and script.

    Besides Jinja's filters there are `thousands` (1,234), `percent` (12.3%) and `shorten` (a long name's two ends).

    Args:
        package: Import name of the package that holds the template.
        template: The template's file name.
        values: What it shows. Text is escaped, and so are its characters that can't be seen.
    """
    return _templates(package).get_template(template).render(values)


@functools.cache
def _templates(package: str) -> Environment:
    """Returns a package's templates, each compiled once: that takes longer than to render it."""
    templates = Environment(
        loader=ChoiceLoader([PackageLoader(name, ".") for name in (package, "graft.components.common.pages")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=visible,
    )
    templates.filters |= {"thousands": "{:,}".format, "percent": "{:.1%}".format, "shorten": shorten}
    return templates


def shorten(name: str, length: int = 36) -> str:
    """Returns a name of at most `length` characters, an even number: both ends of a longer one."""
    half = length // 2
    return name if len(name) <= length else f"{name[:half]}…{name[-half + 1 :]}"


def visible(value: Any) -> Any:
    """Shows line breaks, marks that turn the direction of text, and lone surrogates of a file name as escapes.

    So nothing a source holds can look like another name or make the page unwritable.

    Args:
        value: Text; anything else is returned as it is.
    """
    if not isinstance(value, str) or isinstance(value, Markup) or value.isprintable():
        return value
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode() for character in value
    )
