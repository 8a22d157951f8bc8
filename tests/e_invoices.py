"""What the standard says of an e-invoice: the schema and the business rules of EN 16931, as Factur-X publishes them."""

from functools import cache
from importlib.resources import files
from xml.etree.ElementTree import fromstring

from lxml import etree
from saxonche import PySaxonProcessor, PyXsltExecutable

_RULES = files("facturx") / "xsd_and_schematron" / "facturx-en16931"
_REPORT = "{http://purl.oclc.org/dsdl/svrl}"


def faults(xml: bytes) -> list[str]:
    """Return what the schema and the business rules find wrong, warnings included."""
    schema = _schema()
    schema.validate(etree.fromstring(xml))
    found = [str(one) for one in schema.error_log]
    processor, rules = _rules()
    report = rules.transform_to_string(xdm_node=processor.parse_xml(xml_text=xml.decode()))
    for kind in ("failed-assert", "successful-report"):
        for one in fromstring(report).iter(_REPORT + kind):
            found.append(f"{one.findtext(_REPORT + 'text', '').strip()} at {one.get('location')}")
    return found


def fired(xml: bytes) -> int:
    """Return how many rules looked at something, so that a check that checks nothing is noticed."""
    processor, rules = _rules()
    report = rules.transform_to_string(xdm_node=processor.parse_xml(xml_text=xml.decode()))
    return sum(1 for _ in fromstring(report).iter(f"{_REPORT}fired-rule"))


@cache
def codes(number: int) -> frozenset[str]:
    """Return one of the lists of codes that the business rules look into."""
    lists = etree.parse(str(_RULES / "FACTUR-X_EN16931_codedb.xml"))
    return frozenset(lists.xpath(f"/codedb/cl[@id={number}]/enumeration/@value"))


@cache
def _schema() -> etree.XMLSchema:
    return etree.XMLSchema(file=str(_RULES / "Factur-X_EN16931.xsd"))


@cache
def _rules() -> tuple[PySaxonProcessor, PyXsltExecutable]:
    processor = PySaxonProcessor(license=False)
    return processor, processor.new_xslt30_processor().compile_stylesheet(
        stylesheet_file=str(_RULES / "FACTUR-X_EN16931.xslt")
    )
