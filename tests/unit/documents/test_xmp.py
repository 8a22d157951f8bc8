"""A PDF is marked as a Factur-X invoice without a byte of it being changed."""

import re
import subprocess
from io import BytesIO
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
import typst
from facturx import get_facturx_xml_from_pdf
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from chalicelib.documents.xmp import FACTUR_X_FILE_NAME, add_factur_x_metadata
from chalicelib.invoices.e_invoice import en16931
from tests.unit.invoices.contents import content, line

RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
FX = "{urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#}"
EXTENSION = "{http://www.aiim.org/pdfa/ns/extension/}"
SCHEMA = "{http://www.aiim.org/pdfa/ns/schema#}"
PROPERTY = "{http://www.aiim.org/pdfa/ns/property#}"

SOURCE = """
#set document(title: sys.inputs.title, date: datetime(year: 2026, month: 1, day: 2))
#set text(lang: "en")
#pdf.attach("factur-x.xml", bytes(sys.inputs.xml), relationship: "alternative", mime-type: "text/xml",
  description: "Invoice")
= Invoice
#for page in range(int(sys.inputs.pages)) [Page #page #pagebreak(weak: true)]
"""


def plain(title: str = "Invoice", xml: str = "<a/>", pages: int = 1) -> bytes:
    made = typst.compile(
        SOURCE.encode(),
        format="pdf",
        pdf_standards=["a-3a", "ua-1"],
        timestamp=1767312000,
        sys_inputs={"title": title, "xml": xml, "pages": str(pages)},
    )
    assert isinstance(made, bytes)
    return made


def metadata(pdf: bytes) -> bytes:
    found = PdfReader(BytesIO(pdf)).trailer["/Root"]["/Metadata"].get_data()
    assert isinstance(found, bytes)
    return found


def check(pdf: bytes, folder: Path) -> None:
    file = folder / "checked.pdf"
    file.write_bytes(pdf)
    ran = subprocess.run(["qpdf", "--check", str(file)], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_file_is_continued_and_not_changed(tmp_path: Path) -> None:
    before = plain()
    after = add_factur_x_metadata(before)
    assert after.startswith(before)
    assert add_factur_x_metadata(before) == after
    check(after, tmp_path)


def test_nothing_but_the_metadata_is_another(tmp_path: Path) -> None:
    before = plain(pages=30)
    after = add_factur_x_metadata(before)
    check(after, tmp_path)
    old, new = PdfReader(BytesIO(before)), PdfReader(BytesIO(after))
    number = old.trailer["/Root"].raw_get("/Metadata").idnum
    assert re.findall(rb"^(\d+) 0 obj", after[len(before) :], re.MULTILINE) == [b"%d" % number]
    assert new.trailer["/Root"].raw_get("/Metadata").idnum == number
    assert len(new.pages) == len(old.pages) > 1
    assert new.trailer["/Info"] == old.trailer["/Info"]
    assert new.trailer["/ID"][0] == old.trailer["/ID"][0]
    assert new.trailer["/ID"][1] != old.trailer["/ID"][1]


def test_the_metadata_say_what_is_embedded_and_what_archives_must_know() -> None:
    described = fromstring(re.sub(rb"<\?xpacket.*?\?>", b"", metadata(add_factur_x_metadata(plain()))))
    told = {name: [one.text for one in described.iter(FX + name)] for name in ("DocumentFileName", "DocumentType")}
    assert told == {"DocumentFileName": [FACTUR_X_FILE_NAME], "DocumentType": ["INVOICE"]}
    assert [one.text for one in described.iter(f"{FX}Version")] == ["1.0"]
    assert [one.text for one in described.iter(f"{FX}ConformanceLevel")] == ["EN 16931"]
    # PDF/A wants every schema of its own kind described, all in one bag.
    assert len(list(described.iter(f"{EXTENSION}schemas"))) == 1
    schemas = [one for one in described.iter(f"{RDF}li") if one.find(f"{SCHEMA}prefix") is not None]
    prefixes = [one.findtext(f"{SCHEMA}prefix") for one in schemas]
    assert len(prefixes) == len(set(prefixes))
    assert {"fx", "pdfuaid"} <= set(prefixes)
    ours = schemas[prefixes.index("fx")]
    assert f"{{{ours.findtext(f'{SCHEMA}namespaceURI')}}}" == FX
    assert {one.text for one in ours.iter(f"{PROPERTY}name")} == {
        "DocumentFileName", "DocumentType", "Version", "ConformanceLevel",
    }  # fmt: skip
    # What the typesetter said stays said.
    for part in (b"<pdfaid:part>3</pdfaid:part>", b"<pdfaid:conformance>A<", b"<pdfuaid:part>1</pdfuaid:part>"):
        assert part in metadata(add_factur_x_metadata(plain()))


def test_the_invoice_comes_out_byte_for_byte() -> None:
    xml = en16931.build_e_invoice(content(line("1", "10", description="Ünïcode \U0001f600\n ]]>")))
    assert isinstance(xml, bytes)
    pdf = add_factur_x_metadata(plain(xml=xml.decode()))
    assert PdfReader(BytesIO(pdf)).attachments == {FACTUR_X_FILE_NAME: [xml]}
    assert get_facturx_xml_from_pdf(pdf, check_xsd=True) == (FACTUR_X_FILE_NAME, xml)


TITLES = ("</rdf:Bag></pdfaExtension:schemas>", "</rdf:RDF>", "endobj endstream trailer", "%%EOF startxref 1", "/ID[(")


@pytest.mark.parametrize("title", TITLES)
def test_a_title_is_not_taken_for_structure(title: str, tmp_path: Path) -> None:
    check(add_factur_x_metadata(plain(title, title)), tmp_path)


@settings(max_examples=50, deadline=None)
@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1))
def test_any_title_and_any_file(title: str) -> None:
    pdf = add_factur_x_metadata(plain(f"a{title}", title))
    reader = PdfReader(BytesIO(pdf), strict=True)
    assert reader.attachments == {FACTUR_X_FILE_NAME: [title.encode()]}
    assert reader.xmp_metadata is not None


@pytest.mark.parametrize("pdf", [b"", b"%PDF-1.7", b"trailer<</Root 1 0 R>>startxref 9 %%EOF"])
def test_what_is_no_pdf_is_refused(pdf: bytes) -> None:
    with pytest.raises(ValueError, match="The PDF"):
        add_factur_x_metadata(pdf)


@pytest.mark.parametrize("part", [b"xref\n0 ", b"/ID[", b"</rdf:RDF>", b"/Metadata ", b"/Length", b"/Root"])
def test_a_pdf_of_another_make_is_refused(part: bytes) -> None:
    pdf = plain()
    assert part in pdf
    with pytest.raises(ValueError, match="PDF"):
        add_factur_x_metadata(pdf.replace(part, part.replace(part[1:2], b"_")))


def test_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="cross-reference"):
        add_factur_x_metadata(add_factur_x_metadata(plain()))
