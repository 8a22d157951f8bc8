"""Everything that is deployed, on one screen."""

from chalicelib.access import api as access_api
from chalicelib.access import jobs as access_jobs
from chalicelib.accounts import api as accounts_api
from chalicelib.api.app import CounterfoilApp
from chalicelib.audit import api as audit_api
from chalicelib.bill_groups import api as bill_groups_api
from chalicelib.bill_groups import pages as bill_groups_pages
from chalicelib.contacts import api as contacts_api
from chalicelib.contacts import jobs as contacts_jobs
from chalicelib.contacts import pages as contacts_pages
from chalicelib.contacts import preferences_api
from chalicelib.deliveries import api as deliveries_api
from chalicelib.deliveries import jobs as deliveries_jobs
from chalicelib.documents import jobs as documents_jobs
from chalicelib.duties import jobs as duties_jobs
from chalicelib.entities import api as entities_api
from chalicelib.imports import api as imports_api
from chalicelib.imports import jobs as imports_jobs
from chalicelib.invoices import api as invoices_api
from chalicelib.invoices import jobs as invoices_jobs
from chalicelib.invoices import pdf_api
from chalicelib.logos import api as logos_api
from chalicelib.mail import api as mail_api
from chalicelib.mail import jobs as mail_jobs
from chalicelib.passwords import api as passwords_api
from chalicelib.passwords import pages as passwords_pages
from chalicelib.payments import api as payments_api
from chalicelib.reminders import api as reminders_api
from chalicelib.reminders import jobs as reminders_jobs
from chalicelib.reminders import pages as reminders_pages
from chalicelib.reminders import policies_api as reminder_policies_api
from chalicelib.reminders import templates_api as reminder_templates_api
from chalicelib.sessions import api as sessions_api
from chalicelib.sign_in import api as sign_in_api
from chalicelib.sign_in import pages as sign_in_pages
from chalicelib.staff import api as staff_api
from chalicelib.staff import jobs as staff_jobs
from chalicelib.statements import api as statements_api

app = CounterfoilApp("counterfoil")

app.register(access_api.routes)
app.register(sign_in_api.routes)
app.register(sessions_api.routes)
app.register(passwords_api.routes)
app.register(staff_api.routes)
app.register(entities_api.routes)
app.register(logos_api.routes)
app.register(accounts_api.routes)
app.register(bill_groups_api.routes)
app.register(contacts_api.routes)
app.register(preferences_api.routes)
app.register(invoices_api.routes)
app.register(pdf_api.routes)
app.register(deliveries_api.routes)
app.register(payments_api.routes)
app.register(statements_api.routes)
app.register(reminders_api.routes)
app.register(reminder_policies_api.routes)
app.register(reminder_templates_api.routes)
app.register(audit_api.routes)
app.register(mail_api.routes)
app.register(imports_api.routes)

app.register_pages(sign_in_pages.pages)
app.register_pages(passwords_pages.pages)
app.register_pages(bill_groups_pages.pages)
app.register_pages(contacts_pages.pages)
app.register_pages(reminders_pages.pages)

app.register_blueprint(access_jobs.jobs)
app.register_blueprint(contacts_jobs.jobs)
app.register_blueprint(deliveries_jobs.jobs)
app.register_blueprint(documents_jobs.jobs)
app.register_blueprint(duties_jobs.jobs)
app.register_blueprint(imports_jobs.jobs)
app.register_blueprint(invoices_jobs.jobs)
app.register_blueprint(mail_jobs.jobs)
app.register_blueprint(reminders_jobs.jobs)
app.register_blueprint(staff_jobs.jobs)
