"""The HTTP function: one request pipeline with two surfaces, JSON and HTML.

``app.py`` holds the Chalice app and picks the surface, ``pipeline.py`` runs every request through the same steps,
``json_api.py`` serves the routes of ``chalicelib.api`` and ``html_pages.py`` the pages of ``chalicelib.web``. This
package lies above all capabilities. Only ``app.py`` of the deployment imports it: no other function serves HTTP.
"""
