"""The finished PDF of an invoice carries its e-invoice, byte for byte, and stays a PDF that every reader takes."""

import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from facturx import get_facturx_xml_from_pdf
from pypdf import PdfReader

from chalicelib.documents.xmp import FACTUR_X_FILE_NAME
from chalicelib.invoices.e_invoice import en16931
from chalicelib.invoices.e_invoice.en16931 import Inexpressible
from chalicelib.invoices.pdf.layout import render_invoice
from chalicelib.invoices.rules import Content
from chalicelib.logos.images import reencode_image
from tests import e_invoices
from tests.unit.invoices.contents import content, line
from tests.unit.invoices.test_e_invoice import EXPRESSIBLE, INEXPRESSIBLE
from tests.unit.invoices.test_e_invoice_texts import HOSTILE
from tests.unit.logos.images import flat, written

CONTENTS = EXPRESSIBLE | {
    f"hostile {number}": content(line("1", "10", description=f"a {text[:1000]}"), note=text[:1000], number=str(number))
    for number, text in enumerate(HOSTILE)
    if "\x00" not in text and "\ud800" not in text
}


@pytest.mark.parametrize("invoice", CONTENTS.values(), ids=CONTENTS)
def test_it_comes_out_byte_for_byte(invoice: Content, tmp_path: Path) -> None:
    xml = en16931.build_e_invoice(invoice)
    assert isinstance(xml, bytes)
    pdf = render_invoice(invoice, e_invoice=xml)
    assert get_facturx_xml_from_pdf(pdf, check_xsd=True) == (FACTUR_X_FILE_NAME, xml)
    assert e_invoices.faults(xml) == []
    file = tmp_path / "invoice.pdf"
    file.write_bytes(pdf)
    ran = subprocess.run(["qpdf", "--check", str(file)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    shown = subprocess.run(
        ["qpdf", f"--show-attachment={FACTUR_X_FILE_NAME}", str(file)], capture_output=True, check=True
    )
    assert shown.stdout == xml


def test_it_is_the_same_again() -> None:
    invoice = EXPRESSIBLE["everything told"]
    xml = en16931.build_e_invoice(invoice)
    assert isinstance(xml, bytes)
    assert render_invoice(invoice, e_invoice=xml) == render_invoice(invoice, e_invoice=xml)


def test_without_an_e_invoice_nothing_is_embedded_or_marked() -> None:
    invoice = INEXPRESSIBLE["several_taxes"]
    assert isinstance(en16931.build_e_invoice(invoice), Inexpressible)
    pdf = render_invoice(invoice)
    assert PdfReader(BytesIO(pdf)).attachments == {}
    assert b"factur-x" not in pdf


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "JPEG", "CMYK"])
def test_a_logo_of_any_kind_is_drawn(mode: str, tmp_path: Path) -> None:
    image, kind = (flat("CMYK" if mode == "CMYK" else "RGB"), "JPEG") if mode in ("JPEG", "CMYK") else (
        flat().convert(mode), "PNG",
    )  # fmt: skip
    logo = reencode_image(written(image, kind)).content
    invoice = EXPRESSIBLE["one line"]
    pdf = render_invoice(invoice, logo=logo)
    file = tmp_path / "invoice.pdf"
    file.write_bytes(pdf)
    ran = subprocess.run(["qpdf", "--check", str(file)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert (
        len(PdfReader(BytesIO(pdf)).pages[0].images)
        == len(PdfReader(BytesIO(render_invoice(invoice))).pages[0].images) + 1
    )
