"""The summary of a bill group."""

from chalicelib.bill_groups.summary import get_bill_group_summary
from chalicelib.web import Page, PageRequest, Pages

overview_pages = Pages()


@overview_pages.get("/portal/b/{bill_group_id}", may="bill_groups.read")
def show_bill_group(request: PageRequest) -> Page:
    """Show the summary of a bill group; only those who may see the contacts see who gets its mails."""
    bill_group_id = request.path["bill_group_id"]
    found = get_bill_group_summary(bill_group_id)
    context = {
        "summary": found,
        "group": found.bill_group,
        "sees_contacts": request.principal.has("contacts", bill_group_id),
        "several": len(request.principal.bill_groups) > 1,
    }
    return Page("portal/overview/summary.html", context, brand=found.entity)
