"""HTML over HTTP: how a capability declares its pages.

A capability's ``pages.py`` parses, calls its own service and names a template::

    from chalicelib.web import Page, PageRequest, Pages, Redirect

    pages = Pages()

    @pages.get("/portal/b/{bill_group_id}", may="bill_groups.read")
    def show(request: PageRequest) -> Page:
        summary = service.summarise(request.path["bill_group_id"])
        return Page("bill_groups/summary.html", {"summary": summary}, brand=summary.entity)

and ``app.py`` adds ``pages`` with ``register_pages``. A page says who may see it: ``may`` an operation of
``access/rules.py``, for whoever is signed in to the page's area (``/portal``, ``/admin``), or ``public=True``. Who is
not signed in is led to the sign-in and back. Every form is sent by POST to a page of its own address; what comes from
another site is refused, but where a page is declared ``from_anywhere``. A refusal that a view does not catch becomes
a page too.

Pages work without JavaScript. Their addresses in templates go through ``address(…)``, which knows the stage.
"""

from chalicelib.web.pages import Cookie, Page, PageRequest, Pages, Redirect

__all__ = ["Cookie", "Page", "PageRequest", "Pages", "Redirect"]
