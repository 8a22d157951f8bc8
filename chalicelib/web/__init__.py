"""HTML over HTTP: how a page is declared.

The pages of customers are the modules of ``chalicelib.portal``, those of staff the modules of ``chalicelib.console``,
one module a subject. A page parses, calls services of any capability and names a template::

    from chalicelib.bill_groups import summary
    from chalicelib.web import Page, PageRequest, Pages, Redirect

    overview_pages = Pages()

    @overview_pages.get("/portal/b/{bill_group_id}", may="bill_groups.read")
    def show_bill_group(request: PageRequest) -> Page:
        \"\"\"Show the summary of a bill group.\"\"\"
        found = summary.get_bill_group_summary(request.path["bill_group_id"])
        return Page("portal/overview/summary.html", {"summary": found}, brand=found.entity)

and ``app.py`` adds them with ``app.register_pages(overview_pages)``. The template lies beside the module, here in
``portal/templates/overview/``; it extends ``web/layout.html``.

A page declares who may see it: ``may``, an operation of the table in ``chalicelib/permissions.py``, or
``public=True``. The request pipeline (``chalicelib.http``) authenticates the session cookie of the page's area
(``/portal``, ``/admin``), and redirects a visitor without a session to the sign-in and back. A form is sent by POST to
a page of its own address, and read by ``request.parse_form`` with the field types of the API. A form that another
site sent is refused, unless the page is declared ``from_anywhere``. An error that a view does not catch becomes the
error page.

Pages work without JavaScript. Their addresses in templates go through ``address(…)``, which knows the stage.
"""

from chalicelib.web.forms import Form
from chalicelib.web.pages import Cookie, Page, PageRequest, Pages, Redirect

__all__ = ["Cookie", "Form", "Page", "PageRequest", "Pages", "Redirect"]
