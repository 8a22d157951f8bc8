"""The pages by which staff sign in: those of the portal, at addresses of the console."""

from chalicelib.portal.sign_in import declare_sign_in_pages
from chalicelib.sign_in import rules
from chalicelib.web import Pages

console_sign_in_pages = Pages()
declare_sign_in_pages(console_sign_in_pages, rules.STAFF)
