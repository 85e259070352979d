"""The report as one HTML page: no script, no network, everything inline."""

from __future__ import annotations

import jinja2

from rmsmp_hls.errors import ReportError
from rmsmp_hls.report.html_views import page_view
from rmsmp_hls.report.model import Report
from rmsmp_hls.resources import asset_dir

TEMPLATE = "report.html.j2"


def to_html(report: Report) -> str:
    """Return the page. Every inserted text is escaped, whatever a layer is called.

    Raises:
        CodegenError, ReportError: see `render_page`.
    """
    return render_page(TEMPLATE, page=page_view(report))


def render_page(name: str, **views: object) -> str:
    """Return the page that template `name` makes of `views`, every inserted text escaped.

    Raises:
        CodegenError: the installation lacks its templates.
        ReportError: the template is broken.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(asset_dir("templates")),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    try:
        return environment.get_template(name).render(**views)
    except jinja2.TemplateError as error:
        raise ReportError(
            f"the template cannot be rendered: {error}",
            where=f"templates/{name}",
            fix="reinstall rmsmp-hls; if you changed the template, correct it",
        ) from error
