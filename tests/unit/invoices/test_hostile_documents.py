"""Whatever strangers write: a sound PDF each time, and nothing of it is run."""

import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chalicelib.entities.rules import BankDetails, TaxNumber
from chalicelib.invoices.pdf.layout import render_invoice
from chalicelib.invoices.rules import Content
from chalicelib.postal_address import PostalAddress
from tests import pdfs
from tests.unit.invoices.contents import BUYER, SELLER, content, line

PROOF = bool(os.environ.get("COUNTERFOIL_PROOF"))
MARKUP = (
    '#import "common.typ": *', '#read("/etc/passwd")', '#image("../../logo")', "#panic()", "= Heading", "$x^2$",
    "*bold* _italic_ `raw` ~ --- // comment", "/* comment", "<sum>", "@sum", "\\u{200b} \\", '#eval("1+1")',
    "#pagebreak()", "{{ 7*7 }}{% for x in y %}{# c #}", "{page} {pages} %(page)s %s %n", "${jndi:ldap://x}",
    "<script>alert(1)</script>", "&amp;&#x26;<!--", "%PDF-1.7 endobj endstream xref", "(\\) <</Type/Catalog>>", "'\"",
    "]]>", "\\\\server\\share", "C:\\con", "../../../etc/passwd", "=1+1", "@@@###$$$***___```~~~",
)  # fmt: skip
INVISIBLE = (
    "\u202egnp.exe\u202c", "\u2066a\u2067b\u2068c\u2069\u2069", "a\u200b\u200c\u200d\u2060\ufeffb", "\u200f\u200e",
    "\u00ad" * 50, "\U000e0041\U000e007f", "\x00", "\x07\x1b[31m\x7f", "\x85\u2028\u2029", "\ufff9a\ufffab\ufffb",
    "\ufe0f\ufe0e", "\u3164\u115f\u1160\uffa0", "\u180e\u2800", "\r", "\n\n\n", "\t", " ", "",
)  # fmt: skip
STRANGE = (
    "\ud800", "\udfff\ud800", "\ue000\uf8ff\U0010ffff", "\ufffe\uffff\U0001fffe", "\U0001f600", "\U00013000\U00012000",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467\U0001f3f3\ufe0f\u200d\U0001f308\U0001f1e9\U0001f1ea",
    "\U0001d573\U0001d58a", "\U0001d400" * 50, "\U0002f800\U00030000", "Z" + "\u0334\u0301\u0489" * 200,
    "\u0301" * 300, "\u0627" + "\u064b" * 100, "\u05e9" + "\u05b0" * 100, "\u0e01\u0e33\u0e49" * 20, "\u0e00",
    "\u1100\u1100\uac01\u11a8\u11a8", "\u1100\u1161\u11a8", "\ufdfd" * 20, "\ua66e", "\u0bf5", "\ufb03\u01c5",
    "שלום hello عربى 123 漢字", "(שלום) [12] {עברית} <a>", "\u0903\u093f\u094d", "\u0915\u094d\u0937\u093f",
    "\u0130\u0131", "\u20e3\u20dd1", "e\u0301\u0323", "x" * 10_000, "漢" * 3_000, "W" * 200 + " " + "i" * 200,
    "é" * 1_000, "a " * 2_000, "\u2010\u2011\u2012\u2013\u2014\u2015" * 40,
)  # fmt: skip


def everywhere(text: str, locale: str = "en") -> Content:
    """Return an invoice with ``text`` in every text field."""
    address = PostalAddress(text, text, text, text, text, "DE")
    bank = BankDetails(text, text, "DE89370400440532013000", text, text, text)
    lines = [
        line("1", "5", description=text, details=text, product_code=text, unit=text),
        line("1", "5", description=f"b {text} c"),
    ]
    return content(
        *lines,
        reasons={"S": text},
        locale=locale,
        number=text,
        note=text,
        po_number=text,
        portal_url=f"https://pay.example/{text}",
        preceding_numbers=(text,),
        seller=replace(
            SELLER, name=text, legal_name=text, address=address, tax_numbers=(TaxNumber(text, text),),
            registration_number=text, bank_details=bank, email=text, website=text,
        ),
        buyer=replace(
            BUYER, account_name=text, company=text, attention=text, address=address, vat_number=text,
            registration_number=text, account_id=text,
        ),
    )  # fmt: skip


@pdfs.needs("qpdf")
@pytest.mark.parametrize("locale", ["en", "ar"])
@pytest.mark.parametrize("text", MARKUP + INVISIBLE + STRANGE, ids=lambda text: ascii(text)[1:25])
def test_a_sound_pdf_each_time(text: str, locale: str) -> None:
    assert pdfs.faults(render_invoice(everywhere(text, locale))) == ""


@pdfs.needs("pdftotext")
@pytest.mark.parametrize("text", MARKUP)
def test_markup_is_printed_as_it_is(text: str) -> None:
    printed = pdfs.text(render_invoice(content(line("1", "5", description=text), note=text)), "-raw")
    assert "".join(printed.split()).count("".join(text.split())) >= 2


@settings(max_examples=300 if PROOF else 20, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.text(max_size=300), st.sampled_from(["en", "de-CH", "ar", "ja", "he"]))
def test_no_text_is_too_much(text: str, locale: str) -> None:
    assert render_invoice(everywhere(text, locale)).startswith(b"%PDF-1.7")


BLOCKS = ((0x300, 0x370), (0x590, 0x800), (0x900, 0x1100), (0x1100, 0x1200), (0x1DC0, 0x2070), (0x20D0, 0x2100),
          (0x3000, 0x3100), (0xAC00, 0xAC40), (0xFB00, 0xFE30), (0xFE70, 0x10000), (0x1F1E6, 0x1F650),
          (0xE0000, 0xE01F0))  # fmt: skip


@settings(max_examples=300 if PROOF else 20, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.sampled_from(BLOCKS).flatmap(lambda block: st.integers(block[0], block[1] - 1)).map(chr) | st.just("a"),
        max_size=120,
    ),
    st.sampled_from(["en", "ar"]),
)
def test_no_mixture_of_marks_and_scripts_is_too_much(letters: list[str], locale: str) -> None:
    assert render_invoice(everywhere("".join(letters), locale)).startswith(b"%PDF-1.7")


def test_every_character_of_every_font_can_be_set() -> None:
    everything = "".join(map(chr, range(0x20, 0x30000)))
    lines = [line("1", "5", description=everything[at : at + 5_000]) for at in range(0, len(everything), 5_000)]
    assert render_invoice(content(*lines)).startswith(b"%PDF-1.7")
