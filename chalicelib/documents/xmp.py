"""Mark a PDF as carrying a Factur-X invoice, in its XMP metadata, which typst cannot do.

The mark is an incremental update at the end of the file: the output of the typesetter stays unchanged, byte for byte,
with the tags, the embedded files and everything else that PDF/A-3a and PDF/UA-1 need.
"""

import hashlib
import re

FACTUR_X_FILE_NAME = "factur-x.xml"
"""The required name of the embedded invoice."""

_NAMESPACE = "urn:factur-x:pdfa:CrossIndustryDocument:invoice:1p0#"
_PROPERTIES = (
    ("DocumentFileName", FACTUR_X_FILE_NAME, "The name of the embedded XML document"),
    ("DocumentType", "INVOICE", "The type of the hybrid document"),
    ("Version", "1.0", "The version of the XML schema of the embedded XML document"),
    ("ConformanceLevel", "EN 16931", "The conformance level of the embedded XML document"),
)
_END_OF_SCHEMAS = b"</rdf:Bag></pdfaExtension:schemas>"
_END_OF_DESCRIPTIONS = b"</rdf:RDF>"

_TRAILER = re.compile(rb"trailer\s*<<(.*)>>\s*startxref\s+(\d+)\s+%%EOF\s*\Z", re.DOTALL)
_XREF_TABLE = re.compile(rb"xref\s+0 (\d+) ?\r?\n")
_XREF_ENTRY_BYTES = 20
_ROOT = re.compile(rb"/Root (\d+) 0 R")
_METADATA = re.compile(rb"/Metadata (\d+) 0 R")
_STREAM = re.compile(rb"\d+ 0 obj\s*<<[^<>]*/Length (\d+)[^<>]*>>\s*stream\r?\n")
_SECOND_ID = re.compile(rb"(/ID\s*\[\s*\([^()\\]*\))\s*\([^()\\]*\)(\s*\])")


def add_factur_x_metadata(pdf: bytes) -> bytes:
    """Return a PDF of the typesetter, marked as carrying an EN 16931 invoice in ``FACTUR_X_FILE_NAME``.

    The same PDF gives the same bytes. Raises ValueError when the PDF does not have the structure that the typesetter
    writes.
    """
    trailer, table = _require_match(_TRAILER, pdf, pdf.rfind(b"trailer")).groups()
    catalogue = _object_offset(pdf, int(table), int(_require_match(_ROOT, trailer)[1]))
    number = int(_require_match(_METADATA, pdf[catalogue : pdf.find(b"endobj", catalogue)])[1])
    metadata = _add_factur_x_properties(_read_stream(pdf, _object_offset(pdf, int(table), number)))
    start = len(pdf) + 1
    written = b"%d 0 obj\n<</Length %d/Type/Metadata/Subtype/XML>>\nstream\n%b\nendstream\nendobj\n" % (
        number,
        len(metadata),
        metadata,
    )
    # The first identifier is that of the file, the second that of this revision.
    state = hashlib.sha256(pdf + metadata).hexdigest()[:32].encode()
    _require_match(_SECOND_ID, trailer)
    return b"".join(
        (
            pdf,
            b"\n",
            written,
            b"xref\n%d 1\n%010d 00000 n\r\n" % (number, start),
            b"trailer\n<<%b/Prev %b>>\n" % (_SECOND_ID.sub(rb"\1<" + state + rb">\2", trailer), table),
            b"startxref\n%d\n%%%%EOF" % (start + len(written)),
        )
    )


def _add_factur_x_properties(metadata: bytes) -> bytes:
    """Return XMP metadata with the Factur-X properties and their PDF/A extension schema."""
    if metadata.count(_END_OF_SCHEMAS) != 1 or metadata.count(_END_OF_DESCRIPTIONS) != 1:
        raise ValueError("The XMP metadata of the PDF are not as the typesetter writes them.")
    described = "".join(
        '<rdf:li rdf:parseType="Resource"><pdfaProperty:category>external</pdfaProperty:category>'
        f"<pdfaProperty:description>{description}</pdfaProperty:description>"
        f"<pdfaProperty:name>{name}</pdfaProperty:name><pdfaProperty:valueType>Text</pdfaProperty:valueType></rdf:li>"
        for name, _, description in _PROPERTIES
    )
    schema = (
        '<rdf:li rdf:parseType="Resource"><pdfaSchema:schema>Factur-X PDFA Extension Schema</pdfaSchema:schema>'
        f"<pdfaSchema:namespaceURI>{_NAMESPACE}</pdfaSchema:namespaceURI><pdfaSchema:prefix>fx</pdfaSchema:prefix>"
        f"<pdfaSchema:property><rdf:Seq>{described}</rdf:Seq></pdfaSchema:property></rdf:li>"
    )
    told = "".join(f"<fx:{name}>{value}</fx:{name}>" for name, value, _ in _PROPERTIES)
    description = f'<rdf:Description rdf:about="" xmlns:fx="{_NAMESPACE}">{told}</rdf:Description>'
    return metadata.replace(_END_OF_SCHEMAS, schema.encode() + _END_OF_SCHEMAS).replace(
        _END_OF_DESCRIPTIONS, description.encode() + _END_OF_DESCRIPTIONS
    )


def _object_offset(pdf: bytes, table: int, number: int) -> int:
    """Return the offset of object ``number``, by the cross-reference table at ``table``."""
    head = _XREF_TABLE.match(pdf, table)
    if head is None or number >= int(head[1]):
        raise ValueError("The PDF has no cross-reference table of one section.")
    entry = head.end() + number * _XREF_ENTRY_BYTES
    return int(pdf[entry : entry + 10])


def _read_stream(pdf: bytes, place: int) -> bytes:
    head = _STREAM.match(pdf, place)
    if head is None:
        raise ValueError("The XMP metadata of the PDF are compressed or not there.")
    return pdf[head.end() : head.end() + int(head[1])]


def _require_match(pattern: re.Pattern[bytes], text: bytes, start: int = 0) -> re.Match[bytes]:
    match = pattern.search(text, max(start, 0))
    if match is None:
        raise ValueError(f"The PDF has nothing like {pattern.pattern.decode()}.")
    return match
