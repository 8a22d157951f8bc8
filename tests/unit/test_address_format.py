"""Addresses: the order of their country, nothing twice, the country in the reader's language."""

import pytest
from babel import Locale
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.address_format import address_lines
from chalicelib.postal_address import PostalAddress

CASES = [
    (PostalAddress("1 Main St", None, "Springfield", "IL", "62701", "US"), ["1 Main St", "Springfield, IL 62701"]),
    (
        PostalAddress("Rua Augusta 1508", "Sala 2", "São Paulo", "São Paulo", "01304-001", "BR"),
        ["Rua Augusta 1508", "Sala 2", "São Paulo - SP", "01304-001"],
    ),
    (PostalAddress("Via Pisacane 13", None, "Barletta", "BT", "76121", "IT"), ["Via Pisacane 13", "76121 Barletta BT"]),
    (PostalAddress("Via Roma 1", None, "Roma", "Roma", "00184", "IT"), ["Via Roma 1", "00184 Roma RM"]),
    (
        PostalAddress("252 Calle San Francisco", None, "San Juan", "PR", "00901", "PR"),
        ["252 Calle San Francisco", "San Juan PR 00901"],
    ),
    (
        PostalAddress("8-9 Mainguard Street", None, "Galway", "Co. Galway", "H91 P8KK", "IE"),
        ["8-9 Mainguard Street", "Galway", "Co. Galway", "H91 P8KK"],
    ),
    (
        PostalAddress("99 Charoen Krung Road", None, "Bang Rak", "Bangkok", "10500", "TH"),
        ["99 Charoen Krung Road", "Bang Rak", "Bangkok 10500"],
    ),
    (
        PostalAddress("99 ถนนเจริญกรุง", None, "เขตบางรัก", "กรุงเทพมหานคร", "10500", "TH"),
        ["99 ถนนเจริญกรุง", "เขตบางรัก", "กรุงเทพมหานคร 10500"],
    ),
    (
        PostalAddress("테헤란로 152", "4층", "강남구", "서울특별시", "06236", "KR"),
        ["서울특별시 강남구", "테헤란로 152", "4층", "06236"],
    ),
    (
        PostalAddress("152 Teheran-ro", None, "Gangnam-gu", "Seoul", "06236", "KR"),
        ["152 Teheran-ro", "Gangnam-gu", "Seoul", "06236"],
    ),
    (
        PostalAddress("99号 West Lujiazui Road", None, "Pudong New District", "Shanghai", "200120", "CN"),
        ["99号 West Lujiazui Road", "Pudong New District", "Shanghai, 200120"],
    ),
    (PostalAddress("建国路1号", None, None, "CN-31", "200120", "CN"), ["200120", "31", "建国路1号"]),
    (PostalAddress("建国路1号", "12层", "北京市", "北京市", "100022", "CN"), ["100022", "北京市", "建国路1号", "12层"]),
    (PostalAddress("天河路1号", None, "广州市", "广东省", "510000", "CN"), ["510000", "广东省广州市", "天河路1号"]),
    (PostalAddress("北京市朝阳区建国路1号", None, "北京市", None, "100022", "CN"), ["100022", "北京市朝阳区建国路1号"]),
    (
        PostalAddress("1 Jianguo Road", None, "Beijing", "Beijing", "100022", "CN"),
        ["1 Jianguo Road", "Beijing, 100022"],
    ),
    (
        PostalAddress("10 Downing Street", None, "London", "Greater London", "SW1A 2AA", "GB"),
        ["10 Downing Street", "London", "SW1A 2AA"],
    ),
    (
        PostalAddress("丸の内1-1-1", "5階", "千代田区", "東京都", "100-0005", "JP"),
        ["〒100-0005", "東京都千代田区丸の内1-1-1", "5階"],
    ),
    (
        PostalAddress("1-1-1 Marunouchi", None, "Chiyoda-ku", "Tokyo", "〒100-0005", "JP"),
        ["1-1-1 Marunouchi", "Chiyoda-ku, Tokyo", "100-0005"],
    ),
    (PostalAddress("信義路三段33號", None, "大安區", "台北市", "106", "TW"), ["106", "台北市大安區", "信義路三段33號"]),
    (PostalAddress("Bahnhofstrasse 1", None, "Zürich", "ZH", "CH-8001", "CH"), ["Bahnhofstrasse 1", "CH-8001 Zürich"]),
    (PostalAddress("1 Raffles Quay", None, "Singapore", None, "048583", "SG"), ["1 Raffles Quay", "Singapore 048583"]),
    (PostalAddress("Calle Mayor 1", None, "Madrid", "Madrid", "28013", "ES"), ["Calle Mayor 1", "28013 Madrid"]),
    (PostalAddress("1 Queen St", None, "Sydney", "AU-NSW", "2000", "AU"), ["1 Queen St", "Sydney NSW 2000"]),
    (PostalAddress("Zayed Road 1", None, "Dubai", "Dubai", "00000", "AE"), ["Zayed Road 1", "Dubai"]),
    # The data knows no format of Ghana: nothing is omitted.
    (
        PostalAddress("1 High Street", None, "Accra", "Greater Accra", "GA-107", "GH"),
        ["1 High Street", "GA-107 Accra", "Greater Accra"],
    ),
    (PostalAddress("1 Road", "Floor 2", "Town", "Region", "123"), ["1 Road", "Floor 2", "123 Town", "Region"]),
    (PostalAddress("1 Road", None, None, "Surrey", None, "GB"), ["1 Road", "Surrey"]),
    (PostalAddress(), []),
]


@pytest.mark.parametrize(("address", "lines"), CASES)
def test_the_order_of_the_country(address: PostalAddress, lines: list[str]) -> None:
    assert address_lines(address, Locale("en"), country=False) == lines


@pytest.mark.parametrize(
    ("country", "locale", "name"),
    [("US", "de", "Vereinigte Staaten"), ("JP", "ja", "日本"), ("PT", "en", "Portugal"), ("QQ", "en", "QQ")],
)
def test_the_country_is_named_for_the_reader(country: str, locale: str, name: str) -> None:
    assert address_lines(PostalAddress("1 Road", country=country), Locale(locale)) == ["1 Road", name]
    assert address_lines(PostalAddress(country=country), Locale(locale)) == [name]


PART = st.one_of(st.none(), st.text("AbÉ 1北한ก-", min_size=1, max_size=6).filter(str.strip))


@given(
    st.builds(PostalAddress, PART, PART, PART, PART, PART, st.sampled_from([*sorted(Locale("en").territories), None]))
)
def test_street_city_and_postal_code_are_never_lost(address: PostalAddress) -> None:
    lines = address_lines(address, Locale("en"), country=False)
    assert all(lines), "an empty line"
    written = "\n".join(lines).casefold()
    for part in (address.line1, address.line2, address.city):
        assert part is None or part.strip().casefold() in written
    code = address.postal_code
    assert code is None or not code.strip("0") or code.strip().casefold() in written
